#include <stdlib.h>
#include <string.h>

#include "codec.h"

// Uncompressed rows and two run-length codes: what a library would do here is less than what opening
// one takes.

enum { FILE_HEADER = 14, CORE_HEADER = 12, INFO_HEADER = 40, ALPHA_HEADER = 56 };

enum compression { PLAIN, RLE8, RLE4, BITFIELDS };

/// Where a colour lies in the bits of a pixel.
typedef struct bmp_field {
  int shift;
  uint32_t most;
} bmp_field;

typedef struct bmp_layout {
  int32_t width, height;
  /// Whether the first row is the upper one.
  int is_top_down;
  uint32_t bits;
  enum compression compression;
  /// Of 16 to 32 bits: red, green, blue, alpha; `most` is 0 where there is none.
  bmp_field fields[4];
  /// Of a palette; 0 for as many as there are indices.
  size_t colours;
  uint8_t palette[256][3];
  const uint8_t *pixels;
  size_t count;
} bmp_layout;

static uint32_t little16(const uint8_t *at) { return (uint32_t)at[1] << 8 | at[0]; }

static uint32_t little32(const uint8_t *at) { return little16(at + 2) << 16 | little16(at); }

static int bmp_fail(m2fp_image_result *result, enum m2fp_image_status status, const char *reason) {
  m2fp_result_fail(result, status, "%s", reason);
  return 0;
}

/// The place of a colour by its mask. Returns 0 if that is not one run of bits.
static int bmp_field_of(uint32_t mask, bmp_field *field) {
  *field = (bmp_field){0, 0};
  if (mask == 0) return 1;
  field->shift = __builtin_ctz(mask);
  field->most = mask >> field->shift;
  return (field->most & (field->most + 1)) == 0;
}

static int bmp_read_fields(const uint8_t *head, uint32_t size, size_t there, bmp_layout *layout,
                           m2fp_image_result *result) {
  uint32_t masks[4] = {0x7C00, 0x3E0, 0x1F, 0};
  if (layout->bits != 16) memcpy(masks, (uint32_t[]){0xFF0000, 0xFF00, 0xFF, 0}, sizeof masks);
  if (layout->compression == BITFIELDS) {
    size_t count = size >= ALPHA_HEADER ? 4 : 3;
    if (there < INFO_HEADER + 4 * count) {
      return bmp_fail(result, M2FP_IMAGE_TRUNCATED, "the file ends inside the header");
    }
    for (size_t i = 0; i < count; i++) masks[i] = little32(head + INFO_HEADER + 4 * i);
  }
  for (int i = 0; i < 4; i++) {
    if (!bmp_field_of(masks[i], &layout->fields[i]) || (i < 3 && masks[i] == 0)) {
      return bmp_fail(result, M2FP_IMAGE_UNSUPPORTED, "an unusual place of the colours");
    }
  }
  return 1;
}

