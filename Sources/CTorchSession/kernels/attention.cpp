#include "attention.h"

#include <algorithm>
#include <vector>

#include "activations.h"
#include "exponentials.h"
#include "instruction_set.h"
#include "matrix_product.h"
#include "packing.h"
#include "vector.h"

namespace m2fp {
namespace {

// Queries at a time: their scores stay in the second-level cache.
constexpr int64_t kQueries = 2 * kRows;

}  // namespace

void attend(const Attention& a) {
  static thread_local std::vector<float> packed_keys, packed_values, scores;
  static thread_local std::vector<const float*> parts;
  static thread_local std::vector<uint8_t> mask;
  const int64_t columns = panels(a.key_count) * kColumns;
  packed_keys.resize(columns * a.dim);
  pack_columns(a.keys.values, a.keys.stride, a.dim, a.key_count, packed_keys.data());
  packed_values.resize(panels(a.value_dim) * kColumns * a.key_count);
  pack_rows(a.values.values, a.values.stride, a.key_count, a.value_dim, packed_values.data());
  scores.resize(kQueries * columns);
  parts.resize(kQueries);
  for (int64_t first = 0; first < a.query_count; first += kQueries) {
    const int64_t count = std::min(kQueries, a.query_count - first);
    const auto multiply_rows = [&](auto row, int64_t depth, const float* packed, int64_t outputs,
                                   float* c, int64_t stride) {
      for (int64_t r = 0; r < count; ++r) parts[r] = row(r);
      const Product<float> product{parts.data(), count, 1, depth, packed, outputs, c, stride, {}};
      multiply(product, 0, panels(outputs));
    };
    multiply_rows(
        [&](int64_t r) { return a.queries.values + (first + r) * a.queries.stride; }, a.dim,
        packed_keys.data(), a.key_count, scores.data(), columns);
    float sums[kQueries];
    for (int64_t r = 0; r < count; ++r) {
      const bool* blocked = nullptr;
      if (a.blocked) {
        // A copy, as the last vector reaches past the end.
        mask.assign(columns, 1);
        std::copy_n(a.blocked + (first + r) * a.key_count, a.key_count, mask.begin());
        blocked = reinterpret_cast<const bool*>(mask.data());
      }
      float* const row = scores.data() + r * columns;
      run_on_this_cpu([&](auto registers) __attribute__((always_inline)) {
        exponentiate<decltype(registers)::kLanes>(row, a.key_count, blocked, sums + r);
      });
    }
    float* const output = a.output + first * a.output_stride;
    multiply_rows(
        [&](int64_t r) { return scores.data() + r * columns; }, a.key_count, packed_values.data(),
        a.value_dim, output, a.output_stride);
    run_on_this_cpu([&](auto registers) __attribute__((always_inline)) {
      using V = Vector<decltype(registers)::kLanes>;
      for (int64_t r = 0; r < count; ++r) {
        float* const row = output + r * a.output_stride;
        run_on_vectors<V>(0, a.value_dim, [&](auto vector, int64_t i) __attribute__((always_inline)) {
          store(row + i, activated(load<decltype(vector)>(row + i) / sums[r], a.activation));
        });
      }
    });
  }
}

}  // namespace m2fp
