// Activations, of vectors.
#pragma once

#include "exponentials.h"
#include "matrix_product.h"
#include "vector.h"

namespace m2fp {

// Whether a product applies it to sums that are in registers: the others take too many of them.
constexpr bool is_light(Activation activation) {
  return activation != Activation::gelu && activation != Activation::sigmoid;
}

template <typename V>
[[gnu::always_inline]] inline V lightly_activated(V x, Activation activation) {
  if (activation == Activation::leaky_relu) return maximum(x, kLeakySlope * x);
  if (activation != Activation::none) x = maximum(x, V{});
  if (activation == Activation::relu6) x = minimum(x, V{} + 6.0f);
  return x;
}

// x Φ(x), Φ being the normal distribution's, to 1e-7 |x|.
//
// The error function by formula 7.1.26 of Abramowitz and Stegun's Handbook of Mathematical Functions, in the
// form that loses nothing where Φ is small.
template <typename V>
[[gnu::always_inline]] inline V gelu(V x) {
  // Beyond this the tail is 0 in single precision.
  constexpr float kMost = 14.0f;
  const V size = minimum(__builtin_elementwise_abs(x), V{} + kMost);
  const V z = size * 0.707106781f;
  const V t = 1.0f / (1.0f + 0.3275911f * z);
  V p = t * 1.061405429f - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const V tail = 0.5f * size * (p * t) * exponential(-z * z);
  return maximum(V{}, x) - tail;
}

template <typename V>
[[gnu::always_inline]] inline V sigmoid(V x) {
  const V e = exponential(-__builtin_elementwise_abs(x));
  const V s = (x < 0.0f ? e : V{} + 1.0f) / (1.0f + e);
  // What is not a number stays so.
  return x == x ? s : x;
}

template <typename V>
[[gnu::always_inline]] inline V activated(V x, Activation activation) {
  if (activation == Activation::gelu) return gelu(x);
  if (activation == Activation::sigmoid) return sigmoid(x);
  return lightly_activated(x, activation);
}

}  // namespace m2fp
