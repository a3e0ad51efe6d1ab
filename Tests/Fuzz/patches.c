#include <math.h>

#include "input.h"
#include "m2fp_postprocess.h"

// Every array is as long as the header says that it is read or written, so that the sanitizer sees a
// step beyond.

static float *floats(input *in, size_t count, float scale) {
  float *values = malloc(count * sizeof *values);
  for (size_t i = 0; i < count; i++) values[i] = take_float(in, scale);
  return values;
}

static size_t whole(size_t count) {
  return (count + M2FP_POST_LANES - 1) / M2FP_POST_LANES * M2FP_POST_LANES;
}

static const m2fp_post_tally NO_PIXELS = {0, 0, INT32_MAX, -1, INT32_MAX, -1};

/// Patches along an axis; they may be narrow, wide, or none of the image's columns.
typedef struct axis {
  int32_t count;
  int32_t size;
  int32_t *first;
  float *position;
  float *nodes[4];
} axis;

static axis make_axis(input *in) {
  axis axis = {.count = 1 + (int32_t)take(in, 40)};
  size_t padded = (size_t)axis.count + M2FP_POST_LANES;
  axis.first = malloc((padded + 1) * sizeof *axis.first);
  uint32_t most = 1 + take(in, 200);
  for (int32_t i = 0; i < axis.count; i++) {
    axis.first[i] = axis.size;
    axis.size += (int32_t)take(in, most);
  }
  if (axis.size == 0) axis.size = 1;
  for (size_t i = (size_t)axis.count; i <= padded; i++) axis.first[i] = axis.size;
  axis.position = calloc((size_t)axis.size + M2FP_POST_LANES, sizeof *axis.position);
  for (int32_t x = 0; x < axis.size; x++) axis.position[x] = (float)take(in, 257) / 256;
  for (int plane = 0; plane < 4; plane++) axis.nodes[plane] = floats(in, padded, 1);
  return axis;
}

static void free_axis(axis *axis) {
  free(axis->first);
  free(axis->position);
  for (int plane = 0; plane < 4; plane++) free(axis->nodes[plane]);
}

static m2fp_post_patches patches_of(const axis *axis) {
  return (m2fp_post_patches){axis->first,    axis->position, axis->nodes[0],
                             axis->nodes[1], axis->nodes[2], axis->nodes[3]};
}

/// The count and the box, which are exact, pixel by pixel.
static m2fp_post_tally count_pixels(const axis *axis, const m2fp_post_band *band, const float *top,
                                    const float *bottom, int32_t from, int32_t to) {
  m2fp_post_tally tally = NO_PIXELS;
  for (int32_t patch = from; patch < to; patch++) {
    for (int32_t x = axis->first[patch]; x < axis->first[patch + 1]; x++) {
      float u = axis->position[x];
      float upper = (1 - u) * top[patch] + u * top[patch + 1];
      float lower = (1 - u) * bottom[patch] + u * bottom[patch + 1];
      for (int32_t row = 0; row < band->rows; row++) {
        float v = band->position[row];
        if (!(upper * (1 - v) + lower * v > 0)) continue;
        int32_t y = band->first + row;
        tally.count++;
        tally.first = x < tally.first ? x : tally.first;
        tally.last = x > tally.last ? x : tally.last;
        tally.top = y < tally.top ? y : tally.top;
        tally.bottom = y > tally.bottom ? y : tally.bottom;
      }
    }
  }
  return tally;
}

static void check_tally(input *in, const axis *axis, const m2fp_post_band *band) {
  size_t padded = (size_t)axis->count + 1 + M2FP_POST_LANES;
  float scale = take(in, 2) ? 0.1f : 30;
  float *top = floats(in, padded, scale), *bottom = floats(in, padded, scale);
  int32_t from = (int32_t)take(in, (uint32_t)axis->count);
  int32_t to = from + (int32_t)take(in, (uint32_t)(axis->count - from) + 1);
  m2fp_post_patches patches = patches_of(axis);
  m2fp_post_tally tallies[2] = {NO_PIXELS, NO_PIXELS};
  for (int plain = 0; plain < 2; plain++) {
    m2fp_post_use_plain_kernels(plain);
    m2fp_post_tally_patches(&patches, band, top, bottom, from, to, &tallies[plain]);
  }
  require(memcmp(&tallies[0], &tallies[1], sizeof tallies[0]) == 0);
  observe(&tallies[0], sizeof tallies[0]);
  m2fp_post_tally expected = count_pixels(axis, band, top, bottom, from, to);
  require(tallies[0].count == expected.count);
  require(tallies[0].first == expected.first && tallies[0].last == expected.last);
  require(tallies[0].top == expected.top && tallies[0].bottom == expected.bottom);
  free(top);
  free(bottom);
}

