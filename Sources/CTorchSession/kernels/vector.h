// Vectors of eight floats, and of the integers that stand in for them. Without AVX the compiler splits
// them.
#pragma once

#include <cstdint>

// How such vectors are passed to functions depends on the instruction set; here all are inlined.
#pragma clang diagnostic ignored "-Wpsabi"

namespace m2fp {

using Vector [[gnu::vector_size(32)]] = float;
constexpr int64_t kLanes = sizeof(Vector) / sizeof(float);

[[gnu::always_inline]] inline Vector load(const float* at) {
  using Unaligned [[gnu::vector_size(32), gnu::aligned(4)]] = float;
  return *reinterpret_cast<const Unaligned*>(at);
}

[[gnu::always_inline]] inline void store(float* at, Vector value) {
  using Unaligned [[gnu::vector_size(32), gnu::aligned(4)]] = float;
  *reinterpret_cast<Unaligned*>(at) = value;
}

using Integers [[gnu::vector_size(32)]] = int32_t;
using ShortIntegers [[gnu::vector_size(32)]] = int16_t;

[[gnu::always_inline]] inline ShortIntegers load(const int16_t* at) {
  using Unaligned [[gnu::vector_size(32), gnu::aligned(2)]] = int16_t;
  return *reinterpret_cast<const Unaligned*>(at);
}

[[gnu::always_inline]] inline void store(int16_t* at, ShortIntegers value) {
  using Unaligned [[gnu::vector_size(32), gnu::aligned(2)]] = int16_t;
  *reinterpret_cast<Unaligned*>(at) = value;
}

// Products of neighbours and their sums, a[2i] b[2i] + a[2i+1] b[2i+1]: one instruction on x86.
[[gnu::always_inline]] inline Integers multiply_pairs(ShortIntegers a, ShortIntegers b) {
  using Wide [[gnu::vector_size(64)]] = int32_t;
  const Wide products = __builtin_convertvector(a, Wide) * __builtin_convertvector(b, Wide);
  return __builtin_shufflevector(products, products, 0, 2, 4, 6, 8, 10, 12, 14) +
         __builtin_shufflevector(products, products, 1, 3, 5, 7, 9, 11, 13, 15);
}

[[gnu::always_inline]] inline Vector maximum(Vector a, Vector b) { return a > b ? a : b; }
[[gnu::always_inline]] inline Vector minimum(Vector a, Vector b) { return a < b ? a : b; }

}  // namespace m2fp
