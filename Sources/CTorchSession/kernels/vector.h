// Vectors of floats, and of the integers that stand in for them, of any power of two of lanes: the compiler
// splits those that are longer than a register.
#pragma once

#include <cstdint>

// How such vectors are passed to functions depends on the instruction set; here all are inlined.
#pragma clang diagnostic ignored "-Wpsabi"

namespace m2fp {

template <int64_t Lanes>
using Vector [[gnu::vector_size(Lanes * sizeof(float))]] = float;

template <typename V>
constexpr int64_t kLanesOf = sizeof(V) / sizeof(float);

// Channels that are filtered or transformed one by one come in groups of this many: the method does not
// depend on the CPU. Where its vectors are longer, the last group may be left for one of these.
using ChannelGroup = Vector<8>;
constexpr int64_t kChannelGroup = kLanesOf<ChannelGroup>;

// As many integers of 32 bits as `V` has floats, and twice as many of 16.
template <typename V>
using Integers [[gnu::vector_size(sizeof(V))]] = int32_t;
template <typename V>
using ShortIntegers [[gnu::vector_size(sizeof(V))]] = int16_t;

template <typename V, typename Value>
[[gnu::always_inline]] inline V load(const Value* at) {
  V value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}

template <typename V, typename Value>
[[gnu::always_inline]] inline void store(Value* at, V value) {
  __builtin_memcpy(at, &value, sizeof value);
}

// Calls run(vector, i) for values [first, end), as many at once as there are: those that fill no `V` by
// shorter vectors.
template <typename V, typename Run>
[[gnu::always_inline]] inline void run_on_vectors(int64_t first, int64_t end, const Run& run) {
  for (; first + kLanesOf<V> <= end; first += kLanesOf<V>) run(V{}, first);
  if constexpr (kLanesOf<V> > 1) {
    if (first < end) run_on_vectors<Vector<kLanesOf<V> / 2>>(first, end, run);
  }
}

// Of pairs, the first values and the second ones.
template <typename V>
[[gnu::always_inline]] inline void take_apart(V low, V high, V& first, V& second) {
  if constexpr (kLanesOf<V> == 8) {
    first = __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14);
    second = __builtin_shufflevector(low, high, 1, 3, 5, 7, 9, 11, 13, 15);
  } else {
    static_assert(kLanesOf<V> == 16);
    first = __builtin_shufflevector(
        low, high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    second = __builtin_shufflevector(
        low, high, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  }
}

// Copies few values: a call of memcpy would take longer.
[[gnu::always_inline]] inline void copy(const float* from, int64_t count, float* to) {
  using Eight = Vector<8>;
  for (; count >= kLanesOf<Eight>; count -= kLanesOf<Eight>) {
    store(to, load<Eight>(from));
    from += kLanesOf<Eight>;
    to += kLanesOf<Eight>;
  }
#pragma clang loop vectorize(disable)
  for (; count > 0; --count) *to++ = *from++;
}

// Products of neighbours and their sums, a[2i] b[2i] + a[2i+1] b[2i+1]: one instruction on x86.
template <typename Short>
[[gnu::always_inline]] inline auto multiply_pairs(Short a, Short b) {
  using Wide [[gnu::vector_size(2 * sizeof(Short))]] = int32_t;
  const Wide products = __builtin_convertvector(a, Wide) * __builtin_convertvector(b, Wide);
  if constexpr (sizeof(Short) == 16) {
    return __builtin_shufflevector(products, products, 0, 2, 4, 6) +
           __builtin_shufflevector(products, products, 1, 3, 5, 7);
  } else if constexpr (sizeof(Short) == 32) {
    return __builtin_shufflevector(products, products, 0, 2, 4, 6, 8, 10, 12, 14) +
           __builtin_shufflevector(products, products, 1, 3, 5, 7, 9, 11, 13, 15);
  } else {
    static_assert(sizeof(Short) == 64);
    return __builtin_shufflevector(
               products, products, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30) +
           __builtin_shufflevector(
               products, products, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  }
}

template <typename V>
[[gnu::always_inline]] inline V maximum(V a, V b) {
  return a > b ? a : b;
}

template <typename V>
[[gnu::always_inline]] inline V minimum(V a, V b) {
  return a < b ? a : b;
}

}  // namespace m2fp
