// Rows turned into columns, and matrices into the panels that matrix_product.h multiplies with.
#pragma once

#include <algorithm>
#include <cstdint>

#include "matrix_product.h"
#include "vector.h"

namespace m2fp {

// to[column * to_stride + row] = from[row * from_stride + column].
inline void transpose(
    const float* from, int64_t from_stride, int64_t rows, int64_t columns, float* to,
    int64_t to_stride) {
  using Four = Vector<4>;
  constexpr int64_t kSide = 4;
  const int64_t whole_rows = rows / kSide * kSide, whole_columns = columns / kSide * kSide;
  for (int64_t column = 0; column < whole_columns; column += kSide) {
    for (int64_t row = 0; row < whole_rows; row += kSide) {
      const float* const corner = from + row * from_stride + column;
      const Four a = load<Four>(corner), b = load<Four>(corner + from_stride);
      const Four c = load<Four>(corner + 2 * from_stride), d = load<Four>(corner + 3 * from_stride);
      const Four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5);
      const Four cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
      const Four ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
      const Four cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
      float* const target = to + column * to_stride + row;
      store(target, __builtin_shufflevector(ab, cd, 0, 1, 4, 5));
      store(target + to_stride, __builtin_shufflevector(ab, cd, 2, 3, 6, 7));
      store(target + 2 * to_stride, __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5));
      store(target + 3 * to_stride, __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7));
    }
  }
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t first = row < whole_rows ? whole_columns : 0;
    for (int64_t column = first; column < columns; ++column) {
      to[column * to_stride + row] = from[row * from_stride + column];
    }
  }
}

// Packs B whose rows lie `stride` apart, their values side by side.
inline void pack_rows(
    const float* rows, int64_t stride, int64_t depth, int64_t columns, float* packed) {
  for (int64_t first = 0; first < columns; first += kColumns) {
    const int64_t count = std::min(kColumns, columns - first);
    for (int64_t k = 0; k < depth; ++k, packed += kColumns) {
      const float* const row = rows + k * stride + first;
      if (count == kColumns) {
        copy(row, kColumns, packed);
      } else {
        std::fill(std::copy_n(row, count, packed), packed + kColumns, 0.0f);
      }
    }
  }
}

// The same with its columns `stride` apart.
inline void pack_columns(
    const float* columns, int64_t stride, int64_t depth, int64_t count, float* packed) {
  for (int64_t first = 0; first < count; first += kColumns, packed += depth * kColumns) {
    const int64_t some = std::min(kColumns, count - first);
    if (some < kColumns) std::fill_n(packed, depth * kColumns, 0.0f);
    transpose(columns + first * stride, stride, some, depth, packed, kColumns);
  }
}

}  // namespace m2fp
