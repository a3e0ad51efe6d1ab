/// What must hold of a decoder, whatever the bytes.
#pragma once

#include <stdlib.h>
#include <string.h>

#include "codec.h"

/// Small pictures keep an execution short; the code does not know sizes.
enum { LARGEST = 1 << 14 };

static inline void require(int holds) {
  if (!holds) abort();
}

typedef void header_function(const uint8_t *bytes, size_t count, m2fp_image_header *header,
                             m2fp_image_result *result);
typedef void decode_function(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                             uint8_t *pixels, m2fp_image_result *result);

static inline void require_a_reason(const m2fp_image_result *result) {
  require(memchr(result->message, 0, sizeof result->message) != NULL);
  require((result->status == M2FP_IMAGE_OK) == (result->message[0] == 0));
  require((result->warning_count == 0) == (result->first_warning[0] == 0));
}

/// The header is believable or left alone; a decode writes every pixel and nothing else, and says
/// why it failed.
static inline void check_decoder(header_function *read_header, decode_function *decode,
                                 const uint8_t *bytes, size_t count) {
  m2fp_image_header header = {-1, -1, -1};
  m2fp_image_result result;
  read_header(bytes, count, &header, &result);
  require_a_reason(&result);
  if (result.status != M2FP_IMAGE_OK) {
    require(header.width == -1 && header.height == -1 && header.orientation == -1);
    return;
  }
  require(header.width >= 1 && header.height >= 1);
  require(header.orientation >= 1 && header.orientation <= 8);
  if ((int64_t)header.width * header.height > LARGEST) return;

  size_t size = (size_t)header.width * (size_t)header.height * 3;
  uint8_t *pixels = malloc(size);
  memset(pixels, 0x55, size);
  decode(bytes, count, &header, pixels, &result);
  require_a_reason(&result);
  if (result.status == M2FP_IMAGE_OK) {
    // On another background the same picture comes out, or a pixel was left out.
    uint8_t *again = malloc(size);
    memset(again, 0xAA, size);
    decode(bytes, count, &header, again, &result);
    require(result.status == M2FP_IMAGE_OK && memcmp(pixels, again, size) == 0);
    free(again);
  }
  free(pixels);
}
