#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "codec.h"

static const uint8_t SIGNATURE[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};

enum { SIGNATURE_SIZE = 8, CHUNK_HEAD = 8, CHUNK_CRC = 4, IHDR_SIZE = 13, MOST_COLOURS = 256 };

/// What one text may inflate to, and all of them.
enum { LARGEST_TEXT = 1 << 20, LARGEST_TEXTS = 64 << 20 };

static uint32_t read_big32(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void write_big32(uint8_t *at, uint32_t value) {
  for (int byte = 0; byte < 4; byte++) at[byte] = (uint8_t)(value >> (24 - 8 * byte));
}

typedef struct png_chunk {
  /// From its length on.
  const uint8_t *start;
  const uint8_t *name;
  const uint8_t *data;
  size_t size;
  /// Bytes of the file from `start` on.
  size_t left;
} png_chunk;

static int is_named(const png_chunk *chunk, const char *name) {
  return memcmp(chunk->name, name, 4) == 0;
}

/// Whether all of the data is there.
static int is_whole(const png_chunk *chunk) { return chunk->left - CHUNK_HEAD >= chunk->size; }

/// Of a whole chunk; a CRC that is cut off does not match.
static int crc_matches(const png_chunk *chunk) {
  if (chunk->left - CHUNK_HEAD - chunk->size < CHUNK_CRC) return 0;
  uLong crc = crc32_z(crc32(0, NULL, 0), chunk->name, 4 + chunk->size);
  return crc == read_big32(chunk->data + chunk->size);
}

/// The chunk at `at`. Returns 0 where the file ends inside its head, or none begins.
static int png_chunk_at(const uint8_t *at, size_t left, png_chunk *chunk) {
  if (left < CHUNK_HEAD) return 0;
  *chunk = (png_chunk){at, at + 4, at + CHUNK_HEAD, read_big32(at), left};
  for (int i = 0; i < 4; i++) {
    uint8_t letter = chunk->name[i] | 0x20;
    int is_digit = chunk->name[i] >= '0' && chunk->name[i] <= '9';
    if ((letter < 'a' || letter > 'z') && !is_digit && chunk->name[i] != '_') return 0;
  }
  return 1;
}

/// Where the next chunk begins; may be past the end.
static size_t png_chunk_span(const png_chunk *chunk) {
  return CHUNK_HEAD + chunk->size + CHUNK_CRC;
}

/// What of a file makes its pixels, and where it tells its orientation.
///
/// Chunks are taken and checked as Pillow does it, which reads more than libpng: of the first run of
/// IDAT chunks the CRCs do not matter, nor of what follows. So libpng gets a file that is put together
/// of what was found.
typedef struct png_layout {
  uint8_t ihdr[IHDR_SIZE];
  png_chunk palette;
  png_chunk transparency;
  /// The first run of IDAT chunks.
  png_chunk first;
  /// The last of them, whose data may be cut.
  png_chunk last;
  int has_pixels;
  int32_t orientation;
} png_layout;

static int png_bit_depth(const png_layout *layout) { return layout->ihdr[8]; }
static int png_colour_type(const png_layout *layout) { return layout->ihdr[9]; }

/// Inflates to at most LARGEST_TEXT bytes; what is damaged is empty. Returns null after a failure.
static uint8_t *png_inflate(const uint8_t *data, size_t size, size_t *count,
                            m2fp_image_result *result) {
  *count = 0;
  z_stream stream = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)size};
  uint8_t *text = malloc(LARGEST_TEXT);
  if (text == NULL || inflateInit(&stream) != Z_OK) {
    free(text);
    m2fp_result_fail(result, M2FP_IMAGE_OUT_OF_MEMORY, "Out of memory");
    return NULL;
  }
  stream.next_out = text;
  stream.avail_out = LARGEST_TEXT;
  int status = inflate(&stream, Z_SYNC_FLUSH);
  int is_too_large = status == Z_OK && stream.avail_out == 0 && stream.avail_in > 0;
  if (status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR) {
    *count = LARGEST_TEXT - stream.avail_out;
  }
  inflateEnd(&stream);
  if (status == Z_MEM_ERROR) {
    m2fp_result_fail(result, M2FP_IMAGE_OUT_OF_MEMORY, "Out of memory");
  } else if (is_too_large) {
    m2fp_result_fail(result, M2FP_IMAGE_UNSUPPORTED, "a text inflates to more than a mebibyte");
  } else {
    return text;
  }
  free(text);
  return NULL;
}

