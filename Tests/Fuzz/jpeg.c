#include "decoder.h"

long allocations_left = -1;

/// However a file is divided, the search gives the same size, and that of the whole header.
static void check_search(const uint8_t *bytes, size_t count) {
  m2fp_jpeg_frame frame = {0};
  enum m2fp_search found = m2fp_jpeg_find_frame(&frame, bytes, count);
  require(frame.offset >= 0);
  m2fp_jpeg_frame parts = {0};
  enum m2fp_search search = M2FP_SEARCH_MORE;
  while (search == M2FP_SEARCH_MORE) {
    size_t offset = (size_t)parts.offset, left = offset < count ? count - offset : 0;
    // A copy, so that the sanitizer sees where it ends.
    size_t some = left < 1024 ? left : 1024;
    uint8_t *part = malloc(some + 1);
    if (some > 0) memcpy(part + 1, bytes + offset, some);
    search = m2fp_jpeg_find_frame(&parts, part + 1, some);
    free(part);
    if (search == M2FP_SEARCH_MORE && (size_t)parts.offset == offset) break;
  }
  require(search == found);
  if (found != M2FP_SEARCH_FOUND) return;
  require(parts.width == frame.width && parts.height == frame.height);
  m2fp_image_header header;
  m2fp_image_result result;
  m2fp_jpeg_header(bytes, count, &header, &result);
  if (result.status != M2FP_IMAGE_OK) return;
  require(header.width == frame.width && header.height == frame.height);
  require(header.working_bytes == frame.working_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  check_decoder(m2fp_jpeg_header, m2fp_jpeg_decode, bytes, count);
  check_search(bytes, count);
  return 0;
}
