#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

#include "codec.h"
#include "library.h"

static struct {
  LIBRARY_FUNCTION(TIFFOpenOptionsAlloc);
  LIBRARY_FUNCTION(TIFFOpenOptionsFree);
  LIBRARY_FUNCTION(TIFFOpenOptionsSetMaxSingleMemAlloc);
  LIBRARY_FUNCTION(TIFFOpenOptionsSetErrorHandlerExtR);
  LIBRARY_FUNCTION(TIFFOpenOptionsSetWarningHandlerExtR);
  LIBRARY_FUNCTION(TIFFClientOpenExt);
  LIBRARY_FUNCTION(TIFFClose);
  LIBRARY_FUNCTION(TIFFGetField);
  LIBRARY_FUNCTION(TIFFGetFieldDefaulted);
  LIBRARY_FUNCTION(TIFFSetField);
  LIBRARY_FUNCTION(TIFFIsTiled);
  LIBRARY_FUNCTION(TIFFTileSize64);
  LIBRARY_FUNCTION(TIFFStripSize64);
  LIBRARY_FUNCTION(TIFFComputeTile);
  LIBRARY_FUNCTION(TIFFComputeStrip);
  LIBRARY_FUNCTION(TIFFReadEncodedTile);
  LIBRARY_FUNCTION(TIFFReadEncodedStrip);
  LIBRARY_FUNCTION(TIFFReadRGBATileExt);
  LIBRARY_FUNCTION(TIFFReadRGBAStripExt);
} tiff;

static const library_function tiff_functions[] = {
    LIBRARY_ENTRY(tiff, TIFFOpenOptionsAlloc),
    LIBRARY_ENTRY(tiff, TIFFOpenOptionsFree),
    LIBRARY_ENTRY(tiff, TIFFOpenOptionsSetMaxSingleMemAlloc),
    LIBRARY_ENTRY(tiff, TIFFOpenOptionsSetErrorHandlerExtR),
    LIBRARY_ENTRY(tiff, TIFFOpenOptionsSetWarningHandlerExtR),
    LIBRARY_ENTRY(tiff, TIFFClientOpenExt),
    LIBRARY_ENTRY(tiff, TIFFClose),
    LIBRARY_ENTRY(tiff, TIFFGetField),
    LIBRARY_ENTRY(tiff, TIFFGetFieldDefaulted),
    LIBRARY_ENTRY(tiff, TIFFSetField),
    LIBRARY_ENTRY(tiff, TIFFIsTiled),
    LIBRARY_ENTRY(tiff, TIFFTileSize64),
    LIBRARY_ENTRY(tiff, TIFFStripSize64),
    LIBRARY_ENTRY(tiff, TIFFComputeTile),
    LIBRARY_ENTRY(tiff, TIFFComputeStrip),
    LIBRARY_ENTRY(tiff, TIFFReadEncodedTile),
    LIBRARY_ENTRY(tiff, TIFFReadEncodedStrip),
    LIBRARY_ENTRY(tiff, TIFFReadRGBATileExt),
    LIBRARY_ENTRY(tiff, TIFFReadRGBAStripExt),
};

static library tiff_library = LIBRARY("libtiff.so.6", tiff_functions);

/// Samples a pixel: colours, alpha and a few that are passed over.
enum { MOST_SAMPLES = 8 };

enum alpha { NO_ALPHA, ALPHA, PREMULTIPLIED };

/// A file that is read, and what its first directory says of the picture.
typedef struct tiff_reading {
  const m2fp_source *source;
  int64_t position;
  m2fp_image_result *result;
  TIFF *file;
  uint32_t width, height;
  uint16_t bits, samples, photometric, planar;
  /// Colours a pixel as they are stored: 1 for grey and palettes.
  int colours;
  enum alpha alpha;
  /// Whether libtiff turns the colours into RGBA, which it does for what Pillow leaves to it, too.
  int by_library;
  int is_tiled;
  /// What is decoded at a time: a tile, or a strip.
  uint32_t block_width, block_height;
  /// Bytes of a decoded block, of one plane where planes are separate.
  uint64_t block_size;
} tiff_reading;

static tmsize_t tiff_read(thandle_t handle, void *buffer, tmsize_t count) {
  tiff_reading *reading = handle;
  if (count <= 0) return 0;
  size_t read =
      reading->source->read(reading->source->context, reading->position, buffer, (size_t)count);
  reading->position += (int64_t)read;
  return (tmsize_t)read;
}

