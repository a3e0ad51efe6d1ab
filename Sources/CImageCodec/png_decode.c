#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"

static const uint8_t SIGNATURE[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};

static uint32_t read_big32(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

void m2fp_png_header(const uint8_t *bytes, size_t count, m2fp_image_header *header,
                     m2fp_image_result *result) {
  enum { SIGNATURE_SIZE = 8, CHUNK_HEAD = 8, CHUNK_CRC = 4, IHDR_SIZE = 13 };
  m2fp_result_reset(result);
  size_t known = count < SIGNATURE_SIZE ? count : SIGNATURE_SIZE;
  if (memcmp(bytes, SIGNATURE, known) != 0) {
    m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "the PNG signature is damaged");
    return;
  }
  if (count < SIGNATURE_SIZE + CHUNK_HEAD + IHDR_SIZE + CHUNK_CRC) {
    m2fp_result_fail(result, M2FP_IMAGE_TRUNCATED, "the file ends inside the header");
    return;
  }
  const uint8_t *first = bytes + SIGNATURE_SIZE;
  uint32_t width = read_big32(first + CHUNK_HEAD), height = read_big32(first + CHUNK_HEAD + 4);
  if (read_big32(first) != IHDR_SIZE || memcmp(first + 4, "IHDR", 4) != 0 || width == 0 ||
      height == 0 || width > INT32_MAX || height > INT32_MAX) {
    m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "the IHDR chunk is damaged");
    return;
  }
  int32_t orientation = 1;
  size_t at = SIGNATURE_SIZE;
  while (count - at >= CHUNK_HEAD) {
    size_t length = read_big32(bytes + at);
    const uint8_t *type = bytes + at + 4;
    if (count - at - CHUNK_HEAD < length) break;
    if (memcmp(type, "eXIf", 4) == 0) {
      orientation = m2fp_tiff_orientation(bytes + at + CHUNK_HEAD, length);
      break;
    }
    if (memcmp(type, "IEND", 4) == 0) break;
    at += CHUNK_HEAD + length;
    if (count - at < CHUNK_CRC) break;
    at += CHUNK_CRC;
  }
  *header = (m2fp_image_header){(int32_t)width, (int32_t)height, orientation};
}

/// What libpng's callbacks and the decoder share. It lies above the frame that sets the jump, so
/// that it keeps its values across `longjmp`.
typedef struct png_reading {
  const uint8_t *next;
  size_t left;
  int ran_out;
  m2fp_image_result *result;
  png_structp png;
  png_infop info;
  uint8_t *raw;
  uint8_t *strip;
} png_reading;

static void png_take(png_structp png, png_bytep data, size_t size) {
  png_reading *reading = png_get_io_ptr(png);
  if (size > reading->left) {
    reading->ran_out = 1;
    png_error(png, "the file ends before the picture does");
  }
  memcpy(data, reading->next, size);
  reading->next += size;
  reading->left -= size;
}

static void png_failed(png_structp png, png_const_charp message) {
  png_reading *reading = png_get_error_ptr(png);
  int out_of_memory = strstr(message, "emory") != NULL;  // libpng has messages, not codes
  m2fp_result_fail(reading->result,
                   reading->ran_out ? M2FP_IMAGE_TRUNCATED
                   : out_of_memory  ? M2FP_IMAGE_OUT_OF_MEMORY
                                    : M2FP_IMAGE_CORRUPT,
                   "%s", message);
  png_longjmp(png, 1);
}

static void png_warned(png_structp png, png_const_charp message) {
  png_reading *reading = png_get_error_ptr(png);
  m2fp_result_warn(reading->result, message);
}

/// A sample over white, in the fixed-point arithmetic of Pillow's `alpha_composite`.
static inline uint8_t over_white(int sample, int alpha) {
  int sum = ((sample * alpha + 255 * (255 - alpha)) << 7) + (128 << 7);
  return (uint8_t)((((sum >> 8) + sum) >> 8) >> 7);
}

/// How a row as libpng gives it becomes RGB.
typedef struct row_form {
  /// Bytes a pixel.
  int size;
  /// With a palette's or a channel's alpha: composited over white.
  int alpha;
  /// 16-bit grey, which Pillow clips to 8 bits.
  int clipped;
  /// A colour that is transparent, and so white; -1 each where there is none.
  int key[3];
} row_form;