/// What the texts and EXIF chunks so far say of the orientation: -2 where there is none of a kind.
typedef struct png_hints {
  int32_t exif;
  int32_t raw_profile;
  int32_t xmp;
  /// Bytes that were inflated.
  size_t inflated;
} png_hints;

enum { NOT_THERE = -2 };

static void png_take_text(png_hints *hints, const uint8_t *key, const uint8_t *text, size_t size,
                          m2fp_image_result *result) {
  if (strcmp((const char *)key, "Raw profile type exif") == 0) {
    hints->raw_profile = m2fp_raw_profile_orientation(text, size);
    if (hints->raw_profile == M2FP_NO_MEMORY) {
      m2fp_result_fail(result, M2FP_IMAGE_OUT_OF_MEMORY, "Out of memory");
    }
  } else if (strcmp((const char *)key, "XML:com.adobe.xmp") == 0) {
    hints->xmp = m2fp_xmp_orientation(text, size);
  } else if (strcmp((const char *)key, "exif") == 0) {
    hints->exif = m2fp_exif_orientation(text, size);
  }
}

/// Looks for an orientation in a whole chunk. The result is a failure where its text is too large.
static void png_look_at(const png_chunk *chunk, png_hints *hints, m2fp_image_result *result) {
  if (is_named(chunk, "eXIf")) {
    hints->exif = m2fp_exif_orientation(chunk->data, chunk->size);
    return;
  }
  int plain = is_named(chunk, "tEXt"), packed = is_named(chunk, "zTXt");
  int international = is_named(chunk, "iTXt"), profile = is_named(chunk, "iCCP");
  if (!plain && !packed && !international && !profile) return;
  const uint8_t *key = chunk->data, *end = key + chunk->size;
  const uint8_t *text = chunk->size == 0 ? NULL : memchr(key, 0, chunk->size);
  if (text == NULL) return;
  text++;
  if (international) {
    // Whether it is compressed and how; then a language and a translated key.
    if (end - text < 2) return;
    packed = text[0] != 0;
    if (packed && text[1] != 0) return;
    text += 2;
    for (int skipped = 0; skipped < 2; skipped++) {
      text = text == end ? NULL : memchr(text, 0, (size_t)(end - text));
      if (text == NULL) return;
      text++;
    }
  } else if (packed || profile) {
    if (text < end && *text != 0) {
      m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "a text is compressed in no known way");
      return;
    }
    text += text < end;
  }
  if (!packed && !profile) {
    png_take_text(hints, key, text, (size_t)(end - text), result);
    return;
  }
  size_t count;
  uint8_t *inflated = png_inflate(text, (size_t)(end - text), &count, result);
  if (inflated == NULL) return;
  hints->inflated += count;
  if (hints->inflated > LARGEST_TEXTS) {
    m2fp_result_fail(result, M2FP_IMAGE_UNSUPPORTED, "its texts inflate to more than 64 mebibytes");
  }
  if (!profile) png_take_text(hints, key, inflated, count, result);
  free(inflated);
}

/// The pixels' chunks from `chunk` on; returns where the next one begins.
static size_t png_take_pixels(const uint8_t *bytes, size_t count, png_chunk chunk,
                              png_layout *layout) {
  layout->first = chunk;
  layout->has_pixels = 1;
  for (;;) {
    layout->last = chunk;
    size_t at = (size_t)(chunk.start - bytes);
    if (count - at < png_chunk_span(&chunk)) return count;
    at += png_chunk_span(&chunk);
    if (!png_chunk_at(bytes + at, count - at, &chunk) || !is_named(&chunk, "IDAT")) return at;
  }
}

