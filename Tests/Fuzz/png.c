#include <zlib.h>

#include "decoder.h"

long allocations_left = -1;

/// A label map is read whole or not at all.
static void check_labels(const uint8_t *bytes, size_t count) {
  m2fp_image_header header;
  m2fp_image_result result;
  const m2fp_decode_options options = {0};
  m2fp_png_header(bytes, count, &header, &result);
  if (result.status != M2FP_IMAGE_OK || (int64_t)header.width * header.height > LARGEST) return;
  size_t size = (size_t)header.width * (size_t)header.height * sizeof(uint16_t);
  uint16_t *values = malloc(size), *again = malloc(size);
  memset(values, 0x55, size);
  memset(again, 0xAA, size);
  m2fp_png_decode_labels(bytes, count, &header, &options, values, &result);
  require_a_reason(&result);
  if (result.status == M2FP_IMAGE_OK) {
    m2fp_png_decode_labels(bytes, count, &header, &options, again, &result);
    require(result.status == M2FP_IMAGE_OK && memcmp(values, again, size) == 0);
  }
  free(values);
  free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  check_decoder(m2fp_png_header, m2fp_png_decode, bytes, count);
  check_labels(bytes, count);
  return 0;
}

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t count, size_t capacity);

static uint32_t read32(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void write32(uint8_t *at, uint32_t value) {
  for (int byte = 0; byte < 4; byte++) at[byte] = (uint8_t)(value >> (24 - 8 * byte));
}

/// A changed byte breaks its chunk's checksum, and nothing behind the check would ever be reached:
/// seven times of eight the checksums are made right again.
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t count, size_t capacity, unsigned seed) {
  enum { SIGNATURE = 8, LENGTH = 4, TYPE = 4, CRC = 4 };
  count = LLVMFuzzerMutate(bytes, count, capacity);
  if (seed % 8 == 0) return count;
  for (size_t at = SIGNATURE; at + LENGTH + TYPE + CRC <= count;) {
    uint32_t length = read32(bytes + at);
    if (length > count - at - LENGTH - TYPE - CRC) break;
    uint8_t *type = bytes + at + LENGTH;
    write32(type + TYPE + length, (uint32_t)crc32(crc32(0, NULL, 0), type, TYPE + length));
    at += LENGTH + TYPE + length + CRC;
  }
  return count;
}
