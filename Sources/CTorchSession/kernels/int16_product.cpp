#include "int16_product.h"

#include "instruction_set.h"
#include "vector.h"

namespace m2fp {
namespace {

[[gnu::always_inline]] inline void quantise(
    const float* values, int64_t count, int16_t* integers, float* scale) {
  using V = Vector<kInt16Lanes>;
  using Short [[gnu::vector_size(kInt16Lanes * sizeof(int16_t))]] = int16_t;
  V low{}, high{};
  for (int64_t i = 0; i < count; i += kInt16Lanes) {
    const V value = load<V>(values + i);
    low = minimum(low, value);
    high = maximum(high, value);
  }
  const V magnitudes = maximum(high, -low);
  float largest = 0;
  for (int64_t lane = 0; lane < kInt16Lanes; ++lane) {
    largest = magnitudes[lane] > largest ? magnitudes[lane] : largest;
  }
  *scale = int16_scale(largest, kLargestOfRow);
  const float inverse = 1 / *scale;
  // A float of this size has no fraction: the sum is rounded, half to even, and its lowest 16 bits are
  // the integer.
  constexpr float kRounder = 3 << 22;
  for (int64_t i = 0; i < count; i += kInt16Lanes) {
    const V rounded = load<V>(values + i) * inverse + kRounder;
    store(integers + i, __builtin_convertvector(reinterpret_cast<Integers<V>>(rounded), Short));
  }
}

}  // namespace

float int16_scale(float largest, int32_t limit) {
  return largest > 0 ? largest / static_cast<float>(limit) : 1.0f;
}

float quantise_row(const float* values, int64_t count, int16_t* integers) {
  float scale;
  run_on_this_cpu([&](auto) __attribute__((always_inline)) {
    quantise(values, count, integers, &scale);
  });
  return scale;
}

}  // namespace m2fp