/// Checks a whole IHDR chunk.
static int png_take_ihdr(const png_chunk *chunk, png_layout *layout) {
  if (chunk->size < IHDR_SIZE) return 0;
  memcpy(layout->ihdr, chunk->data, IHDR_SIZE);
  uint32_t width = read_big32(layout->ihdr), height = read_big32(layout->ihdr + 4);
  layout->ihdr[10] = 0;                     // nobody looks at the compression method
  layout->ihdr[12] = layout->ihdr[12] != 0;  // nor for more than whether it is interlaced
  return width != 0 && height != 0 && width <= INT32_MAX && height <= INT32_MAX &&
         layout->ihdr[11] == 0;
}

/// Whether a tRNS chunk is long enough for its colour type.
static int is_transparency(const png_layout *layout, const png_chunk *chunk) {
  switch (png_colour_type(layout)) {
    case PNG_COLOR_TYPE_GRAY: return chunk->size >= 2;
    case PNG_COLOR_TYPE_RGB: return chunk->size >= 6;
    default: return 1;
  }
}

/// The frames of an APNG so far. Of them only the default picture is read, but Pillow refuses the file
/// where those before it, or those after it that belong to no animation, are numbered wrongly.
typedef struct png_animation {
  /// As the acTL chunk gives it; 0 where there is none, or a senseless one.
  uint32_t frames;
  /// The last number, -1 before the first.
  int64_t sequence;
  /// Whether the default picture is the first frame.
  int has_first_frame;
} png_animation;

static int is_animated(const png_animation *animation) {
  return animation->frames > (animation->has_first_frame ? 1 : 0);
}

/// Takes an acTL, fcTL or fdAT chunk; others are let pass. Returns 0 where it is wrong.
static int png_take_frame(const png_chunk *chunk, const png_layout *layout,
                          png_animation *animation) {
  enum { ACTL_SIZE = 8, FCTL_SIZE = 26, SEQUENCE_SIZE = 4 };
  const uint8_t *data = chunk->data;
  if (is_named(chunk, "acTL")) {
    if (chunk->size < ACTL_SIZE) return 0;
    uint32_t frames = read_big32(data);
    // A second one takes the first back.
    animation->frames = animation->frames > 0 || frames > 0x80000000 ? 0 : frames;
    return 1;
  }
  int is_control = is_named(chunk, "fcTL");
  if (!is_control && !is_named(chunk, "fdAT")) return 1;
  if (chunk->size < (is_control ? FCTL_SIZE : SEQUENCE_SIZE)) return 0;
  int is_first = animation->sequence < 0;
  if (is_first && !is_control) return 0;
  if (read_big32(data) != animation->sequence + 1) return 0;
  animation->sequence++;
  if (!is_control) return 1;
  if (!layout->has_pixels) animation->has_first_frame = 1;
  uint64_t right = (uint64_t)read_big32(data + 4) + read_big32(data + 12);
  uint64_t bottom = (uint64_t)read_big32(data + 8) + read_big32(data + 16);
  return right <= read_big32(layout->ihdr) && bottom <= read_big32(layout->ihdr + 4);
}

/// What a walk over the chunks is for.
typedef enum png_purpose {
  /// To know size and orientation: CRCs are not checked, and the end may be missing.
  PNG_HEADER,
  PNG_PIXELS,
} png_purpose;

