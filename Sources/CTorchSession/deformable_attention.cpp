// Multi-scale deformable attention as one fused operator, `m2fp::deformable_attention`
// (Deformable DETR, arXiv 2010.04159, eq. 3). Models/m2fp/deformable_attention.py documents the
// schema and holds the reference in plain operators, which writes every sampled value to memory
// several times over; here a sum lives in registers.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/exponentials.h"
#include "kernels/instruction_set.h"
#include "kernels/packing.h"
#include "kernels/parallel.h"
#include "kernels/vector.h"

namespace {

using m2fp::kLanesOf;
using m2fp::load;

constexpr int64_t kMaxSamples = 64;
constexpr int64_t kMaxDim = 256;

// The level that each of a head's samples reads, up to whole vectors; the last ones repeat.
struct Levels {
  float width[kMaxSamples];
  float height[kMaxSamples];
  // Index of the level's first token.
  int32_t start[kMaxSamples];
};

struct Problem {
  const float* value;             // (S, heads, dim)
  const float* reference_points;  // (S, 2)
  const float* sampling_offsets;  // (S, heads, levels, points, 2)
  const float* attention_logits;  // (S, heads, levels * points)
  float* output;                  // (S, heads, dim)
  const Levels* levels;
  int64_t tokens;
  int64_t samples;
  int64_t heads;
  int64_t dim;
};

// The sum of weighted tokens of `Dim` values; 0 for any number.
template <int Dim>
struct Sum {
  float values[Dim > 0 ? Dim : kMaxDim];
  int64_t dim;

  [[gnu::always_inline]] void clear() { std::fill_n(values, Dim > 0 ? Dim : dim, 0.0f); }
  [[gnu::always_inline]] void add(const float* token, float weight) {
    for (int64_t c = 0; c < (Dim > 0 ? Dim : dim); ++c) values[c] += weight * token[c];
  }
  [[gnu::always_inline]] void store_to(float* output, float scale) const {
    for (int64_t c = 0; c < (Dim > 0 ? Dim : dim); ++c) output[c] = scale * values[c];
  }
};

// In registers.
template <typename V, int Dim>
struct VectorSum {
  static constexpr int64_t kVectors = Dim / kLanesOf<V>;
  V values[kVectors];
  int64_t dim;

  [[gnu::always_inline]] void clear() {
    for (V& value : values) value = V{};
  }
  [[gnu::always_inline]] void add(const float* token, float weight) {
    for (int64_t v = 0; v < kVectors; ++v) {
      values[v] += weight * load<V>(token + v * kLanesOf<V>);
    }
  }
  [[gnu::always_inline]] void store_to(float* output, float scale) const {
    for (int64_t v = 0; v < kVectors; ++v) {
      m2fp::store(output + v * kLanesOf<V>, scale * values[v]);
    }
  }
};

// The longest vectors of `Lanes` lanes at most that Dim values fill.
template <int64_t Lanes, int Dim>
struct SumType {
  static constexpr bool is_whole = Dim > 0 && Dim % Lanes == 0;
  static constexpr bool is_half = Dim > 0 && Dim % (Lanes / 2) == 0;
  using Type = std::conditional_t<
      is_whole, VectorSum<m2fp::Vector<Lanes>, is_whole ? Dim : Lanes>,
      std::conditional_t<
          is_half, VectorSum<m2fp::Vector<Lanes / 2>, is_half ? Dim : Lanes>, Sum<Dim>>>;
  // Heads at a time: each sum waits for its last addition, four at once keep the CPU busy.
  static constexpr int64_t kHeads = is_whole ? std::max<int64_t>(1, 4 * Lanes / Dim) : 1;
};

// The four tokens round each of a head's samples, and their shares of the sum.
struct Corners {
  int32_t token[4][kMaxSamples];
  float weight[4][kMaxSamples];
};

// Along one axis: the two neighbours of a place, moved into the level, and their weights, 0 outside
// of it. NaN counts as outside.
template <typename V>
struct Axis {
  V low, high, low_weight, high_weight;

