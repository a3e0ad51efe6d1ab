#include "int16_product.h"

#include "instruction_set.h"
#include "vector.h"

namespace m2fp {
namespace {

[[gnu::always_inline]] inline void quantise(
    const float* values, int64_t count, int16_t* integers, float* scale) {
  Vector low{}, high{}, other_low{}, other_high{};
  for (int64_t i = 0; i < count; i += kInt16Lanes) {
    const Vector value = load(values + i), other = load(values + i + kLanes);
    low = minimum(low, value);
    high = maximum(high, value);
    other_low = minimum(other_low, other);
    other_high = maximum(other_high, other);
  }
  const Vector magnitudes = maximum(maximum(high, other_high), -minimum(low, other_low));
  float largest = 0;
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    largest = magnitudes[lane] > largest ? magnitudes[lane] : largest;
  }
  *scale = int16_scale(largest, kLargestOfRow);
  const float inverse = 1 / *scale;
  // A float of this size has no fraction: the sum is rounded, half to even, and its lowest 16 bits are
  // the integer.
  constexpr float kRounder = 3 << 22;
  for (int64_t i = 0; i < count; i += kInt16Lanes) {
    const auto low_half = reinterpret_cast<ShortIntegers>(load(values + i) * inverse + kRounder);
    const auto high_half =
        reinterpret_cast<ShortIntegers>(load(values + i + kLanes) * inverse + kRounder);
    store(
        integers + i,
        __builtin_shufflevector(
            low_half, high_half, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30));
  }
}

}  // namespace

float int16_scale(float largest, int32_t limit) {
  return largest > 0 ? largest / static_cast<float>(limit) : 1.0f;
}

float quantise_row(const float* values, int64_t count, int16_t* integers) {
  float scale;
  run_on_this_cpu<quantise>(values, count, integers, &scale);
  return scale;
}

}  // namespace m2fp