/// Walks the chunks. The result is a failure where Pillow refuses the file for one of them.
static void png_walk(const uint8_t *bytes, size_t count, png_purpose purpose, png_layout *layout,
                     const m2fp_decode_options *options, m2fp_image_result *result) {
  *layout = (png_layout){.orientation = 1};
  size_t known = count < SIGNATURE_SIZE ? count : SIGNATURE_SIZE;
  if (memcmp(bytes, SIGNATURE, known) != 0) {
    m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "the PNG signature is damaged");
    return;
  }
  png_hints hints = {NOT_THERE, NOT_THERE, NOT_THERE, 0};
  png_animation animation = {.sequence = -1};
  int has_header = 0, ended = 0;
  png_chunk chunk;
  for (size_t at = known; png_chunk_at(bytes + at, count - at, &chunk);) {
    int is_next_frame =
        layout->has_pixels && is_named(&chunk, "fcTL") && is_animated(&animation);
    if (is_named(&chunk, "IEND") || is_next_frame) {
      ended = is_next_frame || (is_whole(&chunk) && crc_matches(&chunk));
      break;
    }
    if (is_named(&chunk, "CgBI") && !has_header) {
      m2fp_result_fail(result, M2FP_IMAGE_UNSUPPORTED, "Apple's CgBI, which only its own tools read");
      return;
    }
    if (is_named(&chunk, "IDAT") && !layout->has_pixels) {
      if (!has_header) break;
      at = png_take_pixels(bytes, count, chunk, layout);
      continue;
    }
    if (!is_whole(&chunk)) {
      if (purpose == PNG_HEADER) break;
      m2fp_result_fail(result, M2FP_IMAGE_TRUNCATED, "the file ends inside the %.4s chunk",
                       chunk.name);
      return;
    }
    int is_cut = count - at < png_chunk_span(&chunk);
    if (purpose == PNG_PIXELS && !crc_matches(&chunk)) {
      if (!layout->has_pixels) {
        m2fp_result_fail(result, is_cut ? M2FP_IMAGE_TRUNCATED : M2FP_IMAGE_CORRUPT,
                         is_cut ? "the file ends inside the %.4s chunk"
                                : "the CRC of the %.4s chunk does not match",
                         chunk.name);
        return;
      }
      if (!m2fp_result_damage(result, options, M2FP_IMAGE_CORRUPT,
                              "the CRC of the %.4s chunk does not match", chunk.name)) {
        return;
      }
    }
    if (is_named(&chunk, "IHDR") && !layout->has_pixels) {
      has_header = png_take_ihdr(&chunk, layout);
      if (!has_header) {
        m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "the IHDR chunk is damaged");
        return;
      }
    } else if (is_named(&chunk, "PLTE") && !layout->has_pixels) {
      layout->palette = chunk;
    } else if (is_named(&chunk, "tRNS") && has_header) {
      if (!is_transparency(layout, &chunk)) {
        m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "the tRNS chunk is too short");
        return;
      }
      layout->transparency = chunk;
    } else if (!png_take_frame(&chunk, layout, &animation)) {
      m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "the %.4s chunk is damaged", chunk.name);
      return;
    } else if (purpose == PNG_HEADER) {
      png_look_at(&chunk, &hints, result);
      if (result->status != M2FP_IMAGE_OK) return;
    }
    if (is_cut) break;
    at += png_chunk_span(&chunk);
  }
  if (!has_header) {
    m2fp_result_fail(result, M2FP_IMAGE_TRUNCATED, "the file ends inside the header");
    return;
  }
  if (purpose == PNG_HEADER) {
    int32_t said = hints.exif != NOT_THERE ? hints.exif : hints.raw_profile;
    if (said == NOT_THERE || said == 0) said = hints.xmp;
    layout->orientation = said == NOT_THERE || said == 0 ? 1 : said;
    return;
  }
  if (!layout->has_pixels) {
    m2fp_result_fail(result, M2FP_IMAGE_TRUNCATED, "the file ends before the picture does");
  } else if (!ended) {
    m2fp_result_damage(result, options, M2FP_IMAGE_TRUNCATED, "the IEND chunk is missing or damaged");
  }
}

