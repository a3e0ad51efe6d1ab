#include <stdlib.h>

#include "codec.h"

long allocations_left = -1;

static void check(int32_t orientation) {
  if (orientation < 0 || orientation > 8) abort();
}

/// What is looked at for an orientation: EXIF blocks, as such and as text, and XMP packets.
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  check(m2fp_exif_orientation(bytes, count));
  check(m2fp_xmp_orientation(bytes, count));
  check(m2fp_raw_profile_orientation(bytes, count));
  return 0;
}
