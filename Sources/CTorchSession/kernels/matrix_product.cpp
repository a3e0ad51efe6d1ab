#include "matrix_product.h"

#include <algorithm>

#include "instruction_set.h"
#include "vector.h"

namespace m2fp {
namespace {

// What of a panel is read in one go: it stays in the first-level cache beside kRows rows of A.
constexpr int64_t kBlockDepth = 256;

constexpr int64_t kVectors = kColumns / kLanes;

// A kRows x kColumns tile: in registers, but for a CPU that has too few.
struct Tile {
  Vector sums[kRows][kVectors];
};

[[gnu::always_inline]] inline void accumulate(
    Tile& tile, const float* const* parts, int64_t offset, int64_t depth, const float* panel) {
  const float* rows[kRows];
  for (int64_t r = 0; r < kRows; ++r) rows[r] = parts[r] + offset;
  for (int64_t k = 0; k < depth; ++k) {
    Vector b[kVectors];
    for (int64_t v = 0; v < kVectors; ++v) b[v] = load(panel + k * kColumns + v * kLanes);
    for (int64_t r = 0; r < kRows; ++r) {
      const float a = rows[r][k];
      for (int64_t v = 0; v < kVectors; ++v) tile.sums[r][v] += a * b[v];
    }
  }
}

[[gnu::always_inline]] inline void finish(
    Tile& tile, const float* bias, const float* residual, int64_t stride, Activation activation) {
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t v = 0; v < kVectors; ++v) {
      Vector sum = tile.sums[r][v];
      if (bias) sum += load(bias + v * kLanes);
      if (residual) sum += load(residual + r * stride + v * kLanes);
      if (activation != Activation::none) sum = maximum(sum, Vector{});
      if (activation == Activation::relu6) sum = minimum(sum, Vector{} + 6.0f);
      tile.sums[r][v] = sum;
    }
  }
}

// The tile of one group of rows and one panel, for taps [first_tap, last_tap) and `depth` values
// from `offset` of each.
struct Step {
  const float* const* parts;
  int64_t first_tap;
  int64_t last_tap;
  int64_t offset;
  int64_t depth;
  const float* panel;
  bool is_first;
  bool is_last;
};

[[gnu::always_inline]] inline void run_step(
    const Step& step, const float* bias, const float* residual, Activation activation, float* c,
    int64_t stride) {
  // The sums take long enough for these lines to come from memory.
  for (int64_t r = 0; r < kRows; ++r) {
    __builtin_prefetch(c + r * stride, 1);
    if (step.is_last && residual) __builtin_prefetch(residual + r * stride);
  }
  Tile tile{};
  if (!step.is_first) {
    for (int64_t r = 0; r < kRows; ++r) {
      for (int64_t v = 0; v < kVectors; ++v) {
        tile.sums[r][v] = load(c + r * stride + v * kLanes);
      }
    }
  }
  const float* panel = step.panel;
  for (int64_t tap = step.first_tap; tap < step.last_tap; ++tap) {
    accumulate(tile, step.parts + tap * kRows, step.offset, step.depth, panel);
    panel += step.depth * kColumns;
  }
  if (step.is_last) finish(tile, bias, residual, stride, activation);
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t v = 0; v < kVectors; ++v) store(c + r * stride + v * kLanes, tile.sums[r][v]);
  }
}

// At an edge of C, by way of a whole tile.
[[gnu::always_inline]] inline void run_edge_step(
    const Step& step, const float* bias, const float* residual, Activation activation, float* c,
    int64_t stride, int64_t rows, int64_t columns) {
  float whole[kRows * kColumns] = {}, whole_residual[kRows * kColumns] = {};
  for (int64_t r = 0; r < rows; ++r) {
    if (!step.is_first) std::copy_n(c + r * stride, columns, whole + r * kColumns);
    if (residual) std::copy_n(residual + r * stride, columns, whole_residual + r * kColumns);
  }
  run_step(step, bias, residual ? whole_residual : nullptr, activation, whole, kColumns);
  for (int64_t r = 0; r < rows; ++r) std::copy_n(whole + r * kColumns, columns, c + r * stride);
}

[[gnu::always_inline]] inline void multiply_any(const Product* product, int64_t first, int64_t last) {
  const Product& p = *product;
  const int64_t groups = (p.rows + kRows - 1) / kRows;
  // A step takes several whole taps or a part of the only one.
  const int64_t step_taps = std::clamp<int64_t>(kBlockDepth / p.depth, 1, p.taps);
  const int64_t step_depth = p.taps == 1 ? std::min(kBlockDepth, p.depth) : p.depth;
  for (int64_t tap = 0; tap < p.taps; tap += step_taps) {
    for (int64_t offset = 0; offset < p.depth; offset += step_depth) {
      for (int64_t panel = first; panel < last; ++panel) {
        const int64_t column = panel * kColumns;
        const int64_t columns = std::min(kColumns, p.columns - column);
        const float* bias = p.epilogue.bias ? p.epilogue.bias + column : nullptr;
        Step step;
        step.first_tap = tap;
        step.last_tap = std::min(tap + step_taps, p.taps);
        step.offset = offset;
        step.depth = std::min(step_depth, p.depth - offset);
        step.panel = p.packed + (panel * p.taps * p.depth + tap * p.depth + offset) * kColumns;
        step.is_first = tap == 0 && offset == 0;
        step.is_last = step.last_tap == p.taps && offset + step.depth == p.depth;
        for (int64_t group = 0; group < groups; ++group) {
          step.parts = p.parts + group * p.taps * kRows;
          const int64_t at = group * kRows * p.stride + column;
          const float* residual = p.epilogue.residual ? p.epilogue.residual + at : nullptr;
          const int64_t rows = std::min(kRows, p.rows - group * kRows);
          if (rows == kRows && columns == kColumns) {
            run_step(step, bias, residual, p.epilogue.activation, p.c + at, p.stride);
          } else {
            run_edge_step(
                step, bias, residual, p.epilogue.activation, p.c + at, p.stride, rows, columns);
          }
        }
      }
    }
  }
}

}  // namespace

void multiply(const Product& product, int64_t first, int64_t last) {
  run_on_this_cpu<multiply_any>(&product, first, last);
}

}  // namespace m2fp
