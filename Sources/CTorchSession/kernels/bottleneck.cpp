#include "bottleneck.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "parallel.h"

namespace m2fp {
namespace {

// What lies between the layers, in values: it stays in the second-level cache beside the weights.
constexpr int64_t kStripSpace = 3 << 17;
// Fewer pixels do not pay for reading the weights.
constexpr int64_t kLeastPixels = 2 * kBlockRows;

bool is_product(const Layer& layer) {
  return layer.convolution.kernel == 1 && layer.convolution.stride == 1 &&
         layer.convolution.padding == 0 &&
         (layer.method == Method::product || layer.method == Method::int16_product);
}

// Rows [first, last) of a layer that looks at one pixel at a time. `input` and `output` begin with them.
void run_rows(const Layer& layer, const float* input, int64_t rows, int64_t width, float* output) {
  convolve(layer.convolution, layer.method, input, rows, width, layer.packed, layer.epilogue, output);
}

}  // namespace

bool Bottleneck::is_sound() const {
  const bool is_filter = !depthwise || (depthwise->method == Method::depthwise &&
                                        depthwise->convolution.inputs == widen.convolution.outputs &&
                                        !depthwise->epilogue.residual);
  return is_filter && is_product(widen) && is_product(narrow) && !widen.epilogue.residual &&
         widen.convolution.outputs == narrow.convolution.inputs;
}

void run_bottleneck(
    const Bottleneck& b, const float* input, int64_t height, int64_t width, float* output) {
  const int64_t inputs = b.widen.convolution.inputs, outputs = b.narrow.convolution.outputs;
  const int64_t hidden = b.widen.convolution.outputs;
  // Without one, as if it had one tap.
  const Convolution depthwise =
      b.depthwise ? b.depthwise->convolution : Convolution{hidden, hidden, 1, 1, 0, hidden};
  const int64_t out_height = depthwise.output_size(height), out_width = depthwise.output_size(width);
  const int64_t in_line = width * hidden, out_line = out_width * hidden;
  // In rows of its output.
  const int64_t most =
      (kStripSpace - depthwise.extent() * in_line) / (depthwise.stride * in_line + out_line);
  const int64_t least = (kLeastPixels + out_width - 1) / out_width;
  const int64_t strip = std::min(std::max(least, most), out_height);
  parallel_for(out_height, 1, [&](int64_t begin, int64_t end) {
    static thread_local std::vector<float> wide, filtered, sums;
    wide.resize(((strip - 1) * depthwise.stride + depthwise.extent()) * in_line);
    if (b.depthwise) filtered.resize(strip * out_line);
    // The rows of the image that are wide already.
    int64_t first = 0, last = 0;
    for (int64_t y = begin; y < end; y += strip) {
      const int64_t rows = std::min(strip, end - y);
      const int64_t top = y * depthwise.stride - depthwise.padding;
      const int64_t needed = std::max<int64_t>(top, 0);
      const int64_t needed_end =
          std::min(top + (rows - 1) * depthwise.stride + depthwise.extent(), height);
      // What the last strip looked at, too.
      const int64_t kept = std::max<int64_t>(last - needed, 0);
      std::memmove(
          wide.data(), wide.data() + (last - kept - first) * in_line, kept * in_line * sizeof(float));
      first = needed;
      last = needed + kept;
      if (last < needed_end) {
        float* const to = wide.data() + kept * in_line;
        Layer widen = b.widen;
        if (b.residual) {
          sums.resize((needed_end - last) * in_line);
          b.residual->run_rows(last, needed_end, Activation::none, sums.data());
          widen.epilogue.residual = sums.data();
        }
        run_rows(widen, input + last * width * inputs, needed_end - last, width, to);
        last = needed_end;
      }
      if (b.depthwise) {
        filter_rows(
            depthwise, wide.data(), first, height, width,
            static_cast<const float*>(b.depthwise->packed.values), b.depthwise->epilogue, y,
            y + rows, filtered.data());
      }
      Layer narrow = b.narrow;
      const int64_t at = y * out_width * outputs;
      if (narrow.epilogue.residual) narrow.epilogue.residual += at;
      run_rows(narrow, (b.depthwise ? filtered : wide).data(), rows, out_width, output + at);
    }
  });
}

}  // namespace m2fp
