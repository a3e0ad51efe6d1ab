#include "winograd.h"

#include <algorithm>

#include "activations.h"
#include "instruction_set.h"
#include "parallel.h"
#include "scratch.h"
#include "vector.h"

namespace m2fp {
namespace {

constexpr int64_t kOut = 4;
constexpr int64_t kIn = 6;
constexpr int64_t kPoints = kIn * kIn;
constexpr int64_t kTaps = 9;

// Tiles that are transformed and multiplied at once: enough for the filters to be read seldom, few enough
// for the second-level cache to hold most of what becomes of them.
constexpr int64_t kChunk = 4 * kRows;
// The same where channels are many, and filters transformed anew for every chunk.
constexpr int64_t kWideChunk = 6 * kRows;
// Weights of a convolution whose transformed filters are all held at once.
constexpr int64_t kMostWeights = 256 * 256;
// Of others: transformed filters that are held at once, in values: they stay in the second-level cache.
constexpr int64_t kFilterSpace = 3 << 15;

// d -> B^T d, for six values a step apart.
template <typename V>
[[gnu::always_inline]] inline void transform_input(const V* d, int64_t step, V* t) {
  const V d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step];
  const V d5 = d[5 * step];
  const V a = d4 - 4.0f * d2, b = d3 - 4.0f * d1;
  const V c = d4 - d2, e = 2.0f * (d3 - d1);
  t[0] = 4.0f * d0 - 5.0f * d2 + d4;
  t[step] = a + b;
  t[2 * step] = a - b;
  t[3 * step] = c + e;
  t[4 * step] = c - e;
  t[5 * step] = 4.0f * d1 - 5.0f * d3 + d5;
}

// m -> A^T m, six values to four.
template <typename V>
[[gnu::always_inline]] inline void transform_output(const V* m, int64_t step, V* t) {
  const V a = m[step] + m[2 * step], b = m[step] - m[2 * step];
  const V c = m[3 * step] + m[4 * step], d = m[3 * step] - m[4 * step];
  t[0] = m[0] + a + c;
  t[step] = b + 2.0f * d;
  t[2 * step] = a + 4.0f * c;
  t[3 * step] = b + 8.0f * d + m[5 * step];
}

constexpr float G[kIn][3] = {
    {1.0f / 4, 0, 0},
    {-1.0f / 6, -1.0f / 6, -1.0f / 6},
    {-1.0f / 6, 1.0f / 6, -1.0f / 6},
    {1.0f / 24, 1.0f / 12, 1.0f / 6},
    {1.0f / 24, -1.0f / 12, 1.0f / 6},
    {0, 0, 1},
};

// Rows [begin, end) of U = G g G^T for `count` groups of kColumns filters of nine values.
//
// output: a plane of `plane` values for each of the rows' places.
template <typename V>
[[gnu::always_inline]] inline void transform_filters(
    const float* filters, int64_t count, int64_t begin, int64_t end, float* output, int64_t plane) {
  for (int64_t i = 0; i < count; ++i, filters += kTaps * kColumns, output += kColumns) {
    for (int64_t lane = 0; lane < kColumns; lane += kLanesOf<V>) {
      V g[kTaps];
      for (int64_t tap = 0; tap < kTaps; ++tap) g[tap] = load<V>(filters + tap * kColumns + lane);
#pragma clang loop unroll(full)
      for (int64_t y = begin; y < end; ++y) {
        V row[3];
        for (int64_t x = 0; x < 3; ++x) {
          row[x] = G[y][0] * g[x] + G[y][1] * g[3 + x] + G[y][2] * g[6 + x];
        }
#pragma clang loop unroll(full)
        for (int64_t x = 0; x < kIn; ++x) {
          const V u = G[x][0] * row[0] + G[x][1] * row[1] + G[x][2] * row[2];
          store(output + ((y - begin) * kIn + x) * plane + lane, u);
        }
      }
    }
  }
}

// Transforms one input tile, channels [c, end).
//
// pixels: of each of the 36 places, its channels. output: a plane of `plane` values a place.
template <typename V>
[[gnu::always_inline]] inline void transform_tile(
    const float* const* pixels, int64_t c, int64_t end, float* output, int64_t plane) {
  for (; c + kLanesOf<V> <= end; c += kLanesOf<V>) {
    V d[kPoints];
    for (int64_t i = 0; i < kPoints; ++i) d[i] = load<V>(pixels[i] + c);
    for (int64_t x = 0; x < kIn; ++x) transform_input(d + x, kIn, d + x);
    for (int64_t y = 0; y < kIn; ++y) transform_input(d + y * kIn, 1, d + y * kIn);
    for (int64_t i = 0; i < kPoints; ++i) store(output + i * plane + c, d[i]);
  }
}

struct Result {
  // A place's plane of the tile, and the distance to the next place's.
  const float* products;
  int64_t plane;
  // The tile's first output pixel; pixels that lie outside the image are left out.
  float* output;
  const float* residual;
  int64_t row_stride;
  int64_t column_stride;
  int64_t rows;
  int64_t columns;
  const float* bias;
  Activation activation;
};

// Channels [c, end).
template <typename V>
[[gnu::always_inline]] inline void finish_tile(const Result& r, int64_t c, int64_t end) {
  for (; c + kLanesOf<V> <= end; c += kLanesOf<V>) {
    V m[kPoints];
    for (int64_t i = 0; i < kPoints; ++i) m[i] = load<V>(r.products + i * r.plane + c);
    for (int64_t x = 0; x < kIn; ++x) transform_output(m + x, kIn, m + x);
    for (int64_t y = 0; y < kOut; ++y) transform_output(m + y * kIn, 1, m + y * kIn);
    const V bias = r.bias ? load<V>(r.bias + c) : V{};
    for (int64_t y = 0; y < r.rows; ++y) {
      for (int64_t x = 0; x < r.columns; ++x) {
        const int64_t at = y * r.row_stride + x * r.column_stride + c;
        V sum = m[y * kIn + x] + bias;
        if (r.residual) sum += load<V>(r.residual + at);
        store(r.output + at, activated(sum, r.activation));
      }
    }
  }
}

// How tiles lie along a side of the image: for each of the `dilation` pixels that begin a grid of their
// own, as many as cover its grid.
struct Side {
  int64_t size;
  int64_t dilation;

