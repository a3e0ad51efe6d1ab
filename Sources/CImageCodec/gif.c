#include <stdlib.h>
#include <string.h>

#include <gif_lib.h>

#include "codec.h"
#include "library.h"

static struct {
  LIBRARY_FUNCTION(DGifOpen);
  LIBRARY_FUNCTION(DGifCloseFile);
  LIBRARY_FUNCTION(DGifGetRecordType);
  LIBRARY_FUNCTION(DGifGetExtension);
  LIBRARY_FUNCTION(DGifGetExtensionNext);
  LIBRARY_FUNCTION(DGifExtensionToGCB);
  LIBRARY_FUNCTION(DGifGetImageHeader);
  LIBRARY_FUNCTION(DGifGetImageDesc);
  LIBRARY_FUNCTION(DGifGetLine);
  LIBRARY_FUNCTION(GifErrorString);
} gif;

static const library_function gif_functions[] = {
    LIBRARY_ENTRY(gif, DGifOpen),
    LIBRARY_ENTRY(gif, DGifCloseFile),
    LIBRARY_ENTRY(gif, DGifGetRecordType),
    LIBRARY_ENTRY(gif, DGifGetExtension),
    LIBRARY_ENTRY(gif, DGifGetExtensionNext),
    LIBRARY_ENTRY(gif, DGifExtensionToGCB),
    LIBRARY_ENTRY(gif, DGifGetImageHeader),
    LIBRARY_ENTRY(gif, DGifGetImageDesc),
    LIBRARY_ENTRY(gif, DGifGetLine),
    LIBRARY_ENTRY(gif, GifErrorString),
};

static library gif_library = LIBRARY("libgif.so.7", gif_functions);

/// A file that is read as far as its first picture.
typedef struct gif_reading {
  const uint8_t *bytes;
  size_t count;
  GifFileType *file;
  /// The index that is transparent, or NO_TRANSPARENT_COLOR.
  int transparent;
  m2fp_image_result *result;
  /// Null where only the header is read.
  const m2fp_decode_options *options;
} gif_reading;

static int gif_take(GifFileType *file, GifByteType *buffer, int wanted) {
  gif_reading *reading = file->UserData;
  size_t count = (size_t)wanted < reading->count ? (size_t)wanted : reading->count;
  memcpy(buffer, reading->bytes, count);
  reading->bytes += count;
  reading->count -= count;
  return (int)count;
}

static void gif_fail(const gif_reading *reading, int error) {
  switch (error) {
    case D_GIF_ERR_READ_FAILED:
    case D_GIF_ERR_EOF_TOO_SOON:
    case D_GIF_ERR_NO_SCRN_DSCR:
      m2fp_result_fail(reading->result, M2FP_IMAGE_TRUNCATED,
                       "the file ends before the picture does");
      break;
    case D_GIF_ERR_NOT_ENOUGH_MEM:
      m2fp_result_fail(reading->result, M2FP_IMAGE_OUT_OF_MEMORY, "out of memory");
      break;
    default: {
      const char *words = gif.GifErrorString(error);
      m2fp_result_fail(reading->result, M2FP_IMAGE_CORRUPT, "%s",
                       words == NULL ? "it makes no sense" : words);
    }
  }
}

/// Skips an extension; keeps what one says of the next picture's transparency.
static int gif_read_extension(gif_reading *reading) {
  int code;
  GifByteType *block;
  if (gif.DGifGetExtension(reading->file, &code, &block) == GIF_ERROR) return 0;
  while (block != NULL) {
    GraphicsControlBlock control;
    // The first byte is the size of the block.
    if (code == GRAPHICS_EXT_FUNC_CODE &&
        gif.DGifExtensionToGCB(block[0], block + 1, &control) != GIF_ERROR) {
      reading->transparent = control.TransparentColor;
    }
    if (gif.DGifGetExtensionNext(reading->file, &block) == GIF_ERROR) return 0;
  }
  return 1;
}

/// Opens the file and reads up to the first picture, of which `file->Image` then tells the place.
static int gif_open(gif_reading *reading) {
  int error = 0;
  reading->transparent = NO_TRANSPARENT_COLOR;
  reading->file = gif.DGifOpen(reading, gif_take, &error);
  if (reading->file == NULL) {
    gif_fail(reading, error);
    return 0;
  }
  GifRecordType record;
  do {
    if (gif.DGifGetRecordType(reading->file, &record) == GIF_ERROR) {
      gif_fail(reading, reading->file->Error);
      return 0;
    }
    if (record == EXTENSION_RECORD_TYPE && !gif_read_extension(reading)) {
      gif_fail(reading, reading->file->Error);
      return 0;
    }
    if (record == TERMINATE_RECORD_TYPE) {
      m2fp_result_fail(reading->result, M2FP_IMAGE_CORRUPT, "it holds no picture");
      return 0;
    }
  } while (record != IMAGE_DESC_RECORD_TYPE);
  return 1;
}

static void gif_close(gif_reading *reading) {
  if (reading->file != NULL) gif.DGifCloseFile(reading->file, NULL);
}

