// Vectors of eight floats. Without AVX the compiler splits them.
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

[[gnu::always_inline]] inline Vector maximum(Vector a, Vector b) { return a > b ? a : b; }
[[gnu::always_inline]] inline Vector minimum(Vector a, Vector b) { return a < b ? a : b; }

}  // namespace m2fp
