#include "convolution.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "activations.h"
#include "instruction_set.h"
#include "int16_product.h"
#include "normalisation.h"
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

// The rows of a block of pixels that several panels are multiplied with: where each row's parts lie
// in the image, or integers made from them.
class BlockRows {
 public:
  void point(
      const Convolution& convolution, const float* input, int64_t height, int64_t width,
      int64_t first, int64_t count) {
    const float* const padding = zeros(convolution.inputs);
    const int64_t taps = convolution.taps(), across = convolution.output_size(width);
    parts_.resize(taps * count);
    const float** part = parts_.data();
    for (int64_t tap = 0; tap < taps; ++tap) {
      int64_t y = first / across, x = first % across;
      for (int64_t i = 0; i < count; ++i) {
        const int64_t in_y =
            y * convolution.stride - convolution.padding +
            tap / convolution.kernel * convolution.dilation;
        const int64_t in_x =
            x * convolution.stride - convolution.padding +
            tap % convolution.kernel * convolution.dilation;
        const bool inside = in_y >= 0 && in_y < height && in_x >= 0 && in_x < width;
        *part++ = inside ? input + (in_y * width + in_x) * convolution.inputs : padding;
        if (++x == across) {
          x = 0;
          ++y;
        }
      }
    }
  }

  // The same where a row of the kernel's taps is one part: they lie side by side, or are put so where the
  // image ends.
  void point_lines(
      const Convolution& convolution, const float* input, int64_t height, int64_t width,
      int64_t first, int64_t count) {
    const int64_t kernel = convolution.kernel, inputs = convolution.inputs, line = kernel * inputs;
    const int64_t across = convolution.output_size(width);
    const float* const padding = zeros(line);
    parts_.resize(kernel * count);
    ends_.resize(kernel * count * line);
    float* end = ends_.data();
    for (int64_t i = 0; i < count; ++i) {
      const int64_t pixel = first + i;
      const int64_t top = pixel / across * convolution.stride - convolution.padding;
      const int64_t left = pixel % across * convolution.stride - convolution.padding;
      for (int64_t tap = 0; tap < kernel; ++tap) {
        const float*& part = parts_[tap * count + i];
        const int64_t y = top + tap;
        if (y < 0 || y >= height) {
          part = padding;
        } else if (left >= 0 && left + kernel <= width) {
          part = input + (y * width + left) * inputs;
        } else {
          const int64_t begin = std::max<int64_t>(left, 0), stop = std::min(left + kernel, width);
          std::fill_n(end, line, 0.0f);
          std::copy_n(
              input + (y * width + begin) * inputs, (stop - begin) * inputs,
              end + (begin - left) * inputs);
          part = end;
          end += line;
        }
      }
    }
  }

  // Of rows of one part.
  void quantise(int64_t depth) {
    integers_.resize(parts_.size() * depth);
    integer_parts_.resize(parts_.size());
    scales_.resize(parts_.size());
    for (size_t i = 0; i < parts_.size(); ++i) {
      int16_t* const row = integers_.data() + i * depth;
      scales_[i] = quantise_row(parts_[i], depth, row);
      integer_parts_[i] = row;
    }
  }

  const float* const* parts() const { return parts_.data(); }
  const int16_t* const* integer_parts() const { return integer_parts_.data(); }
  const float* scales() const { return scales_.data(); }

 private:
  std::vector<const float*> parts_;
  std::vector<float> ends_;
  std::vector<const int16_t*> integer_parts_;
  std::vector<int16_t> integers_;
  std::vector<float> scales_;
};

void activate(float* values, int64_t count, Activation activation) {
  run_on_this_cpu([&](auto registers) __attribute__((always_inline)) {
    using V = Vector<decltype(registers)::kLanes>;
    run_on_vectors<V>(0, count, [&](auto vector, int64_t i) __attribute__((always_inline)) {
      store(values + i, activated(load<decltype(vector)>(values + i), activation));
    });
  });
}

