#include "decoder.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  check_decoder(m2fp_jpeg_header, m2fp_jpeg_decode, bytes, count);
  return 0;
}
