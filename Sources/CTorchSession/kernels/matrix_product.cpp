#include "matrix_product.h"

#include <algorithm>

#include "instruction_set.h"
#include "int16_product.h"
#include "vector.h"

namespace m2fp {
namespace {

// What of a panel is read in one go: it stays in the first-level cache beside kRows rows of A.
template <typename Value>
constexpr int64_t kBlockDepth = 256 * kDepthStep<Value>;

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

[[gnu::always_inline]] inline void accumulate(
    Tile& tile, const int16_t* const* parts, int64_t offset, int64_t depth, const int16_t* panel) {
  for (int64_t first = 0; first < depth; first += kSafeDepth) {
    const int64_t last = std::min(first + kSafeDepth, depth);
    const int16_t* rows[kRows];
    for (int64_t r = 0; r < kRows; ++r) rows[r] = parts[r] + offset;
    Integers sums[kRows][kVectors] = {};
    for (int64_t k = first; k < last; k += 2) {
      ShortIntegers b[kVectors];
      for (int64_t v = 0; v < kVectors; ++v) {
        b[v] = load(panel + k * kColumns + v * 2 * kLanes);
      }
      // Rolled up, the sums would go to memory and back.
#pragma clang loop unroll(full)
      for (int64_t r = 0; r < kRows; ++r) {
        int32_t pair;
        __builtin_memcpy(&pair, rows[r] + k, sizeof pair);
        const auto a = reinterpret_cast<ShortIntegers>(Integers{} + pair);
#pragma clang loop unroll(full)
        for (int64_t v = 0; v < kVectors; ++v) sums[r][v] += multiply_pairs(a, b[v]);
      }
    }
    for (int64_t r = 0; r < kRows; ++r) {
      for (int64_t v = 0; v < kVectors; ++v) {
        tile.sums[r][v] += __builtin_convertvector(sums[r][v], Vector);
      }
    }
  }
}

// Where a tile's sums go, and what is done to them before.
struct Target {
  const float* row_scales;
  const float* column_scales;
  const float* bias;
  const float* residual;
  Activation activation;
  float* c;
  int64_t stride;
};

[[gnu::always_inline]] inline void finish(Tile& tile, const Target& target) {
  const auto [row_scales, column_scales, bias, residual, activation, c, stride] = target;
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t v = 0; v < kVectors; ++v) {
      Vector sum = tile.sums[r][v];
      if (row_scales) sum *= row_scales[r] * load(column_scales + v * kLanes);
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
template <typename Value>
struct Step {
  const Value* const* parts;
  int64_t first_tap;
  int64_t last_tap;
  int64_t offset;
  int64_t depth;
  const Value* panel;
  bool is_first;
  bool is_last;
};

template <typename Value>
[[gnu::always_inline]] inline void run_step(const Step<Value>& step, const Target& target) {
  float* const c = target.c;
  const int64_t stride = target.stride;
  // The sums take long enough for these lines to come from memory.
  for (int64_t r = 0; r < kRows; ++r) {
    __builtin_prefetch(c + r * stride, 1);
    if (step.is_last && target.residual) __builtin_prefetch(target.residual + r * stride);
  }
  Tile tile{};
  if (!step.is_first) {
    for (int64_t r = 0; r < kRows; ++r) {
      for (int64_t v = 0; v < kVectors; ++v) {
        tile.sums[r][v] = load(c + r * stride + v * kLanes);
      }
    }
  }
  const Value* panel = step.panel;
  for (int64_t tap = step.first_tap; tap < step.last_tap; ++tap) {
    accumulate(tile, step.parts + tap * kRows, step.offset, step.depth, panel);
    panel += step.depth * kColumns;
  }
  if (step.is_last) finish(tile, target);
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t v = 0; v < kVectors; ++v) store(c + r * stride + v * kLanes, tile.sums[r][v]);
  }
}

// At an edge of C, by way of a whole tile.
template <typename Value>
[[gnu::always_inline]] inline void run_edge_step(
    const Step<Value>& step, const Target& target, int64_t rows, int64_t columns) {
  float whole[kRows * kColumns] = {}, whole_residual[kRows * kColumns] = {};
  float* const c = target.c;
  const int64_t stride = target.stride;
  for (int64_t r = 0; r < rows; ++r) {
    if (!step.is_first) std::copy_n(c + r * stride, columns, whole + r * kColumns);
    if (target.residual) {
      std::copy_n(target.residual + r * stride, columns, whole_residual + r * kColumns);
    }
  }
  Target here = target;
  here.residual = target.residual ? whole_residual : nullptr;
  here.c = whole;
  here.stride = kColumns;
  run_step(step, here);
  for (int64_t r = 0; r < rows; ++r) std::copy_n(whole + r * kColumns, columns, c + r * stride);
}

template <typename Value>
[[gnu::always_inline]] inline void multiply_any(
    const Product<Value>* product, int64_t first, int64_t last) {
  const Product<Value>& p = *product;
  const int64_t groups = (p.rows + kRows - 1) / kRows;
  // A step takes several whole taps or a part of the only one.
  const int64_t step_taps = std::clamp<int64_t>(kBlockDepth<Value> / p.depth, 1, p.taps);
  const int64_t step_depth = p.taps == 1 ? std::min(kBlockDepth<Value>, p.depth) : p.depth;
  for (int64_t tap = 0; tap < p.taps; tap += step_taps) {
    for (int64_t offset = 0; offset < p.depth; offset += step_depth) {
      for (int64_t panel = first; panel < last; ++panel) {
        const int64_t column = panel * kColumns;
        const int64_t columns = std::min(kColumns, p.columns - column);
        Step<Value> step;
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
          const Target target{
              p.row_scales ? p.row_scales + group * kRows : nullptr,
              p.row_scales ? p.column_scales + column : nullptr,
              p.epilogue.bias ? p.epilogue.bias + column : nullptr,
              p.epilogue.residual ? p.epilogue.residual + at : nullptr,
              p.epilogue.activation,
              p.c + at,
              p.stride};
          const int64_t rows = std::min(kRows, p.rows - group * kRows);
          if (rows == kRows && columns == kColumns) {
            run_step(step, target);
          } else {
            run_edge_step(step, target, rows, columns);
          }
        }
      }
    }
  }
}

}  // namespace

template <typename Value>
void multiply(const Product<Value>& product, int64_t first, int64_t last) {
  run_on_this_cpu<multiply_any<Value>>(&product, first, last);
}

template void multiply(const Product<float>&, int64_t, int64_t);
template void multiply(const Product<int16_t>&, int64_t, int64_t);

}  // namespace m2fp
