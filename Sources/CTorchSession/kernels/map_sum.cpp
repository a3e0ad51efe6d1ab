#include "map_sum.h"

#include <algorithm>
#include <vector>

#include "activations.h"
#include "instruction_set.h"
#include "parallel.h"
#include "vector.h"

namespace m2fp {
namespace {

// What a place of the output takes from a side of a map: `second` of the pixel after `first`, or of the last
// pixel, and the rest of `first`.
struct Share {
  int64_t first;
  int64_t next;
  float second;
};

// As torch's upsampling has it.
Share share(Resizing resizing, int64_t place, int64_t size, int64_t output_size) {
  const auto from = static_cast<float>(size), to = static_cast<float>(output_size);
  const auto at = static_cast<float>(place);
  float source = at;
  switch (resizing) {
    case Resizing::none: return {place, place, 0};
    case Resizing::nearest: {
      const auto first = std::min(static_cast<int64_t>(at * (from / to)), size - 1);
      return {first, first, 0};
    }
    case Resizing::bilinear: source = std::max(from / to * (at + 0.5f) - 0.5f, 0.0f); break;
    case Resizing::bilinear_aligned:
      source = output_size > 1 ? (from - 1) / (to - 1) * at : 0;
      break;
  }
  const auto first = std::min(static_cast<int64_t>(source), size - 1);
  return {first, std::min(first + 1, size - 1), source - static_cast<float>(first)};
}

// A summand of a pixel: `factor` times these channels.
struct Term {
  const float* values;
  float factor;
};

template <typename V>
[[gnu::always_inline]] inline void sum_terms(
    const Term* terms, int64_t count, int64_t channels, Activation activation, float* output) {
  run_on_vectors<V>(0, channels, [&](auto vector, int64_t c) __attribute__((always_inline)) {
    using Part = decltype(vector);
    Part sum = terms[0].factor * load<Part>(terms[0].values + c);
    for (int64_t i = 1; i < count; ++i) sum += terms[i].factor * load<Part>(terms[i].values + c);
    store(output + c, activated(sum, activation));
  });
}

}  // namespace

void sum_maps(
    const ResizedMap* maps, int64_t count, int64_t height, int64_t width, int64_t channels,
    Activation activation, float* output) {
  // The same for every row: what its places take from each map's columns.
  std::vector<Share> shares(count * width);
  for (int64_t m = 0; m < count; ++m) {
    for (int64_t x = 0; x < width; ++x) {
      shares[x * count + m] = share(maps[m].resizing, x, maps[m].width, width);
    }
  }
  parallel_for(height, 1, [&](int64_t begin, int64_t end) {
    // Of each map the row that this row takes, or one made of two.
    std::vector<std::vector<float>> blended(count);
    std::vector<const float*> rows(count);
    std::vector<Term> terms(2 * count);
    for (int64_t y = begin; y < end; ++y) {
      run_on_this_cpu([&](auto registers) __attribute__((always_inline)) {
        using V = Vector<decltype(registers)::kLanes>;
        for (int64_t m = 0; m < count; ++m) {
          const int64_t line = maps[m].width * channels;
          const Share down = share(maps[m].resizing, y, maps[m].height, height);
          rows[m] = maps[m].values + down.first * line;
          if (down.second == 0) continue;
          blended[m].resize(line);
          const Term two[] = {
              {rows[m], 1 - down.second}, {maps[m].values + down.next * line, down.second}};
          sum_terms<V>(two, 2, line, Activation::none, blended[m].data());
          rows[m] = blended[m].data();
        }
        for (int64_t x = 0; x < width; ++x) {
          int64_t term_count = 0;
          for (int64_t m = 0; m < count; ++m) {
            const Share& across = shares[x * count + m];
            terms[term_count++] = {rows[m] + across.first * channels, 1 - across.second};
            if (across.second == 0) continue;
            terms[term_count++] = {rows[m] + across.next * channels, across.second};
          }
          sum_terms<V>(
              terms.data(), term_count, channels, activation, output + (y * width + x) * channels);
        }
      });
    }
  });
}

}  // namespace m2fp