/// What Pillow makes of a row. It takes the low byte of a tRNS colour and compares it with samples
/// that are already scaled to 8 bits. Returns whether samples were clipped.
static int row_to_rgb(const row_form *form, const uint8_t *raw, uint8_t *rgb, int32_t width) {
  int clips = 0;
  for (int32_t x = 0; x < width; x++, raw += form->size, rgb += 3) {
    if (form->alpha) {
      for (int channel = 0; channel < 3; channel++) {
        rgb[channel] = over_white(raw[channel], raw[3]);
      }
      continue;
    }
    if (form->clipped) {
      clips |= raw[0];
      rgb[0] = rgb[1] = rgb[2] = raw[0] != 0 ? 255 : raw[1];
    } else {
      memcpy(rgb, raw, 3);
    }
    if (rgb[0] == form->key[0] && rgb[1] == form->key[1] && rgb[2] == form->key[2]) {
      memset(rgb, 255, 3);
    }
  }
  return clips != 0;
}

/// Asks libpng for the rows that `row_to_rgb` takes.
static row_form png_row_form(png_structp png, png_infop info) {
  row_form form = {.size = 3, .key = {-1, -1, -1}};
  int colour_type = png_get_color_type(png, info);
  int bit_depth = png_get_bit_depth(png, info);
  int keyed = png_get_valid(png, info, PNG_INFO_tRNS) != 0;
  form.alpha = (colour_type & PNG_COLOR_MASK_ALPHA) != 0 ||
               (colour_type == PNG_COLOR_TYPE_PALETTE && keyed);
  if (form.alpha) {
    form.size = 4;
  } else if (keyed) {
    png_color_16p key = NULL;
    png_get_tRNS(png, info, NULL, NULL, &key);
    int grey = colour_type == PNG_COLOR_TYPE_GRAY;
    form.key[0] = (grey ? key->gray : key->red) & 0xFF;
    form.key[1] = (grey ? key->gray : key->green) & 0xFF;
    form.key[2] = (grey ? key->gray : key->blue) & 0xFF;
  }
  if (colour_type == PNG_COLOR_TYPE_GRAY && bit_depth == 16) {
    form.clipped = 1;
    form.size = 2;
    return form;
  }
  if (colour_type == PNG_COLOR_TYPE_PALETTE) {
    // With the palette's alpha, which the other expansions leave alone.
    png_set_expand(png);
  } else {
    png_set_expand_gray_1_2_4_to_8(png);
  }
  png_set_strip_16(png);
  png_set_gray_to_rgb(png);
  return form;
}

/// Leaves out what has no say in the pixels: it costs time, and may hold a decompression bomb.
static void png_skip_ancillary_chunks(png_structp png) {
  static const uint8_t names[] =
      "bKGD\0cHRM\0eXIf\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0"
      "sBIT\0sCAL\0sPLT\0sRGB\0sTER\0tEXt\0tIME\0zTXt";
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, names, sizeof names / 5);
}

/// Reads what precedes the pixels. Fails by a jump.
static void png_start(png_reading *reading, const m2fp_image_header *header) {
  png_structp png = reading->png;
  png_infop info = reading->info;
  png_set_read_fn(png, reading, png_take);
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_skip_ancillary_chunks(png);
  png_read_info(png, info);
  if (png_get_image_width(png, info) != (uint32_t)header->width ||
      png_get_image_height(png, info) != (uint32_t)header->height) {
    png_error(png, "the header changed while it was read");
  }
}

