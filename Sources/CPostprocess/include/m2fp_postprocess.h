/// What is done to rows of pixels by the million, compiled for several generations of x86-64 and
/// chosen when first used.
///
/// Every version rounds alike (no multiply-add is fused), so that all make the same decisions.
/// Ranges of columns are whole vectors of `M2FP_POST_LANES` pixels, if nothing else is said.
/// Thread-safe; nothing is allocated.
#pragma once

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin
#pragma GCC visibility push(hidden)

/// Pixels a vector. Buffers of rows hold as many more, which may be written past a row's end.
enum { M2FP_POST_LANES = 16 };

/// Whether to use the version for any processor instead of the best one; for tests.
void m2fp_post_use_plain_kernels(int plain);

/// An image row of a mask: the sum of up to three rows that were already widened.
typedef struct m2fp_post_row {
  const float *a;
  const float *b;
  /// Null where two rows suffice.
  const float *_Nullable c;
  float weight_a;
  float weight_b;
  float weight_c;
} m2fp_post_row;

/// For each column of a wider row, the three cells it is made of.
typedef struct m2fp_post_columns {
  /// The first of the three.
  const int32_t *base;
  /// For each cell, the first column whose base is a later one.
  const int32_t *end;
  const float *weight_0;
  const float *weight_1;
  const float *weight_2;
} m2fp_post_columns;

/// Widens `cells` to the columns `from` to `to` - 1; target[0] is column `origin`. Writes up to
/// `M2FP_POST_LANES` columns too many.
void m2fp_post_widen_row(const float *cells, const m2fp_post_columns *columns, int32_t from,
                         int32_t to, int32_t origin, float *target);

/// Sums over the pixels above zero of one mask.
typedef struct m2fp_post_tally {
  int64_t count;
  /// Of one minus the logistic function, off by at most 1e-6 a pixel.
  double complements;
  /// The columns and rows they lie in; `first` > `last` while there are none.
  int32_t first;
  int32_t last;
  int32_t top;
  int32_t bottom;
} m2fp_post_tally;

/// Adds the columns `from` to `to` - 1 of row `y`, whose column 0 is column `origin` of the image.
void m2fp_post_tally_row(const m2fp_post_row *row, int32_t from, int32_t to, int32_t origin,
                         int32_t y, m2fp_post_tally *tally);

/// When an instance is present at a pixel: where logistic(logit) × score > threshold. The bounds
/// only save time: below the one it certainly is not, above the other it certainly is.
typedef struct m2fp_post_presence {
  float score;
  float threshold;
  float low;
  float high;
} m2fp_post_presence;

/// The label of a pixel at which no instance is.
enum { M2FP_POST_NO_LABEL = 255 };

/// Labels the pixels of `owners` at which the instance is present. Sets conflicts[i] to 1 where
/// some of the i-th vector's pixels had another label.
void m2fp_post_claim_row(const m2fp_post_row *row, int32_t from, int32_t to,
                         const m2fp_post_presence *presence, uint8_t label, uint8_t *owners,
                         uint8_t *conflicts);

/// Where vectors are marked in `conflicts`: adds logistic(logit) × score to `sums`, and 1 to
/// `counts`, at the pixels at which the instance is present.
void m2fp_post_accumulate_row(const m2fp_post_row *row, int32_t from, int32_t to,
                              const m2fp_post_presence *presence, const uint8_t *conflicts,
                              float *sums, float *counts);

/// Where vectors are marked: a class takes the pixels at which the mean of what was accumulated
/// exceeds the best so far. Clears `sums` and `counts`.
void m2fp_post_compete_row(float *sums, float *counts, int32_t to, uint8_t label,
                           const uint8_t *conflicts, float *best, uint8_t *owners);

/// Gives the pixels with a logit above zero whose id is still 0 an id. Returns how many they are.
/// `to` is any column; ids from there on are not touched.
int32_t m2fp_post_paint_row(const m2fp_post_row *row, int32_t from, int32_t to, uint8_t id,
                            uint8_t *ids);

/// Sets reached[id] to 1 for the ids of the pixels with a logit above `threshold`. `to` is any column;
/// ids from there on are not looked at.
void m2fp_post_reach_row(const m2fp_post_row *row, int32_t from, int32_t to, float threshold,
                         const uint8_t *ids, uint8_t *reached);

/// Writes a row's pixels.
void m2fp_post_blend_row(const m2fp_post_row *row, int32_t from, int32_t to, float *target);

/// Writes the logistic function of a row's pixels, times `scale`, or 0 for pixels that are not above
/// `low`; `target` may be one of its sources.
void m2fp_post_logistic_row(const m2fp_post_row *row, int32_t from, int32_t to, float low,
                            float scale, float *target);

/// For each class the sum over the queries of weights[query][class] × probabilities[query]: rows of
/// `stride` (whole vectors) columns, `classes` of them a multiple of 4.
void m2fp_post_sum_classes(const float *probabilities, const float *weights, int32_t queries,
                           int32_t classes, int32_t stride, float *sums);

/// Where vectors are marked: adds the mean of what was accumulated to `means`, and sets `present` to 1
/// where there was any. Clears `sums` and `counts`.
void m2fp_post_fold_row(float *sums, float *counts, int32_t to, const uint8_t *conflicts,
                        float *means, float *present);

