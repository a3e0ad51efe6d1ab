// The kernels that look at whole patches, after those of row_kernels.h and with its macros.

#define HALF_LANES (M2FP_POST_LANES / 2)
typedef _Bool NAMED(flags) __attribute__((ext_vector_type(M2FP_POST_LANES)));

INLINE float NAMED(sum_half)(HALF values) {
  float sum = 0;
  for (int32_t lane = 0; lane < HALF_LANES; lane++) sum += values[lane];
  return sum;
}

// The smallest and the largest of each patch's four corners.
INLINE void NAMED(extremes)(const float *top, const float *bottom, LANES *low, LANES *high) {
  LANES a = NAMED(load)(top), b = NAMED(load)(top + 1);
  LANES c = NAMED(load)(bottom), d = NAMED(load)(bottom + 1);
  LANES least_top = a < b ? a : b, most_top = a < b ? b : a;
  LANES least_bottom = c < d ? c : d, most_bottom = c < d ? d : c;
  *low = least_top < least_bottom ? least_top : least_bottom;
  *high = most_top < most_bottom ? most_bottom : most_top;
}

// Some columns of one patch, between a row of the content and the next.
typedef struct NAMED(columns) {
  HALF top;
  HALF bottom;
} NAMED(columns);

INLINE NAMED(columns) NAMED(patch_columns)(const float *top, const float *bottom,
                                           const float *positions) {
  HALF right = *(const HALF *)positions, left = 1 - right;
  return (NAMED(columns)){left * top[0] + right * top[1], left * bottom[0] + right * bottom[1]};
}

// Two rows of the image there. Where the second is no more, it is the first again.
INLINE LANES NAMED(patch_rows)(NAMED(columns) columns, const m2fp_post_band *band, int32_t row) {
  float first = band->position[row];
  float second = band->position[row + 1 < band->rows ? row + 1 : row];
  LANES rows;
  rows.lo = columns.top * (1 - first) + columns.bottom * first;
  rows.hi = columns.top * (1 - second) + columns.bottom * second;
  return rows;
}

// Patches of one row that are neither wholly above zero nor smooth enough, in ascending order.
typedef struct NAMED(rough_patches) {
  int32_t numbers[2 * M2FP_POST_LANES];
  int32_t count;
} NAMED(rough_patches);

// A bit for each lane.
INLINE uint32_t NAMED(bits)(MASK mask) {
  NAMED(flags) flags = __builtin_convertvector(mask, NAMED(flags));
  uint16_t bits;
  memcpy(&bits, &flags, sizeof bits);
  return bits;
}

INLINE LANES NAMED(gather)(const float *values, const int32_t *places) {
  float result[M2FP_POST_LANES];
#pragma clang loop unroll(full)
  for (int32_t lane = 0; lane < M2FP_POST_LANES; lane++) result[lane] = values[places[lane]];
  return NAMED(load)(result);
}

