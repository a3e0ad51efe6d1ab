// The numerators of a softmax, and their sum.
#pragma once

#include <algorithm>
#include <cstdint>

#include "vector.h"

namespace m2fp {

// Eight lanes, whatever the registers have: sums are added up in the same order everywhere.
using ScoreVector = Vector<8>;
constexpr int64_t kScoreLanes = kLanesOf<ScoreVector>;

// exp(x) for x <= 0, to about 2 units in the last place; 0 below -87.
//
// Cody-Waite reduction to |r| <= ln 2 / 2 and the Taylor polynomial of degree 6, scaled by 2^n through
// the exponent bits.
template <typename V>
[[gnu::always_inline]] inline V exponential(V x) {
  x = maximum(x, V{} - 87.0f);
  // Adding 1.5 * 2^23 rounds to an integer, which then sits in the low bits of the significand.
  const V shifted = x * 1.44269504f + 12582912.0f;
  const V n = shifted - 12582912.0f;
  const V r = (x - n * 0.693359375f) - n * -2.1219444e-4f;
  V p = r * 1.3888889e-3f + 8.3333333e-3f;
  p = p * r + 4.1666667e-2f;
  p = p * r + 1.6666667e-1f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  using Bits = Integers<V>;
  return reinterpret_cast<V>(
      reinterpret_cast<Bits>(p) + (reinterpret_cast<Bits>(shifted) << 23));
}

// All ones where `blocked` is true.
[[gnu::always_inline]] inline Integers<ScoreVector> blocked_lanes(const bool* blocked) {
  using Bytes [[gnu::vector_size(8)]] = uint8_t;
  Bytes bytes;
  __builtin_memcpy(&bytes, blocked, sizeof bytes);
  return __builtin_convertvector(bytes, Integers<ScoreVector>) != 0;
}

// Adds lanes to sums that have eight: the lower ones first.
[[gnu::always_inline]] inline void add_lanes(ScoreVector& sums, ScoreVector values) {
  sums += values;
}
[[gnu::always_inline]] inline void add_lanes(ScoreVector& sums, Vector<16> values) {
  sums += __builtin_shufflevector(values, values, 0, 1, 2, 3, 4, 5, 6, 7);
  sums += __builtin_shufflevector(values, values, 8, 9, 10, 11, 12, 13, 14, 15);
}

// Turns a row of scores into exponentials, 0 where it is blocked and past its end, up to whole
// vectors of eight. `blocked`, if any, reaches as far. Lanes: of the registers.
template <int64_t Lanes>
[[gnu::always_inline]] inline void exponentiate(
    float* scores, int64_t count, const bool* blocked, float* sum) {
  using Wide = Vector<std::max(Lanes, kScoreLanes)>;
  const int64_t padded = (count + kScoreLanes - 1) / kScoreLanes * kScoreLanes;
  constexpr float kLowest = -3e38f;
  std::fill(scores + count, scores + padded, kLowest);
  ScoreVector highest = ScoreVector{} + kLowest;
  for (int64_t i = 0; i < padded; i += kScoreLanes) {
    ScoreVector score = load<ScoreVector>(scores + i);
    if (blocked) {
      score = blocked_lanes(blocked + i) ? ScoreVector{} + kLowest : score;
      store(scores + i, score);
    }
    highest = maximum(highest, score);
  }
  float largest = kLowest;
  for (int64_t lane = 0; lane < kScoreLanes; ++lane) largest = std::max(largest, highest[lane]);
  ScoreVector sums{};
  const auto exponentiate_at = [&](auto vector, int64_t i) __attribute__((always_inline)) {
    using V = decltype(vector);
    const V score = load<V>(scores + i);
    const V value = score > kLowest ? exponential(score - largest) : V{};
    store(scores + i, value);
    add_lanes(sums, value);
  };
  int64_t i = 0;
  for (; i + kLanesOf<Wide> <= padded; i += kLanesOf<Wide>) exponentiate_at(Wide{}, i);
  if (i < padded) exponentiate_at(ScoreVector{}, i);
  float total = 0;
  for (int64_t lane = 0; lane < kScoreLanes; ++lane) total += sums[lane];
  *sum = total;
}

// The same of kScoreLanes columns of scores, kScoreLanes values a row: each lane adds up a column's.
[[gnu::always_inline]] inline ScoreVector exponentiate_columns(float* scores, int64_t count) {
  ScoreVector highest = load<ScoreVector>(scores);
  for (int64_t i = 1; i < count; ++i) {
    highest = maximum(highest, load<ScoreVector>(scores + i * kScoreLanes));
  }
  ScoreVector sums{};
  for (int64_t i = 0; i < count; ++i) {
    const ScoreVector value = exponential(load<ScoreVector>(scores + i * kScoreLanes) - highest);
    store(scores + i * kScoreLanes, value);
    sums += value;
  }
  return sums;
}

}  // namespace m2fp
