#include "winograd.h"

#include <algorithm>
#include <type_traits>

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

// Tiles that are transformed and multiplied at once: few enough for the second-level cache to hold what becomes
// of them beside the filters, or, where those are too many for it, enough for them to be read seldom.
constexpr int64_t kChunk = 2 * kRows;
constexpr int64_t kWideChunk = 6 * kRows;
// Weights of a convolution that is worked at in the smaller chunks.
constexpr int64_t kMostWeightsOfChunk = 128 * 128;
// Weights of a convolution whose transformed filters are all held at once.
constexpr int64_t kMostWeights = 256 * 256;
// Of others: transformed filters that are held at once, in values: they stay in the second-level cache.
constexpr int64_t kFilterSpace = 3 << 15;

// d -> B^T d, of six values the first three and the last three. A tile is transformed by halves: all of it does
// not fit the registers.
template <typename V>
[[gnu::always_inline]] inline void transform_input_low(const V* d, V* t) {
  const V a = d[4] - 4.0f * d[2], b = d[3] - 4.0f * d[1];
  t[0] = 4.0f * d[0] - 5.0f * d[2] + d[4];
  t[1] = a + b;
  t[2] = a - b;
}

template <typename V>
[[gnu::always_inline]] inline void transform_input_high(const V* d, V* t) {
  const V c = d[4] - d[2], e = 2.0f * (d[3] - d[1]);
  t[0] = c + e;
  t[1] = c - e;
  t[2] = 4.0f * d[1] - 5.0f * d[3] + d[5];
}

// m -> A^T m, six values to four.
template <typename V>
[[gnu::always_inline]] inline void transform_output(const V* m, V* t) {
  const V a = m[1] + m[2], b = m[1] - m[2];
  const V c = m[3] + m[4], d = m[3] - m[4];
  t[0] = m[0] + a + c;
  t[1] = b + 2.0f * d;
  t[2] = a + 4.0f * c;
  t[3] = b + 8.0f * d + m[5];
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
  constexpr int64_t kHalf = kIn / 2;
  for (; c + kLanesOf<V> <= end; c += kLanesOf<V>) {
    const auto transform_half = [&](auto is_high) __attribute__((always_inline)) {
      const auto half = [&](const V* d, V* t) __attribute__((always_inline)) {
        is_high() ? transform_input_high(d, t) : transform_input_low(d, t);
      };
      V columns[kIn][kHalf];
#pragma clang loop unroll(full)
      for (int64_t x = 0; x < kIn; ++x) {
        V d[kIn];
        for (int64_t y = 0; y < kIn; ++y) d[y] = load<V>(pixels[y * kIn + x] + c);
        half(d, columns[x]);
      }
      float* to = output + (is_high() ? kHalf * kIn * plane : 0) + c;
#pragma clang loop unroll(full)
      for (int64_t y = 0; y < kHalf; ++y) {
        V row[kIn], t[kIn];
        for (int64_t x = 0; x < kIn; ++x) row[x] = columns[x][y];
        transform_input_low(row, t);
        transform_input_high(row, t + kHalf);
        for (int64_t x = 0; x < kIn; ++x, to += plane) store(to, t[x]);
      }
    };
    transform_half(std::false_type());
    transform_half(std::true_type());
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
  // Where the next tile begins in `output`.
  int64_t next;
};

// Channels [c, end).
template <typename V>
[[gnu::always_inline]] inline void finish_tile(const Result& r, int64_t c, int64_t end) {
  const Activation light = is_light(r.activation) ? r.activation : Activation::none;
  for (; c + kLanesOf<V> <= end; c += kLanesOf<V>) {
    V columns[kIn][kOut];
#pragma clang loop unroll(full)
    for (int64_t x = 0; x < kIn; ++x) {
      V m[kIn];
      for (int64_t y = 0; y < kIn; ++y) m[y] = load<V>(r.products + (y * kIn + x) * r.plane + c);
      transform_output(m, columns[x]);
    }
    // The next tile's pixels lie in many places: the CPU does not see them coming.
    for (int64_t y = 0; y < kOut; ++y) {
      for (int64_t x = 0; x < kOut; ++x) {
        const int64_t at = r.next + y * r.row_stride + x * r.column_stride + c;
        __builtin_prefetch(r.output + at, 1);
        if (r.residual) __builtin_prefetch(r.residual + at);
      }
    }
    const V bias = r.bias ? load<V>(r.bias + c) : V{};
#pragma clang loop unroll(full)
    for (int64_t y = 0; y < kOut; ++y) {
      if (y >= r.rows) continue;
      V row[kIn], sums[kOut];
      for (int64_t x = 0; x < kIn; ++x) row[x] = columns[x][y];
      transform_output(row, sums);
      const int64_t at = y * r.row_stride + c;
#pragma clang loop unroll(full)
      for (int64_t x = 0; x < kOut; ++x) {
        if (x >= r.columns) continue;
        V sum = sums[x] + bias;
        if (r.residual) sum += load<V>(r.residual + at + x * r.column_stride);
        store(r.output + at + x * r.column_stride, lightly_activated(sum, light));
      }
    }
    if (light == r.activation) continue;
    // What is long to compute stands in one place, not wherever a sum ends.
    for (int64_t y = 0; y < std::min(kOut, r.rows); ++y) {
#pragma clang loop unroll(disable)
      for (int64_t x = 0; x < std::min(kOut, r.columns); ++x) {
        float* const at = r.output + y * r.row_stride + x * r.column_stride + c;
        store(at, activated(load<V>(at), r.activation));
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

  const int64_t chunk = inputs * outputs > kMostWeightsOfChunk ? kWideChunk : kChunk;
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
          Product<float> product{
              rows, count, 1, inputs, filters, outputs - panel * kColumns,
              products + i * output_plane + panel * kColumns, outputs, {}};
          if (!is_wide) {
            product.next = all_filters + (i + 1) % kPoints * filter_plane;
            product.next_count = some * filter_size;
          }
          multiply(product, 0, some);
        }
      }
      const auto start = [&](int64_t tile) {
        return (down.start(tile / tiles_across) * width + across.start(tile % tiles_across)) *
               outputs;
      };
      for (int64_t t = 0; t < count; ++t) {
        const int64_t at = start(first + t);
        const Result result{
            products + t * outputs,
            output_plane,
            output + at,
            epilogue.residual ? epilogue.residual + at : nullptr,
            dilation * width * outputs,
            dilation * outputs,
            down.length(down.start((first + t) / tiles_across)),
            across.length(across.start((first + t) % tiles_across)),
            epilogue.bias,
            epilogue.activation,
            start(std::min(first + t + 1, end - 1)) - at};
        const auto finish = [&](auto vector, int64_t c, int64_t end)
            __attribute__((always_inline)) { finish_tile<decltype(vector)>(result, c, end); };
        run_on_channels(outputs, finish);
      }
    }
  });
}

}  // namespace m2fp
