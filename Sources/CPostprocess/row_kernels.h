// The kernels, once for each instruction set that postprocess.c includes this for: NAMED(f) is the name of
// f there. No include guard.

// A vector of pixels, as it may lie anywhere in memory.
typedef float NAMED(lanes) __attribute__((ext_vector_type(M2FP_POST_LANES), aligned(4)));
typedef int32_t NAMED(mask) __attribute__((ext_vector_type(M2FP_POST_LANES), aligned(4)));
typedef uint8_t NAMED(bytes) __attribute__((ext_vector_type(M2FP_POST_LANES), aligned(1)));
typedef float NAMED(half) __attribute__((ext_vector_type(M2FP_POST_LANES / 2), aligned(4)));
#define LANES NAMED(lanes)
#define MASK NAMED(mask)
#define BYTES NAMED(bytes)
#define HALF NAMED(half)
#define INLINE static inline __attribute__((always_inline))

static const MASK NAMED(lane_numbers) = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

INLINE LANES NAMED(load)(const float *at) { return *(const LANES *)at; }

INLINE int NAMED(any)(MASK mask) { return __builtin_reduce_or(mask) != 0; }

// exp(x) to about 2 units in the last place, for x <= 88; 0 below -87.
//
// Cody-Waite reduction to |r| <= ln 2 / 2 and a polynomial of degree 6 (the Taylor coefficients
// through r^6, whose remainder is under 1e-7 there), scaled by 2^n through the exponent bits.
INLINE LANES NAMED(exponential)(LANES x) {
  x = x < -87 ? (LANES)-87 : x;
  // Adding 1.5 * 2^23 rounds to an integer, which then sits in the low bits of the significand.
  LANES shifted = x * 1.44269504f + 12582912.0f;
  LANES n = shifted - 12582912.0f;
  LANES r = (x - n * 0.693359375f) - n * -2.1219444e-4f;
  LANES p = r * 1.3888889e-3f + 8.3333333e-3f;
  p = p * r + 4.1666667e-2f;
  p = p * r + 1.6666667e-1f;
  p = p * r + 0.5f;
  p = p * r + 1;
  p = p * r + 1;
  return (LANES)((MASK)p + ((MASK)shifted << 23));
}

INLINE LANES NAMED(logistic)(LANES x) {
  x = x < -88 ? (LANES)-88 : x;
  return 1 / (1 + NAMED(exponential)(-x));
}

// exp(-x) for x >= 0, off by at most 1e-6: half the work of the above.
//
// (1 - y + y^2/2 - y^3/6)^64 with y = x/64, whose error is about exp(-x) x^4 / (24 * 64^3), largest
// at x = 4.
INLINE LANES NAMED(decay)(LANES x) {
  x = x > 32 ? (LANES)32 : x;
  LANES p = x * (float)(-1 / (6 * 64.0 * 64 * 64)) + (float)(1 / (2 * 64.0 * 64));
  p = p * x - (float)(1 / 64.0);
  p = p * x + 1;
  p *= p;
  p *= p;
  p *= p;
  p *= p;
  p *= p;
  return p * p;
}

INLINE LANES NAMED(blend)(const m2fp_post_row *row, int three, int32_t x) {
  LANES sum = NAMED(load)(row->a + x) * row->weight_a + NAMED(load)(row->b + x) * row->weight_b;
  return three ? sum + NAMED(load)(row->c + x) * row->weight_c : sum;
}

// Of each pixel the bytes of `label` where the mask is set, else of `at`.
INLINE void NAMED(put)(MASK mask, uint8_t label, uint8_t *at) {
  BYTES where = __builtin_convertvector(mask, BYTES);
  *(BYTES *)at = (*(BYTES *)at & ~where) | (where & label);
}