template <typename Value>
void multiply_pixels(
    const Convolution& convolution, const float* input, int64_t height, int64_t width,
    const PackedWeights& packed, const Epilogue& epilogue, float* output) {
  const int64_t pixels = convolution.output_size(width) * convolution.output_size(height);
  const int64_t all_panels = panels(convolution.outputs);

  const auto block = [&](int64_t first, int64_t count, int64_t first_panel, int64_t last_panel) {
    static thread_local BlockRows rows;
    // Pixels of few values, as images have, would be a short loop each.
    constexpr int64_t kLeastDepth = 8;
    const bool in_lines = convolution.inputs < kLeastDepth && convolution.dilation == 1;
    if (in_lines) {
      rows.point_lines(convolution, input, height, width, first, count);
    } else {
      rows.point(convolution, input, height, width, first, count);
    }
    Product<Value> product{
        nullptr, count, in_lines ? convolution.kernel : convolution.taps(),
        in_lines ? convolution.kernel * convolution.inputs : convolution.inputs,
        static_cast<const Value*>(packed.values), convolution.outputs,
        output + first * convolution.outputs, convolution.outputs, epilogue};
    if (epilogue.residual) product.epilogue.residual += first * convolution.outputs;
    if (!is_light(epilogue.activation)) product.epilogue.activation = Activation::none;
    if constexpr (std::is_same_v<Value, int16_t>) {
      rows.quantise(convolution.inputs);
      product.parts = rows.integer_parts();
      product.row_scales = rows.scales();
      product.column_scales = packed.scales;
    } else {
      product.parts = rows.parts();
      if (convolution.kernel == 1 && convolution.stride == 1 && first > 0) {
        // The next block's pixels: the CPU does not see them coming, as it is many rows that are read. With
        // the first one the weights come, instead.
        product.next = input + (first + count) * convolution.inputs;
        product.next_count = block_rows(pixels - first - count) * convolution.inputs;
      }
    }
    multiply(product, first_panel, last_panel);
    if (is_light(epilogue.activation)) return;
    const int64_t first_column = first_panel * kColumns;
    const int64_t columns = std::min(last_panel * kColumns, convolution.outputs) - first_column;
    for (int64_t r = 0; r < count; ++r) {
      activate(product.c + r * product.stride + first_column, columns, epilogue.activation);
    }
  };

  // Threads share the pixels or, where there are so few that they do not go into equal shares, the output
  // channels: in whole tiles. A share is what one thread has of all.
  constexpr int64_t kTilePanels = 2;
  const int64_t groups = (pixels + kRows - 1) / kRows;
  const int64_t panel_groups = (all_panels + kTilePanels - 1) / kTilePanels;
  const int64_t threads = intra_op_threads();
  const auto largest_share = [&](int64_t steps, int64_t size, int64_t all) {
    return static_cast<double>((steps + threads - 1) / threads * size) / static_cast<double>(all);
  };
  constexpr double kWorthwhile = 0.98;
  const bool few = largest_share(panel_groups, kTilePanels, all_panels) <
                   kWorthwhile * largest_share(groups, kRows, pixels);
  parallel_for(few ? panel_groups : groups, few ? 1 : 2, [&](int64_t begin, int64_t end) {
    const int64_t first = few ? 0 : begin * kRows;
    const int64_t last = few ? pixels : std::min(end * kRows, pixels);
    const int64_t first_panel = few ? begin * kTilePanels : 0;
    const int64_t last_panel = few ? std::min(end * kTilePanels, all_panels) : all_panels;
    for (int64_t pixel = first, count; pixel < last; pixel += count) {
      count = block_rows(last - pixel);
      block(pixel, count, first_panel, last_panel);
      if (few || !epilogue.norm) continue;
      // While the second-level cache has them.
      float* const rows = output + pixel * convolution.outputs;
      normalise_block(rows, count, *epilogue.norm, rows);
    }
  });
  if (few && epilogue.norm) normalise_rows(output, pixels, *epilogue.norm, output);
}

// Of a 1x1 convolution.
void pack_integers(
    const Convolution& c, const float* weights, const int64_t* s, const PackedWeights& packed) {
  std::fill_n(packed.scales, panels(c.outputs) * kColumns, 1.0f);
  for (int64_t n = 0; n < c.outputs; ++n) {
    float largest = 0;
    for (int64_t i = 0; i < c.inputs; ++i) {
      largest = std::max(largest, std::abs(weights[n * s[0] + i * s[1]]));
    }
    packed.scales[n] = int16_scale(largest, kLargestOfColumn);
  }
  pack(
      c.inputs, c.outputs,
      [&](int64_t k, int64_t n) {
        return static_cast<int16_t>(std::lrint(weights[n * s[0] + k * s[1]] / packed.scales[n]));
      },
      static_cast<int16_t*>(packed.values));
}