// Pixel by pixel, up to a vector of rough patches at a time, each in a lane of its own.
static void NAMED(tally_rough)(const m2fp_post_patches *patches, const m2fp_post_band *band,
                               const float *top, const float *bottom, const int32_t *numbers,
                               int32_t patch_count, m2fp_post_tally *tally) {
  int32_t first[M2FP_POST_LANES], widths[M2FP_POST_LANES];
  for (int32_t lane = 0; lane < M2FP_POST_LANES; lane++) {
    first[lane] = patches->first[numbers[lane]];
    widths[lane] = patches->first[numbers[lane] + 1] - first[lane];
  }
  MASK width = *(const MASK *)widths & (NAMED(lane_numbers) < patch_count);
  int32_t widest = __builtin_reduce_max(width);
  LANES top_left = NAMED(gather)(top, numbers), top_right = NAMED(gather)(top + 1, numbers);
  LANES bottom_left = NAMED(gather)(bottom, numbers);
  LANES bottom_right = NAMED(gather)(bottom + 1, numbers);
  // No column of them lies outside of the box so far, which needs no look at each then.
  int32_t end = first[patch_count - 1] + widths[patch_count - 1];
  int is_boxed = first[0] >= tally->first && end - 1 <= tally->last;
  LANES complements = 0;
  MASK counts = 0;
  for (int32_t column = 0; column < widest; column++) {
    MASK valid = column < width;
    // A narrower patch stays at its first column: the widest's last may lie far past the row's end.
    MASK places = *(const MASK *)first + (column & valid);
    LANES right = NAMED(gather)(patches->position, (const int32_t *)&places), left = 1 - right;
    LANES upper = left * top_left + right * top_right;
    LANES lower = left * bottom_left + right * bottom_right;
    MASK anywhere = 0;
    for (int32_t row = 0; row < band->rows; row += 2) {
      // Two rows, as one division serves both. Where the second is no more, it is the first again.
      int has_second = row + 1 < band->rows;
      float v0 = band->position[row], v1 = band->position[row + has_second];
      LANES value0 = upper * (1 - v0) + lower * v0, value1 = upper * (1 - v1) + lower * v1;
      MASK positive0 = (value0 > 0) & valid, positive1 = (value1 > 0) & valid & -has_second;
      LANES e0 = (LANES)((MASK)NAMED(decay)(value0) & positive0);
      LANES e1 = (LANES)((MASK)NAMED(decay)(value1) & positive1);
      LANES product = e0 * e1, sum = e0 + e1;
      complements += (sum + 2 * product) / (1 + sum + product);
      counts -= positive0 + positive1;
      anywhere |= positive0 | positive1;
      int32_t y = band->first + row;
      if (y < tally->top || y + has_second > tally->bottom) {
        int any0 = NAMED(any)(positive0), any1 = NAMED(any)(positive1);
        if (!any0 && !any1) continue;
        int32_t highest = any0 ? y : y + 1, lowest = any1 ? y + 1 : y;
        tally->top = highest < tally->top ? highest : tally->top;
        tally->bottom = lowest > tally->bottom ? lowest : tally->bottom;
      }
    }
    if (is_boxed) continue;
    for (int32_t lane = 0; lane < patch_count; lane++) {
      if (!anywhere[lane]) continue;
      int32_t x = first[lane] + column;
      tally->first = x < tally->first ? x : tally->first;
      tally->last = x > tally->last ? x : tally->last;
    }
  }
  tally->count += __builtin_reduce_add(counts);
  tally->complements += (double)NAMED(sum_half)(complements.lo + complements.hi);
}

// A sum of fractions, not yet divided.
typedef struct NAMED(fraction) {
  LANES numerator;
  LANES denominator;
} NAMED(fraction);

// The weighted sum of one minus the logistic function at two places, which is e / (1 + e) with
// e = exp(-x).
INLINE NAMED(fraction) NAMED(complements)(LANES x, float weight_x, LANES y, float weight_y) {
  LANES e = NAMED(decay)(x), f = NAMED(decay)(y);
  LANES product = e * f;
  return (NAMED(fraction)){e * weight_x + f * weight_y + product * (weight_x + weight_y),
                           1 + e + f + product};
}

