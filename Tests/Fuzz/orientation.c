#include <stdlib.h>

#include "codec.h"

/// The TIFF block that follows `Exif\0\0` in a JPEG and fills the eXIf chunk of a PNG.
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  int32_t orientation = m2fp_tiff_orientation(bytes, count);
  if (orientation < 1 || orientation > 8) abort();
  return 0;
}
