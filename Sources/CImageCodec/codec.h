/// What the source files of the codec share.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "m2fp_image.h"

#pragma clang assume_nonnull begin
#pragma GCC visibility push(hidden)

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

/// Writes a rectangle of RGB rows, `stride` bytes apart, of which the first pixel is the stored (x, y).
void m2fp_place(const placement *place, const uint8_t *rgb, size_t stride, int32_t x, int32_t y,
                int32_t width, int32_t rows);

/// A sample over white, in the fixed-point arithmetic of Pillow's `alpha_composite`.
static inline uint8_t over_white(int sample, int alpha) {
  int sum = ((sample * alpha + 255 * (255 - alpha)) << 7) + (128 << 7);
  return (uint8_t)((((sum >> 8) + sum) >> 8) >> 7);
}

/// Turns `count` RGBA pixels into RGB ones over white, in place.
void m2fp_over_white(uint8_t *pixels, size_t count);

/// Turns `count` RGBA pixels whose colours are multiplied by their alpha into ordinary ones, in place,
/// as Pillow: `255 * colour / alpha`.
void m2fp_divide_by_alpha(uint8_t *pixels, size_t count);

/// `a * b / 255`, rounded: exact for products of two bytes.
static inline int multiply_divide_255(int a, int b) {
  int product = a * b + 128;
  return (product + (product >> 8)) >> 8;
}

/// Turns `count` pixels of CMYK into RGB, as Pillow: R = (255 - K) - C * (255 - K) / 255. `inverted`:
/// 255 is no ink, as Adobe writes JPEGs. `rgb` may be `cmyk`.
void m2fp_cmyk_to_rgb(const uint8_t *cmyk, uint8_t *rgb, size_t count, int inverted);

/// Says that shades of 16-bit grey are lost.
void m2fp_warn_of_clipped_grey(m2fp_image_result *result);

/// A whole file in memory.
typedef struct memory {
  const uint8_t *bytes;
  size_t count;
} memory;

/// A file in memory as one that is read in parts. It must live as long as what is returned.
m2fp_source m2fp_memory_source(memory *file);

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

/// Refuses a size of which the pixels and their bytes might not be counted. Returns 0 if it does.
int m2fp_check_size(int64_t width, int64_t height, m2fp_image_result *result);

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

#pragma GCC visibility pop
#pragma clang assume_nonnull end
