// Layer and group normalisation: values less their mean, over their standard deviation, times a weight and
// with a bias added (Ba et al., arXiv 1607.06450; Wu and He, arXiv 1803.08494).
#pragma once

#include <cstdint>

#include "matrix_product.h"

namespace m2fp {

// What is done to `channels` values that were normalised: nothing without weights, which an exporter may have
// let the next layer have.
struct Affine {
  const float* weight;
  const float* bias;
  int64_t channels;
  // Added to the variance.
  double epsilon;
};

// Each of `rows` rows by itself; weight and bias are both null or neither. On the calling thread's intra-op
// threads; `output` may be `input`.
void normalise_rows(const float* input, int64_t rows, const Affine& affine, float* output);

// The same on the calling thread alone.
void normalise_block(const float* input, int64_t rows, const Affine& affine, float* output);

// An image of `pixels` pixels, a group of neighbouring channels at a time; their number is a multiple of
// kChannelGroup and of `groups`, and there are weights. Then `residual` is added, laid out as the output, if it is
// not null. The output may be where it is, or where the input is. The result does not depend on the number of
// threads.
void normalise_groups(
    const float* input, int64_t pixels, int64_t groups, const Affine& affine, const float* residual,
    Activation activation, float* output);

}  // namespace m2fp