static void NAMED(widen_row)(const float *cells, const m2fp_post_columns *columns, int32_t from,
                             int32_t to, int32_t origin, float *target) {
  for (int32_t x = from; x < to;) {
    int32_t base = columns->base[x];
    float c0 = cells[base], c1 = cells[base + 1], c2 = cells[base + 2];
    int32_t end = columns->end[base] < to ? columns->end[base] : to;
    for (; x < end; x += M2FP_POST_LANES / 2) {
      *(HALF *)(target + (x - origin)) = *(const HALF *)(columns->weight_0 + x) * c0 +
                                         *(const HALF *)(columns->weight_1 + x) * c1 +
                                         *(const HALF *)(columns->weight_2 + x) * c2;
    }
    // What was written past the end is written again.
    x = end;
  }
}

INLINE void NAMED(tally)(const m2fp_post_row *row, int three, int32_t from, int32_t to,
                         int32_t origin, int32_t y, m2fp_post_tally *tally) {
  HALF complements = 0;
  MASK counts = 0;
  int32_t first = tally->first, last = tally->last;
  for (int32_t x = from; x < to; x += M2FP_POST_LANES) {
    LANES value = NAMED(blend)(row, three, x);
    MASK positive = value > 0;
    if (!NAMED(any)(positive)) continue;
    // The logistic function is 1 - e / (1 + e); one division serves two pixels.
    LANES e = NAMED(decay)(value);
    e = (LANES)((MASK)e & positive);
    HALF u = e.lo, v = e.hi;
    HALF product = u * v, sum = u + v;
    complements += (sum + 2 * product) / (1 + sum + product);
    counts -= positive;
    int32_t column = origin + x;
    if (column < first || column + M2FP_POST_LANES - 1 > last) {
      for (int32_t lane = 0; lane < M2FP_POST_LANES; lane++) {
        if (!positive[lane]) continue;
        first = column + lane < first ? column + lane : first;
        last = column + lane > last ? column + lane : last;
      }
    }
  }
  int32_t count = __builtin_reduce_add(counts);
  if (count == 0) return;
  float total = 0;
  for (int32_t lane = 0; lane < M2FP_POST_LANES / 2; lane++) total += complements[lane];
  tally->count += count;
  tally->complements += (double)total;
  tally->first = first;
  tally->last = last;
  tally->top = y < tally->top ? y : tally->top;
  tally->bottom = y > tally->bottom ? y : tally->bottom;
}

static void NAMED(tally_row)(const m2fp_post_row *row, int32_t from, int32_t to, int32_t origin,
                             int32_t y, m2fp_post_tally *tally) {
  if (row->c == 0) {
    NAMED(tally)(row, 0, from, to, origin, y, tally);
  } else {
    NAMED(tally)(row, 1, from, to, origin, y, tally);
  }
}

INLINE MASK NAMED(is_present)(LANES value, const m2fp_post_presence *presence) {
  MASK present = value > presence->high;
  MASK unsure = (value > presence->low) & ~present;
  if (NAMED(any)(unsure)) {
    present |= unsure & (NAMED(logistic)(value) * presence->score > presence->threshold);
  }
  return present;
}

INLINE void NAMED(claim)(const m2fp_post_row *row, int three, int32_t from, int32_t to,
                         const m2fp_post_presence *presence, uint8_t label, uint8_t *owners,
                         uint8_t *conflicts) {
  for (int32_t x = from; x < to; x += M2FP_POST_LANES) {
    MASK present = NAMED(is_present)(NAMED(blend)(row, three, x), presence);
    if (!NAMED(any)(present)) continue;
    BYTES where = __builtin_convertvector(present, BYTES);
    BYTES owner = *(BYTES *)(owners + x);
    BYTES free = (BYTES)(owner == M2FP_POST_NO_LABEL);
    BYTES same = (BYTES)(owner == label);
    BYTES conflict = where & ~(free | same);
    conflicts[x / M2FP_POST_LANES] |= __builtin_reduce_or(conflict) & 1;
    *(BYTES *)(owners + x) = (owner & ~where) | (where & label);
  }
}