static void check_merge(input *in, const axis *axis, const m2fp_post_band *band) {
  enum { MOST = 6 };
  size_t padded = (size_t)axis->count + 1 + M2FP_POST_LANES;
  int32_t count = (int32_t)take(in, MOST);
  m2fp_post_layer layers[MOST];
  uint8_t label = 0;
  float threshold = (float)take(in, 100) / 100;
  for (int32_t l = 0; l < count; l++) {
    label = (uint8_t)(label + take(in, 3));
    float score = (float)(1 + take(in, 100)) / 100;
    float *rows[2] = {floats(in, padded, 8), floats(in, padded, 8)}, *values[2];
    for (int row = 0; row < 2; row++) {
      values[row] = malloc(padded * sizeof *values[row]);
      for (size_t i = 0; i < padded; i++) values[row][i] = score / (1 + expf(-rows[row][i]));
    }
    int32_t from = (int32_t)take(in, (uint32_t)axis->count + 1);
    int32_t to = from + (int32_t)take(in, (uint32_t)(axis->count - from) + 1);
    layers[l] = (m2fp_post_layer){
        rows[0], rows[1], values[0], values[1], from, to, {score, threshold, -100, 100}, label};
  }
  int32_t from = (int32_t)take(in, (uint32_t)axis->count);
  int32_t to = from + (int32_t)take(in, (uint32_t)(axis->count - from) + 1);
  m2fp_post_patches patches = patches_of(axis);
  size_t size = (size_t)axis->size * (size_t)band->rows;
  uint8_t *maps[2];
  for (int plain = 0; plain < 2; plain++) {
    maps[plain] = calloc(size + 1, 1);
    m2fp_post_use_plain_kernels(plain);
    // The map ends where the allocation does.
    m2fp_post_merge_patches(&patches, band, layers, count, from, to, maps[plain] + 1, axis->size);
  }
  require(memcmp(maps[0], maps[1], size + 1) == 0);
  observe(maps[0], size + 1);
  for (size_t i = 0; i <= size; i++) {
    int is_known = maps[0][i] == 0;
    for (int32_t l = 0; l < count; l++) is_known |= maps[0][i] == layers[l].label;
    require(is_known);
  }
  for (int plain = 0; plain < 2; plain++) free(maps[plain]);
  for (int32_t l = 0; l < count; l++) {
    free((void *)layers[l].top);
    free((void *)layers[l].bottom);
    free((void *)layers[l].top_value);
    free((void *)layers[l].bottom_value);
  }
}

/// Cells widened to columns, as an axis of a resize has them: three cells each, in ascending order.
static void check_widening(input *in) {
  int32_t cells = 3 + (int32_t)take(in, 30), width = 1 + (int32_t)take(in, 200);
  size_t padded = (size_t)width + M2FP_POST_LANES;
  int32_t *base = malloc(padded * sizeof *base), *end = malloc((size_t)cells * sizeof *end);
  for (size_t x = 0; x < padded; x++) {
    size_t at = x < (size_t)width ? x : (size_t)width - 1;
    base[x] = (int32_t)(at * (size_t)(cells - 2) / (size_t)width);
  }
  for (int32_t cell = 0; cell < cells; cell++) {
    end[cell] = 0;
    while (end[cell] < width && base[end[cell]] <= cell) end[cell]++;
  }
  float *values = floats(in, (size_t)cells, 9);
  float *weights[3] = {floats(in, padded, 1), floats(in, padded, 1), floats(in, padded, 1)};
  m2fp_post_columns columns = {base, end, weights[0], weights[1], weights[2]};
  int32_t from = (int32_t)take(in, (uint32_t)width);
  int32_t to = from + (int32_t)take(in, (uint32_t)(width - from) + 1);
  size_t size = (size_t)(to - from) + M2FP_POST_LANES;
  float *targets[2];
  for (int plain = 0; plain < 2; plain++) {
    targets[plain] = calloc(size, sizeof(float));
    m2fp_post_use_plain_kernels(plain);
    m2fp_post_widen_row(values, &columns, from, to, from, targets[plain]);
  }
  require(memcmp(targets[0], targets[1], (size_t)(to - from) * sizeof(float)) == 0);
  for (int32_t x = from; x < to; x++) {
    const float *cell = values + base[x];
    float sum = weights[0][x] * cell[0] + weights[1][x] * cell[1] + weights[2][x] * cell[2];
    require(targets[0][x - from] == sum);
  }
  for (int plain = 0; plain < 2; plain++) free(targets[plain]);
  for (int plane = 0; plane < 3; plane++) free(weights[plane]);
  free(values);
  free(base);
  free(end);
}

/// What the row kernels make of one row, one after another.
typedef struct outcome {
  m2fp_post_tally tally;
  int32_t painted;
  float largest;
  m2fp_post_span span;
  double totals[256];
  uint8_t reached[256];
} outcome;

