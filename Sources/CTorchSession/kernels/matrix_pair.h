// Products of two matrices neither of which is known before they are multiplied.
#pragma once

#include <cstdint>

namespace m2fp {

// values[row * row_step + column * column_step].
struct Matrix {
  const float* values;
  int64_t rows;
  int64_t columns;
  int64_t row_step;
  int64_t column_step;
};

// output = a b, (a.rows, b.columns), row after row. Of each matrix one of the steps is 1: a's columns lie
// side by side, b's rows or its columns. `bias` has a value for each column, or is null.
void multiply_pair(const Matrix& a, const Matrix& b, const float* bias, float* output);

}  // namespace m2fp