/// Whether the CRCs of the pixels match. Their Adler-32 is the decoder's to check.
static int pixel_crcs_match(const png_layout *layout) {
  for (png_chunk chunk = layout->first;;) {
    if (!is_whole(&chunk) || !crc_matches(&chunk)) return 0;
    if (chunk.start == layout->last.start) return 1;
    size_t span = png_chunk_span(&chunk);
    png_chunk_at(chunk.start + span, chunk.left - span, &chunk);
  }
}

void m2fp_png_header(const uint8_t *bytes, size_t count, m2fp_image_header *header,
                     m2fp_image_result *result) {
  m2fp_result_reset(result);
  png_layout layout;
  png_walk(bytes, count, PNG_HEADER, &layout, NULL, result);
  if (result->status != M2FP_IMAGE_OK) return;
  int64_t width = read_big32(layout.ihdr), height = read_big32(layout.ihdr + 4);
  // Of a pixel as libpng gives it, up to four bytes.
  int64_t held = layout.ihdr[12] ? width * height : 0;
  held = held > INT64_MAX / 4 ? INT64_MAX : 4 * held;
  *header = (m2fp_image_header){(int32_t)width, (int32_t)height, layout.orientation, held};
}

/// Bytes that libpng reads one after another.
typedef struct png_piece {
  const uint8_t *bytes;
  size_t count;
} png_piece;

/// What libpng's callbacks and the decoder share. It lies above the frame that sets the jump, so
/// that it keeps its values across `longjmp`.
typedef struct png_reading {
  const m2fp_image_header *header;
  const m2fp_decode_options *options;
  m2fp_image_result *result;
  png_layout layout;
  /// The file as libpng sees it: what precedes the pixels, their chunks but the last, that one's head
  /// and data, and the end.
  png_piece pieces[5];
  int piece;
  uint8_t prologue[SIGNATURE_SIZE + 3 * (CHUNK_HEAD + CHUNK_CRC) + IHDR_SIZE + 4 * MOST_COLOURS];
  uint8_t last_head[CHUNK_HEAD];
  /// Rows whose data is still to come, of all passes.
  int64_t rows_left;
  png_structp png;
  png_infop info;
  uint8_t *raw;
  uint8_t *strip;
} png_reading;

static void png_put_chunk(png_piece *piece, uint8_t *prologue, const char *name,
                          const uint8_t *data, size_t size) {
  uint8_t *at = prologue + piece->count;
  write_big32(at, (uint32_t)size);
  memcpy(at + 4, name, 4);
  memcpy(at + CHUNK_HEAD, data, size);
  memset(at + CHUNK_HEAD + size, 0, CHUNK_CRC);  // nobody looks at it
  piece->count += CHUNK_HEAD + size + CHUNK_CRC;
}

/// Puts together what libpng reads.
static void png_arrange(png_reading *reading) {
  static const uint8_t end[] = {0, 0, 0, 0, 0, 0, 0, 0, 'I', 'E', 'N', 'D', 0, 0, 0, 0};
  const png_layout *layout = &reading->layout;
  png_piece prologue = {reading->prologue, SIGNATURE_SIZE};
  memcpy(reading->prologue, SIGNATURE, SIGNATURE_SIZE);
  png_put_chunk(&prologue, reading->prologue, "IHDR", layout->ihdr, IHDR_SIZE);
  size_t colours = 0;
  if (png_colour_type(layout) == PNG_COLOR_TYPE_PALETTE) {
    // An index without a colour is black.
    uint8_t palette[3 * MOST_COLOURS] = {0};
    colours = png_bit_depth(layout) < 8 ? (size_t)1 << png_bit_depth(layout) : MOST_COLOURS;
    size_t given = layout->palette.size / 3 * 3;
    if (given > 3 * colours) given = 3 * colours;
    if (given > 0) memcpy(palette, layout->palette.data, given);
    png_put_chunk(&prologue, reading->prologue, "PLTE", palette, 3 * colours);
  }
  size_t alphas = layout->transparency.size;
  int has_alpha = (png_colour_type(layout) & PNG_COLOR_MASK_ALPHA) != 0;
  if (alphas > 0 && !has_alpha) {
    size_t most = png_colour_type(layout) == PNG_COLOR_TYPE_PALETTE ? colours
                  : png_colour_type(layout) == PNG_COLOR_TYPE_RGB   ? 6
                                                                    : 2;
    png_put_chunk(&prologue, reading->prologue, "tRNS", layout->transparency.data,
                  alphas < most ? alphas : most);
  }
  size_t there = layout->last.left - CHUNK_HEAD;
  size_t size = layout->last.size < there ? layout->last.size : there;
  write_big32(reading->last_head, (uint32_t)size);
  memcpy(reading->last_head + 4, "IDAT", 4);
  png_piece pieces[] = {
      prologue,
      {layout->first.start, (size_t)(layout->last.start - layout->first.start)},
      {reading->last_head, CHUNK_HEAD},
      {layout->last.data, size},
      {end, sizeof end},
  };
  memcpy(reading->pieces, pieces, sizeof pieces);
}

