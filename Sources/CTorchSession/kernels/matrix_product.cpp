#include "matrix_product.h"

#include <algorithm>
#include <type_traits>

#include "activations.h"
#include "instruction_set.h"
#include "int16_product.h"
#include "vector.h"

namespace m2fp {
namespace {

// Columns at the end that are worth a tile of their own: half a panel.
constexpr int64_t kNarrow = kColumns / 2;

// The depth that is added up at the least between fetching rows, and a divisor of what is. Integers are
// added up this far at once.
template <typename Value>
constexpr int64_t kLeastShare = std::is_same_v<Value, float> ? 4 : kSafeDepth;

// A Rows x (Vectors * Lanes) tile of C: in registers.
template <int64_t Lanes, int64_t Rows, int64_t Vectors>
struct Tile {
  using V = Vector<Lanes>;
  static constexpr int64_t kLanes = Lanes;
  static constexpr int64_t kRows = Rows;
  static constexpr int64_t kVectors = Vectors;
  static constexpr int64_t kColumns = Vectors * Lanes;

  V sums[Rows][Vectors];
};

// What of A and B a tile is summed up from: taps [first_tap, last_tap) and `depth` values from `offset`
// of each.
template <typename Value>
struct Step {
  const Value* const* parts;
  // From a tap's parts to the next one's.
  int64_t parts_stride;
  // Rows that there are: those beyond repeat the last.
  int64_t rows;
  int64_t first_tap;
  int64_t last_tap;
  int64_t offset;
  int64_t depth;
  // Where the tile's columns begin in packed B, and from a panel to the next one.
  const Value* packed;
  int64_t panel_stride;
  bool is_first;
  bool is_last;
  // What is fetched from memory meanwhile, and how many bytes of it for each value of a row's depth.
  const char* next;
  int64_t next_step;
  // How many rows of C are fetched at once, and how much of the depth is added up before the next ones are.
  int64_t fetched_rows;
  int64_t share;
};

// Of one tap: the addresses of A's rows and B's vectors. `rows` is known where the tile is whole.
template <typename T, typename Value>
struct Operands {
  const Value* a[T::kRows];
  const Value* b[T::kVectors];