// A row of a depthwise convolution's output.
struct Row {
  const Convolution* convolution;
  // From this row of the image on.
  const float* input;
  int64_t first_row;
  int64_t height;
  int64_t width;
  const float* packed;
  const float* bias;
  // A light one.
  Activation activation;
  // Of the output.
  int64_t y;
  float* output;

  // Of the input, where the kernel's first tap lies.
  int64_t top() const { return y * convolution->stride - convolution->padding; }
  // Where this row of the kernel's taps lies, from the image's first column on.
  const float* line(int64_t tap) const {
    const int64_t row = top() + tap * convolution->dilation - first_row;
    return input + row * width * convolution->inputs;
  }
  int64_t left(int64_t out) const { return out * convolution->stride - convolution->padding; }
  // The kernel's rows that lie in the image, and what it has across of those that begin at `left`.
  int64_t first_tap() const { return first_tap(top()); }
  int64_t last_tap() const { return last_tap(top(), height); }
  int64_t first_tap(int64_t start) const {
    const int64_t dilation = convolution->dilation;
    return std::max<int64_t>(0, (dilation - 1 - start) / dilation);
  }
  int64_t last_tap(int64_t start, int64_t size) const {
    const int64_t dilation = convolution->dilation;
    return std::min(convolution->kernel, (size - start + dilation - 1) / dilation);
  }

  template <typename V>
  [[gnu::always_inline]] void finish(V sum, int64_t out, int64_t c) const {
    store(output + out * convolution->outputs + c, lightly_activated(sum, activation));
  }
};

// Filters one pixel in channels [c, end).
template <typename V>
[[gnu::always_inline]] inline void filter_channels(
    const Row& row, int64_t out, int64_t c, int64_t end) {
  const int64_t channels = row.convolution->inputs, kernel = row.convolution->kernel;
  const int64_t dilation = row.convolution->dilation;
  const int64_t first = row.first_tap(row.left(out)), last = row.last_tap(row.left(out), row.width);
  // Several sums, as each waits for its last addition.
  const auto filter_vectors = [&](auto vectors) __attribute__((always_inline)) {
    constexpr int64_t kVectors = decltype(vectors)::value;
    V sums[kVectors];
    for (int64_t v = 0; v < kVectors; ++v) {
      sums[v] = row.bias ? load<V>(row.bias + c + v * kLanesOf<V>) : V{};
    }
    for (int64_t ky = row.first_tap(); ky < row.last_tap(); ++ky) {
      const float* const line = row.line(ky) + c;
      for (int64_t kx = first; kx < last; ++kx) {
        const float* const pixel = line + (row.left(out) + kx * dilation) * channels;
        const float* const weights = row.packed + (ky * kernel + kx) * channels + c;
        for (int64_t v = 0; v < kVectors; ++v) {
          sums[v] += load<V>(pixel + v * kLanesOf<V>) * load<V>(weights + v * kLanesOf<V>);
        }
      }
    }
    for (int64_t v = 0; v < kVectors; ++v) row.finish(sums[v], out, c + v * kLanesOf<V>);
    c += kVectors * kLanesOf<V>;
  };
  constexpr int64_t kAtOnce = 8;
  while (c + kAtOnce * kLanesOf<V> <= end) {
    filter_vectors(std::integral_constant<int64_t, kAtOnce>());
  }
  while (c + kLanesOf<V> <= end) filter_vectors(std::integral_constant<int64_t, 1>());
}

// Filters one pixel, wherever it lies, in channels from `c` on: as many at once as there are.
template <typename V>
[[gnu::always_inline]] inline void filter_pixel(const Row& row, int64_t out, int64_t c = 0) {
  const int64_t channels = row.convolution->inputs, whole = channels / kLanesOf<V> * kLanesOf<V>;
  if (c < whole) filter_channels<V>(row, out, c, whole);
  if constexpr (kLanesOf<V> > 1) {
    if (whole < channels) filter_pixel<Vector<kLanesOf<V> / 2>>(row, out, std::max(c, whole));
  }
}

// Pixels that are filtered together share the weights that are loaded, and their sums do not wait for
// one another.
constexpr int64_t kPixels = 4;

