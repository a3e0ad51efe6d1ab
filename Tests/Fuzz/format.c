// A decoder of a library that is opened at run time: FORMAT is the name in its functions.
#include "answers.h"
#include "decoder.h"

long allocations_left = -1;

#define JOINED(prefix, name, suffix) prefix##name##suffix
#define FUNCTION(name, suffix) JOINED(m2fp_, name, suffix)

/// A library that lacks a function is as good as none, and is looked for again.
static void check_library(const uint8_t *bytes, size_t count) {
  for (long found = 0; found < 2; found++) {
    allocations_left = found;
    m2fp_image_header header;
    m2fp_image_result result;
    FUNCTION(FORMAT, _header)(bytes, count, &header, &result);
    require_a_reason(&result);
  }
  allocations_left = -1;
}

/// Whatever the library answers, there is a picture within its buffer or a reason why there is none.
static void check_answers(const uint8_t *bytes, size_t count) {
  m2fp_image_header header;
  m2fp_image_result result;
  unsigned choice = 2166136261u;
  for (size_t i = 0; i < count; i++) choice = (choice ^ bytes[i]) * 16777619u;
  answers_left = choice % 48;
  false_answer = choice / 32;
  FUNCTION(FORMAT, _header)(bytes, count, &header, &result);
  require_a_reason(&result);
  if (result.status == M2FP_IMAGE_OK && is_small(&header)) {
    const m2fp_decode_options options = {0};
    uint8_t *pixels = malloc((size_t)header.width * (size_t)header.height * 3);
    FUNCTION(FORMAT, _decode)(bytes, count, &header, &options, pixels, &result);
    require_a_reason(&result);
    free(pixels);
  }
  answers_left = -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  static int is_checked = 0;
  if (!is_checked++) check_library(bytes, count);
  check_decoder(FUNCTION(FORMAT, _header), FUNCTION(FORMAT, _decode), bytes, count);
  check_answers(bytes, count);
  return 0;
}
