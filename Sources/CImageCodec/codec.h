/// What the source files of the codec share.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "m2fp_image.h"

#pragma clang assume_nonnull begin

/// Where the pixels of a stored row go in the upright picture: pixel (x, y) at
/// `origin + x * dx + y * dy`, all in bytes.
typedef struct placement {
  uint8_t *origin;
  ptrdiff_t dx;
  ptrdiff_t dy;
} placement;

/// Rows that are gathered before they are turned: a whole cache line of each upright row at a time.
enum { STRIP_ROWS = 16 };

/// The placement for a stored size and an EXIF orientation (1 to 8).
placement m2fp_placement(const m2fp_image_header *header, uint8_t *pixels);

/// Writes `rows` (at most STRIP_ROWS) tightly packed RGB rows, the first of them stored row `y`.
void m2fp_place(const placement *place, const uint8_t *strip, int32_t width, int32_t y,
                int32_t rows);

/// What an orientation is where there was no memory to find it.
enum { M2FP_NO_MEMORY = -1 };

/// The orientation in an EXIF block, with `Exif\0\0` before it once, twice or not at all: 1 to 8, or
/// 0 if it says nothing of it, so that XMP may.
int32_t m2fp_exif_orientation(const uint8_t *exif, size_t count);

/// The orientation in an XMP packet: 1 to 8, or 0 if it says nothing of it.
int32_t m2fp_xmp_orientation(const uint8_t *xmp, size_t count);

/// The orientation in an EXIF block that ImageMagick wrote as text, "Raw profile type exif": 1 to 8, 0
/// if it says nothing of it, or M2FP_NO_MEMORY.
int32_t m2fp_raw_profile_orientation(const uint8_t *text, size_t count);

void m2fp_result_reset(m2fp_image_result *result);

/// Sets status and message; the first failure stays.
void m2fp_result_fail(m2fp_image_result *result, enum m2fp_image_status status, const char *format,
                      ...) __attribute__((format(printf, 3, 4)));

/// Counts a warning and keeps the first.
void m2fp_result_warn(m2fp_image_result *result, const char *message);

/// Notes damage that leaves a picture to be read: a warning, or a failure if that is asked for.
/// Returns whether to go on.
int m2fp_result_damage(m2fp_image_result *result, const m2fp_decode_options *options,
                       enum m2fp_image_status status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/// Makes room for `extra` more bytes. Returns 0 when there is no memory; the buffer is then
/// unchanged.
int m2fp_buffer_reserve(m2fp_buffer *buffer, size_t extra);

#pragma clang assume_nonnull end
