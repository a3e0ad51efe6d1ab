#include "channel_weights.h"

#include <algorithm>

#include "instruction_set.h"
#include "parallel.h"
#include "vector.h"

namespace m2fp {
namespace {

// The lower lanes of two vectors in turn, and the upper ones.
template <typename V>
[[gnu::always_inline]] inline void interleave(V a, V b, V& lower, V& upper) {
  if constexpr (kLanesOf<V> == 1) {
    lower = a;
    upper = b;
  } else if constexpr (kLanesOf<V> == 2) {
    lower = __builtin_shufflevector(a, b, 0, 2);
    upper = __builtin_shufflevector(a, b, 1, 3);
  } else if constexpr (kLanesOf<V> == 4) {
    lower = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    upper = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  } else if constexpr (kLanesOf<V> == 8) {
    lower = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
    upper = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
  } else {
    static_assert(kLanesOf<V> == 16);
    lower = __builtin_shufflevector(
        a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    upper = __builtin_shufflevector(
        a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  }
}

}  // namespace

void average(const Pixels& in, int64_t height, int64_t width, float* output) {
  parallel_for(height * width, 1, [&](int64_t begin, int64_t end) {
    run_on_this_cpu([&](auto registers) __attribute__((always_inline)) {
      using V = Vector<decltype(registers)::kLanes>;
      for (int64_t place = begin; place < end; ++place) {
        const int64_t y = place / width, x = place % width;
        const int64_t top = y * in.height / height, left = x * in.width / width;
        const int64_t bottom = ((y + 1) * in.height + height - 1) / height;
        const int64_t right = ((x + 1) * in.width + width - 1) / width;
        const float share = 1 / static_cast<float>((bottom - top) * (right - left));
        // Row by row, so that sums of many pixels stay exact.
        float* const means = output + place * in.channels;
        std::fill_n(means, in.channels, 0.0f);
        for (int64_t row = top; row < bottom; ++row) {
          const float* const line = in.values + row * in.width * in.stride;
          run_on_vectors<V>(
              0, in.channels, [&](auto vector, int64_t c) __attribute__((always_inline)) {
                using Part = decltype(vector);
                Part sums[4] = {};
                int64_t column = left;
                for (; column + 4 <= right; column += 4) {
                  for (int64_t i = 0; i < 4; ++i) {
                    sums[i] += load<Part>(line + (column + i) * in.stride + c);
                  }
                }
                for (; column < right; ++column) {
                  sums[0] += load<Part>(line + column * in.stride + c);
                }
                const Part sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
                store(means + c, load<Part>(means + c) + share * sum);
              });
        }
      }
    });
  });
}

void weigh(const Pixels& in, const Pixels& weights, float* output) {
  const int64_t down = in.height / weights.height, across = in.width / weights.width;
  parallel_for(in.height, 1, [&](int64_t begin, int64_t end) {
    run_on_this_cpu([&](auto registers) __attribute__((always_inline)) {
      using V = Vector<decltype(registers)::kLanes>;
      for (int64_t y = begin; y < end; ++y) {
        const float* factors = weights.values + y / down * weights.width * weights.stride;
        for (int64_t x = 0; x < in.width; ++x) {
          if (x > 0 && x % across == 0) factors += weights.stride;
          const float* const from = in.values + (y * in.width + x) * in.stride;
          float* const to = output + (y * in.width + x) * in.channels;
          run_on_vectors<V>(
              0, in.channels, [&](auto vector, int64_t c) __attribute__((always_inline)) {
                using Part = decltype(vector);
                store(to + c, load<Part>(from + c) * load<Part>(factors + c));
              });
        }
      }
    });
  });
}

void shuffle(const Pixels& first, const Pixels& second, const float* weights, float* output) {
  const int64_t channels = first.channels;
  parallel_for(first.height * first.width, 16, [&](int64_t begin, int64_t end) {
    run_on_this_cpu([&](auto registers) __attribute__((always_inline)) {
      using V = Vector<decltype(registers)::kLanes>;
      for (int64_t pixel = begin; pixel < end; ++pixel) {
        const float* const a = first.values + pixel * first.stride;
        const float* const b = second.values + pixel * second.stride;
        float* const to = output + 2 * pixel * channels;
        run_on_vectors<V>(0, channels, [&](auto vector, int64_t c) __attribute__((always_inline)) {
          using Part = decltype(vector);
          Part changed = load<Part>(b + c), lower, upper;
          if (weights) changed *= load<Part>(weights + c);
          interleave(load<Part>(a + c), changed, lower, upper);
          store(to + 2 * c, lower);
          store(to + 2 * c + kLanesOf<Part>, upper);
        });
      }
    });
  });
}

}  // namespace m2fp