/// Reads the header. Returns 0 after a failure.
static int bmp_read_layout(const uint8_t *bytes, size_t count, bmp_layout *layout,
                           m2fp_image_result *result) {
  *layout = (bmp_layout){0};
  if (count < FILE_HEADER + CORE_HEADER) {
    return bmp_fail(result, M2FP_IMAGE_TRUNCATED, "the file ends inside the header");
  }
  const uint8_t *head = bytes + FILE_HEADER;
  size_t there = count - FILE_HEADER;
  uint32_t size = little32(head), colours = 0, compression = PLAIN;
  int is_core = size == CORE_HEADER;
  if (is_core) {
    layout->width = (int32_t)little16(head + 4);
    layout->height = (int32_t)little16(head + 6);
    layout->bits = little16(head + 10);
  } else if (size < INFO_HEADER || size > 1024) {
    return bmp_fail(result, M2FP_IMAGE_UNSUPPORTED, "an unknown header");
  } else if (there < INFO_HEADER) {
    return bmp_fail(result, M2FP_IMAGE_TRUNCATED, "the file ends inside the header");
  } else {
    uint32_t height = little32(head + 8);
    layout->is_top_down = height >> 31;
    layout->width = (int32_t)little32(head + 4);
    layout->height = (int32_t)(layout->is_top_down ? -height : height);
    layout->bits = little16(head + 14);
    compression = little32(head + 16);
    colours = little32(head + 32);
  }
  if (layout->width < 1 || layout->height < 1) {
    return bmp_fail(result, M2FP_IMAGE_CORRUPT, "it has no pixels");
  }
  uint32_t bits = layout->bits;
  int is_indexed = bits == 1 || bits == 4 || bits == 8;
  if (!is_indexed && bits != 16 && bits != 24 && bits != 32) {
    return bmp_fail(result, M2FP_IMAGE_UNSUPPORTED, "an unusual number of bits a pixel");
  }
  if (compression > BITFIELDS || (compression == RLE8 && bits != 8) ||
      (compression == RLE4 && bits != 4) || (compression == BITFIELDS && is_indexed)) {
    return bmp_fail(result, M2FP_IMAGE_UNSUPPORTED, "an unusual compression");
  }
  layout->compression = (enum compression)compression;
  if (!is_indexed && !bmp_read_fields(head, size, there, layout, result)) return 0;

  layout->colours = colours;
  return 1;
}

/// Reads the palette and finds the pixels. Returns 0 after a failure.
static int bmp_read_palette(const uint8_t *bytes, size_t count, bmp_layout *layout,
                            m2fp_image_result *result) {
  size_t size = little32(bytes + FILE_HEADER), entry = size == CORE_HEADER ? 3 : 4;
  size_t start = little32(bytes + 10), table = FILE_HEADER + size, colours = layout->colours;
  if (layout->bits <= 8) {
    size_t most = (size_t)1 << layout->bits;
    if (colours == 0 || colours > most) colours = most;
    // A small table may end where the pixels begin.
    if (start > table && (start - table) / entry < colours) colours = (start - table) / entry;
    if (table > count || (count - table) / entry < colours) {
      return bmp_fail(result, M2FP_IMAGE_TRUNCATED, "the file ends inside the palette");
    }
    for (size_t i = 0; i < colours; i++) {
      const uint8_t *colour = bytes + table + entry * i;
      layout->palette[i][0] = colour[2];
      layout->palette[i][1] = colour[1];
      layout->palette[i][2] = colour[0];
    }
  }
  layout->pixels = start < count ? bytes + start : bytes + count;
  layout->count = start < count ? count - start : 0;
  return 1;
}

void m2fp_bmp_header(const uint8_t *bytes, size_t count, m2fp_image_header *header,
                     m2fp_image_result *result) {
  bmp_layout layout;
  m2fp_result_reset(result);
  if (bmp_read_layout(bytes, count, &layout, result)) {
    *header = (m2fp_image_header){layout.width, layout.height, 1, 0};
  }
}

static uint8_t bmp_value(uint32_t pixel, bmp_field field) {
  uint64_t value = pixel >> field.shift & field.most;
  return (uint8_t)(value * 255 / field.most);
}

static void bmp_row(const bmp_layout *layout, const uint8_t *row, uint8_t *rgb) {
  for (int32_t x = 0; x < layout->width; x++, rgb += 3) {
    if (layout->bits <= 8) {
      size_t bit = (size_t)x * layout->bits;
      uint32_t index = (uint32_t)row[bit / 8] >> (8 - layout->bits - bit % 8) &
                       ((1u << layout->bits) - 1);
      memcpy(rgb, layout->palette[index], 3);
      continue;
    }
    uint32_t pixel = 0;
    size_t size = layout->bits / 8;
    for (size_t i = 0; i < size; i++) pixel |= (uint32_t)row[(size_t)x * size + i] << (8 * i);
    uint8_t colour[4];
    for (int c = 0; c < 3; c++) colour[c] = bmp_value(pixel, layout->fields[c]);
    if (layout->fields[3].most != 0) {
      colour[3] = bmp_value(pixel, layout->fields[3]);
      m2fp_over_white(colour, 1);
    }
    memcpy(rgb, colour, 3);
  }
}