  [[gnu::always_inline]] Axis(V place, V size) {
    place = m2fp::minimum(m2fp::maximum(place, V{} - 1.0f), size);
    const V floor = __builtin_elementwise_floor(place), share = place - floor;
    low_weight = ((floor >= 0.0f) & (floor < size)) ? 1.0f - share : V{};
    high_weight = floor + 1.0f < size ? share : V{};
    low = m2fp::minimum(m2fp::maximum(floor, V{}), size - 1.0f);
    high = m2fp::minimum(floor + 1.0f, size - 1.0f);
  }
};

template <typename V>
[[gnu::always_inline]] inline void find_corners(
    const Problem& p, float x, float y, const float* offsets, const float* weights,
    Corners& corners) {
  using Integers = m2fp::Integers<V>;
  for (int64_t i = 0; i < p.samples; i += kLanesOf<V>) {
    V across, down;
    m2fp::take_apart(
        load<V>(offsets + 2 * i), load<V>(offsets + 2 * i + kLanesOf<V>), across, down);
    const V width = load<V>(p.levels->width + i), height = load<V>(p.levels->height + i);
    const Axis<V> h(x * width - 0.5f + across, width), v(y * height - 0.5f + down, height);
    const V weight = load<V>(weights + i);
    const Integers start = load<Integers>(p.levels->start + i);
    const auto set = [&](int corner, V column, V row, V share) __attribute__((always_inline)) {
      // Exact: a level has fewer than 2^24 tokens.
      m2fp::store(
          corners.token[corner] + i,
          start + __builtin_convertvector(row * width + column, Integers));
      m2fp::store(corners.weight[corner] + i, weight * share);
    };
    set(0, h.low, v.low, h.low_weight * v.low_weight);
    set(1, h.high, v.low, h.high_weight * v.low_weight);
    set(2, h.low, v.high, h.low_weight * v.high_weight);
    set(3, h.high, v.high, h.high_weight * v.high_weight);
  }
}

// What each sample of kScoreLanes heads at most counts: the numerators of their softmax.
struct Weights {
  float of_head[m2fp::kScoreLanes][kMaxSamples];
  // What a head's add up to.
  float totals[m2fp::kScoreLanes];

