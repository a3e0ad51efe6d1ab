// Sums of maps of several sizes, as pyramids of features are brought together: each is enlarged where it is
// read, so that nothing but the sum is written.
#pragma once

#include <cstdint>

#include "matrix_product.h"

namespace m2fp {

// How a map is enlarged: not at all; by repeating pixels; bilinearly, with the corners of pixels or their
// centres in the same places.
enum class Resizing : int64_t { none, nearest, bilinear, bilinear_aligned };

// height x width pixels, channels last.
struct ResizedMap {
  const float* values;
  int64_t height;
  int64_t width;
  Resizing resizing;
};

// output (height, width, channels) = activation(sum of `count` maps at that size), on the calling thread's
// intra-op threads.
void sum_maps(
    const ResizedMap* maps, int64_t count, int64_t height, int64_t width, int64_t channels,
    Activation activation, float* output);

}  // namespace m2fp