/// Cuts `values` to 0…`most`, and gives the pixels where they exceed `best` the label.
void m2fp_post_lead_row(float *values, int32_t to, float most, uint8_t label, float *best,
                        uint8_t *labels);

/// Replaces each value by the logit of value / `whole`, cut to `least`…1 - `least`.
void m2fp_post_logit_row(float *values, int32_t to, float whole, float least);

/// Adds each pixel's value to the total of its label.
void m2fp_post_sum_by_label(const float *values, const uint8_t *labels, int32_t count,
                            double *totals);

/// The largest of `count` values, at least 1.
float m2fp_post_max(const float *values, int32_t count);

/// Places in a row, both inclusive; none if `first` > `last`.
typedef struct m2fp_post_span {
  int32_t first;
  int32_t last;
} m2fp_post_span;

/// The first and the last of `count` values that exceed `threshold`; INT32_MAX and -1 if none does.
m2fp_post_span m2fp_post_find_span(const float *values, int32_t count, float threshold);

/// exp(x) to about 2 units in the last place, for x <= 88; 0 below -87.
float m2fp_post_exp(float x);

/// A picture that steers a guided filter, in rows of `stride` values, whole vectors, zeros from `width`
/// on.
typedef struct m2fp_post_guide {
  const float *picture;
  /// Of the same layout, filled by m2fp_post_prepare_guide: the mean in the window round each pixel, and
  /// the variance there + epsilon.
  float *means;
  float *spreads;
  int32_t width;
  int32_t height;
  int32_t stride;
  /// Windows reach so far to each side, 1 to `M2FP_POST_LANES`; at the borders they are cut off.
  int32_t radius;
} m2fp_post_guide;

/// A part of a picture; `right` and `bottom` are one past its last column and row.
typedef struct m2fp_post_area {
  int32_t left;
  int32_t top;
  int32_t right;
  int32_t bottom;
} m2fp_post_area;

/// Floats of memory that the next two work in.
size_t m2fp_post_guide_memory(const m2fp_post_guide *guide);

/// Fills a guide's means and spreads.
void m2fp_post_prepare_guide(const m2fp_post_guide *guide, float epsilon, float *memory);

/// Filters `values`, which are 0 outside of `area` and laid out as the picture: in each window they are
/// fitted by a linear function of the picture, and a pixel gets the mean of the functions of the
/// windows it is in (He, Sun, Tang: Guided Image Filtering, 2010). Returns the part of `result` that was
/// written; outside of it there would be 0.
m2fp_post_area m2fp_post_guided_filter(const m2fp_post_guide *guide, m2fp_post_area area,
                                       const float *values, float *result, float *memory);

// Where the image is several times as large as the content of the network's input, most pixels need
// not be looked at: those between four neighbouring pixels of the content, a patch, have values
// between those four.

/// The patches of a row. Arrays are read up to a vector (`M2FP_POST_LANES`) past their ends, and no
/// further; so are the rows of the content that go with them.
typedef struct m2fp_post_patches {
  /// The first column of the image of each patch, and of the one that would come next; after that the
  /// image's width.
  const int32_t *first;
  /// Of each column of the image, how far it is from the left side of its patch to the right.
  const float *position;
  /// Two places in each patch and their weights, such that a weighted sum over them is the sum over
  /// the patch's columns (Gauss's rule).
  const float *node_0;
  const float *node_1;
  const float *weight_0;
  const float *weight_1;
} m2fp_post_patches;

/// The rows of the image that a row of patches covers.
typedef struct m2fp_post_band {
  int32_t first;
  int32_t rows;
  /// How far each is from the upper side to the lower.
  const float *position;
  float node_0;
  float node_1;
  float weight_0;
  float weight_1;
} m2fp_post_band;

/// Adds the patches `from` to `to` - 1 between the rows `top` and `bottom` of the content, each of
/// which has one value more than there are patches. Sums are off by at most 5e-6 a pixel, and
/// mostly by much less.
void m2fp_post_tally_patches(const m2fp_post_patches *patches, const m2fp_post_band *band,
                             const float *top, const float *bottom, int32_t from, int32_t to,
                             m2fp_post_tally *tally);

/// An instance in a band: its logits in the two rows of the content, logistic(logit) × score there,
/// and the patches outside of which it is nowhere present.
typedef struct m2fp_post_layer {
  const float *top;
  const float *bottom;
  const float *top_value;
  const float *bottom_value;
  int32_t from;
  int32_t to;
  m2fp_post_presence presence;
  uint8_t label;
} m2fp_post_layer;

/// The most instances in a band.
enum { M2FP_POST_MAX_LAYERS = 4096 };

/// Labels the pixels of the patches `from` to `to` - 1: the class with the highest mean of the
/// instances present there, of equals the lowest, 0 where there are none. `layers` are sorted by
/// label; `labels` is the band's first row of an image `width` wide.
void m2fp_post_merge_patches(const m2fp_post_patches *patches, const m2fp_post_band *band,
                             const m2fp_post_layer *layers, int32_t count, int32_t from, int32_t to,
                             uint8_t *labels, int32_t width);

#pragma GCC visibility pop
#pragma clang assume_nonnull end
