// Winograd's minimal filtering F(4x4, 3x3): output tiles of 4x4 from input tiles of 6x6 by 36
// products a channel pair instead of 144 (Lavin and Gray, "Fast Algorithms for Convolutional Neural
// Networks", arXiv 1509.09308, section 4.3). In single precision its error is about ten times that
// of the direct sum.
#pragma once

#include <cstdint>

#include "convolution.h"

namespace m2fp {

int64_t winograd_packed_size(const Convolution& convolution);

void winograd_pack_weights(
    const Convolution& convolution, const float* weights, const int64_t* strides, float* packed);

// For a 3x3 convolution of stride 1 that keeps the image's size, whose channels are multiples of
// kChannelGroup. A dilated one is as many of these, of every so many pixels.
void winograd_convolve(
    const Convolution& convolution, const float* input, int64_t height, int64_t width,
    const float* packed, const Epilogue& epilogue, float* output);

}  // namespace m2fp