  [[gnu::always_inline]] Operands(const Step<Value>& step, int64_t tap, int64_t rows) {
    const Value* const* const parts = step.parts + tap * step.parts_stride;
    for (int64_t r = 0; r < T::kRows; ++r) a[r] = parts[std::min(r, rows - 1)] + step.offset;
    const int64_t taps_before = (tap - step.first_tap) * step.depth * kColumns;
    for (int64_t v = 0; v < T::kVectors; ++v) {
      const int64_t column = v * T::kLanes;
      b[v] = step.packed + taps_before + column / kColumns * step.panel_stride +
             column % kColumns * kDepthStep<Value>;
    }
  }
};

// What is rolled up keeps its sums in memory.
#define UNROLLED _Pragma("clang loop unroll(full)")

template <typename T>
[[gnu::always_inline]] inline void accumulate(
    T& tile, const Operands<T, float>& operands, int64_t begin, int64_t end, const char* next,
    int64_t next_step) {
  using V = typename T::V;
  for (int64_t k = begin; k < end; ++k) {
    __builtin_prefetch(next + k * next_step);
    V b[T::kVectors];
    UNROLLED for (int64_t v = 0; v < T::kVectors; ++v) {
      b[v] = load<V>(operands.b[v] + k * kColumns);
    }
    UNROLLED for (int64_t r = 0; r < T::kRows; ++r) {
      const float a = operands.a[r][k];
      UNROLLED for (int64_t v = 0; v < T::kVectors; ++v) tile.sums[r][v] += a * b[v];
    }
  }
}

template <typename T>
[[gnu::always_inline]] inline void accumulate(
    T& tile, const Operands<T, int16_t>& operands, int64_t begin, int64_t end, const char* next,
    int64_t next_step) {
  using V = typename T::V;
  for (int64_t first = begin; first < end; first += kSafeDepth) {
    const int64_t last = std::min(first + kSafeDepth, end);
    Integers<V> sums[T::kRows][T::kVectors] = {};
    for (int64_t k = first; k < last; k += 2) {
      __builtin_prefetch(next + k * next_step);
      ShortIntegers<V> b[T::kVectors];
      UNROLLED for (int64_t v = 0; v < T::kVectors; ++v) {
        b[v] = load<ShortIntegers<V>>(operands.b[v] + k * kColumns);
      }
      UNROLLED for (int64_t r = 0; r < T::kRows; ++r) {
        int32_t pair;
        __builtin_memcpy(&pair, operands.a[r] + k, sizeof pair);
        const auto a = reinterpret_cast<ShortIntegers<V>>(Integers<V>{} + pair);
        UNROLLED for (int64_t v = 0; v < T::kVectors; ++v) {
          sums[r][v] += multiply_pairs(a, b[v]);
        }
      }
    }
    UNROLLED for (int64_t r = 0; r < T::kRows; ++r) {
      UNROLLED for (int64_t v = 0; v < T::kVectors; ++v) {
        tile.sums[r][v] += __builtin_convertvector(sums[r][v], V);
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

// What there is to do is asked once for all sums: asking it for each takes as long as a hundred products.
template <typename T>
[[gnu::always_inline]] inline void finish(T& tile, const Target& target) {
  using V = typename T::V;
  // Calls change(sum, row, column) for each vector of sums.
  const auto change_all = [&](const auto& change) __attribute__((always_inline)) {
    UNROLLED for (int64_t r = 0; r < T::kRows; ++r) {
      UNROLLED for (int64_t v = 0; v < T::kVectors; ++v) {
        change(tile.sums[r][v], r, v * T::kLanes);
      }
    }
  };
  if (target.row_scales) {
    change_all([&](V& sum, int64_t r, int64_t at) __attribute__((always_inline)) {
      sum *= target.row_scales[r] * load<V>(target.column_scales + at);
    });
  }
  if (target.bias) {
    change_all([&](V& sum, int64_t, int64_t at) __attribute__((always_inline)) {
      sum += load<V>(target.bias + at);
    });
  }
  if (target.residual) {
    change_all([&](V& sum, int64_t r, int64_t at) __attribute__((always_inline)) {
      sum += load<V>(target.residual + r * target.stride + at);
    });
  }
  if (target.activation == Activation::relu) {
    change_all([](V& sum, int64_t, int64_t) __attribute__((always_inline)) {
      sum = lightly_activated(sum, Activation::relu);
    });
  } else if (target.activation != Activation::none) {
    change_all([&](V& sum, int64_t, int64_t) __attribute__((always_inline)) {
      sum = lightly_activated(sum, target.activation);
    });
  }
}

template <typename T, typename Value>
[[gnu::always_inline]] inline void run_step(
    const Step<Value>& step, const Target& target, int64_t rows) {
  float* const c = target.c;
  const int64_t stride = target.stride;
  T tile{};
  if (!step.is_first) {
    UNROLLED for (int64_t r = 0; r < T::kRows; ++r) {
      UNROLLED for (int64_t v = 0; v < T::kVectors; ++v) {
        tile.sums[r][v] = load<typename T::V>(c + r * stride + v * T::kLanes);
      }
    }
  }
  // The rows that the sums go to come from memory meanwhile, one after the other: at once they would
  // keep A's from coming.
  const auto fetch = [&](int64_t r) __attribute__((always_inline)) {
    constexpr int64_t kCacheLine = 64 / sizeof(float);
    for (int64_t at = r * stride; at < r * stride + T::kColumns; at += kCacheLine) {
      __builtin_prefetch(c + at, 1);
      if (step.is_last && target.residual) __builtin_prefetch(target.residual + at);
    }
  };
  for (int64_t tap = step.first_tap; tap < step.last_tap; ++tap) {
    const Operands<T, Value> operands(step, tap, rows);
    const char* const next =
        step.next + (tap - step.first_tap) * step.depth * step.next_step;
    int64_t k = 0;
    if (tap + 1 == step.last_tap) {
      for (int64_t r = 0; r < T::kRows; k += step.share) {
        const int64_t end = std::min(r + step.fetched_rows, T::kRows);
        for (; r < end; ++r) fetch(r);
        accumulate(tile, operands, k, k + step.share, next, step.next_step);
      }
    }
    accumulate(tile, operands, k, step.depth, next, step.next_step);
  }
  if (step.is_last) finish(tile, target);
  UNROLLED for (int64_t r = 0; r < T::kRows; ++r) {
    UNROLLED for (int64_t v = 0; v < T::kVectors; ++v) {
      store(c + r * stride + v * T::kLanes, tile.sums[r][v]);
    }
  }
}

// At an edge of C, by way of a whole tile.
template <typename T, typename Value>
[[gnu::always_inline]] inline void run_edge_step(
    const Step<Value>& step, const Target& target, int64_t columns) {
  float whole[T::kRows * T::kColumns] = {}, whole_residual[T::kRows * T::kColumns] = {};
  float whole_scales[T::kRows] = {};
  float* const c = target.c;
  const int64_t stride = target.stride;
  for (int64_t r = 0; r < step.rows; ++r) {
    if (!step.is_first) copy(c + r * stride, columns, whole + r * T::kColumns);
    if (target.residual) {
      copy(target.residual + r * stride, columns, whole_residual + r * T::kColumns);
    }
    if (target.row_scales) whole_scales[r] = target.row_scales[r];
  }
  Target here = target;
  here.residual = target.residual ? whole_residual : nullptr;
  here.row_scales = target.row_scales ? whole_scales : nullptr;
  here.c = whole;
  here.stride = T::kColumns;
  run_step<T>(step, here, step.rows);
  for (int64_t r = 0; r < step.rows; ++r) {
    copy(whole + r * T::kColumns, columns, c + r * stride);
  }
}

// What is the same for all tiles of a step.
template <typename Value>
struct Pass {
  const Product<Value>& product;
  int64_t first_tap;
  int64_t last_tap;
  int64_t offset;
  int64_t depth;
  // Of what is fetched meanwhile, if the product says so: from where on, and how much of it with each tile.
  const char*& next;
  int64_t next_bytes;
};

// All rows of the columns from `column` on that a tile has.
template <typename T, typename Value>
[[gnu::always_inline]] inline void run_column(const Pass<Value>& pass, int64_t column) {
  const Product<Value>& p = pass.product;
  const int64_t columns = std::min(T::kColumns, p.columns - column);
  Step<Value> step;
  step.parts_stride = p.rows;
  step.first_tap = pass.first_tap;
  step.last_tap = pass.last_tap;
  step.offset = pass.offset;
  step.depth = pass.depth;
  step.panel_stride = p.taps * p.depth * kColumns;
  step.packed = p.packed + column / kColumns * step.panel_stride +
                (pass.first_tap * p.depth + pass.offset) * kColumns +
                column % kColumns * kDepthStep<Value>;
  step.is_first = pass.first_tap == 0 && pass.offset == 0;
  step.is_last = pass.last_tap == p.taps && pass.offset + pass.depth == p.depth;
  const int64_t shares = std::clamp<int64_t>(pass.depth / kLeastShare<Value>, 1, T::kRows);
  step.fetched_rows = (T::kRows + shares - 1) / shares;
  step.share = pass.depth / shares / kLeastShare<Value> * kLeastShare<Value>;
  // Else it is the next columns of B: they are new to the caches as well.
  const int64_t depth = (pass.last_tap - pass.first_tap) * pass.depth;
  const char* next_columns =
      reinterpret_cast<const char*>(step.packed + T::kColumns / kColumns * step.panel_stride);
  const int64_t tiles = (p.rows + T::kRows - 1) / T::kRows;
  const char*& next = p.next ? pass.next : next_columns;
  const int64_t next_bytes =
      p.next ? pass.next_bytes
             : (depth * T::kColumns * static_cast<int64_t>(sizeof(Value)) + tiles - 1) / tiles;
  step.next_step = (next_bytes + depth - 1) / depth;
  // Sides of images are mostly powers of two, which leave a third of a tile or two of them.
  using Part = Tile<T::kLanes, T::kRows * 2 / 3, T::kVectors>;
  using Half = Tile<T::kLanes, T::kRows / 2, T::kVectors>;
  for (int64_t row = 0; row < p.rows; row += step.rows) {
    const int64_t left = p.rows - row;
    const bool in_parts = left == Part::kRows || left == 2 * Part::kRows;
    step.parts = p.parts + row;
    step.rows = in_parts ? Part::kRows : std::min(T::kRows, left);
    step.next = next;
    next += next_bytes;
    const int64_t at = row * p.stride + column;
    const Target target{
        p.row_scales ? p.row_scales + row : nullptr,
        p.row_scales ? p.column_scales + column : nullptr,
        p.epilogue.bias ? p.epilogue.bias + column : nullptr,
        p.epilogue.residual ? p.epilogue.residual + at : nullptr,
        p.epilogue.activation,
        p.c + at,
        p.stride};
    if (step.rows == T::kRows && columns == T::kColumns) {
      run_step<T>(step, target, T::kRows);
    } else if (in_parts && columns == T::kColumns) {
      run_step<Part>(step, target, Part::kRows);
    } else if (step.rows <= Half::kRows) {
      run_edge_step<Half>(step, target, columns);
    } else {
      run_edge_step<T>(step, target, columns);
    }
  }
}

template <typename Registers, typename Value>
[[gnu::always_inline]] inline void multiply_on(
    const Product<Value>& p, int64_t first_panel, int64_t last_panel) {
  using Whole = Tile<Registers::kLanes, Registers::kRows, Registers::kVectors>;
  // For what whole ones leave: nothing is read beyond the last panel.
  using Panel = std::conditional_t<
      (Whole::kColumns > kColumns),
      Tile<Registers::kLanes, Registers::kRows, Registers::kVectors / 2>, Whole>;
  constexpr int64_t kLanes = std::min(Registers::kLanes, kNarrow);
  using Narrow = Tile<kLanes, Registers::kRows, kNarrow / kLanes>;
  static_assert(kRows % Registers::kRows == 0);
  const int64_t end = std::min(last_panel * kColumns, p.columns);
  // A step takes several whole taps or a part of the only one.
  const int64_t step_taps = std::clamp<int64_t>(kBlockDepth<Value> / p.depth, 1, p.taps);
  const int64_t step_depth = p.taps == 1 ? std::min(kBlockDepth<Value>, p.depth) : p.depth;
  const auto parts = [](int64_t whole, int64_t part) { return (whole + part - 1) / part; };
  const int64_t tiles = parts(p.taps, step_taps) * parts(p.depth, step_depth) *
                        parts(p.rows, Whole::kRows) *
                        parts(end - first_panel * kColumns, Whole::kColumns);
  const char* next = reinterpret_cast<const char*>(p.next);
  const int64_t next_bytes = parts(p.next_count * sizeof(Value), tiles);
  for (int64_t tap = 0; tap < p.taps; tap += step_taps) {
    for (int64_t offset = 0; offset < p.depth; offset += step_depth) {
      const Pass<Value> pass{
          p, tap, std::min(tap + step_taps, p.taps), offset,
          std::min(step_depth, p.depth - offset), next, next_bytes};
      int64_t column = first_panel * kColumns;
      for (; column + Whole::kColumns <= end; column += Whole::kColumns) {
        run_column<Whole>(pass, column);
      }
      for (; column < end; column += Panel::kColumns) {
        if (end - column <= kNarrow) {
          run_column<Narrow>(pass, column);
        } else {
          run_column<Panel>(pass, column);
        }
      }
    }
  }
}

}  // namespace

template <typename Value>
void multiply(const Product<Value>& product, int64_t first, int64_t last) {
  constexpr auto kind =
      std::is_same_v<Value, float> ? Arithmetic::floats : Arithmetic::integers;
  run_on_this_cpu<kind>([&](auto registers) __attribute__((always_inline)) {
    multiply_on<decltype(registers)>(product, first, last);
  });
}

template void multiply(const Product<float>&, int64_t, int64_t);
template void multiply(const Product<int16_t>&, int64_t, int64_t);

}  // namespace m2fp
