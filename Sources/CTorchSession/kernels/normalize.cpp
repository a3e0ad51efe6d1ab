#include "normalize.h"

#include <cmath>

#include "instruction_set.h"
#include "parallel.h"
#include "vector.h"

namespace m2fp {
namespace {

// Whatever the registers have: sums are added up in the same order everywhere.
using Lanes = Vector<16>;
constexpr int64_t kLanes = kLanesOf<Lanes>;

template <typename V>
[[gnu::always_inline]] inline float sum_of_lanes(V x) {
  if constexpr (kLanesOf<V> == 1) {
    return x[0];
  } else {
    constexpr int64_t kHalf = kLanesOf<V> / 2;
    Vector<kHalf> lower, upper;
    __builtin_memcpy(&lower, &x, sizeof lower);
    __builtin_memcpy(&upper, reinterpret_cast<const char*>(&x) + sizeof lower, sizeof upper);
    return sum_of_lanes(lower + upper);
  }
}

// The sum of term(x) over a row; those of lanes past its end are left out.
template <typename Term>
[[gnu::always_inline]] inline float sum_of_row(const float* row, int64_t count, const Term& term) {
  Lanes sums{};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) sums += term(load<Lanes>(row + i));
  float rest = 0;
#pragma clang loop vectorize(disable)
  for (; i < count; ++i) rest += term(row[i]);
  return sum_of_lanes(sums) + rest;
}

}  // namespace

void normalize(const float* input, int64_t rows, int64_t count, float epsilon, float* output) {
  const auto size = static_cast<float>(count);
  parallel_for(rows, 16, [&](int64_t begin, int64_t end) {
    run_on_this_cpu([&](auto registers) __attribute__((always_inline)) {
      using V = Vector<decltype(registers)::kLanes>;
      for (int64_t r = begin; r < end; ++r) {
        const float* const row = input + r * count;
        float* const to = output + r * count;
        const float mean =
            sum_of_row(row, count, [](auto x) __attribute__((always_inline)) { return x; }) / size;
        const float variance =
            sum_of_row(row, count, [&](auto x) __attribute__((always_inline)) {
              return (x - mean) * (x - mean);
            }) / size;
        const float factor = 1 / std::sqrt(variance + epsilon);
        run_on_vectors<V>(0, count, [&](auto vector, int64_t i) __attribute__((always_inline)) {
          store(to + i, (load<decltype(vector)>(row + i) - mean) * factor);
        });
      }
    });
  });
}

}  // namespace m2fp
