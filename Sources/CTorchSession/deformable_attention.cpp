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
#include <vector>

#include "kernels/exponentials.h"
#include "kernels/parallel.h"
#include "kernels/vector.h"

namespace {

struct Level {
  int64_t height;
  int64_t width;
  // Index of the level's first token.
  int64_t start;
};

struct Problem {
  const float* value;             // (S, heads, dim)
  const float* reference_points;  // (S, 2)
  const float* sampling_offsets;  // (S, heads, levels, points, 2)
  const float* attention_logits;  // (S, heads, levels * points)
  float* output;                  // (S, heads, dim)
  const Level* levels;
  int64_t level_count;
  int64_t points;
  int64_t heads;
  int64_t dim;
};

constexpr int64_t kMaxSamples = 64;
constexpr int64_t kMaxDim = 256;

// The sum of weighted tokens of `Dim` values; 0 for any number.
template <int Dim>
struct Sum {
  float values[Dim > 0 ? Dim : kMaxDim];
  int64_t dim;

  [[gnu::always_inline]] void clear() { std::fill_n(values, Dim > 0 ? Dim : dim, 0.0f); }
  [[gnu::always_inline]] void add(const float* token, float weight) {
    for (int64_t c = 0; c < (Dim > 0 ? Dim : dim); ++c) values[c] += weight * token[c];
  }
  [[gnu::always_inline]] void store_to(float* output) const {
    std::copy_n(values, Dim > 0 ? Dim : dim, output);
  }
};

// In registers.
template <int Dim>
struct VectorSum {
  m2fp::Vector values[Dim / m2fp::kLanes];
  int64_t dim;

