// Layers in one go, as MobileNets, EfficientNets and Mix Transformers have them: a 1x1 convolution that makes
// many channels of few, a depthwise one over these, and a 1x1 one that makes few of them. Or without the second,
// as heads have them that add up maps and tell classes. What lies between them is large and wanted once: here it
// is a strip of rows, and stays in the second-level cache.
#pragma once

#include <cstdint>
#include <optional>

#include "convolution.h"
#include "map_sum.h"

namespace m2fp {

struct Layer {
  Convolution convolution;
  Method method;
  PackedWeights packed;
  Epilogue epilogue;
};

struct Bottleneck {
  // With a product for its method, as `narrow`, and no residual but this.
  Layer widen;
  std::optional<MapSum> residual;
  std::optional<Layer> depthwise;
  Layer narrow;

  // Whether they fit each other.
  bool is_sound() const;
};

// input (height, width, widen's inputs) to output, as the layers give it one after the other, byte by byte.
void run_bottleneck(
    const Bottleneck& bottleneck, const float* input, int64_t height, int64_t width, float* output);

}  // namespace m2fp