static void NAMED(claim_row)(const m2fp_post_row *row, int32_t from, int32_t to,
                             const m2fp_post_presence *presence, uint8_t label, uint8_t *owners,
                             uint8_t *conflicts) {
  if (row->c == 0) {
    NAMED(claim)(row, 0, from, to, presence, label, owners, conflicts);
  } else {
    NAMED(claim)(row, 1, from, to, presence, label, owners, conflicts);
  }
}

INLINE void NAMED(accumulate)(const m2fp_post_row *row, int three, int32_t from, int32_t to,
                              const m2fp_post_presence *presence, const uint8_t *conflicts,
                              float *sums, float *counts) {
  for (int32_t x = from; x < to; x += M2FP_POST_LANES) {
    if (!conflicts[x / M2FP_POST_LANES]) continue;
    LANES logit = NAMED(blend)(row, three, x);
    if (!NAMED(any)(logit > presence->low)) continue;
    LANES value = NAMED(logistic)(logit) * presence->score;
    MASK present = value > presence->threshold;
    *(LANES *)(sums + x) += present ? value : (LANES)0;
    *(LANES *)(counts + x) += present ? (LANES)1 : (LANES)0;
  }
}

static void NAMED(accumulate_row)(const m2fp_post_row *row, int32_t from, int32_t to,
                                  const m2fp_post_presence *presence, const uint8_t *conflicts,
                                  float *sums, float *counts) {
  if (row->c == 0) {
    NAMED(accumulate)(row, 0, from, to, presence, conflicts, sums, counts);
  } else {
    NAMED(accumulate)(row, 1, from, to, presence, conflicts, sums, counts);
  }
}

static void NAMED(compete_row)(float *sums, float *counts, int32_t to, uint8_t label,
                               const uint8_t *conflicts, float *best, uint8_t *owners) {
  for (int32_t x = 0; x < to; x += M2FP_POST_LANES) {
    if (!conflicts[x / M2FP_POST_LANES]) continue;
    LANES count = NAMED(load)(counts + x);
    MASK present = count > 0;
    if (!NAMED(any)(present)) continue;
    LANES value = NAMED(load)(sums + x) / count, highest = NAMED(load)(best + x);
    *(LANES *)(sums + x) = 0;
    *(LANES *)(counts + x) = 0;
    // Classes come in ascending order, so that of equals the lowest stays.
    MASK better = present & (value > highest);
    *(LANES *)(best + x) = better ? value : highest;
    NAMED(put)(better, label, owners + x);
  }
}

static void NAMED(fold_row)(float *sums, float *counts, int32_t to, const uint8_t *conflicts,
                            float *means, float *present) {
  for (int32_t x = 0; x < to; x += M2FP_POST_LANES) {
    if (!conflicts[x / M2FP_POST_LANES]) continue;
    LANES count = NAMED(load)(counts + x);
    MASK some = count > 0;
    if (!NAMED(any)(some)) continue;
    LANES mean = NAMED(load)(sums + x) / (count < 1 ? (LANES)1 : count);
    *(LANES *)(means + x) = NAMED(load)(means + x) + mean;
    *(LANES *)(present + x) = some ? (LANES)1 : NAMED(load)(present + x);
    *(LANES *)(sums + x) = 0;
    *(LANES *)(counts + x) = 0;
  }
}

static void NAMED(lead_row)(float *values, int32_t to, float most, uint8_t label, float *best,
                            uint8_t *labels) {
  for (int32_t x = 0; x < to; x += M2FP_POST_LANES) {
    LANES value = NAMED(load)(values + x), highest = NAMED(load)(best + x);
    value = value < 0 ? (LANES)0 : value;
    value = value > most ? (LANES)most : value;
    *(LANES *)(values + x) = value;
    MASK better = value > highest;
    if (!NAMED(any)(better)) continue;
    *(LANES *)(best + x) = better ? value : highest;
    NAMED(put)(better, label, labels + x);
  }
}