static tmsize_t tiff_write(thandle_t handle, void *buffer, tmsize_t count) {
  (void)handle, (void)buffer, (void)count;
  return 0;
}

/// Larger than any file: how large this one is is found by reading.
static const toff_t UNKNOWN_SIZE = (toff_t)1 << 62;

static toff_t tiff_seek(thandle_t handle, toff_t offset, int whence) {
  tiff_reading *reading = handle;
  if (whence == SEEK_CUR) offset += (toff_t)reading->position;
  if (whence == SEEK_END) offset += UNKNOWN_SIZE;
  if (offset > UNKNOWN_SIZE) return (toff_t)-1;
  reading->position = (int64_t)offset;
  return offset;
}

static int tiff_close(thandle_t handle) {
  (void)handle;
  return 0;
}

static toff_t tiff_size(thandle_t handle) {
  const tiff_reading *reading = handle;
  return reading->source->size < 0 ? UNKNOWN_SIZE : (toff_t)reading->source->size;
}

static int tiff_failed(TIFF *file, void *context, const char *module, const char *format,
                       va_list arguments) {
  (void)file, (void)module;
  tiff_reading *reading = context;
  char message[sizeof reading->result->message];
  vsnprintf(message, sizeof message, format, arguments);
  // libtiff has messages, not codes.
  enum m2fp_image_status status = M2FP_IMAGE_CORRUPT;
  if (strstr(message, "emory") != NULL || strstr(message, "max_single_mem_alloc") != NULL) {
    status = M2FP_IMAGE_OUT_OF_MEMORY;
  } else if (strstr(message, "Read error") != NULL || strstr(message, "Can not read") != NULL ||
             strstr(message, "Cannot read") != NULL || strstr(message, "not enough data") != NULL ||
             strstr(message, "Not enough data") != NULL || strstr(message, "Seek error") != NULL) {
    status = M2FP_IMAGE_TRUNCATED;
  } else if (strstr(message, "not configured") != NULL ||
             strstr(message, "not implemented") != NULL) {
    status = M2FP_IMAGE_UNSUPPORTED;
  }
  // Some begin with the name of the file, which has none.
  m2fp_result_fail(reading->result, status, "%s", message + (strncmp(message, ": ", 2) == 0 ? 2 : 0));
  return 1;
}

static int tiff_warned(TIFF *file, void *context, const char *module, const char *format,
                       va_list arguments) {
  // Many files have tags that the library does not know.
  (void)file, (void)context, (void)module, (void)format, (void)arguments;
  return 1;
}

static int tiff_refuse(const tiff_reading *reading, const char *what) {
  m2fp_result_fail(reading->result, M2FP_IMAGE_UNSUPPORTED, "%s", what);
  return 0;
}

static void tiff_out_of_memory(const tiff_reading *reading) {
  m2fp_result_fail(reading->result, M2FP_IMAGE_OUT_OF_MEMORY, "out of memory");
}

/// Whether the picture is the preview of a camera's raw file: those are TIFFs, of which the pixels
/// lie elsewhere.
static int tiff_is_preview(const tiff_reading *reading) {
  uint8_t start[10];
  uint32_t kind = 0;
  uint16_t count = 0;
  const void *value = NULL;
  size_t read = reading->source->read(reading->source->context, 0, start, sizeof start);
  if (read == sizeof start && memcmp(start + 8, "CR", 2) == 0) return 1;
  if (tiff.TIFFGetField(reading->file, TIFFTAG_DNGVERSION, &value)) return 1;
  return tiff.TIFFGetField(reading->file, TIFFTAG_SUBFILETYPE, &kind) &&
         (kind & FILETYPE_REDUCEDIMAGE) != 0 &&
         tiff.TIFFGetField(reading->file, TIFFTAG_SUBIFD, &count, &value);
}

static enum alpha tiff_alpha(const tiff_reading *reading) {
  uint16_t count = 0;
  const uint16_t *kinds = NULL;
  // What the file says of extra samples need not fit the number of its samples.
  if (reading->samples <= reading->colours || reading->colours == 4 ||
      reading->photometric == PHOTOMETRIC_PALETTE) {
    return NO_ALPHA;
  }
  if (!tiff.TIFFGetField(reading->file, TIFFTAG_EXTRASAMPLES, &count, &kinds) || count == 0) {
    // A fourth sample is alpha unless the file says that it is something else.
    return reading->colours == 3 && reading->samples == 4 ? ALPHA : NO_ALPHA;
  }
  return kinds[0] == EXTRASAMPLE_UNASSALPHA   ? ALPHA
         : kinds[0] == EXTRASAMPLE_ASSOCALPHA ? PREMULTIPLIED
                                              : NO_ALPHA;
}

