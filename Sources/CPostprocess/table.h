// The table of one instruction set's kernels; ends what row_kernels.h began.

static const kernels NAMED(table) = {
    NAMED(widen_row),     NAMED(tally_row),     NAMED(claim_row),    NAMED(accumulate_row),
    NAMED(compete_row),   NAMED(paint_row),     NAMED(reach_row),    NAMED(blend_row),
    NAMED(logistic_row),  NAMED(sum_classes),   NAMED(sum_by_label), NAMED(max),
    NAMED(find_span),     NAMED(exp),           NAMED(tally_patches), NAMED(merge_patches),
    NAMED(guide_memory),  NAMED(prepare_guide), NAMED(guided_filter), NAMED(fold_row),
    NAMED(lead_row),      NAMED(logit_row),
};

#undef LANES
#undef MASK
#undef BYTES
#undef HALF
#undef INLINE
