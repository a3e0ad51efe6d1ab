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
  // From one tap to the next, in pixels.
  int64_t dilation = 1;

  int64_t taps() const { return kernel * kernel; }
  // The side of what the taps span, in pixels.
  int64_t extent() const { return dilation * (kernel - 1) + 1; }
  int64_t output_size(int64_t size) const { return (size + 2 * padding - extent()) / stride + 1; }
};

enum class Precision { float32, int16 };

// How a convolution is computed, which decides how its weights are packed.
enum class Method {
  // As a matrix product with a row for each output pixel.
  product,
  // The same in integers of 16 bits.
  int16_product,
  // By Winograd's algorithm F(4x4, 3x3): a quarter of the multiplications.
  winograd,
  depthwise,
  // Not here.
  none,
};

// The method for a precision, which float32 is where integers do not pay.
Method method(const Convolution& convolution, Precision precision);

// Weights of a convolution that has a method, packed for it.
struct PackedWeights {
  // float32; int16_t for Method::int16_product.
  void* values;
  // For integers: what one is worth in each output channel, padded to whole panels.
  float* scales;
};

// How many values there are.
int64_t packed_size(const Convolution& convolution, Method method);

// Packs weights (outputs, inputs / groups, kernel, kernel), the order of the last axes being given by
// their strides: weights[o * stride[0] + i * stride[1] + y * stride[2] + x * stride[3]].
void pack_weights(
    const Convolution& convolution, Method method, const float* weights, const int64_t* strides,
    const PackedWeights& packed);

// input (height, width, inputs) to output (output_size(height), output_size(width), outputs), on the
// calling thread's intra-op threads. The bias is padded to whole panels.
void convolve(
    const Convolution& convolution, Method method, const float* input, int64_t height,
    int64_t width, const PackedWeights& packed, const Epilogue& epilogue, float* output);

// Whether the residual may be where the output is: it is read when the sums are complete, which may be after
// others were put aside there.
bool can_be_in_place(const Convolution& convolution, Method method);

// Rows [begin, end) of a depthwise convolution's output, which `output` begins with, on the calling thread.
// `input` begins with row `first_row` of the image, and reaches as far as these look.
void filter_rows(
    const Convolution& convolution, const float* input, int64_t first_row, int64_t height,
    int64_t width, const float* packed, const Epilogue& epilogue, int64_t begin, int64_t end,
    float* output);

}  // namespace m2fp
