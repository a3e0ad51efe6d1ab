// The matrix product under every convolution and linear layer: C = activation(A B + bias +
// residual), with B packed once.
//
// A and B are float32, or integers of 16 bits (int16_product.h): twice as many in a vector. C is
// float32.
//
// A is given row by row through pointers, and a row may consist of several parts ("taps"). So a 1x1
// convolution of any stride, a convolution over 3x3 taps and a linear layer are the same product,
// without a copy of the image in between (as in Dukhan, "The Indirect Convolution Algorithm", arXiv
// 1907.02129).
#pragma once

#include <cstdint>

namespace m2fp {

enum class Activation : int64_t { none, relu, relu6, leaky_relu, gelu, sigmoid };

// Of leaky_relu, for negative values.
constexpr float kLeakySlope = 0.01f;

struct Affine;

// What happens to the sums before they are stored.
struct Epilogue {
  // A value a column, padded to whole panels; or null.
  const float* bias = nullptr;
  // Laid out as C; or null.
  const float* residual = nullptr;
  Activation activation = Activation::none;
  // How each row is normalised (normalisation.h); or null. Of convolutions, 1x1 ones alone know it.
  const Affine* norm = nullptr;
};

// Columns of B that are packed side by side: the same for every instruction set, whose kernel takes a
// part of a panel at once, or several panels.
constexpr int64_t kColumns = 16;

constexpr int64_t panels(int64_t columns) { return (columns + kColumns - 1) / kColumns; }

// Values of a column that lie side by side in packed B: as many as one lane of a vector takes.
template <typename Value>
constexpr int64_t kDepthStep = sizeof(float) / sizeof(Value);

// Packed B: panels of kColumns columns, each of depth x kColumns values, the last filled up with
// zeros. `element(k, n)` is B's. The depth is a multiple of kDepthStep.
template <typename Value, typename Element>
void pack(int64_t depth, int64_t columns, Element element, Value* packed) {
  for (int64_t panel = 0; panel < panels(columns); ++panel) {
    for (int64_t k = 0; k < depth; k += kDepthStep<Value>) {
      for (int64_t c = 0; c < kColumns; ++c) {
        const int64_t n = panel * kColumns + c;
        for (int64_t i = k; i < k + kDepthStep<Value>; ++i) {
          *packed++ = n < columns ? element(i, n) : Value{0};
        }
      }
    }
  }
}

template <typename Value>
struct Product {
  // Of each row of A, its parts: parts[tap * rows + row], each the address of `depth` values.
  const Value* const* parts;
  int64_t rows;
  int64_t taps;
  int64_t depth;
  // taps * depth rows and `columns` columns, packed.
  const Value* packed;
  int64_t columns;
  // rows x columns, with `stride` values from one row to the next.
  float* c;
  int64_t stride;
  Epilogue epilogue;
  // Of integers: what one is worth in each row of A and in each column of B.
  const float* row_scales = nullptr;
  const float* column_scales = nullptr;
  // What is read after this product, if known: it is fetched from memory meanwhile.
  const Value* next = nullptr;
  int64_t next_count = 0;
};

// Every kernel takes a divisor of this many rows at once: a share of the rows is best a multiple of it.
constexpr int64_t kRows = 12;

// Rows of a product that are worth one call: the part of A that they span stays in the second-level
// cache.
constexpr int64_t kBlockRows = 8 * kRows;

// How many of the rows that are left make the next block: few are not left for another.
constexpr int64_t kMostBlockRows = kBlockRows + kRows;
constexpr int64_t block_rows(int64_t left) { return left <= kMostBlockRows ? left : kBlockRows; }

// What of a panel is read in one go: it stays in the second-level cache beside the rows of A. The first-level
// cache would hold a quarter of it, but sums that are put aside in C more often cost more than what that saves.
template <typename Value>
constexpr int64_t kBlockDepth = 1024 * kDepthStep<Value>;

// Computes panels [first, last) of C on the calling thread. Value: float or int16_t.
template <typename Value>
void multiply(const Product<Value>& product, int64_t first, int64_t last);

}  // namespace m2fp
