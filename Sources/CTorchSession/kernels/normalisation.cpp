#include "normalisation.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "activations.h"
#include "instruction_set.h"
#include "parallel.h"
#include "vector.h"

namespace m2fp {
namespace {

// As many lanes whatever the registers have: sums are added up in the same order everywhere.
using RowVector = Vector<16>;
constexpr int64_t kRowLanes = kLanesOf<RowVector>;

[[gnu::always_inline]] inline float sum_lanes(RowVector v) {
  float lanes[kRowLanes];
  store(lanes, v);
  const Vector<8> eight = load<Vector<8>>(lanes) + load<Vector<8>>(lanes + 8);
  const Vector<4> four = __builtin_shufflevector(eight, eight, 0, 1, 2, 3) +
                         __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
  return (four[0] + four[2]) + (four[1] + four[3]);
}

// term(values), added up over a row.
template <typename Term>
[[gnu::always_inline]] inline float sum_up(const float* row, int64_t count, const Term& term) {
  RowVector sums{};
  int64_t i = 0;
  for (; i + kRowLanes <= count; i += kRowLanes) sums += term(load<RowVector>(row + i));
  float sum = sum_lanes(sums);
#pragma clang loop vectorize(disable)
  for (; i < count; ++i) sum += term(row[i]);
  return sum;
}

[[gnu::always_inline]] inline void normalise_row(
    const float* row, const Affine& affine, float* output) {
  const int64_t count = affine.channels;
  const float share = 1.0f / static_cast<float>(count);
  const float mean = sum_up(row, count, [](auto x) __attribute__((always_inline)) { return x; }) * share;
  const float variance =
      sum_up(row, count, [&](auto x) __attribute__((always_inline)) { return (x - mean) * (x - mean); }) * share;
  const float scale = 1.0f / std::sqrt(variance + static_cast<float>(affine.epsilon));
  int64_t i = 0;
  for (; i + kRowLanes <= count; i += kRowLanes) {
    RowVector x = (load<RowVector>(row + i) - mean) * scale;
    if (affine.weight) x = x * load<RowVector>(affine.weight + i) + load<RowVector>(affine.bias + i);
    store(output + i, x);
  }
#pragma clang loop vectorize(disable)
  for (; i < count; ++i) {
    const float x = (row[i] - mean) * scale;
    output[i] = affine.weight ? x * affine.weight[i] + affine.bias[i] : x;
  }
}

// Pixels whose values are added up in single precision before they are in double.
constexpr int64_t kBlock = 64;
// Vectors of channels at a time: their sums are held in registers.
constexpr int64_t kVectors = 4;

// For channels [c, end): sums of the differences to `origin`, and of their squares, over `pixels` pixels.
template <typename V>
[[gnu::always_inline]] inline void sum_block(
    const float* input, int64_t pixels, int64_t channels, const float* origin, int64_t c, int64_t end,
    float* sums, float* squares) {
  const auto sum_vectors = [&](auto vectors) __attribute__((always_inline)) {
    constexpr int64_t kCount = decltype(vectors)::value;
    V sum[kCount] = {}, square[kCount] = {}, from[kCount];
    for (int64_t v = 0; v < kCount; ++v) from[v] = load<V>(origin + c + v * kLanesOf<V>);
    for (int64_t pixel = 0; pixel < pixels; ++pixel) {
      for (int64_t v = 0; v < kCount; ++v) {
        const V x = load<V>(input + pixel * channels + c + v * kLanesOf<V>) - from[v];
        sum[v] += x;
        square[v] += x * x;
      }
    }
    for (int64_t v = 0; v < kCount; ++v) {
      store(sums + c + v * kLanesOf<V>, sum[v]);
      store(squares + c + v * kLanesOf<V>, square[v]);
    }
    c += kCount * kLanesOf<V>;
  };
  while (c + kVectors * kLanesOf<V> <= end) sum_vectors(std::integral_constant<int64_t, kVectors>());
  while (c + kLanesOf<V> <= end) sum_vectors(std::integral_constant<int64_t, 1>());
}

template <typename V>
[[gnu::always_inline]] inline void scale_pixel(
    const float* input, const float* scales, const float* shifts, const float* residual,
    Activation activation, int64_t first, int64_t end, float* output) {
  const Activation light = is_light(activation) ? activation : Activation::none;
  int64_t c = first;
  for (; c + kLanesOf<V> <= end; c += kLanesOf<V>) {
    V x = load<V>(input + c) * load<V>(scales + c) + load<V>(shifts + c);
    if (residual) x += load<V>(residual + c);
    store(output + c, lightly_activated(x, light));
  }
  if (is_light(activation)) return;
  for (c = first; c + kLanesOf<V> <= end; c += kLanesOf<V>) {
    store(output + c, activated(load<V>(output + c), activation));
  }
}

// What each channel's values are multiplied by, and what is added, from the sums of blocks of pixels.
void find_scales(
    const float* input, int64_t pixels, int64_t groups, const Affine& affine, const float* sums,
    const float* squares, float* scales, float* shifts) {
  // As this is compiled for every CPU: where it could, not all would fuse.
#pragma clang fp contract(off)
  const int64_t channels = affine.channels, blocks = (pixels + kBlock - 1) / kBlock;
  // A channel's mean, and the sum of its squared distances from it.
  std::vector<double> means(channels), distances(channels);
  for (int64_t block = 0; block < blocks; ++block) {
    for (int64_t c = 0; c < channels; ++c) {
      means[c] += sums[block * channels + c];
      distances[c] += squares[block * channels + c];
    }
  }
  const auto count = static_cast<double>(pixels);
  for (int64_t c = 0; c < channels; ++c) {
    means[c] /= count;
    distances[c] -= means[c] * means[c] * count;
    means[c] += input[c];
  }
  const int64_t members = channels / groups;
  for (int64_t first = 0; first < channels; first += members) {
    double mean = 0, distance = 0;
    for (int64_t c = first; c < first + members; ++c) mean += means[c] / static_cast<double>(members);
    for (int64_t c = first; c < first + members; ++c) {
      distance += distances[c] + (means[c] - mean) * (means[c] - mean) * count;
    }
    const double variance = std::max(0.0, distance / (count * static_cast<double>(members)));
    for (int64_t c = first; c < first + members; ++c) {
      const double scale = affine.weight[c] / std::sqrt(variance + affine.epsilon);
      scales[c] = static_cast<float>(scale);
      shifts[c] = static_cast<float>(affine.bias[c] - mean * scale);
    }
  }
}

}  // namespace

void normalise_block(const float* input, int64_t rows, const Affine& affine, float* output) {
  run_on_this_cpu([&](auto) __attribute__((always_inline)) {
    for (int64_t r = 0; r < rows; ++r) {
      normalise_row(input + r * affine.channels, affine, output + r * affine.channels);
    }
  });
}

void normalise_rows(const float* input, int64_t rows, const Affine& affine, float* output) {
  parallel_for(rows, 64, [&](int64_t begin, int64_t end) {
    const int64_t at = begin * affine.channels;
    normalise_block(input + at, end - begin, affine, output + at);
  });
}

void normalise_groups(
    const float* input, int64_t pixels, int64_t groups, const Affine& affine, const float* residual,
    Activation activation, float* output) {
  const int64_t channels = affine.channels, blocks = (pixels + kBlock - 1) / kBlock;
  std::vector<float> sums(blocks * channels), squares(blocks * channels);
  parallel_for(blocks, 4, [&](int64_t begin, int64_t end) {
    run_on_this_cpu([&](auto registers) __attribute__((always_inline)) {
      using V = Vector<decltype(registers)::kLanes>;
      const int64_t whole = channels / kLanesOf<V> * kLanesOf<V>;
      for (int64_t block = begin; block < end; ++block) {
        const int64_t first = block * kBlock, count = std::min(kBlock, pixels - first);
        const float* const from = input + first * channels;
        float* const sum = sums.data() + block * channels;
        float* const square = squares.data() + block * channels;
        sum_block<V>(from, count, channels, input, 0, whole, sum, square);
        sum_block<ChannelGroup>(from, count, channels, input, whole, channels, sum, square);
      }
    });
  });

  std::vector<float> scales(channels), shifts(channels);
  find_scales(
      input, pixels, groups, affine, sums.data(), squares.data(), scales.data(), shifts.data());

  parallel_for(pixels, kBlock, [&](int64_t begin, int64_t end) {
    run_on_this_cpu([&](auto registers) __attribute__((always_inline)) {
      using V = Vector<decltype(registers)::kLanes>;
      const int64_t whole = channels / kLanesOf<V> * kLanesOf<V>;
      for (int64_t pixel = begin; pixel < end; ++pixel) {
        const float* const from = input + pixel * channels;
        float* const to = output + pixel * channels;
        const float* const added = residual ? residual + pixel * channels : nullptr;
        scale_pixel<V>(from, scales.data(), shifts.data(), added, activation, 0, whole, to);
        scale_pixel<ChannelGroup>(
            from, scales.data(), shifts.data(), added, activation, whole, channels, to);
      }
    });
  });
}

}  // namespace m2fp
