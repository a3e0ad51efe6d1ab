#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "codec.h"

/// Gives the next row to write; `row` may be filled and returned, or left alone.
typedef const uint8_t *(*row_source)(const void *context, int32_t y, uint8_t *row);

typedef struct png_writing {
  m2fp_buffer *output;
  m2fp_image_result *result;
  png_structp png;
  png_infop info;
  uint8_t *row;
} png_writing;

/// One picture to encode, and how.
///
/// Measured on 12 megapixels (one core, zlib 1.2.13; the shares are what counts). For labels and
/// masks, run lengths find nearly all there is to find; for photos the filter does the work, not
/// the level:
///
///     filter, strategy, level     labels, 8 bits    one mask, 1 bit    photo, RGB
///     none, default, 1            26 ms   94 kB     2.2 ms   20 kB     612 ms  22.9 MB
///     none, default, 6            53 ms   43 kB     5.5 ms   11 kB     -
///     none, default, 9            79 ms   29 kB     23 ms     8 kB     -
///     none, run lengths           34 ms   33 kB     2.3 ms   13 kB     323 ms  32.0 MB
///     up, run lengths             34 ms   34 kB     3.0 ms   12 kB     334 ms  15.1 MB
///     up, default, 1              33 ms   90 kB     3.1 ms   21 kB     362 ms  13.8 MB
///     up, default, 4              51 ms   37 kB     5.7 ms   15 kB     718 ms  13.0 MB
///     all, default, 1             -                 -                  617 ms  14.7 MB
typedef struct png_picture {
  int32_t width;
  int32_t height;
  int bit_depth;
  int colour_type;
  const uint8_t *palette;
  int32_t colours;
  /// Whether colour 0 is fully transparent.
  int clear_zero;
  int filters;
  int strategy;
  row_source source;
  const void *context;
} png_picture;

static void png_put(png_structp png, png_bytep data, size_t size) {
  m2fp_buffer *output = ((png_writing *)png_get_io_ptr(png))->output;
  if (!m2fp_buffer_reserve(output, size)) png_error(png, "Out of memory");
  memcpy(output->bytes + output->count, data, size);
  output->count += size;
}

static void png_flushed(png_structp png) { (void)png; }

static void png_failed(png_structp png, png_const_charp message) {
  png_writing *writing = png_get_error_ptr(png);
  int out_of_memory = strstr(message, "emory") != NULL;
  m2fp_result_fail(writing->result, out_of_memory ? M2FP_IMAGE_OUT_OF_MEMORY : M2FP_IMAGE_CORRUPT,
                   "%s", message);
  png_longjmp(png, 1);
}

static void png_warned(png_structp png, png_const_charp message) {
  m2fp_result_warn(((png_writing *)png_get_error_ptr(png))->result, message);
}

static void png_write_picture(png_writing *writing, const png_picture *picture) {
  png_structp png = writing->png;
  png_infop info = writing->info;
  if (setjmp(png_jmpbuf(png)) != 0) return;
  png_set_write_fn(png, writing, png_put, png_flushed);
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_compression_level(png, Z_BEST_SPEED);
  png_set_compression_strategy(png, picture->strategy);
  png_set_compression_buffer_size(png, 1 << 16);
  png_set_filter(png, PNG_FILTER_TYPE_BASE, picture->filters);
  png_set_IHDR(png, info, (uint32_t)picture->width, (uint32_t)picture->height, picture->bit_depth,
               picture->colour_type, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  if (picture->palette != NULL) {
    png_color palette[PNG_MAX_PALETTE_LENGTH];
    memcpy(palette, picture->palette, (size_t)picture->colours * 3);
    png_set_PLTE(png, info, palette, picture->colours);
    const png_byte clear = 0;
    if (picture->clear_zero) png_set_tRNS(png, info, &clear, 1, NULL);
  }
  png_write_info(png, info);
  writing->row = malloc(png_get_rowbytes(png, info));
  if (writing->row == NULL) png_error(png, "Out of memory");
  for (int32_t y = 0; y < picture->height; y++) {
    png_write_row(png, picture->source(picture->context, y, writing->row));
  }
  png_write_end(png, info);
}

static void png_encode_picture(const png_picture *picture, m2fp_buffer *output,
                               m2fp_image_result *result) {
  m2fp_result_reset(result);
  png_writing writing = {.output = output, .result = result};
  writing.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &writing, png_failed, png_warned);
  writing.info = writing.png == NULL ? NULL : png_create_info_struct(writing.png);
  if (writing.info == NULL) {
    m2fp_result_fail(result, M2FP_IMAGE_OUT_OF_MEMORY, "Out of memory");
  } else {
    png_write_picture(&writing, picture);
  }
  png_destroy_write_struct(&writing.png, &writing.info);
  free(writing.row);
  if (result->status != M2FP_IMAGE_OK) m2fp_buffer_free(output);
}

