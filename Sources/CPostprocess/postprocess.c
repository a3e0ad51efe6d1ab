#include "m2fp_postprocess.h"

#include <stddef.h>
#include <string.h>

// The same results whatever the instruction set.
#pragma STDC FP_CONTRACT OFF

typedef struct kernels {
  typeof(m2fp_post_widen_row) *widen_row;
  typeof(m2fp_post_tally_row) *tally_row;
  typeof(m2fp_post_claim_row) *claim_row;
  typeof(m2fp_post_accumulate_row) *accumulate_row;
  typeof(m2fp_post_compete_row) *compete_row;
  typeof(m2fp_post_paint_row) *paint_row;
  typeof(m2fp_post_reach_row) *reach_row;
  typeof(m2fp_post_blend_row) *blend_row;
  typeof(m2fp_post_logistic_row) *logistic_row;
  typeof(m2fp_post_sum_classes) *sum_classes;
  typeof(m2fp_post_sum_by_label) *sum_by_label;
  typeof(m2fp_post_max) *max;
  typeof(m2fp_post_find_span) *find_span;
  typeof(m2fp_post_exp) *exp;
  typeof(m2fp_post_tally_patches) *tally_patches;
  typeof(m2fp_post_merge_patches) *merge_patches;
  typeof(m2fp_post_guide_memory) *guide_memory;
  typeof(m2fp_post_prepare_guide) *prepare_guide;
  typeof(m2fp_post_guided_filter) *guided_filter;
  typeof(m2fp_post_fold_row) *fold_row;
  typeof(m2fp_post_lead_row) *lead_row;
  typeof(m2fp_post_logit_row) *logit_row;
} kernels;

// Vectors wider than the registers are passed between functions that are all inlined.
#pragma clang diagnostic ignored "-Wpsabi"

#define NAMED(name) plain_##name
#include "row_kernels.h"
#include "patch_kernels.h"
#include "guided_filter.h"
#include "table.h"
#undef NAMED

#ifdef __x86_64__
#pragma clang attribute push(__attribute__((target("arch=x86-64-v3"))), apply_to = function)
#define NAMED(name) v3_##name
#include "row_kernels.h"
#include "patch_kernels.h"
#include "guided_filter.h"
#include "table.h"
#undef NAMED
#pragma clang attribute pop
#endif

static _Atomic(int) plain_only;

void m2fp_post_use_plain_kernels(int plain) { plain_only = plain; }

static const kernels *chosen(void) {
#ifdef __x86_64__
  if (plain_only) return &plain_table;
  if (__builtin_cpu_supports("x86-64-v3")) return &v3_table;
#endif
  return &plain_table;
}

void m2fp_post_widen_row(const float *cells, const m2fp_post_columns *columns, int32_t from,
                         int32_t to, int32_t origin, float *target) {
  chosen()->widen_row(cells, columns, from, to, origin, target);
}

void m2fp_post_tally_row(const m2fp_post_row *row, int32_t from, int32_t to, int32_t origin,
                         int32_t y, m2fp_post_tally *tally) {
  chosen()->tally_row(row, from, to, origin, y, tally);
}

void m2fp_post_claim_row(const m2fp_post_row *row, int32_t from, int32_t to,
                         const m2fp_post_presence *presence, uint8_t label, uint8_t *owners,
                         uint8_t *conflicts) {
  chosen()->claim_row(row, from, to, presence, label, owners, conflicts);
}

void m2fp_post_accumulate_row(const m2fp_post_row *row, int32_t from, int32_t to,
                              const m2fp_post_presence *presence, const uint8_t *conflicts,
                              float *sums, float *counts) {
  chosen()->accumulate_row(row, from, to, presence, conflicts, sums, counts);
}

void m2fp_post_compete_row(float *sums, float *counts, int32_t to, uint8_t label,
                           const uint8_t *conflicts, float *best, uint8_t *owners) {
  chosen()->compete_row(sums, counts, to, label, conflicts, best, owners);
}

int32_t m2fp_post_paint_row(const m2fp_post_row *row, int32_t from, int32_t to, uint8_t id,
                            uint8_t *ids) {
  return chosen()->paint_row(row, from, to, id, ids);
}

void m2fp_post_reach_row(const m2fp_post_row *row, int32_t from, int32_t to, float threshold,
                         const uint8_t *ids, uint8_t *reached) {
  chosen()->reach_row(row, from, to, threshold, ids, reached);
}

void m2fp_post_blend_row(const m2fp_post_row *row, int32_t from, int32_t to, float *target) {
  chosen()->blend_row(row, from, to, target);
}

void m2fp_post_logistic_row(const m2fp_post_row *row, int32_t from, int32_t to, float low,
                            float scale, float *target) {
  chosen()->logistic_row(row, from, to, low, scale, target);
}

void m2fp_post_sum_classes(const float *probabilities, const float *weights, int32_t queries,
                           int32_t classes, int32_t stride, float *sums) {
  chosen()->sum_classes(probabilities, weights, queries, classes, stride, sums);
}

void m2fp_post_sum_by_label(const float *values, const uint8_t *labels, int32_t count,
                            double *totals) {
  chosen()->sum_by_label(values, labels, count, totals);
}

float m2fp_post_max(const float *values, int32_t count) { return chosen()->max(values, count); }

m2fp_post_span m2fp_post_find_span(const float *values, int32_t count, float threshold) {
  return chosen()->find_span(values, count, threshold);
}

float m2fp_post_exp(float x) { return chosen()->exp(x); }

void m2fp_post_tally_patches(const m2fp_post_patches *patches, const m2fp_post_band *band,
                             const float *top, const float *bottom, int32_t from, int32_t to,
                             m2fp_post_tally *tally) {
  chosen()->tally_patches(patches, band, top, bottom, from, to, tally);
}

void m2fp_post_merge_patches(const m2fp_post_patches *patches, const m2fp_post_band *band,
                             const m2fp_post_layer *layers, int32_t count, int32_t from, int32_t to,
                             uint8_t *labels, int32_t width) {
  chosen()->merge_patches(patches, band, layers, count, from, to, labels, width);
}

size_t m2fp_post_guide_memory(const m2fp_post_guide *guide) {
  return chosen()->guide_memory(guide);
}

void m2fp_post_prepare_guide(const m2fp_post_guide *guide, float epsilon, float *memory) {
  chosen()->prepare_guide(guide, epsilon, memory);
}

m2fp_post_area m2fp_post_guided_filter(const m2fp_post_guide *guide, m2fp_post_area area,
                                       const float *values, float *result, float *memory) {
  return chosen()->guided_filter(guide, area, values, result, memory);
}

void m2fp_post_fold_row(float *sums, float *counts, int32_t to, const uint8_t *conflicts,
                        float *means, float *present) {
  chosen()->fold_row(sums, counts, to, conflicts, means, present);
}

void m2fp_post_lead_row(float *values, int32_t to, float most, uint8_t label, float *best,
                        uint8_t *labels) {
  chosen()->lead_row(values, to, most, label, best, labels);
}

void m2fp_post_logit_row(float *values, int32_t to, float whole, float least) {
  chosen()->logit_row(values, to, whole, least);
}