// Filters kPixels whose taps across all lie in the image, in channels from `c` on.
template <typename V, int Kernel, int Stride, int Vectors>
[[gnu::always_inline]] inline void filter_pixels(const Row& row, int64_t out, int64_t c) {
  const int64_t channels = row.convolution->inputs;
  V sums[kPixels][Vectors];
  for (int v = 0; v < Vectors; ++v) {
    const V bias = row.bias ? load<V>(row.bias + c + v * kLanesOf<V>) : V{};
    for (auto& sum : sums) sum[v] = bias;
  }
  for (int64_t ky = row.first_tap(); ky < row.last_tap(); ++ky) {
    const float* const taps = row.packed + ky * Kernel * channels + c;
    const float* const line = row.line(ky) + row.left(out) * channels + c;
#pragma clang loop unroll(full)
    for (int kx = 0; kx < Kernel; ++kx) {
      for (int v = 0; v < Vectors; ++v) {
        const V weight = load<V>(taps + kx * channels + v * kLanesOf<V>);
        for (int p = 0; p < kPixels; ++p) {
          sums[p][v] += load<V>(line + (p * Stride + kx) * channels + v * kLanesOf<V>) * weight;
        }
      }
    }
  }
  for (int p = 0; p < kPixels; ++p) {
    for (int v = 0; v < Vectors; ++v) row.finish(sums[p][v], out + p, c + v * kLanesOf<V>);
  }
}

// Filters pixels [begin, end), whole kPixels of them whose taps across all lie in the image.
template <typename V, int Kernel, int Stride>
[[gnu::always_inline]] inline void filter_inside(const Row& row, int64_t begin, int64_t end) {
  constexpr int64_t kLanes = kLanesOf<V>;
  const int64_t channels = row.convolution->inputs;
  // A few channels of all pixels: what neighbours share is still in the first-level cache.
  int64_t c = 0;
  for (; c + 2 * kLanes <= channels; c += 2 * kLanes) {
    for (int64_t out = begin; out < end; out += kPixels) {
      filter_pixels<V, Kernel, Stride, 2>(row, out, c);
    }
  }
  run_on_vectors<V>(c, channels, [&](auto vector, int64_t at) __attribute__((always_inline)) {
    for (int64_t out = begin; out < end; out += kPixels) {
      filter_pixels<decltype(vector), Kernel, Stride, 1>(row, out, at);
    }
  });
}

template <typename V>
[[gnu::always_inline]] inline void filter_row(const Row& row) {
  const Convolution& convolution = *row.convolution;
  const int64_t across = convolution.output_size(row.width);
  int64_t begin = 0;
  while (begin < across && row.left(begin) < 0) ++begin;
  int64_t end = begin;
  while (row.left(end + kPixels - 1) + convolution.extent() <= row.width) end += kPixels;
  switch (convolution.dilation > 1 ? 0 : 10 * convolution.kernel + convolution.stride) {
    case 31: filter_inside<V, 3, 1>(row, begin, end); break;
    case 32: filter_inside<V, 3, 2>(row, begin, end); break;
    case 51: filter_inside<V, 5, 1>(row, begin, end); break;
    case 52: filter_inside<V, 5, 2>(row, begin, end); break;
    default: end = begin;
  }
  // The rest, from one place: it is compiled for every width of vectors.
  for (int64_t out = 0; out < across; ++out) {
    if (out < begin || out >= end) filter_pixel<V>(row, out);
  }
}

}  // namespace

Method method(const Convolution& c, Precision precision) {
  if (c.groups == 1) {
    // Below this the transforms cost more than the multiplications that they save.
    constexpr int64_t kLeast = 32;
    // Weights grow fourfold: beyond this, where there are few tiles to share them, transforming and
    // reading them costs most of what the multiplications save. Layers that are wider stand at the end
    // of a backbone, at a 32nd of the image; but dilated ones, and those that gather what a backbone
    // gives, at a 16th or an 8th.
    constexpr int64_t kMost = 256 * 256;
    const bool has_tiles =
        c.inputs * c.outputs <= kMost || c.dilation > 1 || c.inputs >= 4 * c.outputs;
    const bool fits = c.kernel == 3 && c.stride == 1 && c.padding == c.dilation &&
                      c.inputs >= kLeast && c.outputs >= kLeast && has_tiles &&
                      c.inputs % kChannelGroup == 0 && c.outputs % kChannelGroup == 0;
    if (fits) return Method::winograd;
    // With fewer columns making integers of the rows costs what it saves.
    constexpr int64_t kLeastColumns = 32;
    const bool in_integers = precision == Precision::int16 && c.kernel == 1 &&
                             c.inputs % kInt16Lanes == 0 && c.outputs >= kLeastColumns;
    return in_integers ? Method::int16_product : Method::product;
  }
  return c.groups == c.inputs && c.groups == c.outputs ? Method::depthwise : Method::none;
}

