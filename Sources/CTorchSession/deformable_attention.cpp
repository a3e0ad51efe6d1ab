// Multi-scale deformable attention as one fused operator, `m2fp::deformable_attention`
// (Deformable DETR, arXiv 2010.04159, eq. 3). Models/m2fp/deformable_attention.py documents the
// schema and holds the reference in plain operators, which writes every sampled value to memory
// several times over; here a sum lives in registers.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "kernels/exponentials.h"
#include "kernels/instruction_set.h"
#include "kernels/parallel.h"
#include "kernels/vector.h"

namespace {

// Eight lanes, whatever the registers have, as for scores.
using Vector = m2fp::ScoreVector;
using Integers = m2fp::Integers<Vector>;
constexpr int64_t kLanes = m2fp::kScoreLanes;

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
template <int Dim>
struct VectorSum {
  Vector values[Dim / kLanes];
  int64_t dim;

  [[gnu::always_inline]] void clear() {
    for (Vector& value : values) value = Vector{};
  }
  [[gnu::always_inline]] void add(const float* token, float weight) {
    for (int64_t v = 0; v < Dim / kLanes; ++v) {
      values[v] += weight * m2fp::load<Vector>(token + v * kLanes);
    }
  }
  [[gnu::always_inline]] void store_to(float* output, float scale) const {
    for (int64_t v = 0; v < Dim / kLanes; ++v) {
      m2fp::store(output + v * kLanes, scale * values[v]);
    }
  }
};

template <int Dim>
using SumOf = std::conditional_t<(Dim > 0 && Dim % kLanes == 0), VectorSum<Dim>, Sum<Dim>>;

// The four tokens round each of a head's samples, and their shares of the sum.
struct Corners {
  int32_t token[4][kMaxSamples];
  float weight[4][kMaxSamples];
};


[[gnu::always_inline]] inline Vector whole(Vector x) {
  for (int64_t lane = 0; lane < kLanes; ++lane) x[lane] = std::floor(x[lane]);
  return x;
}

// Along one axis: the two neighbours of a place, moved into the level, and their weights, 0 outside
// of it. NaN counts as outside.
struct Axis {
  Vector low, high, low_weight, high_weight;

  [[gnu::always_inline]] Axis(Vector place, Vector size) {
    place = m2fp::minimum(m2fp::maximum(place, Vector{} - 1.0f), size);
    const Vector floor = whole(place), share = place - floor;
    low_weight = ((floor >= 0.0f) & (floor < size)) ? 1.0f - share : Vector{};
    high_weight = floor + 1.0f < size ? share : Vector{};
    low = m2fp::minimum(m2fp::maximum(floor, Vector{}), size - 1.0f);
    high = m2fp::minimum(floor + 1.0f, size - 1.0f);
  }
};

[[gnu::always_inline]] inline void find_corners(
    const Problem& p, float x, float y, const float* offsets, const float* weights,
    Corners& corners) {
  for (int64_t i = 0; i < p.samples; i += kLanes) {
    const Vector first = m2fp::load<Vector>(offsets + 2 * i), second = m2fp::load<Vector>(offsets + 2 * i + kLanes);
    const Vector across = __builtin_shufflevector(first, second, 0, 2, 4, 6, 8, 10, 12, 14);
    const Vector down = __builtin_shufflevector(first, second, 1, 3, 5, 7, 9, 11, 13, 15);
    const Vector width = m2fp::load<Vector>(p.levels->width + i), height = m2fp::load<Vector>(p.levels->height + i);
    const Axis h(x * width - 0.5f + across, width), v(y * height - 0.5f + down, height);
    const Vector weight = m2fp::load<Vector>(weights + i);
    Integers start;
    __builtin_memcpy(&start, p.levels->start + i, sizeof start);
    const auto set = [&](int corner, Vector column, Vector row, Vector share) {
      // Exact: a level has fewer than 2^24 tokens.
      const Integers token = start + __builtin_convertvector(row * width + column, Integers);
      __builtin_memcpy(corners.token[corner] + i, &token, sizeof token);
      m2fp::store(corners.weight[corner] + i, weight * share);
    };
    set(0, h.low, v.low, h.low_weight * v.low_weight);
    set(1, h.high, v.low, h.high_weight * v.low_weight);
    set(2, h.low, v.high, h.low_weight * v.high_weight);
    set(3, h.high, v.high, h.high_weight * v.high_weight);
  }
}

template <int Dim>
[[gnu::always_inline]] inline void attend(const Problem& p, int64_t begin, int64_t end) {
  const int64_t dim = Dim > 0 ? Dim : p.dim, samples = p.samples;
  const int64_t stride = p.heads * dim;
  float weights[kMaxSamples];
  // Up to whole vectors, of which the last reads beyond one head's.
  float places[2 * kMaxSamples] = {};
  Corners corners;
  SumOf<Dim> sum;
  sum.dim = dim;
  for (int64_t s = begin; s < end; ++s) {
    const float x = p.reference_points[2 * s];
    const float y = p.reference_points[2 * s + 1];
    for (int64_t h = 0; h < p.heads; ++h) {
      const int64_t head = (s * p.heads + h) * samples;
      std::copy_n(p.attention_logits + head, samples, weights);
      std::copy_n(p.sampling_offsets + 2 * head, 2 * samples, places);
      float total;
      m2fp::exponentiate(weights, samples, nullptr, &total);
      find_corners(p, x, y, places, weights, corners);
      const float* const tokens = p.value + h * dim;
      sum.clear();
      for (int64_t i = 0; i < samples; ++i) {
        for (int corner = 0; corner < 4; ++corner) {
          sum.add(tokens + corners.token[corner][i] * stride, corners.weight[corner][i]);
        }
      }
      sum.store_to(p.output + s * stride + h * dim, 1 / total);
    }
  }
}

[[gnu::always_inline]] inline void attend_any(const Problem& p, int64_t begin, int64_t end) {
  switch (p.dim) {
    case 8: return attend<8>(p, begin, end);
    case 12: return attend<12>(p, begin, end);
    case 16: return attend<16>(p, begin, end);
    case 32: return attend<32>(p, begin, end);
    default: return attend<0>(p, begin, end);
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
        &levels, level_count * points, heads, dim};
    m2fp::parallel_for(tokens, 64, [&](int64_t begin, int64_t end) {
      m2fp::run_on_this_cpu(
          [&](auto) __attribute__((always_inline)) { attend_any(problem, begin, end); });
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
