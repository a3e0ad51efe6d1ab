// The guided filter, after row_kernels.h and with its macros.

// Means over windows are sums along a row, from the left, then over rows, from the top. Both are added
// up anew for each pixel: a running sum would carry rounding from one end of the picture to the other.

// The sums over 2 `radius` + 1 values round each of the columns `from` to `to` - 1 of a row that is
// zero for a vector before its start and past its end.
INLINE void NAMED(window_row)(const float *row, int32_t radius, int32_t from, int32_t to,
                              float *sums) {
  for (int32_t x = from; x < to; x += M2FP_POST_LANES) {
    LANES sum = NAMED(load)(row + x - radius);
    for (int32_t d = 1 - radius; d <= radius; d++) sum += NAMED(load)(row + x + d);
    *(LANES *)(sums + x) = sum;
  }
}

// The last 2 `radius` + 1 rows of window sums of two quantities, and the memory of one row of each,
// with a vector of zeros on either side.
typedef struct NAMED(windows) {
  const m2fp_post_guide *guide;
  float *rows[2];
  float *sums[2];
} NAMED(windows);

INLINE int32_t NAMED(window_rows)(const m2fp_post_guide *guide) { return 2 * guide->radius + 1; }

INLINE NAMED(windows) NAMED(make_windows)(const m2fp_post_guide *guide, float *memory) {
  int32_t padded = guide->stride + 2 * M2FP_POST_LANES;
  int32_t held = NAMED(window_rows)(guide) * guide->stride;
  memset(memory, 0, sizeof(float) * 2 * (size_t)(padded + held));
  return (NAMED(windows)){guide,
                          {memory + M2FP_POST_LANES, memory + padded + M2FP_POST_LANES},
                          {memory + 2 * padded, memory + 2 * padded + held}};
}

// Takes up row `y` of what is in `rows`; zeros for a row outside of the picture.
INLINE void NAMED(push)(const NAMED(windows) *windows, int32_t y, int is_zero, int32_t from,
                        int32_t to) {
  int32_t slot = (y + NAMED(window_rows)(windows->guide)) % NAMED(window_rows)(windows->guide);
  for (int i = 0; i < 2; i++) {
    float *sums = windows->sums[i] + slot * windows->guide->stride;
    if (is_zero) {
      memset(sums + from, 0, sizeof(float) * (size_t)(to - from));
    } else {
      NAMED(window_row)(windows->rows[i], windows->guide->radius, from, to, sums);
    }
  }
}

// The rows that are held, from the top one on, after row `y` was taken up.
typedef struct NAMED(held_rows) {
  const float *rows[2 * M2FP_POST_LANES + 1];
  int32_t count;
} NAMED(held_rows);

INLINE NAMED(held_rows) NAMED(held)(const NAMED(windows) *windows, int quantity, int32_t y) {
  NAMED(held_rows) held = {.count = NAMED(window_rows)(windows->guide)};
  for (int32_t i = 0; i < held.count; i++) {
    int32_t slot = (y + 1 + i) % held.count;
    held.rows[i] = windows->sums[quantity] + slot * windows->guide->stride;
  }
  return held;
}

INLINE LANES NAMED(window_sum)(const NAMED(held_rows) *held, int32_t x) {
  LANES sum = NAMED(load)(held->rows[0] + x);
  for (int32_t row = 1; row < held->count; row++) sum += NAMED(load)(held->rows[row] + x);
  return sum;
}

// Of each column, one over the number of pixels of the picture in the window round it in row `y`.
INLINE void NAMED(window_shares)(const m2fp_post_guide *guide, int32_t y, float *shares) {
  int32_t top = y < guide->radius ? 0 : y - guide->radius;
  int32_t bottom = y + guide->radius < guide->height ? y + guide->radius : guide->height - 1;
  for (int32_t x = 0; x < guide->stride; x += M2FP_POST_LANES) {
    MASK column = NAMED(lane_numbers) + x, last = (MASK)(guide->width - 1);
    MASK left = column < guide->radius ? (MASK)0 : column - guide->radius;
    MASK right = column + guide->radius;
    right = right < last ? right : last;
    // Past the end of the row nobody looks.
    MASK count = right - left + 1;
    count = count < 1 ? (MASK)1 : count;
    *(LANES *)(shares + x) = 1 / __builtin_convertvector(count * (bottom - top + 1), LANES);
  }
}

// Shares of a row that are made anew only where they differ from those of the row above.
INLINE void NAMED(update_shares)(const m2fp_post_guide *guide, int32_t y, int32_t first,
                                 float *shares) {
  int is_inside = y > guide->radius && y + guide->radius < guide->height;
  if (y == first || !is_inside) NAMED(window_shares)(guide, y, shares);
}

static size_t NAMED(guide_memory)(const m2fp_post_guide *guide) {
  int32_t windows = guide->stride + 2 * M2FP_POST_LANES + NAMED(window_rows)(guide) * guide->stride;
  return 2 * (size_t)guide->stride + 4 * (size_t)windows;
}

