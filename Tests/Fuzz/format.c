// A decoder of a library that is opened at run time: FORMAT is the name in its functions.
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

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  static int is_checked = 0;
  if (!is_checked++) check_library(bytes, count);
  check_decoder(FUNCTION(FORMAT, _header), FUNCTION(FORMAT, _decode), bytes, count);
  return 0;
}