static void png_decode_rows(png_reading *reading, const m2fp_image_header *header,
                            uint8_t *pixels) {
  png_structp png = reading->png;
  png_infop info = reading->info;
  if (setjmp(png_jmpbuf(png)) != 0) return;
  png_start(reading, header);
  int32_t width = header->width, height = header->height;
  row_form form = png_row_form(png, info);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  size_t raw_row = (size_t)width * form.size;
  if (png_get_rowbytes(png, info) != raw_row) png_error(png, "unexpected row size");

  placement place = m2fp_placement(header, pixels);
  int direct = form.size == 3 && form.key[0] < 0 && place.dx == 3;
  int clips = 0;
  if (passes > 1 && !direct) {
    // Every pass touches every row: the stored picture has to be held.
    reading->raw = malloc(raw_row * height);
    if (reading->raw == NULL) png_error(png, "Out of memory");
  }
  for (int pass = 0; pass < passes - 1; pass++) {
    for (int32_t y = 0; y < height; y++) {
      png_read_row(png, direct ? place.origin + y * place.dy : reading->raw + raw_row * y, NULL);
    }
  }
  if (!direct) {
    reading->strip = malloc((size_t)width * 3 * STRIP_ROWS);
    if (passes == 1) reading->raw = malloc(raw_row);
    if (reading->strip == NULL || reading->raw == NULL) png_error(png, "Out of memory");
  }
  for (int32_t y = 0; y < height; y += STRIP_ROWS) {
    int32_t rows = height - y < STRIP_ROWS ? height - y : STRIP_ROWS;
    for (int32_t row = 0; row < rows; row++) {
      if (direct) {
        png_read_row(png, place.origin + (ptrdiff_t)(y + row) * place.dy, NULL);
        continue;
      }
      uint8_t *raw = passes > 1 ? reading->raw + raw_row * (y + row) : reading->raw;
      uint8_t *rgb = reading->strip + (size_t)row * width * 3;
      png_read_row(png, raw, NULL);
      clips |= row_to_rgb(&form, raw, rgb, width);
    }
    if (!direct) m2fp_place(&place, reading->strip, width, y, rows);
  }
  if (clips) {
    m2fp_result_warn(reading->result,
                     "16-bit grey above 255 is read as white, as Pillow reads it: save the picture "
                     "with 8 bits to keep its shades");
  }
  png_read_end(png, NULL);
}

static void png_decode_label_rows(png_reading *reading, const m2fp_image_header *header,
                                  uint16_t *labels) {
  png_structp png = reading->png;
  png_infop info = reading->info;
  if (setjmp(png_jmpbuf(png)) != 0) return;
  png_start(reading, header);
  int type = png_get_color_type(png, info), depth = png_get_bit_depth(png, info);
  if (type != PNG_COLOR_TYPE_PALETTE && type != PNG_COLOR_TYPE_GRAY) {
    m2fp_result_fail(reading->result, M2FP_IMAGE_UNSUPPORTED, "it holds colours, not labels");
    png_longjmp(png, 1);
  }
  if (depth < 8) png_set_packing(png);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  size_t width = header->width, height = header->height, row = width * (depth == 16 ? 2 : 1);
  if (png_get_rowbytes(png, info) != row) png_error(png, "unexpected row size");
  reading->raw = malloc(row * height);
  if (reading->raw == NULL) png_error(png, "Out of memory");
  for (int pass = 0; pass < passes; pass++) {
    for (size_t y = 0; y < height; y++) png_read_row(png, reading->raw + row * y, NULL);
  }
  png_read_end(png, NULL);
  const uint8_t *raw = reading->raw;
  for (size_t index = 0; index < width * height; index++) {
    labels[index] = depth == 16 ? (uint16_t)(raw[2 * index] << 8 | raw[2 * index + 1]) : raw[index];
  }
}

/// Makes libpng's structs. Returns 0 when there is no memory. `png_finish` ends the reading.
static int png_begin(png_reading *reading) {
  m2fp_result_reset(reading->result);
  reading->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, reading, png_failed, png_warned);
  reading->info = reading->png == NULL ? NULL : png_create_info_struct(reading->png);
  if (reading->info != NULL) return 1;
  m2fp_result_fail(reading->result, M2FP_IMAGE_OUT_OF_MEMORY, "Out of memory");
  return 0;
}

static void png_finish(png_reading *reading) {
  png_destroy_read_struct(&reading->png, &reading->info, NULL);
  free(reading->raw);
  free(reading->strip);
}

void m2fp_png_decode(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                     uint8_t *pixels, m2fp_image_result *result) {
  png_reading reading = {.next = bytes, .left = count, .result = result};
  if (png_begin(&reading)) png_decode_rows(&reading, header, pixels);
  png_finish(&reading);
}

void m2fp_png_decode_labels(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                            uint16_t *labels, m2fp_image_result *result) {
  png_reading reading = {.next = bytes, .left = count, .result = result};
  if (png_begin(&reading)) png_decode_label_rows(&reading, header, labels);
  png_finish(&reading);
}
