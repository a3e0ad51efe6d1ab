/// Numbers taken from a fuzzer's bytes; when these are used up, numbers that follow from them.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// The targets' own allocations do not fail.
#undef malloc
#undef calloc
#undef realloc

typedef struct input {
  const uint8_t *bytes;
  size_t count;
  uint32_t state;
} input;

static inline uint32_t take(input *input, uint32_t bound) {
  uint32_t value = input->state >> 16;
  size_t some = input->count < 2 ? input->count : 2;
  if (some > 0) memcpy(&value, input->bytes, some);
  input->bytes += some;
  input->count -= some;
  input->state = (input->state ^ value) * 1664525u + 1013904223u;
  return value % bound;
}

/// Between -scale and scale, or far out.
static inline float take_float(input *input, float scale) {
  uint32_t value = take(input, 1 << 16);
  if (value == 0xFFFF) return scale * 1e20f;
  if (value == 0xFFFE) return -scale * 1e20f;
  return scale * ((float)value / 32768.0f - 1);
}

static inline void require(int holds) {
  if (!holds) abort();
}

/// Told of what was computed, where another machine is to compute the same (Tests/Portability).
#ifdef M2FP_OBSERVED
void observe(const void *bytes, size_t count);
#else
static inline void observe(const void *bytes, size_t count) {
  (void)bytes;
  (void)count;
}
#endif
