// The largest values of the windows of a map, channels last.
#pragma once

#include <cstdint>

namespace m2fp {

// What lies outside the map counts for nothing.
struct MaxPool {
  int64_t kernel;
  int64_t stride;
  // At most half the kernel: every window has pixels of the map.
  int64_t padding;

  int64_t output_size(int64_t size) const { return (size + 2 * padding - kernel) / stride + 1; }
};

// input: (height, width, channels), output alike. As torch has it, also where values are not numbers or zeros
// of two signs. On the calling thread's intra-op threads.
void max_pool(
    const MaxPool& pool, const float* input, int64_t height, int64_t width, int64_t channels,
    float* output);

}  // namespace m2fp