/// Of the pieces, the first that belongs to the last chunk.
enum { LAST_CHUNK = 2 };

static void png_take(png_structp png, png_bytep data, size_t size) {
  png_reading *reading = png_get_io_ptr(png);
  while (size > 0) {
    png_piece *piece = &reading->pieces[reading->piece];
    if (piece->count == 0) {
      if (++reading->piece == (int)(sizeof reading->pieces / sizeof *reading->pieces)) {
        png_error(png, "the end was passed");
      }
      continue;
    }
    size_t some = size < piece->count ? size : piece->count;
    memcpy(data, piece->bytes, some);
    piece->bytes += some;
    piece->count -= some;
    data += some;
    size -= some;
  }
}

static void png_failed(png_structp png, png_const_charp message) {
  png_reading *reading = png_get_error_ptr(png);
  // libpng has messages, not codes.
  int out_of_memory = strstr(message, "emory") != NULL;
  int ran_out = strstr(message, "Not enough image data") != NULL;
  if (out_of_memory) {
    m2fp_result_fail(reading->result, M2FP_IMAGE_OUT_OF_MEMORY, "%s", message);
  } else if (reading->rows_left == 0) {
    // Only the end of the compressed pixels, or what comes after it.
    m2fp_result_damage(reading->result, reading->options, M2FP_IMAGE_TRUNCATED,
                       "the compressed pixels have no end");
  } else if (ran_out) {
    m2fp_result_fail(reading->result, M2FP_IMAGE_TRUNCATED,
                     "the file ends before the picture does");
  } else {
    m2fp_result_fail(reading->result, M2FP_IMAGE_CORRUPT, "%s", message);
  }
  png_longjmp(png, 1);
}

static void png_warned(png_structp png, png_const_charp message) {
  png_reading *reading = png_get_error_ptr(png);
  m2fp_result_warn(reading->result, message);
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
/// that are already scaled to 8 bits; only for 1-bit grey is the colour scaled, too. Returns whether samples were clipped.
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
    if (grey && bit_depth == 1) form.key[0] = form.key[1] = form.key[2] = key->gray ? 255 : 0;
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

/// Called with each row that has been read and unfiltered.
static void png_row_has_come(png_structp png, png_row_infop row, png_bytep data) {
  (void)row;
  (void)data;
  png_reading *reading = png_get_user_transform_ptr(png);
  reading->rows_left--;
}

/// Reads what precedes the pixels. Fails by a jump.
static void png_start(png_reading *reading) {
  png_structp png = reading->png;
  png_infop info = reading->info;
  png_set_read_fn(png, reading, png_take);
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  // They were checked, or replaced.
  png_set_crc_action(png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);
  // Many writers name a smaller window than they use.
  png_set_option(png, PNG_MAXIMUM_INFLATE_WINDOW, PNG_OPTION_ON);
  png_set_read_user_transform_fn(png, png_row_has_come);
  png_set_user_transform_info(png, reading, 0, 0);
  png_read_info(png, info);
  int32_t width = reading->header->width, height = reading->header->height;
  if (png_get_image_width(png, info) != (uint32_t)width ||
      png_get_image_height(png, info) != (uint32_t)height) {
    png_error(png, "the header changed while it was read");
  }
  reading->rows_left = height;
  if (png_get_interlace_type(png, info) == PNG_INTERLACE_NONE) return;
  reading->rows_left = 0;
  for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; pass++) {
    if (PNG_PASS_COLS(width, pass) > 0) reading->rows_left += PNG_PASS_ROWS(height, pass);
  }
}

