#include "map_sum.h"

#include <algorithm>
#include <utility>

#include "activations.h"
#include "instruction_set.h"
#include "parallel.h"
#include "vector.h"

namespace m2fp {
namespace {

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

// As torch's upsampling has it.
MapSum::Share MapSum::share(
    Resizing resizing, int64_t place, int64_t size, int64_t output_size) {
  // As this is compiled for every CPU: where it could, not all would fuse.
#pragma clang fp contract(off)
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

MapSum::MapSum(std::vector<ResizedMap> maps, int64_t height, int64_t width, int64_t channels)
    : maps_(std::move(maps)), height_(height), width_(width), channels_(channels) {
  for (int64_t x = 0; x < width; ++x) {
    for (const ResizedMap& map : maps_) {
      across_.push_back(share(map.resizing, x, map.width, width));
    }
  }
}

void MapSum::run(Activation activation, float* output) const {
  parallel_for(height_, 1, [&](int64_t begin, int64_t end) {
    run_rows(begin, end, activation, output + begin * width_ * channels_);
  });
}

void MapSum::run_rows(int64_t begin, int64_t end, Activation activation, float* output) const {
  const auto count = static_cast<int64_t>(maps_.size());
  // Of each map the row that this row takes, or one made of two.
  std::vector<std::vector<float>> blended(count);
  std::vector<const float*> rows(count);
  std::vector<Term> terms(2 * count);
  run_on_this_cpu([&](auto registers) __attribute__((always_inline)) {
    using V = Vector<decltype(registers)::kLanes>;
    for (int64_t y = begin; y < end; ++y) {
      for (int64_t m = 0; m < count; ++m) {
        const int64_t line = maps_[m].width * channels_;
        const Share down = share(maps_[m].resizing, y, maps_[m].height, height_);
        rows[m] = maps_[m].values + down.first * line;
        if (down.second == 0) continue;
        blended[m].resize(line);
        const Term two[] = {
            {rows[m], 1 - down.second}, {maps_[m].values + down.next * line, down.second}};
        sum_terms<V>(two, 2, line, Activation::none, blended[m].data());
        rows[m] = blended[m].data();
      }
      for (int64_t x = 0; x < width_; ++x) {
        int64_t term_count = 0;
        for (int64_t m = 0; m < count; ++m) {
          const Share& across = across_[x * count + m];
          terms[term_count++] = {rows[m] + across.first * channels_, 1 - across.second};
          if (across.second == 0) continue;
          terms[term_count++] = {rows[m] + across.next * channels_, across.second};
        }
        sum_terms<V>(
            terms.data(), term_count, channels_, activation,
            output + ((y - begin) * width_ + x) * channels_);
      }
    }
  });
}

}  // namespace m2fp