/// Rows that lie in memory as they are written.
typedef struct plain_rows {
  const uint8_t *pixels;
  size_t stride;
} plain_rows;

static const uint8_t *plain_row(const void *context, int32_t y, uint8_t *row) {
  (void)row;
  const plain_rows *rows = context;
  return rows->pixels + rows->stride * y;
}

void m2fp_png_encode_indexed(const uint8_t *labels, int32_t width, int32_t height,
                             const uint8_t *palette, int32_t colours, int32_t clear_zero,
                             m2fp_buffer *output, m2fp_image_result *result) {
  uint8_t highest = 0;
  for (size_t i = 0, count = (size_t)width * height; i < count; i++) {
    highest = labels[i] > highest ? labels[i] : highest;
  }
  if (highest >= colours) {
    m2fp_result_reset(result);
    m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "label %d has no colour: the palette has %d",
                     highest, colours);
    return;
  }
  plain_rows rows = {labels, (size_t)width};
  png_picture picture = {
      .width = width,
      .height = height,
      .bit_depth = 8,
      .colour_type = PNG_COLOR_TYPE_PALETTE,
      .palette = palette,
      .colours = colours,
      .clear_zero = clear_zero,
      .filters = PNG_FILTER_NONE,
      .strategy = Z_RLE,
      .source = plain_row,
      .context = &rows,
  };
  png_encode_picture(&picture, output, result);
}

typedef struct mask_rows {
  const uint8_t *labels;
  int32_t width;
  uint8_t label;
} mask_rows;

/// One bit for each of eight labels, the first label's the highest: whether it equals the label
/// that `pattern` repeats eight times.
static inline uint8_t pack_eight(const uint8_t *labels, uint64_t pattern) {
  _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first label is the lowest byte");
  const uint64_t low_bits = 0x7F7F7F7F7F7F7F7F;
  uint64_t difference;
  memcpy(&difference, labels, sizeof difference);
  difference ^= pattern;
  // The top bit of each byte that is zero, moved to its bottom.
  uint64_t equal = ~(((difference & low_bits) + low_bits) | difference | low_bits) >> 7;
  // The product moves bit 8 i to bit 63 - i, with no carry from below.
  return (uint8_t)((equal * 0x8040201008040201) >> 56);
}

static const uint8_t *mask_row(const void *context, int32_t y, uint8_t *row) {
  const mask_rows *rows = context;
  const uint8_t *labels = rows->labels + (size_t)rows->width * y;
  uint64_t pattern = rows->label * UINT64_C(0x0101010101010101);
  int32_t x = 0;
  for (; x + 8 <= rows->width; x += 8) row[x >> 3] = pack_eight(labels + x, pattern);
  if (x < rows->width) {
    uint8_t rest[8];
    memset(rest, ~rows->label, sizeof rest);
    memcpy(rest, labels + x, (size_t)(rows->width - x));
    row[x >> 3] = pack_eight(rest, pattern);
  }
  return row;
}

void m2fp_png_encode_mask(const uint8_t *labels, int32_t width, int32_t height, uint8_t label,
                          m2fp_buffer *output, m2fp_image_result *result) {
  mask_rows rows = {labels, width, label};
  png_picture picture = {
      .width = width,
      .height = height,
      .bit_depth = 1,
      .colour_type = PNG_COLOR_TYPE_GRAY,
      .filters = PNG_FILTER_NONE,
      .strategy = Z_RLE,
      .source = mask_row,
      .context = &rows,
  };
  png_encode_picture(&picture, output, result);
}

void m2fp_png_encode(const uint8_t *pixels, int32_t width, int32_t height, int32_t channels,
                     m2fp_buffer *output, m2fp_image_result *result) {
  plain_rows rows = {pixels, (size_t)width * channels};
  png_picture picture = {
      .width = width,
      .height = height,
      .bit_depth = 8,
      .colour_type = channels == 1   ? PNG_COLOR_TYPE_GRAY
                     : channels == 3 ? PNG_COLOR_TYPE_RGB
                                     : PNG_COLOR_TYPE_RGB_ALPHA,
      .filters = PNG_FILTER_UP,
      .strategy = Z_DEFAULT_STRATEGY,
      .source = plain_row,
      .context = &rows,
  };
  png_encode_picture(&picture, output, result);
}
