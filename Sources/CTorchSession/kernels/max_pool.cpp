#include "max_pool.h"

#include <algorithm>
#include <limits>

#include "instruction_set.h"
#include "parallel.h"
#include "vector.h"

namespace m2fp {

void max_pool(
    const MaxPool& pool, const float* input, int64_t height, int64_t width, int64_t channels,
    float* output) {
  const int64_t across = pool.output_size(width);
  parallel_for(pool.output_size(height), 1, [&](int64_t begin, int64_t end) {
    run_on_this_cpu([&](auto registers) __attribute__((always_inline)) {
      using V = Vector<decltype(registers)::kLanes>;
      for (int64_t y = begin; y < end; ++y) {
        const int64_t top = y * pool.stride - pool.padding;
        const int64_t first_row = std::max<int64_t>(top, 0);
        const int64_t last_row = std::min(top + pool.kernel, height);
        for (int64_t x = 0; x < across; ++x) {
          const int64_t left = x * pool.stride - pool.padding;
          const int64_t first = std::max<int64_t>(left, 0);
          const int64_t last = std::min(left + pool.kernel, width);
          float* const to = output + (y * across + x) * channels;
          run_on_vectors<V>(0, channels, [&](auto vector, int64_t c) __attribute__((always_inline)) {
            using Part = decltype(vector);
            Part most = Part{} - std::numeric_limits<float>::infinity();
            for (int64_t row = first_row; row < last_row; ++row) {
              const float* const line = input + row * width * channels + c;
              for (int64_t column = first; column < last; ++column) {
                const Part value = load<Part>(line + column * channels);
                most = ((value > most) | (value != value)) ? value : most;
              }
            }
            store(to + c, most);
          });
        }
      }
    });
  });
}

}  // namespace m2fp