  // logits: (heads, samples). A lane is a head: no sum waits for its parts.
  [[gnu::always_inline]] void set(const float* logits, int64_t heads, int64_t samples) {
    constexpr int64_t kLanes = m2fp::kScoreLanes;
    float scores[kMaxSamples * kLanes];
    if (heads < kLanes) std::fill_n(scores, samples * kLanes, 0.0f);
    m2fp::transpose(logits, samples, heads, samples, scores, kLanes);
    m2fp::store(totals, m2fp::exponentiate_columns(scores, samples));
    m2fp::transpose(scores, kLanes, samples, kLanes, of_head[0], kMaxSamples);
  }
};

template <typename V, int Dim>
[[gnu::always_inline]] inline void attend(const Problem& p, int64_t begin, int64_t end) {
  using Type = SumType<kLanesOf<V>, Dim>;
  const int64_t dim = Dim > 0 ? Dim : p.dim, samples = p.samples;
  const int64_t stride = p.heads * dim;
  // Offsets are read in whole vectors, beyond one head's.
  const int64_t read = 2 * ((samples + kLanesOf<V> - 1) / kLanesOf<V> * kLanesOf<V>);
  const float* const last = p.sampling_offsets + 2 * p.tokens * p.heads * samples - read;
  float places[2 * kMaxSamples] = {};
  Weights weights = {};
  Corners corners[Type::kHeads];
  typename Type::Type sums[Type::kHeads];
  for (auto& sum : sums) sum.dim = dim;
  for (int64_t s = begin; s < end; ++s) {
    const float x = p.reference_points[2 * s];
    const float y = p.reference_points[2 * s + 1];
    const auto attend_heads = [&](auto count, int64_t first, int64_t lane)
        __attribute__((always_inline)) {
      for (int64_t h = 0; h < count(); ++h) {
        const float* offsets = p.sampling_offsets + 2 * (s * p.heads + first + h) * samples;
        if (offsets > last) {
          std::copy_n(offsets, 2 * samples, places);
          offsets = places;
        }
        find_corners<V>(p, x, y, offsets, weights.of_head[lane + h], corners[h]);
        sums[h].clear();
      }
      const float* const tokens = p.value + first * dim;
      for (int64_t i = 0; i < samples; ++i) {
        for (int corner = 0; corner < 4; ++corner) {
          for (int64_t h = 0; h < count(); ++h) {
            sums[h].add(
                tokens + h * dim + corners[h].token[corner][i] * stride,
                corners[h].weight[corner][i]);
          }
        }
      }
      for (int64_t h = 0; h < count(); ++h) {
        sums[h].store_to(p.output + s * stride + (first + h) * dim, 1 / weights.totals[lane + h]);
      }
    };
    for (int64_t first = 0; first < p.heads; first += m2fp::kScoreLanes) {
      const int64_t heads = std::min(m2fp::kScoreLanes, p.heads - first);
      weights.set(p.attention_logits + (s * p.heads + first) * samples, heads, samples);
      int64_t h = 0;
      for (; h + Type::kHeads <= heads; h += Type::kHeads) {
        attend_heads(std::integral_constant<int64_t, Type::kHeads>(), first + h, h);
      }
      for (; h < heads; ++h) attend_heads(std::integral_constant<int64_t, 1>(), first + h, h);
    }
  }
}

template <int64_t Lanes>
[[gnu::always_inline]] inline void attend_any(const Problem& p, int64_t begin, int64_t end) {
  // Two registers make a vector where one has four lanes.
  using V = m2fp::Vector<std::max<int64_t>(8, Lanes)>;
  switch (p.dim) {
    case 8: return attend<V, 8>(p, begin, end);
    case 12: return attend<V, 12>(p, begin, end);
    case 16: return attend<V, 16>(p, begin, end);
    case 32: return attend<V, 32>(p, begin, end);
    default: return attend<V, 0>(p, begin, end);
  }
}

at::Tensor deformable_attention(
    const at::Tensor& value, const at::Tensor& spatial_shapes, const at::Tensor& reference_points,
    const at::Tensor& sampling_offsets, const at::Tensor& attention_logits) {
  TORCH_CHECK(value.dim() == 4 && value.scalar_type() == at::kFloat, "value: (B, S, heads, dim) float32");
  TORCH_CHECK(sampling_offsets.dim() == 6, "sampling_offsets: (B, S, heads, levels, points, 2)");
  const int64_t batch = value.size(0), tokens = value.size(1);
  const int64_t heads = value.size(2), dim = value.size(3);
  const int64_t level_count = sampling_offsets.size(3), points = sampling_offsets.size(4);
  constexpr int64_t kMaxTokens = (1 << 24) - 1;
  // An empty tensor may have any other sizes, whose products mean nothing.
  TORCH_CHECK(
      value.numel() > 0 && sampling_offsets.numel() > 0 && tokens <= kMaxTokens,
      "no tokens, or too many");
  TORCH_CHECK(
      level_count <= kMaxSamples && points <= kMaxSamples && level_count * points <= kMaxSamples &&
          dim <= kMaxDim,
      "too many samples or channels a head");
  TORCH_CHECK(
      sampling_offsets.sizes() == at::IntArrayRef({batch, tokens, heads, level_count, points, 2}) &&
          attention_logits.sizes() == at::IntArrayRef({batch, tokens, heads, level_count * points}) &&
          (reference_points.sizes() == at::IntArrayRef({batch, tokens, 2}) ||
           reference_points.sizes() == at::IntArrayRef({1, tokens, 2})) &&
          spatial_shapes.sizes() == at::IntArrayRef({level_count, 2}),
      "shapes of the arguments disagree");

  const at::Tensor v = value.contiguous(), r = reference_points.to(at::kFloat).contiguous();
  const at::Tensor o = sampling_offsets.contiguous(), a = attention_logits.contiguous();
  const at::Tensor shapes = spatial_shapes.to(at::kLong).contiguous();
  Levels levels;
  int64_t start = 0, level = 0;
  const int64_t* size = shapes.data_ptr<int64_t>();
  TORCH_CHECK(
      ((shapes > 0) & (shapes <= tokens)).all().item<bool>(),
      "spatial_shapes: a level without tokens, or with more than there are");
  for (int64_t i = 0; i < kMaxSamples; ++i) {
    if (i == (level + 1) * points && level + 1 < level_count) {
      start += size[0] * size[1];
      size += 2;
      ++level;
    }
    levels.height[i] = static_cast<float>(size[0]);
    levels.width[i] = static_cast<float>(size[1]);
    levels.start[i] = static_cast<int32_t>(start);
  }
  TORCH_CHECK(
      start + size[0] * size[1] == tokens,
      "spatial_shapes and value disagree on the number of tokens");

  at::Tensor output = at::empty({batch, tokens, heads * dim}, v.options());
  for (int64_t b = 0; b < batch; ++b) {
    const Problem problem{
        v.data_ptr<float>() + b * tokens * heads * dim,
        r.data_ptr<float>() + (r.size(0) == 1 ? 0 : b) * tokens * 2,
        o.data_ptr<float>() + b * tokens * heads * level_count * points * 2,
        a.data_ptr<float>() + b * tokens * heads * level_count * points,
        output.data_ptr<float>() + b * tokens * heads * dim,
        &levels, tokens, level_count * points, heads, dim};
    m2fp::parallel_for(tokens, 64, [&](int64_t begin, int64_t end) {
      m2fp::run_on_this_cpu([&](auto registers) __attribute__((always_inline)) {
        attend_any<decltype(registers)::kLanes>(problem, begin, end);
      });
    });
  }
  return output;
}

}  // namespace

TORCH_LIBRARY(m2fp, library) {
  library.def(
      "deformable_attention(Tensor value, Tensor spatial_shapes, Tensor reference_points, "
      "Tensor sampling_offsets, Tensor attention_logits) -> Tensor");
}

TORCH_LIBRARY_IMPL(m2fp, CPU, library) { library.impl("deformable_attention", deformable_attention); }