  int64_t tiles() const {
    const int64_t pixels = (size + dilation - 1) / dilation;
    return dilation * ((pixels + kOut - 1) / kOut);
  }
  // The first of a tile's output pixels.
  int64_t start(int64_t tile) const {
    return tile / dilation * dilation * kOut + tile % dilation;
  }
  // How many of its output pixels there are.
  int64_t length(int64_t start) const {
    return std::clamp<int64_t>((size - start + dilation - 1) / dilation, 0, kOut);
  }
};

// Calls run(vector, first, end) for the channels that fill whole vectors, and for those that are left.
template <typename Run>
void run_on_channels(int64_t channels, const Run& run) {
  run_on_this_cpu([&](auto registers) __attribute__((always_inline)) {
    using V = Vector<decltype(registers)::kLanes>;
    const int64_t whole = channels / kLanesOf<V> * kLanesOf<V>;
    run(V{}, 0, whole);
    run(ChannelGroup{}, whole, channels);
  });
}

}  // namespace

int64_t winograd_packed_size(const Convolution& convolution) {
  return panels(convolution.outputs) * kColumns * convolution.inputs * kTaps;
}

void winograd_pack_weights(
    const Convolution& convolution, const float* weights, const int64_t* strides, float* packed) {
  for (int64_t panel = 0; panel < panels(convolution.outputs); ++panel) {
    for (int64_t k = 0; k < convolution.inputs; ++k) {
      for (int64_t tap = 0; tap < kTaps; ++tap) {
        for (int64_t c = 0; c < kColumns; ++c) {
          const int64_t n = panel * kColumns + c;
          const int64_t at =
              n * strides[0] + k * strides[1] + tap / 3 * strides[2] + tap % 3 * strides[3];
          *packed++ = n < convolution.outputs ? weights[at] : 0.0f;
        }
      }
    }
  }
}

