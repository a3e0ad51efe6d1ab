#include "matrix_pair.h"

#include <algorithm>
#include <vector>

#include "matrix_product.h"
#include "packing.h"
#include "parallel.h"
#include "scratch.h"

namespace m2fp {
namespace {

// Rows of `matrix` times `packed`, some at a time: done(first, count) is called for each block.
template <typename Target, typename Done>
void multiply_rows(
    const Matrix& matrix, const float* packed, int64_t columns, const float* bias, Target target,
    const Done& done) {
  parallel_for((matrix.rows + kRows - 1) / kRows, 2, [&](int64_t begin, int64_t end) {
    const int64_t last = std::min(end * kRows, matrix.rows);
    for (int64_t first = begin * kRows, count; first < last; first += count) {
      count = block_rows(last - first);
      const float* rows[kMostBlockRows];
      for (int64_t r = 0; r < count; ++r) rows[r] = matrix.values + (first + r) * matrix.row_step;
      float* const block = target(first);
      Epilogue epilogue;
      epilogue.bias = bias;
      Product<float> product{rows, count, 1, matrix.columns, packed, columns, block, columns, epilogue};
      product.next = matrix.values + (first + count) * matrix.row_step;
      product.next_count = block_rows(last - first - count) * matrix.columns;
      multiply(product, 0, panels(columns));
      done(block, first, count);
    }
  });
}

// b in panels from its column `first` on, `count` columns.
void pack_part(const Matrix& b, int64_t first, int64_t count, float* packed) {
  const float* const from = b.values + first * b.column_step;
  if (b.row_step == 1) {
    pack_columns(from, b.column_step, b.rows, count, packed);
  } else {
    pack_rows(from, b.row_step, b.rows, count, packed);
  }
}

// Few rows times all columns, a strip of columns at a time: b may be large, and is packed to be read once.
void multiply_strips(const Matrix& a, const Matrix& b, const float* padded_bias, float* output) {
  // As many as a kernel takes at once.
  constexpr int64_t kStrip = 2 * kColumns;
  parallel_for((b.columns + kStrip - 1) / kStrip, 1, [&](int64_t begin, int64_t end) {
    static thread_local Scratch packed_space;
    float* const packed = packed_space.reserve(kStrip * a.columns);
    const float* rows[kMostBlockRows];
    for (int64_t r = 0; r < a.rows; ++r) rows[r] = a.values + r * a.row_step;
    for (int64_t first = begin * kStrip; first < std::min(end * kStrip, b.columns); first += kStrip) {
      const int64_t count = std::min(kStrip, b.columns - first);
      pack_part(b, first, count, packed);
      Epilogue epilogue;
      if (padded_bias) epilogue.bias = padded_bias + first;
      Product<float> product{
          rows, a.rows, 1, a.columns, packed, count, output + first, b.columns, epilogue};
      if (b.row_step == 1) {
        // The next strip: the CPU does not see it coming, as it is many columns that are read.
        product.next = b.values + (first + count) * b.column_step;
        product.next_count = std::min(kStrip, b.columns - first - count) * b.rows;
      }
      multiply(product, 0, panels(count));
    }
  });
}

}  // namespace

void multiply_pair(const Matrix& a, const Matrix& b, const float* bias, float* output) {
  static thread_local Scratch packed_space;
  const int64_t depth = a.columns;
  // With so many rows a strip of b is turned round in a small part of the time that its products take.
  constexpr int64_t kLeastRows = 4 * kRows;
  const bool in_strips = a.rows >= kLeastRows && a.rows <= kMostBlockRows;
  if (b.row_step == 1 && b.columns > a.rows && !in_strips) {
    // bᵀ aᵀ: the fewer values are packed. What comes of each block is turned round.
    float* const packed = packed_space.reserve(panels(a.rows) * kColumns * depth);
    pack_columns(a.values, a.row_step, depth, a.rows, packed);
    const Matrix rows{b.values, b.columns, depth, b.column_step, 1};
    multiply_rows(
        rows, packed, a.rows, nullptr,
        [&](int64_t) {
          static thread_local Scratch block;
          return block.reserve(kMostBlockRows * a.rows);
        },
        [&](const float* block, int64_t first, int64_t count) {
          transpose(block, a.rows, count, a.rows, output + first, b.columns);
          if (!bias) return;
          for (int64_t row = 0; row < a.rows; ++row) {
            float* const to = output + row * b.columns;
            for (int64_t i = first; i < first + count; ++i) to[i] += bias[i];
          }
        });
    return;
  }
  std::vector<float> padded_bias;
  if (bias) {
    padded_bias.assign(panels(b.columns) * kColumns, 0);
    std::copy_n(bias, b.columns, padded_bias.begin());
  }
  const float* const columns_bias = bias ? padded_bias.data() : nullptr;
  if (a.rows <= kMostBlockRows) return multiply_strips(a, b, columns_bias, output);
  float* const packed = packed_space.reserve(panels(b.columns) * kColumns * depth);
  pack_part(b, 0, b.columns, packed);
  multiply_rows(
      a, packed, b.columns, columns_bias,
      [&](int64_t first) { return output + first * b.columns; },
      [](const float*, int64_t, int64_t) {});
}

}  // namespace m2fp