// log(x) to about 2 units in the last place, for normal x > 0.
//
// x = 2^n m with m in sqrt(1/2)…sqrt(2); log m = 2 atanh(s) with s = (m - 1) / (m + 1), |s| <= 0.172, by
// its series through s^9, whose remainder is under 1e-9 there.
INLINE LANES NAMED(natural_log)(LANES x) {
  // 0x3f3504f3 is sqrt(1/2): the exponent counts from there.
  MASK bits = (MASK)x - 0x3f3504f3;
  MASK exponent = bits >> 23;
  LANES m = (LANES)((MASK)x - (exponent << 23));
  LANES s = (m - 1) / (m + 1), square = s * s;
  LANES p = square * (2 / 9.0f) + 2 / 7.0f;
  p = p * square + 2 / 5.0f;
  p = p * square + 2 / 3.0f;
  p = p * square + 2;
  LANES n = __builtin_convertvector(exponent, LANES);
  return n * 0.693359375f + (p * s + n * -2.1219444e-4f);
}

static void NAMED(logit_row)(float *values, int32_t to, float whole, float least) {
  float most = 1 - least;
  for (int32_t x = 0; x < to; x += M2FP_POST_LANES) {
    LANES share = NAMED(load)(values + x) / whole;
    share = share < least ? (LANES)least : share;
    share = share > most ? (LANES)most : share;
    *(LANES *)(values + x) = NAMED(natural_log)(share / (1 - share));
  }
}

// The first `count` bytes of a vector.
INLINE BYTES NAMED(load_bytes)(const uint8_t *at, int32_t count) {
  if (count >= M2FP_POST_LANES) return *(const BYTES *)at;
  BYTES bytes = 0;
  memcpy(&bytes, at, (size_t)count);
  return bytes;
}

// Of each pixel whether it lies before `to`.
INLINE MASK NAMED(before)(int32_t to, int32_t x) {
  return NAMED(lane_numbers) < to - x;
}

static int32_t NAMED(paint_row)(const m2fp_post_row *row, int32_t from, int32_t to, uint8_t id,
                                uint8_t *ids) {
  int32_t count = 0;
  for (int32_t x = from; x < to; x += M2FP_POST_LANES) {
    MASK positive = (NAMED(blend)(row, row->c != 0, x) > 0) & NAMED(before)(to, x);
    if (!NAMED(any)(positive)) continue;
    BYTES old = NAMED(load_bytes)(ids + x, to - x);
    BYTES painted = __builtin_convertvector(positive, BYTES) & (BYTES)(old == 0);
    BYTES bytes = old | (painted & id);
    if (to - x >= M2FP_POST_LANES) {
      *(BYTES *)(ids + x) = bytes;
    } else {
      memcpy(ids + x, &bytes, (size_t)(to - x));
    }
    count += __builtin_reduce_add(painted & 1);
  }
  return count;
}

static void NAMED(reach_row)(const m2fp_post_row *row, int32_t from, int32_t to, float threshold,
                             const uint8_t *ids, uint8_t *reached) {
  for (int32_t x = from; x < to; x += M2FP_POST_LANES) {
    MASK above = (NAMED(blend)(row, row->c != 0, x) > threshold) & NAMED(before)(to, x);
    if (!NAMED(any)(above)) continue;
    BYTES where = __builtin_convertvector(above, BYTES);
    BYTES here = NAMED(load_bytes)(ids + x, to - x) & where;
    // Neighbours are mostly alike: where all have the largest id there is, that is all.
    uint8_t largest = __builtin_reduce_max(here);
    reached[largest] = 1;
    if (!__builtin_reduce_or(where & (BYTES)(here != largest))) continue;
    for (int32_t lane = 0; lane < M2FP_POST_LANES; lane++) {
      if (above[lane]) reached[here[lane]] = 1;
    }
  }
}

