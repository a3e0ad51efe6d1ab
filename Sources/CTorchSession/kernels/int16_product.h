// Matrix products in integers of 16 bits: values become multiples of a scale, one for each row of A
// and each column of B, as far as 13 and 12 bits and a sign go. No calibration is needed: A's scales
// come from its rows as they are.
//
// The largest integers are chosen so that no sum of kSafeDepth products overflows 32 bits; such sums
// are then added up in float32.
#pragma once

#include <cstdint>

namespace m2fp {

constexpr int64_t kSafeDepth = 64;
constexpr int32_t kLargestOfRow = (1 << 13) - 1;
constexpr int32_t kLargestOfColumn = (1 << 12) - 1;
static_assert(kSafeDepth * kLargestOfRow * kLargestOfColumn <= INT32_MAX);

// Rows have a multiple of this many values.
constexpr int64_t kInt16Lanes = 16;

// What one is worth where the magnitude `largest` becomes the integer `limit`; 1 for zeros.
float int16_scale(float largest, int32_t limit);

// One row of A as integers; returns its scale.
float quantise_row(const float* values, int64_t count, int16_t* integers);

}  // namespace m2fp