/// The screen, and as Pillow has it, whatever of the first picture lies beyond. Returns 0 if there is no
/// pixel in that.
static int gif_size(const GifFileType *file, int32_t *width, int32_t *height) {
  const GifImageDesc *image = &file->Image;
  int right = image->Left + image->Width, bottom = image->Top + image->Height;
  *width = right > file->SWidth ? right : file->SWidth;
  *height = bottom > file->SHeight ? bottom : file->SHeight;
  return image->Width > 0 && image->Height > 0;
}

void m2fp_gif_header(const uint8_t *bytes, size_t count, m2fp_image_header *header,
                     m2fp_image_result *result) {
  m2fp_result_reset(result);
  if (!m2fp_library_open(&gif_library, result)) return;
  gif_reading reading = {.bytes = bytes, .count = count, .result = result};
  int32_t width, height;
  if (gif_open(&reading)) {
    if (gif.DGifGetImageHeader(reading.file) == GIF_ERROR) {
      gif_fail(&reading, reading.file->Error);
    } else if (!gif_size(reading.file, &width, &height)) {
      m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "it has no pixels");
    } else {
      *header = (m2fp_image_header){width, height, 1, 0};
    }
  }
  gif_close(&reading);
}

/// The colours as they are shown: what is transparent, white; without a table, the shades of grey.
static void gif_colours(const gif_reading *reading, uint8_t colours[256][3]) {
  const ColorMapObject *map =
      reading->file->Image.ColorMap ? reading->file->Image.ColorMap : reading->file->SColorMap;
  for (int i = 0; i < 256; i++) {
    if (i == reading->transparent) {
      memset(colours[i], 255, 3);
    } else if (map == NULL) {
      memset(colours[i], i, 3);
    } else if (i < map->ColorCount) {
      const GifColorType *colour = &map->Colors[i];
      colours[i][0] = colour->Red;
      colours[i][1] = colour->Green;
      colours[i][2] = colour->Blue;
    } else {
      memset(colours[i], 0, 3);
    }
  }
}

/// Reads a row. Returns 0 after a failure.
static int gif_read_line(gif_reading *reading, int is_last, uint8_t *line) {
  GifFileType *file = reading->file;
  int width = file->Image.Width;
  // After the last pixel giflib looks for the end of the data.
  int first = is_last ? width - 1 : width;
  if (first > 0 && gif.DGifGetLine(file, line, first) == GIF_ERROR) {
    gif_fail(reading, file->Error);
    return 0;
  }
  if (!is_last) return 1;
  line[first] = 0;
  return gif.DGifGetLine(file, line + first, 1) != GIF_ERROR ||
         m2fp_result_damage(reading->result, reading->options, M2FP_IMAGE_TRUNCATED,
                            "the end of the picture is missing");
}

/// The row of the picture that is the `index`-th in the file.
static int32_t interlaced_row(int32_t index, int32_t height) {
  static const int32_t starts[] = {0, 4, 2, 1}, steps[] = {8, 8, 4, 2};
  for (int pass = 0; pass < 4; pass++) {
    int32_t rows = (height - starts[pass] + steps[pass] - 1) / steps[pass];
    if (height <= starts[pass]) rows = 0;
    if (index < rows) return starts[pass] + index * steps[pass];
    index -= rows;
  }
  return 0;
}

static void gif_decode_rows(gif_reading *reading, int32_t canvas, uint8_t *line, uint8_t *pixels) {
  GifFileType *file = reading->file;
  const GifImageDesc *image = &file->Image;
  uint8_t colours[256][3];
  gif_colours(reading, colours);
  for (int32_t index = 0; index < image->Height; index++) {
    if (!gif_read_line(reading, index == image->Height - 1, line)) return;
    int32_t y = image->Top + (image->Interlace ? interlaced_row(index, image->Height) : index);
    uint8_t *row = pixels + ((size_t)y * (size_t)canvas + (size_t)image->Left) * 3;
    for (int32_t x = 0; x < image->Width; x++) memcpy(row + 3 * x, colours[line[x]], 3);
  }
}

void m2fp_gif_decode(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                     const m2fp_decode_options *options, uint8_t *pixels,
                     m2fp_image_result *result) {
  m2fp_result_reset(result);
  if (!m2fp_library_open(&gif_library, result)) return;
  gif_reading reading = {.bytes = bytes, .count = count, .result = result, .options = options};
  uint8_t *line = NULL;
  int32_t width, height;
  if (gif_open(&reading)) {
    if (gif.DGifGetImageDesc(reading.file) == GIF_ERROR) {
      gif_fail(&reading, reading.file->Error);
    } else if (!gif_size(reading.file, &width, &height) || width != header->width ||
               height != header->height) {
      m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "the header changed while it was read");
    } else if ((line = malloc((size_t)width)) == NULL) {
      m2fp_result_fail(result, M2FP_IMAGE_OUT_OF_MEMORY, "out of memory");
    } else {
      uint8_t colours[256][3];
      gif_colours(&reading, colours);
      // Round the picture the screen shows what is transparent, or the first colour.
      const uint8_t *behind =
          colours[reading.transparent == NO_TRANSPARENT_COLOR ? 0 : reading.transparent];
      for (size_t i = 0; i < (size_t)width * (size_t)height; i++) memcpy(pixels + 3 * i, behind, 3);
      gif_decode_rows(&reading, width, line, pixels);
    }
  }
  free(line);
  gif_close(&reading);
}
