// Layer normalisation without weights: an exporter lets the next layer have these.
#pragma once

#include <cstdint>

namespace m2fp {

// output = (input - mean) / sqrt(variance + epsilon), of each of `rows` rows of `count` values, on the calling
// thread's intra-op threads.
void normalize(const float* input, int64_t rows, int64_t count, float epsilon, float* output);

}  // namespace m2fp
