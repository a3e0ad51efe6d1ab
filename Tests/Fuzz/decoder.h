/// What must hold of a decoder, whatever the bytes.
#pragma once

#include <stdlib.h>
#include <string.h>

#include "codec.h"

#include "input.h"

/// Small pictures keep an execution short; the code does not know sizes.
enum { LARGEST = 1 << 14 };

static int is_small(const m2fp_image_header *header) {
  return (int64_t)header->width * header->height <= LARGEST && header->coded_pixels <= LARGEST;
}

typedef void header_function(const uint8_t *bytes, size_t count, m2fp_image_header *header,
                             m2fp_image_result *result);
typedef void decode_function(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                             const m2fp_decode_options *options, uint8_t *pixels,
                             m2fp_image_result *result);

static inline void require_a_reason(const m2fp_image_result *result) {
  require(memchr(result->message, 0, sizeof result->message) != NULL);
  require((result->status == M2FP_IMAGE_OK) == (result->message[0] == 0));
  require((result->warning_count == 0) == (result->first_warning[0] == 0));
  require(!result->is_damaged || result->warning_count > 0);
}

/// The header is believable or left alone; a decode writes every pixel and nothing else, and says
/// why it failed; what is damaged is refused if that is asked for, and nothing else besides.
static inline void check_decoder(header_function *read_header, decode_function *decode,
                                 const uint8_t *bytes, size_t count) {
  m2fp_image_header header = {-1, -1, -1, -1};
  m2fp_image_result result;
  read_header(bytes, count, &header, &result);
  require_a_reason(&result);
  if (result.status != M2FP_IMAGE_OK) {
    require(header.width == -1 && header.height == -1 && header.orientation == -1);
    return;
  }
  require(header.width >= 1 && header.height >= 1);
  require(header.orientation >= 1 && header.orientation <= 8 && header.working_bytes >= 0);
  if (!is_small(&header)) return;

  size_t size = (size_t)header.width * (size_t)header.height * 3;
  uint8_t *pixels = malloc(size);
  memset(pixels, 0x55, size);
  const m2fp_decode_options lenient = {0}, strict = {.refuse_damaged = 1};
  decode(bytes, count, &header, &lenient, pixels, &result);
  require_a_reason(&result);
  if (result.status == M2FP_IMAGE_OK) {
    // On another background the same picture comes out, or a pixel was left out.
    uint8_t *again = malloc(size);
    memset(again, 0xAA, size);
    int is_damaged = result.is_damaged;
    decode(bytes, count, &header, &lenient, again, &result);
    require(result.status == M2FP_IMAGE_OK && memcmp(pixels, again, size) == 0);
    decode(bytes, count, &header, &strict, again, &result);
    require_a_reason(&result);
    require((result.status != M2FP_IMAGE_OK) == is_damaged);
    observe(pixels, size);
    free(again);
  }
  // Nor is a header of another picture believed.
  m2fp_image_header other = header;
  other.width++;
  uint8_t *room = malloc(((size_t)header.width + 1) * (size_t)header.height * 3);
  decode(bytes, count, &other, &lenient, room, &result);
  require_a_reason(&result);
  free(room);
  // Whatever allocation fails, that is said, or there were fewer.
  decode(bytes, count, &header, &lenient, pixels, &result);
  enum m2fp_image_status status = result.status;
  allocations_left = bytes[count / 2] % 8;
  read_header(bytes, count, &header, &result);
  if (result.status == M2FP_IMAGE_OK) decode(bytes, count, &header, &lenient, pixels, &result);
  require_a_reason(&result);
  require(result.status == (allocations_left < 0 ? M2FP_IMAGE_OUT_OF_MEMORY : status));
  allocations_left = -1;
  free(pixels);
}