/// Reads a row of a pass. Returns 0 after a failure.
static int png_next_row(png_reading *reading, uint8_t *row) {
  // After the last row libpng looks for the end of the compressed pixels, and fails without one.
  if (setjmp(png_jmpbuf(reading->png)) == 0) png_read_row(reading->png, row, NULL);
  return reading->result->status == M2FP_IMAGE_OK;
}

/// Whether the file may be as it is after the last row.
static int png_ends_well(png_reading *reading) {
  // The pixels were whole before a chunk of them that is cut: then it is one like those after them.
  if (is_whole(&reading->layout.last) || reading->piece >= LAST_CHUNK) return 1;
  m2fp_result_fail(reading->result, M2FP_IMAGE_TRUNCATED, "the file ends inside the IDAT chunk");
  return 0;
}

/// Asks libpng for rows as `form` is then filled for. Returns how many passes there are, or 0 after
/// a failure.
static int png_start_rows(png_reading *reading, row_form *form) {
  if (setjmp(png_jmpbuf(reading->png)) != 0) return 0;
  png_start(reading);
  *form = png_row_form(reading->png, reading->info);
  int passes = png_set_interlace_handling(reading->png);
  png_read_update_info(reading->png, reading->info);
  if (png_get_rowbytes(reading->png, reading->info) !=
      (size_t)reading->header->width * (size_t)form->size) {
    png_error(reading->png, "unexpected row size");
  }
  return passes;
}

static void out_of_memory(png_reading *reading) {
  m2fp_result_fail(reading->result, M2FP_IMAGE_OUT_OF_MEMORY, "Out of memory");
}

static void png_decode_rows(png_reading *reading, uint8_t *pixels) {
  row_form form;
  int passes = png_start_rows(reading, &form);
  if (passes == 0) return;
  int32_t width = reading->header->width, height = reading->header->height;
  size_t raw_row = (size_t)width * (size_t)form.size;
  placement place = m2fp_placement(reading->header, pixels);
  int direct = form.size == 3 && form.key[0] < 0 && place.dx == 3;
  if (!direct) {
    // Every pass touches every row: the stored picture has to be held.
    reading->raw = malloc(passes > 1 ? raw_row * (size_t)height : raw_row);
    reading->strip = malloc((size_t)width * 3 * STRIP_ROWS);
    if (reading->strip == NULL || reading->raw == NULL) return out_of_memory(reading);
  }
  for (int pass = 0; pass < passes - 1; pass++) {
    for (int32_t y = 0; y < height; y++) {
      uint8_t *row =
          direct ? place.origin + y * place.dy : reading->raw + raw_row * (size_t)y;
      if (!png_next_row(reading, row)) return;
    }
  }
  int clips = 0;
  for (int32_t y = 0; y < height; y += STRIP_ROWS) {
    int32_t rows = height - y < STRIP_ROWS ? height - y : STRIP_ROWS;
    for (int32_t row = 0; row < rows; row++) {
      if (direct) {
        if (!png_next_row(reading, place.origin + (ptrdiff_t)(y + row) * place.dy)) return;
        continue;
      }
      uint8_t *raw = passes > 1 ? reading->raw + raw_row * (size_t)(y + row) : reading->raw;
      uint8_t *rgb = reading->strip + (size_t)row * width * 3;
      if (!png_next_row(reading, raw)) return;
      clips |= row_to_rgb(&form, raw, rgb, width);
    }
    if (!direct) m2fp_place(&place, reading->strip, (size_t)width * 3, 0, y, width, rows);
  }
  if (png_ends_well(reading) && clips) m2fp_warn_of_clipped_grey(reading->result);
}