static void NAMED(blend_row)(const m2fp_post_row *row, int32_t from, int32_t to, float *target) {
  for (int32_t x = from; x < to; x += M2FP_POST_LANES) {
    *(LANES *)(target + x) = NAMED(blend)(row, row->c != 0, x);
  }
}

static void NAMED(logistic_row)(const m2fp_post_row *row, int32_t from, int32_t to, float low,
                                float scale, float *target) {
  for (int32_t x = from; x < to; x += M2FP_POST_LANES) {
    LANES value = NAMED(blend)(row, row->c != 0, x);
    *(LANES *)(target + x) =
        NAMED(any)(value > low) ? NAMED(logistic)(value) * scale : (LANES)0;
  }
}

static void NAMED(sum_classes)(const float *probabilities, const float *weights, int32_t queries,
                               int32_t classes, int32_t stride, float *sums) {
  for (int32_t x = 0; x < stride; x += M2FP_POST_LANES) {
    for (int32_t first = 0; first < classes; first += 4) {
      LANES a = 0, b = 0, c = 0, d = 0;
      const float *source = probabilities + x, *weight = weights + first;
      for (int32_t query = 0; query < queries; query++) {
        LANES value = NAMED(load)(source);
        a += value * weight[0];
        b += value * weight[1];
        c += value * weight[2];
        d += value * weight[3];
        source += stride;
        weight += classes;
      }
      float *target = sums + (size_t)first * stride + x;
      *(LANES *)target = a;
      *(LANES *)(target + stride) = b;
      *(LANES *)(target + 2 * (size_t)stride) = c;
      *(LANES *)(target + 3 * (size_t)stride) = d;
    }
  }
}

static void NAMED(sum_by_label)(const float *values, const uint8_t *labels, int32_t count,
                                double *totals) {
  for (int32_t x = 0; x < count;) {
    uint8_t label = labels[x];
    LANES sum = 0;
    int32_t start = x;
    for (; x + M2FP_POST_LANES <= count; x += M2FP_POST_LANES) {
      if (!__builtin_reduce_and((BYTES)(*(const BYTES *)(labels + x) == label))) break;
      sum += NAMED(load)(values + x);
    }
    if (x == start) {
      // Neighbours are mostly alike; where they are not, one at a time.
      totals[label] += (double)values[x++];
      continue;
    }
    for (int32_t lane = 0; lane < M2FP_POST_LANES; lane++) totals[label] += (double)sum[lane];
  }
}

static float NAMED(max)(const float *values, int32_t count) {
  float largest = values[0];
  int32_t x = 0;
  if (count >= M2FP_POST_LANES) {
    LANES highest = NAMED(load)(values);
    for (; x + M2FP_POST_LANES <= count; x += M2FP_POST_LANES) {
      LANES value = NAMED(load)(values + x);
      highest = value > highest ? value : highest;
    }
    for (int32_t lane = 0; lane < M2FP_POST_LANES; lane++) {
      largest = highest[lane] > largest ? highest[lane] : largest;
    }
  }
  for (; x < count; x++) largest = values[x] > largest ? values[x] : largest;
  return largest;
}

static m2fp_post_span NAMED(find_span)(const float *values, int32_t count, float threshold) {
  int32_t first = 0, end = count;
  while (first + M2FP_POST_LANES <= count && !NAMED(any)(NAMED(load)(values + first) > threshold)) {
    first += M2FP_POST_LANES;
  }
  while (first < count && !(values[first] > threshold)) first++;
  if (first == count) return (m2fp_post_span){INT32_MAX, -1};
  while (end - M2FP_POST_LANES > first &&
         !NAMED(any)(NAMED(load)(values + end - M2FP_POST_LANES) > threshold)) {
    end -= M2FP_POST_LANES;
  }
  while (!(values[end - 1] > threshold)) end--;
  return (m2fp_post_span){first, end - 1};
}

static float NAMED(exp)(float x) { return NAMED(exponential)((LANES)x)[0]; }
