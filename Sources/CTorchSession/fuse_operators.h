// Rewrites a network for our kernels.
#pragma once

#include <memory>

#include "kernels/convolution.h"

namespace torch::jit {
struct Graph;
}

namespace m2fp {

// Replaces convolutions and linear layers with constant weights by `m2fp::convolution` and
// `m2fp::linear` with packed weights, takes the additions, activations and norms after them in, and replaces
// attention by `m2fp::attention`. What our kernels do not compute stays as it is. Weights may be in half
// precision.
void fuse_operators(const std::shared_ptr<torch::jit::Graph>& graph, Precision precision);

}  // namespace m2fp
