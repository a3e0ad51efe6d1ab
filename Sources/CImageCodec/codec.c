#include "codec.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void m2fp_result_reset(m2fp_image_result *result) {
  result->status = M2FP_IMAGE_OK;
  result->warning_count = 0;
  result->is_damaged = 0;
  result->message[0] = 0;
  result->first_warning[0] = 0;
}

void m2fp_result_fail(m2fp_image_result *result, enum m2fp_image_status status, const char *format,
                      ...) {
  if (result->status != M2FP_IMAGE_OK) return;
  result->status = status;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(result->message, sizeof result->message, format, arguments);
  va_end(arguments);
}

int m2fp_check_size(int64_t width, int64_t height, m2fp_image_result *result) {
  const int64_t most = (int64_t)1 << 40;
  if (width < 1 || height < 1) {
    m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "it has no pixels");
  } else if (width > INT32_MAX || height > INT32_MAX || width > most / height) {
    m2fp_result_fail(result, M2FP_IMAGE_TOO_LARGE, "more than 2^40 pixels");
  }
  return result->status == M2FP_IMAGE_OK;
}

void m2fp_result_warn(m2fp_image_result *result, const char *message) {
  if (result->warning_count == 0) {
    snprintf(result->first_warning, sizeof result->first_warning, "%s", message);
  }
  if (result->warning_count < INT32_MAX) result->warning_count++;
}

int m2fp_result_damage(m2fp_image_result *result, const m2fp_decode_options *options,
                       enum m2fp_image_status status, const char *format, ...) {
  char message[sizeof result->message];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  if (options->refuse_damaged) {
    m2fp_result_fail(result, status, "%s", message);
    return 0;
  }
  m2fp_result_warn(result, message);
  // Told before what is merely odd.
  if (!result->is_damaged) {
    snprintf(result->first_warning, sizeof result->first_warning, "%s", message);
  }
  result->is_damaged = 1;
  return 1;
}

int m2fp_buffer_reserve(m2fp_buffer *buffer, size_t extra) {
  if (buffer->capacity - buffer->count >= extra) return 1;
  if (extra > SIZE_MAX / 2 - buffer->capacity) return 0;
  size_t capacity = buffer->capacity + buffer->capacity / 2;
  if (capacity < buffer->count + extra) capacity = buffer->count + extra;
  if (capacity < 1 << 16) capacity = 1 << 16;
  uint8_t *bytes = realloc(buffer->bytes, capacity);
  if (bytes == NULL) return 0;
  buffer->bytes = bytes;
  buffer->capacity = capacity;
  return 1;
}

void m2fp_buffer_free(m2fp_buffer *buffer) {
  free(buffer->bytes);
  *buffer = (m2fp_buffer){0};
}

placement m2fp_placement(const m2fp_image_header *header, uint8_t *pixels) {
  ptrdiff_t width = header->width, height = header->height;
  int swaps = header->orientation >= 5;
  // One step right and one step down in the upright picture.
  ptrdiff_t right = 3, down = 3 * (swaps ? height : width);
  ptrdiff_t last_column = ((swaps ? height : width) - 1) * right;
  ptrdiff_t last_row = ((swaps ? width : height) - 1) * down;
  switch (header->orientation) {
    case 2: return (placement){pixels + last_column, -right, down};
    case 3: return (placement){pixels + last_row + last_column, -right, -down};
    case 4: return (placement){pixels + last_row, right, -down};
    case 5: return (placement){pixels, down, right};
    case 6: return (placement){pixels + last_column, down, -right};
    case 7: return (placement){pixels + last_row + last_column, -down, -right};
    case 8: return (placement){pixels + last_row, -down, right};
    default: return (placement){pixels, right, down};
  }
}

void m2fp_place(const placement *place, const uint8_t *rgb, size_t stride, int32_t x, int32_t y,
                int32_t width, int32_t rows) {
  uint8_t *start = place->origin + x * place->dx + y * place->dy;
  if (place->dx == 3) {
    for (int32_t row = 0; row < rows; row++) {
      memcpy(start + row * place->dy, rgb + (size_t)row * stride, (size_t)width * 3);
    }
    return;
  }
  for (int32_t first = 0; first < rows; first += STRIP_ROWS) {
    int32_t count = rows - first < STRIP_ROWS ? rows - first : STRIP_ROWS;
    for (int32_t column = 0; column < width; column++) {
      uint8_t *to = start + first * place->dy + column * place->dx;
      const uint8_t *from = rgb + (size_t)first * stride + (size_t)column * 3;
      for (int32_t row = 0; row < count; row++) {
        to[0] = from[0];
        to[1] = from[1];
        to[2] = from[2];
        to += place->dy;
        from += stride;
      }
    }
  }
}

void m2fp_over_white(uint8_t *pixels, size_t count) {
  const uint8_t *rgba = pixels;
  for (size_t i = 0; i < count; i++, rgba += 4, pixels += 3) {
    int alpha = rgba[3];
    for (int channel = 0; channel < 3; channel++) {
      pixels[channel] = over_white(rgba[channel], alpha);
    }
  }
}

void m2fp_cmyk_to_rgb(const uint8_t *cmyk, uint8_t *rgb, size_t count, int inverted) {
  int flip = inverted ? 255 : 0;
  for (size_t i = 0; i < count; i++, cmyk += 4, rgb += 3) {
    int white = 255 - (cmyk[3] ^ flip);
    for (int channel = 0; channel < 3; channel++) {
      int value = white - multiply_divide_255(cmyk[channel] ^ flip, white);
      rgb[channel] = (uint8_t)(value < 0 ? 0 : value);
    }
  }
}

void m2fp_divide_by_alpha(uint8_t *pixels, size_t count) {
  for (size_t i = 0; i < count; i++, pixels += 4) {
    int alpha = pixels[3];
    if (alpha == 0 || alpha == 255) continue;
    for (int channel = 0; channel < 3; channel++) {
      int value = 255 * pixels[channel] / alpha;
      pixels[channel] = (uint8_t)(value > 255 ? 255 : value);
    }
  }
}

void m2fp_warn_of_clipped_grey(m2fp_image_result *result) {
  m2fp_result_warn(result,
                   "16-bit grey above 255 is read as white, as Pillow reads it: save the picture "
                   "with 8 bits to keep its shades");
}

static size_t memory_read(void *context, int64_t offset, uint8_t *buffer, size_t count) {
  const memory *file = context;
  if (offset < 0 || (uint64_t)offset >= file->count) return 0;
  size_t left = file->count - (size_t)offset;
  size_t some = count < left ? count : left;
  if (some > 0) memcpy(buffer, file->bytes + offset, some);
  return some;
}

m2fp_source m2fp_memory_source(memory *file) {
  return (m2fp_source){file, memory_read, (int64_t)file->count};
}
