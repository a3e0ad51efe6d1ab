// The kernels that look at whole patches, after those of kernels.h and with its macros.

#define HALF_LANES (M2FP_LANES / 2)
typedef int32_t NAMED(half_mask) __attribute__((ext_vector_type(HALF_LANES)));
#define HALF_MASK NAMED(half_mask)

static const MASK NAMED(lane_numbers) = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

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
INLINE LANES NAMED(patch_rows)(NAMED(columns) columns, const m2fp_band *band, int32_t row) {
  float first = band->position[row];
  float second = band->position[row + 1 < band->rows ? row + 1 : row];
  LANES rows;
  rows.lo = columns.top * (1 - first) + columns.bottom * first;
  rows.hi = columns.top * (1 - second) + columns.bottom * second;
  return rows;
}

// Pixel by pixel, a patch that is neither wholly above zero nor smooth enough.
static void NAMED(tally_patch)(const m2fp_patches *patches, const m2fp_band *band, const float *top,
                               const float *bottom, int32_t patch, m2fp_tally *tally) {
  int32_t end = patches->first[patch + 1];
  for (int32_t x = patches->first[patch]; x < end; x += HALF_LANES) {
    NAMED(columns) columns =
        NAMED(patch_columns)(top + patch, bottom + patch, patches->position + x);
    MASK valid;
    valid.lo = valid.hi = NAMED(lane_numbers).lo < end - x;
    MASK counts = 0;
    HALF_MASK anywhere = 0;
    HALF complements = 0;
    for (int32_t row = 0; row < band->rows; row += 2) {
      LANES value = NAMED(patch_rows)(columns, band, row);
      if (row + 1 == band->rows) valid.hi = 0;
      MASK positive = (value > 0) & valid;
      if (!NAMED(any)(positive)) continue;
      LANES e = (LANES)((MASK)NAMED(decay)(value) & positive);
      HALF product = e.lo * e.hi, sum = e.lo + e.hi;
      complements += (sum + 2 * product) / (1 + sum + product);
      counts -= positive;
      anywhere |= positive.lo | positive.hi;
      int32_t y = band->first + row;
      if (y < tally->top || y + 1 > tally->bottom) {
        int32_t first = __builtin_reduce_or(positive.lo) != 0 ? y : y + 1;
        int32_t last = __builtin_reduce_or(positive.hi) != 0 ? y + 1 : y;
        tally->top = first < tally->top ? first : tally->top;
        tally->bottom = last > tally->bottom ? last : tally->bottom;
      }
    }
    int32_t count = __builtin_reduce_add(counts);
    if (count == 0) continue;
    tally->count += count;
    tally->complements += (double)NAMED(sum_half)(complements);
    if (x < tally->first || x + HALF_LANES - 1 > tally->last) {
      for (int32_t lane = 0; lane < HALF_LANES; lane++) {
        if (!anywhere[lane]) continue;
        tally->first = x + lane < tally->first ? x + lane : tally->first;
        tally->last = x + lane > tally->last ? x + lane : tally->last;
      }
    }
  }
}

// The weighted sum of one minus the logistic function at two places, which is e / (1 + e) with
// e = exp(-x). One division serves both.
INLINE LANES NAMED(complements)(LANES x, float weight_x, LANES y, float weight_y) {
  LANES e = NAMED(decay)(x), f = NAMED(decay)(y);
  LANES product = e * f;
  return (e * weight_x + f * weight_y + product * (weight_x + weight_y)) / (1 + e + f + product);
}

static void NAMED(tally_patches)(const m2fp_patches *patches, const m2fp_band *band,
                                 const float *top, const float *bottom, int32_t from, int32_t to,
                                 m2fp_tally *tally) {
  for (int32_t i = from; i < to; i += M2FP_LANES) {
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
    int32_t columns = __builtin_reduce_add(widths & inside);
    if (columns > 0) {
      LANES u0 = NAMED(load)(patches->node_0 + i), u1 = NAMED(load)(patches->node_1 + i);
      LANES a = NAMED(load)(top + i), b = NAMED(load)(top + i + 1) - a;
      LANES c = NAMED(load)(bottom + i), d = NAMED(load)(bottom + i + 1) - c;
      LANES top0 = a + b * u0, top1 = a + b * u1;
      LANES down0 = c + d * u0 - top0, down1 = c + d * u1 - top1;
      float v0 = band->node_0, v1 = band->node_1;
      float w0 = band->weight_0, w1 = band->weight_1;
      LANES sum0 = NAMED(complements)(top0 + down0 * v0, w0, top0 + down0 * v1, w1);
      LANES sum1 = NAMED(complements)(top1 + down1 * v0, w0, top1 + down1 * v1, w1);
      LANES sum = sum0 * NAMED(load)(patches->weight_0 + i) +
                  sum1 * NAMED(load)(patches->weight_1 + i);
      sum = (LANES)((MASK)sum & inside);
      tally->complements += (double)NAMED(sum_half)(sum.lo + sum.hi);
      tally->count += (int64_t)columns * band->rows;
      int32_t last = band->first + band->rows - 1;
      tally->top = band->first < tally->top ? band->first : tally->top;
      tally->bottom = last > tally->bottom ? last : tally->bottom;
      if (patches->first[i] < tally->first || patches->first[i + M2FP_LANES] > tally->last) {
        for (int32_t lane = 0; lane < M2FP_LANES; lane++) {
          if (!inside[lane] || widths[lane] == 0) continue;
          int32_t x = patches->first[i + lane], end = x + widths[lane] - 1;
          tally->first = x < tally->first ? x : tally->first;
          tally->last = end > tally->last ? end : tally->last;
        }
      }
    }
    MASK unsure = some & ~inside;
    if (!NAMED(any)(unsure)) continue;
    for (int32_t lane = 0; lane < M2FP_LANES; lane++) {
      if (unsure[lane]) NAMED(tally_patch)(patches, band, top, bottom, i + lane, tally);
    }
  }
}

// What rounding may move a mean of probabilities by, and more.
#define MARGIN 1e-5f

// Pixel by pixel, a patch in which several classes may win: those with a set bit in candidates.
static void NAMED(merge_patch)(const m2fp_patches *patches, const m2fp_band *band,
                               const m2fp_layer *layers, const int32_t *members, int32_t count,
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
          const m2fp_layer *layer = &layers[members[m]];
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

static void NAMED(merge_patches)(const m2fp_patches *patches, const m2fp_band *band,
                                 const m2fp_layer *layers, int32_t count, int32_t from, int32_t to,
                                 uint8_t *labels, int32_t width) {
  // The most that the mean of each class can be, and the classes' first layers.
  LANES highest[256];
  int32_t starts[257];
  int32_t members[M2FP_MAX_LAYERS];
  for (int32_t i = from; i < to; i += M2FP_LANES) {
    LANES bar = 0;
    MASK winner = 0;
    int32_t classes = 0;
    for (int32_t l = 0; l < count;) {
      uint8_t label = layers[l].label;
      float threshold = layers[l].presence.threshold;
      LANES least = 0, most = 0, most_mixed = 0, sure_count = 0, mixed_count = 0;
      int32_t start = l, seen = 0;
      for (; l < count && layers[l].label == label; l++) {
        const m2fp_layer *layer = &layers[l];
        if (layer->to <= i || i + M2FP_LANES <= layer->from) continue;
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
    int32_t last = i + M2FP_LANES < to ? i + M2FP_LANES : to;
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
          const m2fp_layer *layer = &layers[l];
          if (layer->to <= i || i + M2FP_LANES <= layer->from) continue;
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
#undef HALF_MASK
#undef MARGIN