static void NAMED(tally_patches)(const m2fp_post_patches *patches, const m2fp_post_band *band,
                                 const float *top, const float *bottom, int32_t from, int32_t to,
                                 m2fp_post_tally *tally) {
  NAMED(rough_patches) rough = {.count = 0};
  LANES sums = 0;
  MASK columns = 0;
  for (int32_t i = from; i < to; i += M2FP_POST_LANES) {
    LANES low, high;
    NAMED(extremes)(top + i, bottom + i, &low, &high);
    MASK some = (high > 0) & (NAMED(lane_numbers) < to - i);
    if (!NAMED(any)(some)) continue;
    // Gauss's rule with two nodes errs by at most spread^4 / 4320 times the largest fourth derivative,
    // which is for the logistic function under 1/8 and under exp(-x): 2e-6 for each axis.
    LANES spread = high - low;
    MASK smooth = (spread < 0.51f) | (spread < 0.304f + low * (0.076f + low * 0.0095f));
    MASK inside = some & (low > 0) & smooth;
    MASK widths = *(const MASK *)(patches->first + i + 1) - *(const MASK *)(patches->first + i);
    if (NAMED(any)(widths & inside)) {
      LANES u0 = NAMED(load)(patches->node_0 + i), u1 = NAMED(load)(patches->node_1 + i);
      LANES a = NAMED(load)(top + i), b = NAMED(load)(top + i + 1) - a;
      LANES c = NAMED(load)(bottom + i), d = NAMED(load)(bottom + i + 1) - c;
      LANES top0 = a + b * u0, top1 = a + b * u1;
      LANES down0 = c + d * u0 - top0, down1 = c + d * u1 - top1;
      float v0 = band->node_0, v1 = band->node_1;
      float w0 = band->weight_0, w1 = band->weight_1;
      NAMED(fraction) p = NAMED(complements)(top0 + down0 * v0, w0, top0 + down0 * v1, w1);
      NAMED(fraction) q = NAMED(complements)(top1 + down1 * v0, w0, top1 + down1 * v1, w1);
      // One division serves all four places.
      LANES sum = (p.numerator * NAMED(load)(patches->weight_0 + i) * q.denominator +
                   q.numerator * NAMED(load)(patches->weight_1 + i) * p.denominator) /
                  (p.denominator * q.denominator);
      sums += (LANES)((MASK)sum & inside);
      columns += widths & inside;
      int32_t last = band->first + band->rows - 1;
      tally->top = band->first < tally->top ? band->first : tally->top;
      tally->bottom = last > tally->bottom ? last : tally->bottom;
      if (patches->first[i] < tally->first || patches->first[i + M2FP_POST_LANES] > tally->last) {
        for (int32_t lane = 0; lane < M2FP_POST_LANES; lane++) {
          if (!inside[lane] || widths[lane] == 0) continue;
          int32_t x = patches->first[i + lane], end = x + widths[lane] - 1;
          tally->first = x < tally->first ? x : tally->first;
          tally->last = end > tally->last ? end : tally->last;
        }
      }
    }
    MASK others = some & ~inside;
    for (uint32_t bits = NAMED(bits)(others); bits != 0; bits &= bits - 1) {
      rough.numbers[rough.count++] = i + __builtin_ctz(bits);
    }
    if (rough.count < M2FP_POST_LANES) continue;
    NAMED(tally_rough)(patches, band, top, bottom, rough.numbers, M2FP_POST_LANES, tally);
    rough.count -= M2FP_POST_LANES;
    memcpy(rough.numbers, rough.numbers + M2FP_POST_LANES, M2FP_POST_LANES * sizeof *rough.numbers);
  }
  tally->complements += (double)NAMED(sum_half)(sums.lo + sums.hi);
  tally->count += (int64_t)__builtin_reduce_add(columns) * band->rows;
  if (rough.count > 0) {
    for (int32_t lane = rough.count; lane < M2FP_POST_LANES; lane++) rough.numbers[lane] = from;
    NAMED(tally_rough)(patches, band, top, bottom, rough.numbers, rough.count, tally);
  }
}

// What rounding may move a mean of probabilities by, and more.
#define MARGIN 1e-5f

// Pixel by pixel, a patch in which several classes may win: those with a set bit in candidates.
static void NAMED(merge_patch)(const m2fp_post_patches *patches, const m2fp_post_band *band,
                               const m2fp_post_layer *layers, const int32_t *members, int32_t count,
                               int32_t patch, uint8_t *labels, int32_t width) {
  int32_t end = patches->first[patch + 1];
  for (int32_t x = patches->first[patch]; x < end; x += HALF_LANES) {
    const float *positions = patches->position + x;
    int32_t valid = end - x < HALF_LANES ? end - x : HALF_LANES;
    for (int32_t row = 0; row < band->rows; row += 2) {
      LANES best = 0;
      MASK owner = 0;
      for (int32_t m = 0; m < count;) {
        uint8_t label = layers[members[m]].label;
        LANES sum = 0, present_count = 0;
        for (; m < count && layers[members[m]].label == label; m++) {
          const m2fp_post_layer *layer = &layers[members[m]];
          LANES logit = NAMED(patch_rows)(
              NAMED(patch_columns)(layer->top + patch, layer->bottom + patch, positions), band,
              row);
          LANES value = NAMED(logistic)(logit) * layer->presence.score;
          MASK present = value > layer->presence.threshold;
          sum += (LANES)((MASK)value & present);
          present_count -= __builtin_convertvector(present, LANES);
        }
        LANES mean = sum / (present_count < 1 ? (LANES)1 : present_count);
        // Classes come in ascending order, so that of equals the lowest stays.
        MASK better = mean > best;
        best = better ? mean : best;
        owner = better ? (MASK)label : owner;
      }
      BYTES bytes = __builtin_convertvector(owner, BYTES);
      uint8_t *at = labels + (size_t)row * width + x;
      for (int32_t lane = 0; lane < valid; lane++) at[lane] = bytes[lane];
      if (row + 1 == band->rows) break;
      at += width;
      for (int32_t lane = 0; lane < valid; lane++) at[lane] = bytes[HALF_LANES + lane];
    }
  }
}