/// Where the stored row `y` goes.
static uint8_t *bmp_target(const bmp_layout *layout, uint8_t *pixels, int32_t y) {
  int32_t upright = layout->is_top_down ? y : layout->height - 1 - y;
  return pixels + (size_t)upright * (size_t)layout->width * 3;
}

/// Runs of one colour (of two alternating ones, where an index has 4 bits), pixels in turn, and jumps
/// over pixels, which keep the first colour.
static int bmp_read_runs(const bmp_layout *layout, uint8_t *pixels, m2fp_image_result *result) {
  const uint8_t *at = layout->pixels, *end = at + layout->count;
  int nibbles = layout->compression == RLE4;
  int32_t x = 0, y = 0;
  for (int32_t row = 0; row < layout->height; row++) {
    uint8_t *rgb = bmp_target(layout, pixels, row);
    for (int32_t i = 0; i < layout->width; i++) memcpy(rgb + 3 * i, layout->palette[0], 3);
  }
  enum { END_OF_ROW, END_OF_PICTURE, JUMP };
  while (end - at >= 2) {
    int32_t run = at[0], code = at[1];
    at += 2;
    if (run == 0 && code == END_OF_ROW) {
      x = 0;
      y++;
    } else if (run == 0 && code == END_OF_PICTURE) {
      return 1;
    } else if (run == 0 && code == JUMP) {
      if (end - at < 2) break;
      x += at[0];
      y += at[1];
      at += 2;
    } else {
      int in_turn = run == 0;
      int32_t length = in_turn ? code : run;
      ptrdiff_t size = in_turn ? (nibbles ? (length + 1) / 2 : length) : 0;
      if (end - at < size) break;
      for (int32_t i = 0; i < length; i++) {
        int byte = in_turn ? at[nibbles ? i / 2 : i] : code;
        int index = !nibbles ? byte : i % 2 == 0 ? byte >> 4 : byte & 15;
        if (y < layout->height && x < layout->width) {
          memcpy(bmp_target(layout, pixels, y) + 3 * (size_t)x, layout->palette[index], 3);
          x++;
        }
      }
      // Pixels in turn fill a whole number of 16-bit words.
      size += size % 2;
      at += size < end - at ? size : end - at;
    }
    if (y >= layout->height || x > layout->width) {
      // Only the end may follow the last pixel.
      x = x > layout->width ? layout->width : x;
      y = y > layout->height ? layout->height : y;
    }
  }
  if (y >= layout->height || (y == layout->height - 1 && x >= layout->width)) return 1;
  return bmp_fail(result, M2FP_IMAGE_TRUNCATED, "the file ends before the picture does");
}

void m2fp_bmp_decode(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                     const m2fp_decode_options *options, uint8_t *pixels,
                     m2fp_image_result *result) {
  (void)options;  // nothing that is damaged leaves a picture
  (void)header;   // there is but one to be read
  bmp_layout layout;
  m2fp_result_reset(result);
  if (!bmp_read_layout(bytes, count, &layout, result) ||
      !bmp_read_palette(bytes, count, &layout, result)) {
    return;
  }
  if (layout.compression == RLE8 || layout.compression == RLE4) {
    bmp_read_runs(&layout, pixels, result);
    return;
  }
  size_t used = ((size_t)layout.width * layout.bits + 7) / 8, stride = (used + 3) / 4 * 4;
  for (int32_t y = 0; y < layout.height; y++) {
    size_t offset = (size_t)y * stride;
    if (offset > layout.count || layout.count - offset < used) {
      bmp_fail(result, M2FP_IMAGE_TRUNCATED, "the file ends before the picture does");
      return;
    }
    bmp_row(&layout, layout.pixels + offset, bmp_target(&layout, pixels, y));
  }
}