int64_t packed_size(const Convolution& c, Method method) {
  switch (method) {
    case Method::product:
    case Method::int16_product: return panels(c.outputs) * kColumns * c.taps() * c.inputs;
    case Method::winograd: return winograd_packed_size(c);
    case Method::depthwise: return c.taps() * c.inputs;
    case Method::none: return 0;
  }
}

void pack_weights(
    const Convolution& c, Method method, const float* weights, const int64_t* s,
    const PackedWeights& packed) {
  float* values = static_cast<float*>(packed.values);
  switch (method) {
    case Method::product:
      if (c.kernel == 1) {
        pack(
            c.inputs, c.outputs, [&](int64_t k, int64_t n) { return weights[n * s[0] + k * s[1]]; },
            values);
        break;
      }
      pack(
          c.taps() * c.inputs, c.outputs,
          [&](int64_t k, int64_t n) {
            const int64_t tap = k / c.inputs, i = k % c.inputs;
            return weights
                [n * s[0] + i * s[1] + tap / c.kernel * s[2] + tap % c.kernel * s[3]];
          },
          values);
      break;
    case Method::int16_product: pack_integers(c, weights, s, packed); break;
    case Method::winograd: winograd_pack_weights(c, weights, s, values); break;
    case Method::depthwise:
      for (int64_t tap = 0; tap < c.taps(); ++tap) {
        for (int64_t i = 0; i < c.inputs; ++i) {
          *values++ = weights[i * s[0] + tap / c.kernel * s[2] + tap % c.kernel * s[3]];
        }
      }
      break;
    case Method::none: break;
  }
}

void filter_rows(
    const Convolution& c, const float* input, int64_t first_row, int64_t height, int64_t width,
    const float* packed, const Epilogue& epilogue, int64_t begin, int64_t end, float* output) {
  const bool light = is_light(epilogue.activation);
  const int64_t line = c.output_size(width) * c.outputs;
  run_on_this_cpu([&](auto registers) __attribute__((always_inline)) {
    for (int64_t y = begin; y < end; ++y) {
      const Row row{
          &c, input, first_row, height, width, packed, epilogue.bias,
          light ? epilogue.activation : Activation::none, y, output + (y - begin) * line};
      filter_row<Vector<decltype(registers)::kLanes>>(row);
      // What is long to compute stands in one place, not wherever a sum ends.
      if (!light) activate(row.output, line, epilogue.activation);
    }
  });
}

bool can_be_in_place(const Convolution& convolution, Method method) {
  const int64_t depth = convolution.taps() * convolution.inputs;
  switch (method) {
    case Method::product: return depth <= kBlockDepth<float>;
    case Method::int16_product: return depth <= kBlockDepth<int16_t>;
    case Method::winograd: return true;
    case Method::depthwise:
    case Method::none: break;
  }
  return false;
}

void convolve(
    const Convolution& c, Method method, const float* input, int64_t height, int64_t width,
    const PackedWeights& packed, const Epilogue& epilogue, float* output) {
  const float* const values = static_cast<const float*>(packed.values);
  switch (method) {
    case Method::product:
      multiply_pixels<float>(c, input, height, width, packed, epilogue, output);
      break;
    case Method::int16_product:
      multiply_pixels<int16_t>(c, input, height, width, packed, epilogue, output);
      break;
    case Method::winograd:
      winograd_convolve(c, input, height, width, values, epilogue, output);
      break;
    case Method::depthwise: {
      const int64_t line = c.output_size(width) * c.outputs;
      parallel_for(c.output_size(height), 1, [&](int64_t begin, int64_t end) {
        filter_rows(
            c, input, 0, height, width, values, epilogue, begin, end, output + begin * line);
      });
      break;
    }
    case Method::none: break;
  }
}

}  // namespace m2fp