static void NAMED(merge_patches)(const m2fp_post_patches *patches, const m2fp_post_band *band,
                                 const m2fp_post_layer *layers, int32_t count, int32_t from,
                                 int32_t to, uint8_t *labels, int32_t width) {
  // The most that the mean of each class can be, and the classes' first layers.
  LANES highest[256];
  int32_t starts[257];
  int32_t members[M2FP_POST_MAX_LAYERS];
  for (int32_t i = from; i < to; i += M2FP_POST_LANES) {
    LANES bar = 0;
    MASK winner = 0;
    int32_t classes = 0;
    for (int32_t l = 0; l < count;) {
      uint8_t label = layers[l].label;
      float threshold = layers[l].presence.threshold;
      LANES least = 0, most = 0, most_mixed = 0, sure_count = 0, mixed_count = 0;
      int32_t start = l, seen = 0;
      for (; l < count && layers[l].label == label; l++) {
        const m2fp_post_layer *layer = &layers[l];
        if (layer->to <= i || i + M2FP_POST_LANES <= layer->from) continue;
        LANES low, high;
        NAMED(extremes)(layer->top_value + i, layer->bottom_value + i, &low, &high);
        MASK some = high > threshold - MARGIN;
        if (!NAMED(any)(some)) continue;
        seen = 1;
        MASK sure = low > threshold + MARGIN, mixed = some & ~sure;
        least += (LANES)((MASK)low & sure);
        most += (LANES)((MASK)high & sure);
        sure_count -= __builtin_convertvector(sure, LANES);
        mixed_count -= __builtin_convertvector(mixed, LANES);
        LANES high_mixed = (LANES)((MASK)high & mixed);
        most_mixed = most_mixed < high_mixed ? high_mixed : most_mixed;
      }
      if (!seen) continue;
      // With any of the mixed ones, each of them above the threshold where it is present.
      LANES all = sure_count + mixed_count;
      LANES low_mean = (least + mixed_count * threshold) / (all < 1 ? (LANES)1 : all);
      low_mean = sure_count > 0 ? low_mean : (LANES)0;
      LANES high_mean = most / (sure_count < 1 ? (LANES)1 : sure_count);
      high_mean = high_mean < most_mixed ? most_mixed : high_mean;
      winner = low_mean > bar ? (MASK)label : winner;
      bar = low_mean > bar ? low_mean : bar;
      highest[classes] = high_mean;
      starts[classes++] = start;
    }
    starts[classes] = count;
    MASK candidates = 0;
    for (int32_t c = 0; c < classes; c++) {
      candidates -= (highest[c] > bar - MARGIN) & (highest[c] > 0);
    }
    // Nobody is there, or one that certainly is and beats all others.
    MASK certain = (candidates == 0) | ((candidates == 1) & (bar > 0));
    int32_t last = i + M2FP_POST_LANES < to ? i + M2FP_POST_LANES : to;
    int32_t left = patches->first[i], end = patches->first[last];
    uint8_t *row = labels + left;
    for (int32_t patch = i; patch < last; patch++) {
      for (int32_t x = patches->first[patch]; x < patches->first[patch + 1]; x++) {
        labels[x] = (uint8_t)winner[patch - i];
      }
    }
    for (int32_t y = 1; y < band->rows; y++) {
      memcpy(row + (size_t)y * width, row, (size_t)(end - left));
    }
    if (!NAMED(any)(~certain)) continue;
    for (int32_t patch = i; patch < last; patch++) {
      int32_t lane = patch - i;
      if (certain[lane]) continue;
      int32_t member_count = 0;
      for (int32_t c = 0; c < classes; c++) {
        if (highest[c][lane] == 0 || highest[c][lane] <= bar[lane] - MARGIN) continue;
        uint8_t label = layers[starts[c]].label;
        for (int32_t l = starts[c]; l < count && layers[l].label == label; l++) {
          const m2fp_post_layer *layer = &layers[l];
          if (layer->to <= i || i + M2FP_POST_LANES <= layer->from) continue;
          float high = layer->top_value[patch];
          high = high < layer->top_value[patch + 1] ? layer->top_value[patch + 1] : high;
          high = high < layer->bottom_value[patch] ? layer->bottom_value[patch] : high;
          high = high < layer->bottom_value[patch + 1] ? layer->bottom_value[patch + 1] : high;
          if (high > layer->presence.threshold - MARGIN) members[member_count++] = l;
        }
      }
      NAMED(merge_patch)(patches, band, layers, members, member_count, patch, labels, width);
    }
  }
}

#undef HALF_LANES
#undef MARGIN
