// Attention of one head without a matrix of scores: softmax(Q Kᵀ) V, some rows of Q at a time, as in
// Rabe and Staats, "Self-attention Does Not Need O(n²) Memory" (arXiv 2112.05682).
#pragma once

#include <cstdint>

#include "matrix_product.h"

namespace m2fp {

// Rows of values that lie `stride` apart.
struct Rows {
  const float* values;
  int64_t stride;
};

struct Attention {
  // Already scaled.
  Rows queries;
  Rows keys;
  Rows values;
  int64_t query_count;
  int64_t key_count;
  // Of queries and keys, and of values.
  int64_t dim;
  int64_t value_dim;
  // query_count x key_count, true where a query must not look; or null. In a row that is all true
  // the result is not a number.
  const bool* blocked;
  // query_count rows of `value_dim` values that lie `output_stride` apart.
  float* output;
  int64_t output_stride;
  Activation activation = Activation::none;
};

// On the calling thread.
void attend(const Attention& attention);

}  // namespace m2fp