/// As `png_start_rows`, for rows of values of `*size` bytes.
static int png_start_label_rows(png_reading *reading, size_t *size) {
  png_structp png = reading->png;
  png_infop info = reading->info;
  if (setjmp(png_jmpbuf(png)) != 0) return 0;
  png_start(reading);
  int type = png_get_color_type(png, info), depth = png_get_bit_depth(png, info);
  if (type != PNG_COLOR_TYPE_PALETTE && type != PNG_COLOR_TYPE_GRAY) {
    m2fp_result_fail(reading->result, M2FP_IMAGE_UNSUPPORTED, "it holds colours, not labels");
    return 0;
  }
  if (depth < 8) png_set_packing(png);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  *size = depth == 16 ? 2 : 1;
  if (png_get_rowbytes(png, info) != (size_t)reading->header->width * *size) {
    png_error(png, "unexpected row size");
  }
  return passes;
}

static void png_decode_label_rows(png_reading *reading, uint16_t *labels) {
  size_t size;
  int passes = png_start_label_rows(reading, &size);
  if (passes == 0) return;
  size_t width = (size_t)reading->header->width, height = (size_t)reading->header->height;
  reading->raw = malloc(width * height * size);
  if (reading->raw == NULL) return out_of_memory(reading);
  for (int pass = 0; pass < passes; pass++) {
    for (size_t y = 0; y < height; y++) {
      if (!png_next_row(reading, reading->raw + width * size * y)) return;
    }
  }
  if (!png_ends_well(reading)) return;
  const uint8_t *raw = reading->raw;
  for (size_t index = 0; index < width * height; index++) {
    labels[index] = size == 2 ? (uint16_t)(raw[2 * index] << 8 | raw[2 * index + 1]) : raw[index];
  }
}

/// Walks the chunks and makes libpng's structs. Returns 0 after a failure. `png_finish` ends the
/// reading.
static int png_begin(png_reading *reading, const uint8_t *bytes, size_t count) {
  m2fp_image_result *result = reading->result;
  m2fp_result_reset(result);
  png_walk(bytes, count, PNG_PIXELS, &reading->layout, reading->options, result);
  if (result->status != M2FP_IMAGE_OK) return 0;
  if (!pixel_crcs_match(&reading->layout) &&
      !m2fp_result_damage(result, reading->options, M2FP_IMAGE_CORRUPT,
                          "the CRC of the IDAT chunk does not match")) {
    return 0;
  }
  png_arrange(reading);
  reading->rows_left = INT64_MAX;  // until the header is read
  reading->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, reading, png_failed, png_warned);
  reading->info = reading->png == NULL ? NULL : png_create_info_struct(reading->png);
  if (reading->info != NULL) return 1;
  m2fp_result_fail(result, M2FP_IMAGE_OUT_OF_MEMORY, "Out of memory");
  return 0;
}

static void png_finish(png_reading *reading) {
  png_destroy_read_struct(&reading->png, &reading->info, NULL);
  free(reading->raw);
  free(reading->strip);
}

void m2fp_png_decode(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                     const m2fp_decode_options *options, uint8_t *pixels,
                     m2fp_image_result *result) {
  png_reading reading = {.header = header, .options = options, .result = result};
  if (png_begin(&reading, bytes, count)) png_decode_rows(&reading, pixels);
  png_finish(&reading);
}

void m2fp_png_decode_labels(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                            const m2fp_decode_options *options, uint16_t *labels,
                            m2fp_image_result *result) {
  png_reading reading = {.header = header, .options = options, .result = result};
  if (png_begin(&reading, bytes, count)) png_decode_label_rows(&reading, labels);
  png_finish(&reading);
}
