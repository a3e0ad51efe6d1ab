// What networks of cheap layers do between them: averages of parts of a map, weights of channels that are made
// from these, and shuffled channels. Channels lie last; pixels may be parts of wider ones, as halves of a map
// are.
#pragma once

#include <cstdint>

namespace m2fp {

// height x width pixels of `channels` values, from one pixel to the next `stride`.
struct Pixels {
  const float* values;
  int64_t height;
  int64_t width;
  int64_t channels;
  int64_t stride;
};

// output (height, width, channels) = the means of as many parts of `input`: of each side as equal as can be.
void average(const Pixels& input, int64_t height, int64_t width, float* output);

// output = input times `weights`, whose pixels are repeated: its sides divide the input's.
void weigh(const Pixels& input, const Pixels& weights, float* output);

// output = channels of `first` and of `second`, which is as large, in turn; those of `second` times their
// `weights`, unless these are null.
void shuffle(const Pixels& first, const Pixels& second, const float* weights, float* output);

}  // namespace m2fp
