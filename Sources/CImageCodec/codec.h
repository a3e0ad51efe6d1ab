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

/// The orientation in a TIFF block (what follows `Exif\0\0`), 1 if there is none.
int32_t m2fp_tiff_orientation(const uint8_t *tiff, size_t count);

void m2fp_result_reset(m2fp_image_result *result);

/// Sets status and message; the first failure stays.
void m2fp_result_fail(m2fp_image_result *result, enum m2fp_image_status status, const char *format,
                      ...) __attribute__((format(printf, 3, 4)));

/// Counts a warning and keeps the first.
void m2fp_result_warn(m2fp_image_result *result, const char *message);

/// Makes room for `extra` more bytes. Returns 0 when there is no memory; the buffer is then
/// unchanged.
int m2fp_buffer_reserve(m2fp_buffer *buffer, size_t extra);

#pragma clang assume_nonnull end