void winograd_convolve(
    const Convolution& convolution, const float* input, int64_t height, int64_t width,
    const float* packed, const Epilogue& epilogue, float* output) {
  const int64_t inputs = convolution.inputs, outputs = convolution.outputs;
  const int64_t dilation = convolution.dilation;
  const Side across{width, dilation}, down{height, dilation};
  const int64_t tiles_across = across.tiles(), tiles = tiles_across * down.tiles();
  const int64_t all_panels = panels(outputs);

  // The weights would grow fourfold: they are transformed when they are used, all at once or, where there
  // are too many, a row of places of some panels. Of every plane there is a cache line more than it needs:
  // else all of them begin in the same cache set.
  const bool is_wide = inputs * outputs > kMostWeights;
  const int64_t most_panels =
      is_wide ? std::clamp<int64_t>(kFilterSpace / (kIn * kColumns * inputs), 1, all_panels)
              : all_panels;
  const int64_t filter_plane = most_panels * kColumns * inputs + 16;
  const int64_t filter_size = kColumns * inputs;
  static thread_local Scratch filter_space;
  float* all_filters = nullptr;
  if (!is_wide) {
    all_filters = filter_space.reserve(kPoints * filter_plane);
    parallel_for(all_panels, 1, [&](int64_t begin, int64_t end) {
      run_on_this_cpu([&](auto registers) __attribute__((always_inline)) {
        transform_filters<Vector<decltype(registers)::kLanes>>(
            packed + begin * filter_size * kTaps, (end - begin) * inputs, 0, kIn,
            all_filters + begin * filter_size, filter_plane);
      });
    });
  }

  const int64_t chunk = is_wide ? kWideChunk : kChunk;
  parallel_for(tiles, kRows, [&](int64_t begin, int64_t end) {
    const int64_t input_plane = chunk * inputs + 16, output_plane = chunk * outputs + 16;
    static thread_local Scratch workspace, row_of_filters;
    float* const some_filters = is_wide ? row_of_filters.reserve(kIn * filter_plane) : nullptr;
    float* const transformed = workspace.reserve(kPoints * (input_plane + output_plane) + inputs);
    float* const products = transformed + kPoints * input_plane;
    float* const zeros = products + kPoints * output_plane;
    std::fill_n(zeros, inputs, 0.0f);

    for (int64_t first = begin; first < end; first += chunk) {
      const int64_t count = std::min(chunk, end - first);
      for (int64_t t = 0; t < count; ++t) {
        const int64_t top = down.start((first + t) / tiles_across) - dilation;
        const int64_t left = across.start((first + t) % tiles_across) - dilation;
        const float* pixels[kPoints];
        for (int64_t i = 0; i < kPoints; ++i) {
          const int64_t y = top + i / kIn * dilation, x = left + i % kIn * dilation;
          const bool inside = y >= 0 && y < height && x >= 0 && x < width;
          pixels[i] = inside ? input + (y * width + x) * inputs : zeros;
        }
        const auto transform = [&](auto vector, int64_t c, int64_t end)
            __attribute__((always_inline)) {
          transform_tile<decltype(vector)>(pixels, c, end, transformed + t * inputs, input_plane);
        };
        run_on_channels(inputs, transform);
      }
      for (int64_t panel = 0; panel < all_panels; panel += most_panels) {
        const int64_t some = std::min(most_panels, all_panels - panel);
        for (int64_t i = 0; i < kPoints; ++i) {
          if (is_wide && i % kIn == 0) {
            run_on_this_cpu([&](auto registers) __attribute__((always_inline)) {
              transform_filters<Vector<decltype(registers)::kLanes>>(
                  packed + panel * filter_size * kTaps, some * inputs, i / kIn, i / kIn + 1,
                  some_filters, filter_plane);
            });
          }
          const float* const filters =
              is_wide ? some_filters + i % kIn * filter_plane : all_filters + i * filter_plane;
          const float* rows[kWideChunk];
          for (int64_t t = 0; t < count; ++t) rows[t] = transformed + i * input_plane + t * inputs;
          const Product<float> product{
              rows, count, 1, inputs, filters, outputs - panel * kColumns,
              products + i * output_plane + panel * kColumns, outputs, {}};
          multiply(product, 0, some);
        }
      }
      for (int64_t t = 0; t < count; ++t) {
        const int64_t y = down.start((first + t) / tiles_across);
        const int64_t x = across.start((first + t) % tiles_across);
        const int64_t at = (y * width + x) * outputs;
        const Result result{
            products + t * outputs,
            output_plane,
            output + at,
            epilogue.residual ? epilogue.residual + at : nullptr,
            dilation * width * outputs,
            dilation * outputs,
            down.length(y),
            across.length(x),
            epilogue.bias,
            epilogue.activation};
        const auto finish = [&](auto vector, int64_t c, int64_t end)
            __attribute__((always_inline)) { finish_tile<decltype(vector)>(result, c, end); };
        run_on_channels(outputs, finish);
      }
    }
  });
}

}  // namespace m2fp
