// Convolutions over images in channels-last order, with weights packed once, and everything that
// follows one in a network (bias, residual, activation) fused into it.
#pragma once

#include <cstdint>

#include "matrix_product.h"

namespace m2fp {

struct Convolution {
  int64_t inputs;
  int64_t outputs;
  // Square: kernel x kernel taps.
  int64_t kernel;
  int64_t stride;
  int64_t padding;
  // 1, or `inputs`: each channel by itself.
  int64_t groups;

  int64_t taps() const { return kernel * kernel; }
  int64_t output_size(int64_t size) const { return (size + 2 * padding - kernel) / stride + 1; }
};

// How a convolution is computed, which decides how its weights are packed.
enum class Method {
  // As a matrix product with a row for each output pixel.
  product,
  // By Winograd's algorithm F(4x4, 3x3): a quarter of the multiplications.
  winograd,
  depthwise,
  // Not here.
  none,
};

Method method(const Convolution& convolution);

// Values in the packed weights of a convolution that has a method.
int64_t packed_size(const Convolution& convolution);

// Packs weights (outputs, inputs / groups, kernel, kernel), the order of the last axes being given by
// their strides: weights[o * stride[0] + i * stride[1] + y * stride[2] + x * stride[3]].
void pack_weights(
    const Convolution& convolution, const float* weights, const int64_t* strides, float* packed);

// input (height, width, inputs) to output (output_size(height), output_size(width), outputs), on the
// calling thread's intra-op threads. The bias is padded to whole panels.
void convolve(
    const Convolution& convolution, const float* input, int64_t height, int64_t width,
    const float* packed, const Epilogue& epilogue, float* output);

}  // namespace m2fp