  [[gnu::always_inline]] void clear() {
    for (m2fp::Vector& value : values) value = m2fp::Vector{};
  }
  [[gnu::always_inline]] void add(const float* token, float weight) {
    for (int64_t v = 0; v < Dim / m2fp::kLanes; ++v) {
      values[v] += weight * m2fp::load(token + v * m2fp::kLanes);
    }
  }
  [[gnu::always_inline]] void store_to(float* output) const {
    for (int64_t v = 0; v < Dim / m2fp::kLanes; ++v) {
      m2fp::store(output + v * m2fp::kLanes, values[v]);
    }
  }
};

template <int Dim>
using SumOf = std::conditional_t<(Dim > 0 && Dim % m2fp::kLanes == 0), VectorSum<Dim>, Sum<Dim>>;

template <int Dim>
[[gnu::always_inline]] inline void attend(const Problem& p, int64_t begin, int64_t end) {
  const int64_t dim = Dim > 0 ? Dim : p.dim;
  const int64_t samples = p.level_count * p.points;
  const int64_t stride = p.heads * dim;
  float weights[kMaxSamples];
  SumOf<Dim> sum;
  sum.dim = dim;
  for (int64_t s = begin; s < end; ++s) {
    const float x = p.reference_points[2 * s];
    const float y = p.reference_points[2 * s + 1];
    for (int64_t h = 0; h < p.heads; ++h) {
      const float* logits = p.attention_logits + (s * p.heads + h) * samples;
      const float* offsets = p.sampling_offsets + (s * p.heads + h) * samples * 2;
      std::copy_n(logits, samples, weights);
      float total;
      m2fp::exponentiate(weights, samples, nullptr, &total);
      const float scale = 1 / total;
      sum.clear();
      for (int64_t l = 0; l < p.level_count; ++l) {
        const Level level = p.levels[l];
        const float* tokens = p.value + level.start * stride + h * dim;
        const float left = x * static_cast<float>(level.width) - 0.5f;
        const float top = y * static_cast<float>(level.height) - 0.5f;
        for (int64_t i = l * p.points; i < (l + 1) * p.points; ++i) {
          const float px = left + offsets[2 * i];
          const float py = top + offsets[2 * i + 1];
          // Also false for NaN, so that the conversions below are defined.
          if (!(px > -1 && py > -1 && px < static_cast<float>(level.width) &&
                py < static_cast<float>(level.height))) {
            continue;
          }
          const float fx = std::floor(px), fy = std::floor(py);
          const int64_t x0 = static_cast<int64_t>(fx), y0 = static_cast<int64_t>(fy);
          const float wx = px - fx, wy = py - fy, w = weights[i] * scale;
          const float* row = tokens + (y0 * level.width + x0) * stride;
          const float* next = row + level.width * stride;
          const bool has_left = x0 >= 0, has_right = x0 + 1 < level.width;
          if (y0 >= 0) {
            if (has_left) sum.add(row, w * (1 - wx) * (1 - wy));
            if (has_right) sum.add(row + stride, w * wx * (1 - wy));
          }
          if (y0 + 1 < level.height) {
            if (has_left) sum.add(next, w * (1 - wx) * wy);
            if (has_right) sum.add(next + stride, w * wx * wy);
          }
        }
      }
      sum.store_to(p.output + s * stride + h * dim);
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

// One body, compiled for each instruction set; the binary itself stays plain x86-64.
#if defined(__x86_64__)
[[gnu::target("arch=x86-64-v4,prefer-256-bit")]] void attend_v4(const Problem& p, int64_t b, int64_t e) { attend_any(p, b, e); }
[[gnu::target("arch=x86-64-v3")]] void attend_v3(const Problem& p, int64_t b, int64_t e) { attend_any(p, b, e); }
#endif
void attend_plain(const Problem& p, int64_t b, int64_t e) { attend_any(p, b, e); }

using Kernel = void (*)(const Problem&, int64_t, int64_t);

Kernel best_kernel() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return attend_v4;
  if (__builtin_cpu_supports("x86-64-v3")) return attend_v3;
#endif
  return attend_plain;
}

at::Tensor deformable_attention(
    const at::Tensor& value, const at::Tensor& spatial_shapes, const at::Tensor& reference_points,
    const at::Tensor& sampling_offsets, const at::Tensor& attention_logits) {
  TORCH_CHECK(value.dim() == 4 && value.scalar_type() == at::kFloat, "value: (B, S, heads, dim) float32");
  TORCH_CHECK(sampling_offsets.dim() == 6, "sampling_offsets: (B, S, heads, levels, points, 2)");
  const int64_t batch = value.size(0), tokens = value.size(1);
  const int64_t heads = value.size(2), dim = value.size(3);
  const int64_t level_count = sampling_offsets.size(3), points = sampling_offsets.size(4);
  TORCH_CHECK(level_count * points <= kMaxSamples && dim <= kMaxDim, "too many samples or channels a head");
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
  std::vector<Level> levels;
  int64_t start = 0;
  for (int64_t l = 0; l < level_count; ++l) {
    const int64_t* size = shapes.data_ptr<int64_t>() + 2 * l;
    levels.push_back({size[0], size[1], start});
    start += size[0] * size[1];
  }
  TORCH_CHECK(start == tokens, "spatial_shapes and value disagree on the number of tokens");

  at::Tensor output = at::empty({batch, tokens, heads * dim}, v.options());
  static const Kernel kernel = best_kernel();
  for (int64_t b = 0; b < batch; ++b) {
    const Problem problem{
        v.data_ptr<float>() + b * tokens * heads * dim,
        r.data_ptr<float>() + (r.size(0) == 1 ? 0 : b) * tokens * 2,
        o.data_ptr<float>() + b * tokens * heads * level_count * points * 2,
        a.data_ptr<float>() + b * tokens * heads * level_count * points,
        output.data_ptr<float>() + b * tokens * heads * dim,
        levels.data(), level_count, points, heads, dim};
    m2fp::parallel_for(
        tokens, 64, [&](int64_t begin, int64_t end) { kernel(problem, begin, end); });
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
