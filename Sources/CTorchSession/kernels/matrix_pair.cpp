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

}  // namespace

void multiply_pair(const Matrix& a, const Matrix& b, const float* bias, float* output) {
  static thread_local Scratch packed_space;
  const int64_t depth = a.columns;
  if (b.row_step == 1 && b.columns > a.rows) {
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
  float* const packed = packed_space.reserve(panels(b.columns) * kColumns * depth);
  if (b.row_step == 1) {
    pack_columns(b.values, b.column_step, depth, b.columns, packed);
  } else {
    pack_rows(b.values, b.row_step, depth, b.columns, packed);
  }
  std::vector<float> padded_bias;
  if (bias) {
    padded_bias.assign(panels(b.columns) * kColumns, 0);
    std::copy_n(bias, b.columns, padded_bias.begin());
  }
  multiply_rows(
      a, packed, b.columns, bias ? padded_bias.data() : nullptr,
      [&](int64_t first) { return output + first * b.columns; },
      [](const float*, int64_t, int64_t) {});
}

}  // namespace m2fp
