// Sums of maps of several sizes, as pyramids of features are brought together: each is enlarged where it is
// read, so that nothing but the sum is written.
#pragma once

#include <cstdint>
#include <vector>

#include "matrix_product.h"

namespace m2fp {

// How a map is enlarged: not at all; by repeating pixels; bilinearly, with the corners of pixels or their
// centres in the same places.
enum class Resizing : int64_t { none, nearest, bilinear, bilinear_aligned };

// height x width pixels, channels last.
struct ResizedMap {
  const float* values;
  int64_t height;
  int64_t width;
  Resizing resizing;
};

// The sum of maps at one size, which any of its rows can be computed of.
class MapSum {
 public:
  MapSum(std::vector<ResizedMap> maps, int64_t height, int64_t width, int64_t channels);

  // output (height, width, channels) = activation(sum), on the calling thread's intra-op threads.
  void run(Activation activation, float* output) const;

  // Rows [begin, end) of that, which `output` begins with, on the calling thread.
  void run_rows(int64_t begin, int64_t end, Activation activation, float* output) const;

 private:
  // What a place of the output takes from a side of a map: `second` of pixel `next`, and the rest of `first`.
  struct Share {
    int64_t first;
    int64_t next;
    float second;
  };

  std::vector<ResizedMap> maps_;
  int64_t height_;
  int64_t width_;
  int64_t channels_;
  // Of each column, what it takes from each map's columns.
  std::vector<Share> across_;

  static Share share(Resizing resizing, int64_t place, int64_t size, int64_t output_size);
};

}  // namespace m2fp