static void NAMED(prepare_guide)(const m2fp_post_guide *guide, float epsilon, float *memory) {
  float *shares = memory;
  NAMED(windows) windows = NAMED(make_windows)(guide, memory + guide->stride);
  int32_t stride = guide->stride, radius = guide->radius;
  for (int32_t y = 0; y < guide->height + radius; y++) {
    if (y < guide->height) {
      const float *picture = guide->picture + (size_t)y * stride;
      for (int32_t x = 0; x < stride; x += M2FP_POST_LANES) {
        LANES value = NAMED(load)(picture + x);
        *(LANES *)(windows.rows[0] + x) = value;
        *(LANES *)(windows.rows[1] + x) = value * value;
      }
    }
    NAMED(push)(&windows, y, y >= guide->height, 0, stride);
    int32_t row = y - radius;
    if (row < 0) continue;
    NAMED(update_shares)(guide, row, 0, shares);
    NAMED(held_rows) levels = NAMED(held)(&windows, 0, y), squares = NAMED(held)(&windows, 1, y);
    for (int32_t x = 0; x < stride; x += M2FP_POST_LANES) {
      LANES share = NAMED(load)(shares + x);
      LANES mean = NAMED(window_sum)(&levels, x) * share;
      LANES square = NAMED(window_sum)(&squares, x) * share;
      *(LANES *)(guide->means + (size_t)row * stride + x) = mean;
      *(LANES *)(guide->spreads + (size_t)row * stride + x) = square - mean * mean + epsilon;
    }
  }
}

static m2fp_post_area NAMED(guided_filter)(const m2fp_post_guide *guide, m2fp_post_area area,
                                           const float *values, float *result, float *memory) {
  int32_t stride = guide->stride, radius = guide->radius, height = guide->height;
  float *line_shares = memory, *shares = memory + stride;
  NAMED(windows) inputs = NAMED(make_windows)(guide, memory + 2 * stride);
  NAMED(windows) lines =
      NAMED(make_windows)(guide, inputs.sums[1] + NAMED(window_rows)(guide) * stride);
  // Where there is nothing within two windows nothing comes out.
  int32_t from = (area.left - 2 * radius) / M2FP_POST_LANES * M2FP_POST_LANES;
  int32_t to = (area.right + 2 * radius + M2FP_POST_LANES - 1) / M2FP_POST_LANES * M2FP_POST_LANES;
  from = from < 0 ? 0 : from;
  to = to < stride ? to : stride;
  int32_t first = area.top - 2 * radius, last = area.bottom + 2 * radius;
  first = first < 0 ? 0 : first;
  last = last < height ? last : height;
  // Row y goes in, the line of row y - radius comes out of the first windows, and the result of row
  // y - 2 radius out of the second.
  for (int32_t y = first; y < last + 2 * radius; y++) {
    int is_inside = y >= area.top && y < area.bottom;
    if (is_inside) {
      const float *value = values + (size_t)y * stride;
      const float *picture = guide->picture + (size_t)y * stride;
      for (int32_t x = from; x < to; x += M2FP_POST_LANES) {
        LANES chance = NAMED(load)(value + x);
        *(LANES *)(inputs.rows[0] + x) = chance;
        *(LANES *)(inputs.rows[1] + x) = chance * NAMED(load)(picture + x);
      }
    }
    NAMED(push)(&inputs, y, !is_inside, from, to);
    int32_t row = y - radius;
    if (row < first) continue;
    if (row < height) {
      NAMED(update_shares)(guide, row, first, line_shares);
      NAMED(held_rows) levels = NAMED(held)(&inputs, 0, y), products = NAMED(held)(&inputs, 1, y);
      const float *mean = guide->means + (size_t)row * stride;
      const float *spread = guide->spreads + (size_t)row * stride;
      for (int32_t x = from; x < to; x += M2FP_POST_LANES) {
        LANES share = NAMED(load)(line_shares + x);
        LANES level = NAMED(window_sum)(&levels, x) * share;
        LANES product = NAMED(window_sum)(&products, x) * share;
        LANES middle = NAMED(load)(mean + x);
        LANES slope = (product - middle * level) / NAMED(load)(spread + x);
        MASK valid = NAMED(lane_numbers) + x < guide->width;
        *(LANES *)(lines.rows[0] + x) = (LANES)((MASK)slope & valid);
        *(LANES *)(lines.rows[1] + x) = (LANES)((MASK)(level - slope * middle) & valid);
      }
    }
    NAMED(push)(&lines, row, row >= height, from, to);
    int32_t target = row - radius;
    if (target < first || target >= last) continue;
    NAMED(update_shares)(guide, target, first, shares);
    NAMED(held_rows) slopes = NAMED(held)(&lines, 0, row), bases = NAMED(held)(&lines, 1, row);
    const float *picture = guide->picture + (size_t)target * stride;
    for (int32_t x = from; x < to; x += M2FP_POST_LANES) {
      LANES share = NAMED(load)(shares + x);
      LANES slope = NAMED(window_sum)(&slopes, x) * share;
      LANES base = NAMED(window_sum)(&bases, x) * share;
      *(LANES *)(result + (size_t)target * stride + x) = slope * NAMED(load)(picture + x) + base;
    }
  }
  return (m2fp_post_area){from, first, to, last};
}