static void check_rows(input *in) {
  size_t width = 1 + take(in, 100), padded = whole(width), vectors = padded / M2FP_POST_LANES;
  float *sources[3] = {floats(in, padded, 9), floats(in, padded, 9), floats(in, padded, 9)};
  int three = (int)take(in, 2);
  m2fp_post_row row = {sources[0],           sources[1],           three ? sources[2] : NULL,
                       take_float(in, 1.0f), take_float(in, 1.0f), take_float(in, 1.0f)};
  m2fp_post_presence presence = {0.9f, 0.3f, -3, 3};
  enum { QUERIES = 3, CLASSES = 8 };
  float *weights = floats(in, QUERIES * CLASSES, 1);
  float *probabilities = floats(in, QUERIES * padded, 1);
  uint32_t seed = take(in, 1 << 16);
  float threshold = take_float(in, 9);
  static outcome outcomes[2];
  uint8_t *bytes[2];
  float *results[2];
  for (int plain = 0; plain < 2; plain++) {
    m2fp_post_use_plain_kernels(plain);
    outcome *o = &outcomes[plain];
    memset(o, 0, sizeof *o);
    o->tally = NO_PIXELS;
    m2fp_post_tally_row(&row, 0, (int32_t)padded, 5, 7, &o->tally);
    uint8_t *owners = malloc(padded), *conflicts = calloc(vectors, 1), *ids = malloc(width);
    float *sums = calloc(padded, sizeof(float)), *counts = calloc(padded, sizeof(float));
    float *best = calloc(padded, sizeof(float)), *target = malloc(padded * sizeof(float));
    float *class_sums = malloc(CLASSES * padded * sizeof(float));
    for (size_t x = 0; x < padded; x++) {
      owners[x] = (seed >> (x % 16)) & 1 ? M2FP_POST_NO_LABEL : (uint8_t)(x % 3);
    }
    for (size_t x = 0; x < width; x++) ids[x] = (seed >> (x % 16)) & 1 ? 0 : (uint8_t)(x * seed);
    m2fp_post_claim_row(&row, 0, (int32_t)padded, &presence, 2, owners, conflicts);
    m2fp_post_accumulate_row(&row, 0, (int32_t)padded, &presence, conflicts, sums, counts);
    m2fp_post_compete_row(sums, counts, (int32_t)padded, 1, conflicts, best, owners);
    m2fp_post_reach_row(&row, 0, (int32_t)width, threshold, ids, o->reached);
    o->painted = m2fp_post_paint_row(&row, 0, (int32_t)width, 9, ids);
    m2fp_post_blend_row(&row, 0, (int32_t)padded, target);
    o->largest = m2fp_post_max(target, (int32_t)width);
    o->span = m2fp_post_find_span(target, (int32_t)width, threshold);
    m2fp_post_sum_by_label(target, ids, (int32_t)width, o->totals);
    m2fp_post_logistic_row(&row, 0, (int32_t)padded, -2, 0.5f, target);
    m2fp_post_sum_classes(probabilities, weights, QUERIES, CLASSES, (int32_t)padded, class_sums);

    bytes[plain] = calloc(padded + width, 1);
    memcpy(bytes[plain], owners, padded);
    memcpy(bytes[plain] + padded, ids, width);
    results[plain] = malloc((2 + CLASSES) * padded * sizeof(float));
    memcpy(results[plain], target, padded * sizeof(float));
    memcpy(results[plain] + padded, best, padded * sizeof(float));
    memcpy(results[plain] + 2 * padded, class_sums, CLASSES * padded * sizeof(float));
    free(owners);
    free(conflicts);
    free(ids);
    free(sums);
    free(counts);
    free(best);
    free(target);
    free(class_sums);
  }
  require(memcmp(&outcomes[0], &outcomes[1], sizeof outcomes[0]) == 0);
  require(memcmp(bytes[0], bytes[1], padded + width) == 0);
  require(memcmp(results[0], results[1], (2 + CLASSES) * padded * sizeof(float)) == 0);
  observe(&outcomes[0], sizeof outcomes[0]);
  observe(bytes[0], padded + width);
  observe(results[0], (2 + CLASSES) * padded * sizeof(float));
  require(m2fp_post_exp(threshold < 80 ? threshold : 80) >= 0);
  for (int plain = 0; plain < 2; plain++) {
    free(bytes[plain]);
    free(results[plain]);
  }
  for (int i = 0; i < 3; i++) free(sources[i]);
  free(weights);
  free(probabilities);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  input in = {bytes, count, 0};
  axis columns = make_axis(&in);
  float positions[40];
  m2fp_post_band band = {.first = 3, .rows = 1 + (int32_t)take(&in, 40), .position = positions};
  for (int32_t row = 0; row < band.rows; row++) positions[row] = (float)take(&in, 257) / 256;
  band.node_0 = 0.2f;
  band.node_1 = 0.8f;
  band.weight_0 = band.weight_1 = (float)band.rows / 2;
  check_tally(&in, &columns, &band);
  check_merge(&in, &columns, &band);
  free_axis(&columns);
  check_widening(&in);
  check_rows(&in);
  return 0;
}
