/// What is done to rows of pixels by the million, compiled for several generations of x86-64 and
/// chosen when first used.
///
/// Every version rounds alike (no multiply-add is fused), so that all make the same decisions.
/// Ranges of columns are whole vectors of `M2FP_LANES` pixels. Thread-safe; nothing is allocated.
#pragma once

#include <stdint.h>

#pragma clang assume_nonnull begin

/// Pixels a vector. Buffers of rows hold as many more, which may be written past a row's end.
enum { M2FP_LANES = 16 };

/// An image row of a mask: the sum of up to three rows that were already widened.
typedef struct m2fp_row {
  const float *a;
  const float *b;
  /// Null where two rows suffice.
  const float *_Nullable c;
  float weight_a;
  float weight_b;
  float weight_c;
} m2fp_row;

/// For each column of a wider row, the three cells it is made of.
typedef struct m2fp_columns {
  /// The first of the three.
  const int32_t *base;
  /// For each cell, the first column whose base is a later one.
  const int32_t *end;
  const float *weight_0;
  const float *weight_1;
  const float *weight_2;
} m2fp_columns;

/// Widens `cells` to the columns `from` to `to` - 1; target[0] is column `origin`. Writes up to
/// `M2FP_LANES` columns too many.
void m2fp_widen_row(const float *cells, const m2fp_columns *columns, int32_t from, int32_t to,
                    int32_t origin, float *target);

/// Sums over the pixels above zero of one mask.
typedef struct m2fp_tally {
  int64_t count;
  /// Of one minus the logistic function, off by at most 1e-6 a pixel.
  double complements;
  /// The columns they lie in; `first` > `last` while there are none.
  int32_t first;
  int32_t last;
} m2fp_tally;

/// Adds the columns `from` to `to` - 1 of a row, whose column 0 is column `origin` of the image.
/// Returns how many were above zero.
int32_t m2fp_tally_row(const m2fp_row *row, int32_t from, int32_t to, int32_t origin,
                       m2fp_tally *tally);

/// When an instance is present at a pixel: where logistic(logit) × score > threshold. The bounds
/// only save time: below the one it certainly is not, above the other it certainly is.
typedef struct m2fp_presence {
  float score;
  float threshold;
  float low;
  float high;
} m2fp_presence;

/// The label of a pixel at which no instance is.
enum { M2FP_NO_LABEL = 255 };

/// Labels the pixels of `owners` at which the instance is present. Sets conflicts[i] to 1 where
/// some of the i-th vector's pixels had another label.
void m2fp_claim_row(const m2fp_row *row, int32_t from, int32_t to, const m2fp_presence *presence,
                    uint8_t label, uint8_t *owners, uint8_t *conflicts);

/// Where vectors are marked in `conflicts`: adds logistic(logit) × score to `sums`, and 1 to
/// `counts`, at the pixels at which the instance is present.
void m2fp_accumulate_row(const m2fp_row *row, int32_t from, int32_t to,
                         const m2fp_presence *presence, const uint8_t *conflicts, float *sums,
                         float *counts);

/// Where vectors are marked: a class takes the pixels at which the mean of what was accumulated
/// exceeds the best so far. Clears `sums` and `counts`.
void m2fp_compete_row(float *sums, float *counts, int32_t to, uint8_t label,
                      const uint8_t *conflicts, float *best, uint8_t *owners);

/// Gives the pixels with a logit above zero whose id is still 0 an id. Returns how many they are.
int32_t m2fp_paint_row(const m2fp_row *row, int32_t from, int32_t to, uint8_t id, uint8_t *ids);

/// Writes a row's pixels.
void m2fp_blend_row(const m2fp_row *row, int32_t from, int32_t to, float *target);

/// Writes the logistic function of a row's pixels; `target` may be one of its sources.
void m2fp_logistic_row(const m2fp_row *row, int32_t from, int32_t to, float *target);

/// For each class the sum over the queries of weights[query][class] × probabilities[query]: rows of
/// `stride` (whole vectors) columns, `classes` of them a multiple of 4.
void m2fp_sum_classes(const float *probabilities, const float *weights, int32_t queries,
                      int32_t classes, int32_t stride, float *sums);

/// Adds each pixel's value to the total of its label.
void m2fp_sum_by_label(const float *values, const uint8_t *labels, int32_t count, double *totals);

/// exp(x) to about 2 units in the last place, for x <= 88; 0 below -87.
float m2fp_exp(float x);

#pragma clang assume_nonnull end
