#include "convolution.h"

#include <algorithm>
#include <vector>

#include "instruction_set.h"
#include "parallel.h"
#include "vector.h"
#include "winograd.h"

namespace m2fp {
namespace {

// Zeros in place of pixels outside the image.
const float* zeros(int64_t count) {
  static thread_local std::vector<float> buffer;
  if (static_cast<int64_t>(buffer.size()) < count) buffer.resize(count);
  return buffer.data();
}

void multiply_pixels(
    const Convolution& convolution, const float* input, int64_t height, int64_t width,
    const float* packed, const Epilogue& epilogue, float* output) {
  const int64_t across = convolution.output_size(width);
  const int64_t pixels = across * convolution.output_size(height);
  const int64_t taps = convolution.taps(), groups = (pixels + kRows - 1) / kRows;
  const int64_t all_panels = panels(convolution.outputs);

  const auto block = [&](int64_t first, int64_t count, int64_t first_panel, int64_t last_panel) {
    const float* const padding = zeros(convolution.inputs);
    static thread_local std::vector<const float*> parts;
    parts.resize((count + kRows - 1) / kRows * kRows * taps);
    for (size_t i = 0; i < parts.size(); ++i) {
      const int64_t row = static_cast<int64_t>(i) / (kRows * taps) * kRows + i % kRows;
      const int64_t tap = static_cast<int64_t>(i) / kRows % taps;
      const int64_t pixel = first + std::min(row, count - 1);
      const int64_t y =
          pixel / across * convolution.stride - convolution.padding + tap / convolution.kernel;
      const int64_t x =
          pixel % across * convolution.stride - convolution.padding + tap % convolution.kernel;
      const bool inside = y >= 0 && y < height && x >= 0 && x < width;
      parts[i] = inside ? input + (y * width + x) * convolution.inputs : padding;
    }
    Epilogue here = epilogue;
    if (here.residual) here.residual += first * convolution.outputs;
    const Product product{
        parts.data(), count, taps, convolution.inputs, packed, convolution.outputs,
        output + first * convolution.outputs, convolution.outputs, here};
    multiply(product, first_panel, last_panel);
  };

  // Threads share the pixels; where there are few, the output channels.
  const bool few = groups < 8 * intra_op_threads();
  parallel_for(few ? all_panels : groups, few ? 1 : 4, [&](int64_t begin, int64_t end) {
    const int64_t first = few ? 0 : begin * kRows;
    const int64_t last = few ? pixels : std::min(end * kRows, pixels);
    for (int64_t pixel = first; pixel < last; pixel += kBlockRows) {
      const int64_t count = std::min(kBlockRows, last - pixel);
      block(pixel, count, few ? begin : 0, few ? end : all_panels);
    }
  });
}

struct Row {
  const Convolution* convolution;
  const float* input;
  int64_t height;
  int64_t width;
  const float* packed;
  const float* bias;
  Activation activation;
  // Of the output.
  int64_t y;
  float* output;
};

[[gnu::always_inline]] inline void filter_row(const Row* row) {
  const Convolution& convolution = *row->convolution;
  const int64_t channels = convolution.inputs, kernel = convolution.kernel;
  const int64_t across = convolution.output_size(row->width);
  for (int64_t out = 0; out < across; ++out) {
    float* const output = row->output + out * channels;
    for (int64_t c = 0; c < channels; c += kLanes) {
      Vector sum = row->bias ? load(row->bias + c) : Vector{};
      for (int64_t ky = 0; ky < kernel; ++ky) {
        const int64_t y = row->y * convolution.stride - convolution.padding + ky;
        if (y < 0 || y >= row->height) continue;
        for (int64_t kx = 0; kx < kernel; ++kx) {
          const int64_t x = out * convolution.stride - convolution.padding + kx;
          if (x < 0 || x >= row->width) continue;
          sum += load(row->input + (y * row->width + x) * channels + c) *
                 load(row->packed + (ky * kernel + kx) * channels + c);
        }
      }
      if (row->activation != Activation::none) sum = maximum(sum, Vector{});
      if (row->activation == Activation::relu6) sum = minimum(sum, Vector{} + 6.0f);
      store(output + c, sum);
    }
  }
}

}  // namespace

Method method(const Convolution& c) {
  if (c.groups == 1) {
    // Below this the transforms cost more than the multiplications that they save.
    constexpr int64_t kLeast = 32;
    // Weights grow fourfold: beyond this, where there are few tiles to share them, transforming and
    // reading them costs most of what the multiplications save.
    constexpr int64_t kMost = 256 * 256;
    const bool fits = c.kernel == 3 && c.stride == 1 && c.padding == 1 && c.inputs >= kLeast &&
                      c.outputs >= kLeast && c.inputs * c.outputs <= kMost &&
                      c.inputs % kLanes == 0 && c.outputs % kLanes == 0;
    return fits ? Method::winograd : Method::product;
  }
  const bool is_depthwise = c.groups == c.inputs && c.groups == c.outputs && c.inputs % kLanes == 0;
  return is_depthwise ? Method::depthwise : Method::none;
}

int64_t packed_size(const Convolution& c) {
  switch (method(c)) {
    case Method::product: return panels(c.outputs) * kColumns * c.taps() * c.inputs;
    case Method::winograd: return winograd_packed_size(c);
    case Method::depthwise: return c.taps() * c.inputs;
    case Method::none: return 0;
  }
}

void pack_weights(const Convolution& c, const float* weights, const int64_t* s, float* packed) {
  switch (method(c)) {
    case Method::product:
      pack(
          c.taps() * c.inputs, c.outputs,
          [&](int64_t k, int64_t n) {
            const int64_t tap = k / c.inputs, i = k % c.inputs;
            return weights
                [n * s[0] + i * s[1] + tap / c.kernel * s[2] + tap % c.kernel * s[3]];
          },
          packed);
      break;
    case Method::winograd: winograd_pack_weights(c, weights, s, packed); break;
    case Method::depthwise:
      for (int64_t tap = 0; tap < c.taps(); ++tap) {
        for (int64_t i = 0; i < c.inputs; ++i) {
          *packed++ = weights[i * s[0] + tap / c.kernel * s[2] + tap % c.kernel * s[3]];
        }
      }
      break;
    case Method::none: break;
  }
}

void convolve(
    const Convolution& c, const float* input, int64_t height, int64_t width, const float* packed,
    const Epilogue& epilogue, float* output) {
  switch (method(c)) {
    case Method::product:
      multiply_pixels(c, input, height, width, packed, epilogue, output);
      break;
    case Method::winograd:
      winograd_convolve(c, input, height, width, packed, epilogue, output);
      break;
    case Method::depthwise: {
      const int64_t across = c.output_size(width);
      parallel_for(c.output_size(height), 1, [&](int64_t begin, int64_t end) {
        for (int64_t y = begin; y < end; ++y) {
          const Row row{&c, input, height, width, packed, epilogue.bias,
                        epilogue.activation, y, output + y * across * c.outputs};
          run_on_this_cpu<filter_row>(&row);
        }
      });
      break;
    }
    case Method::none: break;
  }
}

}  // namespace m2fp
