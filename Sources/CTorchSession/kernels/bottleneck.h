// Three layers in one go, as MobileNets, EfficientNets and Mix Transformers have them: a 1x1 convolution that
// makes many channels of few, a depthwise one over these, and a 1x1 one that makes few of them. What lies
// between them is large and wanted once: here it is a strip of rows, and stays in the second-level cache.
#pragma once

#include <cstdint>

#include "convolution.h"

namespace m2fp {

struct Layer {
  Convolution convolution;
  Method method;
  PackedWeights packed;
  Epilogue epilogue;
};

struct Bottleneck {
  // Both with a product for their method.
  Layer widen;
  Layer depthwise;
  Layer narrow;
};

// Whether the three fit each other.
bool is_bottleneck(const Layer& widen, const Layer& depthwise, const Layer& narrow);

// input (height, width, widen's inputs) to output, as the layers give it one after the other, byte by byte.
void run_bottleneck(
    const Bottleneck& bottleneck, const float* input, int64_t height, int64_t width, float* output);

}  // namespace m2fp