/// Reads what the first directory says. Returns 0 after a failure.
static int tiff_read_layout(tiff_reading *reading) {
  TIFF *file = reading->file;
  uint16_t form = SAMPLEFORMAT_UINT, compression = COMPRESSION_NONE;
  if (tiff_is_preview(reading)) return tiff_refuse(reading, "a camera's raw file");
  if (!tiff.TIFFGetField(file, TIFFTAG_IMAGEWIDTH, &reading->width) ||
      !tiff.TIFFGetField(file, TIFFTAG_IMAGELENGTH, &reading->height)) {
    m2fp_result_fail(reading->result, M2FP_IMAGE_CORRUPT, "it has no size");
    return 0;
  }
  if (!m2fp_check_size(reading->width, reading->height, reading->result)) return 0;
  tiff.TIFFGetFieldDefaulted(file, TIFFTAG_BITSPERSAMPLE, &reading->bits);
  tiff.TIFFGetFieldDefaulted(file, TIFFTAG_SAMPLESPERPIXEL, &reading->samples);
  tiff.TIFFGetFieldDefaulted(file, TIFFTAG_PLANARCONFIG, &reading->planar);
  tiff.TIFFGetFieldDefaulted(file, TIFFTAG_SAMPLEFORMAT, &form);
  tiff.TIFFGetFieldDefaulted(file, TIFFTAG_COMPRESSION, &compression);
  if (!tiff.TIFFGetField(file, TIFFTAG_PHOTOMETRIC, &reading->photometric)) {
    return tiff_refuse(reading, "it does not say what its samples are");
  }
  switch (reading->photometric) {
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_PALETTE: reading->colours = 1; break;
    case PHOTOMETRIC_RGB: reading->colours = 3; break;
    case PHOTOMETRIC_SEPARATED: reading->colours = 4; break;
    case PHOTOMETRIC_YCBCR:
      reading->colours = 3;
      reading->by_library =
          compression != COMPRESSION_JPEG || reading->planar != PLANARCONFIG_CONTIG;
      if (!reading->by_library) {
        tiff.TIFFSetField(file, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
      }
      break;
    default: return tiff_refuse(reading, "a colour space that is none of screens or presses");
  }
  if (form != SAMPLEFORMAT_UINT && form != SAMPLEFORMAT_VOID) {
    return tiff_refuse(reading, "samples that are no whole positive numbers");
  }
  int few = reading->colours == 1 &&
            (reading->bits == 1 || reading->bits == 2 || reading->bits == 4) &&
            reading->samples == 1;
  if (!few && reading->bits != 8 && reading->bits != 16) {
    return tiff_refuse(reading, "samples of an unusual number of bits");
  }
  if (reading->photometric == PHOTOMETRIC_PALETTE && reading->bits == 16) {
    return tiff_refuse(reading, "a palette of 16 bits");
  }
  if (reading->samples < reading->colours || reading->samples > MOST_SAMPLES) {
    return tiff_refuse(reading, "an unusual number of samples a pixel");
  }
  reading->alpha = tiff_alpha(reading);
  reading->is_tiled = tiff.TIFFIsTiled(file);
  if (reading->is_tiled) {
    if (!tiff.TIFFGetField(file, TIFFTAG_TILEWIDTH, &reading->block_width) ||
        !tiff.TIFFGetField(file, TIFFTAG_TILELENGTH, &reading->block_height)) {
      return tiff_refuse(reading, "tiles without a size");
    }
    reading->block_size = tiff.TIFFTileSize64(file);
  } else {
    tiff.TIFFGetFieldDefaulted(file, TIFFTAG_ROWSPERSTRIP, &reading->block_height);
    if (reading->block_height > reading->height) reading->block_height = reading->height;
    reading->block_width = reading->width;
    reading->block_size = tiff.TIFFStripSize64(file);
  }
  // Tiles are padded to multiples of 16; those of small pictures are larger than these.
  uint64_t most = ((uint64_t)reading->width + 1024) * ((uint64_t)reading->height + 1024);
  uint64_t block = (uint64_t)reading->block_width * reading->block_height;
  if (block == 0 || reading->block_size == 0 || block > most ||
      reading->block_size > block * reading->samples * (reading->bits == 16 ? 2 : 1) + 65536) {
    return tiff_refuse(reading, "tiles or strips of an unusual size");
  }
  return 1;
}

/// Opens the file and reads its first directory. Returns 0 after a failure. `tiff_end` ends it.
static int tiff_open(tiff_reading *reading) {
  // A block of the largest picture, and profiles.
  enum { LARGEST_ALLOCATION = 1 << 30 };
  m2fp_result_reset(reading->result);
  if (!m2fp_library_open(&tiff_library, reading->result)) return 0;
  TIFFOpenOptions *options = tiff.TIFFOpenOptionsAlloc();
  if (options == NULL) {
    tiff_out_of_memory(reading);
    return 0;
  }
  tiff.TIFFOpenOptionsSetMaxSingleMemAlloc(options, LARGEST_ALLOCATION);
  tiff.TIFFOpenOptionsSetErrorHandlerExtR(options, tiff_failed, reading);
  tiff.TIFFOpenOptionsSetWarningHandlerExtR(options, tiff_warned, reading);
  // m: no mapping; O: of lists of tiles no more than is needed.
  reading->file = tiff.TIFFClientOpenExt("", "rmO", reading, tiff_read, tiff_write, tiff_seek,
                                         tiff_close, tiff_size, NULL, NULL, options);
  tiff.TIFFOpenOptionsFree(options);
  if (reading->file == NULL) {
    m2fp_result_fail(reading->result, M2FP_IMAGE_CORRUPT, "its first directory cannot be read");
    return 0;
  }
  // Errors in tags that are not needed were none.
  m2fp_result_reset(reading->result);
  return tiff_read_layout(reading);
}

static void tiff_end(tiff_reading *reading) {
  if (reading->file != NULL) tiff.TIFFClose(reading->file);
}

static int32_t tiff_orientation(const tiff_reading *reading) {
  uint16_t orientation = 0;
  uint32_t size = 0;
  const uint8_t *xmp = NULL;
  if (tiff.TIFFGetField(reading->file, TIFFTAG_ORIENTATION, &orientation)) {
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
  }
  if (!tiff.TIFFGetField(reading->file, TIFFTAG_XMLPACKET, &size, &xmp)) return 1;
  int32_t found = m2fp_xmp_orientation(xmp, size);
  return found == 0 ? 1 : found;
}

void m2fp_tiff_find_header(const m2fp_source *source, m2fp_image_header *header,
                           m2fp_image_result *result) {
  tiff_reading reading = {.source = source, .result = result};
  if (tiff_open(&reading)) {
    // Of each plane a decoded block, the RGB of one, and the block as it is read.
    int64_t planes = reading.planar == PLANARCONFIG_SEPARATE ? reading.samples : 1;
    int64_t block = (int64_t)reading.block_width * reading.block_height;
    *header = (m2fp_image_header){(int32_t)reading.width, (int32_t)reading.height,
                                  tiff_orientation(&reading),
                                  (int64_t)reading.block_size * (planes + 1) + 4 * block};
  }
  tiff_end(&reading);
}

void m2fp_tiff_header(const uint8_t *bytes, size_t count, m2fp_image_header *header,
                      m2fp_image_result *result) {
  memory file = {bytes, count};
  m2fp_source source = m2fp_memory_source(&file);
  m2fp_tiff_find_header(&source, header, result);
}

/// How decoded samples become RGB.
typedef struct tiff_colours {
  /// For samples of at most 8 bits, one a pixel: the colour of each value.
  uint8_t table[256][3];
  /// For 16-bit grey that loses shades.
  int clips;
} tiff_colours;

/// A block's planes; of separate ones each has one sample a pixel.
typedef struct tiff_block {
  const uint8_t *planes[MOST_SAMPLES];
  size_t row_bytes;
} tiff_block;

/// A sample as it is stored.
static inline unsigned tiff_sample(const tiff_reading *reading, const tiff_block *block,
                                   uint32_t row, uint32_t column, int sample) {
  int separate = reading->planar == PLANARCONFIG_SEPARATE;
  const uint8_t *start = block->planes[separate ? sample : 0] + (size_t)row * block->row_bytes;
  size_t index = separate ? column : (size_t)column * reading->samples + (size_t)sample;
  switch (reading->bits) {
    case 8: return start[index];
    case 16: {
      uint16_t value;
      memcpy(&value, start + 2 * index, sizeof value);
      return value;
    }
    default: {
      size_t bit = index * reading->bits;
      return (unsigned)start[bit / 8] >> (8 - reading->bits - bit % 8) &
             ((1u << reading->bits) - 1);
    }
  }
}

/// Turns a block into RGB, tightly packed; 16 bits keep the high byte, but grey is clipped, as Pillow
/// has it.
static void tiff_to_rgb(const tiff_reading *reading, const tiff_block *block, tiff_colours *colours,
                        uint32_t width, uint32_t rows, uint8_t *rgb) {
  int wide = reading->bits == 16;
  for (uint32_t row = 0; row < rows; row++) {
    for (uint32_t column = 0; column < width; column++, rgb += 3) {
      uint8_t pixel[4];
      if (reading->colours == 1) {
        unsigned value = tiff_sample(reading, block, row, column, 0);
        if (wide) {
          colours->clips |= value > 255;
          memset(pixel, value > 255 ? 255 : (int)value, 3);
        } else {
          memcpy(pixel, colours->table[value], 3);
        }
      } else {
        for (int c = 0; c < reading->colours; c++) {
          unsigned value = tiff_sample(reading, block, row, column, c);
          pixel[c] = (uint8_t)(wide ? value >> 8 : value);
        }
      }
      if (reading->colours == 4) m2fp_cmyk_to_rgb(pixel, pixel, 1, 0);
      if (reading->alpha != NO_ALPHA) {
        unsigned value = tiff_sample(reading, block, row, column, reading->colours);
        pixel[3] = (uint8_t)(wide ? value >> 8 : value);
        if (reading->alpha == PREMULTIPLIED) m2fp_divide_by_alpha(pixel, 1);
        m2fp_over_white(pixel, 1);
      }
      memcpy(rgb, pixel, 3);
    }
  }
}

/// The colours of palettes and of shades of at most 8 bits. Returns 0 after a failure.
static int tiff_fill_table(const tiff_reading *reading, tiff_colours *colours) {
  memset(colours, 0, sizeof *colours);
  if (reading->colours != 1 || reading->bits > 8) return 1;
  int last = (1 << reading->bits) - 1;
  uint16_t *red = NULL, *green = NULL, *blue = NULL;
  if (reading->photometric != PHOTOMETRIC_PALETTE) {
    for (int i = 0; i <= last; i++) {
      int shade = reading->photometric == PHOTOMETRIC_MINISWHITE ? last - i : i;
      memset(colours->table[i], shade * 255 / last, 3);
    }
    return 1;
  }
  if (!tiff.TIFFGetField(reading->file, TIFFTAG_COLORMAP, &red, &green, &blue)) {
    return tiff_refuse(reading, "a palette without colours");
  }
  for (int i = 0; i <= last; i++) {
    colours->table[i][0] = (uint8_t)(red[i] >> 8);
    colours->table[i][1] = (uint8_t)(green[i] >> 8);
    colours->table[i][2] = (uint8_t)(blue[i] >> 8);
  }
  return 1;
}

/// What a decode holds.
typedef struct tiff_buffers {
  uint8_t *planes;
  uint8_t *rgb;
} tiff_buffers;

/// Reads a plane of the block at (x, y) whole. Returns 0 after a failure.
static int tiff_read_plane(tiff_reading *reading, uint32_t x, uint32_t y, uint16_t plane,
                           uint32_t rows, uint8_t *to) {
  size_t size = (size_t)reading->block_size;
  tmsize_t wanted = (tmsize_t)size, read;
  if (reading->is_tiled) {
    read = tiff.TIFFReadEncodedTile(
        reading->file, tiff.TIFFComputeTile(reading->file, x, y, 0, plane), to, (tmsize_t)size);
  } else {
    wanted = (tmsize_t)(size / reading->block_height * rows);
    read = tiff.TIFFReadEncodedStrip(
        reading->file, tiff.TIFFComputeStrip(reading->file, y, plane), to, (tmsize_t)size);
  }
  if (read < wanted || reading->result->status != M2FP_IMAGE_OK) {
    m2fp_result_fail(reading->result, M2FP_IMAGE_TRUNCATED, "the file ends before the picture does");
    return 0;
  }
  return 1;
}

/// Lets libtiff make RGBA of the block at (x, y). Returns 0 after a failure.
static int tiff_read_by_library(tiff_reading *reading, uint32_t x, uint32_t y, uint32_t rows,
                                tiff_buffers *buffers) {
  uint32_t *raster = (uint32_t *)(void *)buffers->planes;
  int done = reading->is_tiled ? tiff.TIFFReadRGBATileExt(reading->file, x, y, raster, 1)
                               : tiff.TIFFReadRGBAStripExt(reading->file, y, raster, 1);
  if (!done || reading->result->status != M2FP_IMAGE_OK) {
    m2fp_result_fail(reading->result, M2FP_IMAGE_CORRUPT, "the picture cannot be read");
    return 0;
  }
  uint32_t stored_rows = reading->is_tiled ? reading->block_height : rows;
  uint8_t *rgb = buffers->rgb;
  for (uint32_t row = 0; row < rows; row++) {
    // Its rows go from the bottom up.
    const uint32_t *from = raster + (size_t)(stored_rows - 1 - row) * reading->block_width;
    for (uint32_t column = 0; column < reading->block_width; column++, rgb += 3) {
      rgb[0] = (uint8_t)TIFFGetR(from[column]);
      rgb[1] = (uint8_t)TIFFGetG(from[column]);
      rgb[2] = (uint8_t)TIFFGetB(from[column]);
    }
  }
  return 1;
}

static void tiff_decode_blocks(tiff_reading *reading, const m2fp_image_header *header,
                               tiff_buffers *buffers, uint8_t *pixels) {
  int separate = reading->planar == PLANARCONFIG_SEPARATE;
  size_t area = (size_t)reading->block_width * reading->block_height;
  size_t planes = separate ? reading->samples : 1;
  tiff_colours colours;
  if (!tiff_fill_table(reading, &colours)) return;
  buffers->planes = malloc(reading->by_library ? area * 4 : (size_t)reading->block_size * planes);
  buffers->rgb = malloc(area * 3);
  if (buffers->planes == NULL || buffers->rgb == NULL) return tiff_out_of_memory(reading);
  tiff_block block = {.row_bytes = (size_t)reading->block_size / reading->block_height};
  size_t row_samples = (size_t)reading->block_width * (separate ? 1 : reading->samples);
  if (!reading->by_library && block.row_bytes < (row_samples * reading->bits + 7) / 8) {
    tiff_refuse(reading, "subsampled colours");
    return;
  }
  placement place = m2fp_placement(header, pixels);
  for (uint32_t y = 0; y < reading->height; y += reading->block_height) {
    uint32_t below = reading->height - y;
    uint32_t rows = below < reading->block_height ? below : reading->block_height;
    for (uint32_t x = 0; x < reading->width; x += reading->block_width) {
      uint32_t beside = reading->width - x;
      uint32_t width = beside < reading->block_width ? beside : reading->block_width;
      size_t stride = (size_t)width * 3;
      if (reading->by_library) {
        if (!tiff_read_by_library(reading, x, y, rows, buffers)) return;
        stride = (size_t)reading->block_width * 3;
      } else {
        for (size_t plane = 0; plane < planes; plane++) {
          uint8_t *to = buffers->planes + plane * (size_t)reading->block_size;
          if (!tiff_read_plane(reading, x, y, (uint16_t)plane, rows, to)) return;
          block.planes[plane] = to;
        }
        tiff_to_rgb(reading, &block, &colours, width, rows, buffers->rgb);
      }
      m2fp_place(&place, buffers->rgb, stride, (int32_t)x, (int32_t)y, (int32_t)width,
                 (int32_t)rows);
      if (beside <= reading->block_width) break;  // x may not overflow
    }
    if (below <= reading->block_height) break;
  }
  if (colours.clips) m2fp_warn_of_clipped_grey(reading->result);
}

void m2fp_tiff_decode(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                      const m2fp_decode_options *options, uint8_t *pixels,
                      m2fp_image_result *result) {
  (void)options;  // nothing that is damaged leaves a picture
  memory file = {bytes, count};
  m2fp_source source = m2fp_memory_source(&file);
  tiff_reading reading = {.source = &source, .result = result};
  tiff_buffers buffers = {0};
  if (tiff_open(&reading)) {
    if ((int32_t)reading.width != header->width || (int32_t)reading.height != header->height) {
      m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "the header changed while it was read");
    } else {
      // libtiff's own conversion would turn the picture in part.
      tiff.TIFFSetField(reading.file, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);
      tiff_decode_blocks(&reading, header, &buffers, pixels);
    }
  }
  free(buffers.planes);
  free(buffers.rgb);
  tiff_end(&reading);
}
