/// Answers that no file brings a format's library to: no memory, a feature that it does not know, sizes that
/// contradict one another. The codec gets these functions in place of the library's; which of its calls
/// is answered falsely, and how, the target says.
#pragma once

#include <dav1d/dav1d.h>
#include <errno.h>
#include <gif_lib.h>
#include <jxl/decode.h>
#include <libde265/de265.h>
#include <libheif/heif.h>
#include <tiffio.h>
#include <webp/decode.h>
#include <webp/demux.h>

#include "allocations.h"

/// Calls until one is answered falsely; negative: none is.
static long answers_left = -1;
/// Which of the false answers that there are.
static unsigned false_answer;

static int answers_falsely(void) { return answers_left >= 0 && answers_left-- == 0; }

/// The library's own functions.
static struct {
  __typeof__(WebPGetFeaturesInternal) *WebPGetFeaturesInternal;
  __typeof__(WebPInitDecoderConfigInternal) *WebPInitDecoderConfigInternal;
  __typeof__(WebPDecode) *WebPDecode;
  __typeof__(WebPDemuxInternal) *WebPDemuxInternal;
  __typeof__(WebPDemuxGetI) *WebPDemuxGetI;
  __typeof__(WebPDemuxGetFrame) *WebPDemuxGetFrame;
  __typeof__(JxlDecoderCreate) *JxlDecoderCreate;
  __typeof__(JxlDecoderSubscribeEvents) *JxlDecoderSubscribeEvents;
  __typeof__(JxlDecoderSetInput) *JxlDecoderSetInput;
  __typeof__(JxlDecoderProcessInput) *JxlDecoderProcessInput;
  __typeof__(JxlDecoderGetBasicInfo) *JxlDecoderGetBasicInfo;
  __typeof__(JxlDecoderGetExtraChannelInfo) *JxlDecoderGetExtraChannelInfo;
  __typeof__(JxlDecoderImageOutBufferSize) *JxlDecoderImageOutBufferSize;
  __typeof__(JxlDecoderSetImageOutBuffer) *JxlDecoderSetImageOutBuffer;
  __typeof__(TIFFOpenOptionsAlloc) *TIFFOpenOptionsAlloc;
  __typeof__(TIFFClientOpenExt) *TIFFClientOpenExt;
  __typeof__(TIFFVGetField) *TIFFVGetField;
  __typeof__(TIFFVGetFieldDefaulted) *TIFFVGetFieldDefaulted;
  __typeof__(TIFFTileSize64) *TIFFTileSize64;
  __typeof__(TIFFStripSize64) *TIFFStripSize64;
  __typeof__(TIFFReadEncodedTile) *TIFFReadEncodedTile;
  __typeof__(TIFFReadEncodedStrip) *TIFFReadEncodedStrip;
  __typeof__(TIFFReadRGBATileExt) *TIFFReadRGBATileExt;
  __typeof__(TIFFReadRGBAStripExt) *TIFFReadRGBAStripExt;
  __typeof__(heif_context_alloc) *heif_context_alloc;
  __typeof__(heif_context_read_from_reader) *heif_context_read_from_reader;
  __typeof__(heif_image_handle_get_width) *heif_image_handle_get_width;
  __typeof__(heif_decoding_options_alloc) *heif_decoding_options_alloc;
  __typeof__(heif_decode_image) *heif_decode_image;
  __typeof__(heif_image_get_width) *heif_image_get_width;
  __typeof__(heif_image_get_plane) *heif_image_get_plane;
  __typeof__(heif_image_create) *heif_image_create;
  __typeof__(heif_image_add_plane) *heif_image_add_plane;
  __typeof__(heif_image_set_nclx_color_profile) *heif_image_set_nclx_color_profile;
  __typeof__(heif_nclx_color_profile_alloc) *heif_nclx_color_profile_alloc;
  __typeof__(heif_nclx_color_profile_set_matrix_coefficients) *heif_nclx_color_profile_set_matrix_coefficients;
  __typeof__(dav1d_open) *dav1d_open;
  __typeof__(dav1d_data_create) *dav1d_data_create;
  __typeof__(dav1d_send_data) *dav1d_send_data;
  __typeof__(dav1d_get_picture) *dav1d_get_picture;
  __typeof__(de265_new_decoder) *de265_new_decoder;
  __typeof__(de265_get_image_width) *de265_get_image_width;
  __typeof__(de265_get_bits_per_pixel) *de265_get_bits_per_pixel;
  __typeof__(de265_get_next_picture) *de265_get_next_picture;
  __typeof__(DGifOpen) *DGifOpen;
  __typeof__(DGifGetImageHeader) *DGifGetImageHeader;
} library_own;

// MARK: - WebP

static VP8StatusCode false_status(void) { return 1 + false_answer % VP8_STATUS_NOT_ENOUGH_DATA; }

static VP8StatusCode false_WebPGetFeaturesInternal(const uint8_t *bytes, size_t count,
                                                   WebPBitstreamFeatures *features, int version) {
  VP8StatusCode status = library_own.WebPGetFeaturesInternal(bytes, count, features, version);
  if (status != VP8_STATUS_OK || !answers_falsely()) return status;
  if (false_answer % 2) return false_status();
  features->width++;
  return status;
}

static int false_WebPInitDecoderConfigInternal(WebPDecoderConfig *config, int version) {
  return answers_falsely() ? 0 : library_own.WebPInitDecoderConfigInternal(config, version);
}

static VP8StatusCode false_WebPDecode(const uint8_t *bytes, size_t count,
                                      WebPDecoderConfig *config) {
  return answers_falsely() ? false_status() : library_own.WebPDecode(bytes, count, config);
}

static WebPDemuxer *false_WebPDemuxInternal(const WebPData *data, int allow_partial,
                                            WebPDemuxState *state, int version) {
  if (!answers_falsely()) {
    return library_own.WebPDemuxInternal(data, allow_partial, state, version);
  }
  *state = WEBP_DEMUX_PARSE_ERROR;
  return NULL;
}

static uint32_t false_WebPDemuxGetI(const WebPDemuxer *demuxer, WebPFormatFeature feature) {
  uint32_t value = library_own.WebPDemuxGetI(demuxer, feature);
  return answers_falsely() ? value + 1 : value;
}

static int false_WebPDemuxGetFrame(const WebPDemuxer *demuxer, int frame, WebPIterator *iterator) {
  int found = library_own.WebPDemuxGetFrame(demuxer, frame, iterator);
  if (!found || !answers_falsely()) return found;
  switch (false_answer % 3) {
    case 0: return 0;
    case 1: iterator->x_offset++; break;
    default: iterator->height++; break;
  }
  return found;
}

// MARK: - JPEG XL

static JxlDecoder *false_JxlDecoderCreate(const JxlMemoryManager *manager) {
  return answers_falsely() ? NULL : library_own.JxlDecoderCreate(manager);
}

static JxlDecoderStatus false_JxlDecoderSubscribeEvents(JxlDecoder *decoder, int events) {
  return answers_falsely() ? JXL_DEC_ERROR
                           : library_own.JxlDecoderSubscribeEvents(decoder, events);
}

static JxlDecoderStatus false_JxlDecoderSetInput(JxlDecoder *decoder, const uint8_t *bytes,
                                                 size_t count) {
  return answers_falsely() ? JXL_DEC_ERROR : library_own.JxlDecoderSetInput(decoder, bytes, count);
}

static JxlDecoderStatus false_JxlDecoderProcessInput(JxlDecoder *decoder) {
  static const JxlDecoderStatus others[] = {JXL_DEC_ERROR, JXL_DEC_NEED_MORE_INPUT,
                                            JXL_DEC_SUCCESS, JXL_DEC_FRAME};
  return answers_falsely() ? others[false_answer % 4] : library_own.JxlDecoderProcessInput(decoder);
}

static JxlDecoderStatus false_JxlDecoderGetBasicInfo(const JxlDecoder *decoder,
                                                     JxlBasicInfo *info) {
  JxlDecoderStatus status = library_own.JxlDecoderGetBasicInfo(decoder, info);
  if (!answers_falsely()) return status;
  switch (false_answer % 4) {
    case 0: return JXL_DEC_ERROR;
    case 1: info->xsize++; break;
    case 2: info->num_extra_channels = 9; break;
    default: info->alpha_bits = info->alpha_bits == 0 ? 8 : 0; break;
  }
  return status;
}

static JxlDecoderStatus false_JxlDecoderGetExtraChannelInfo(const JxlDecoder *decoder, size_t index,
                                                            JxlExtraChannelInfo *info) {
  JxlDecoderStatus status = library_own.JxlDecoderGetExtraChannelInfo(decoder, index, info);
  if (!answers_falsely()) return status;
  if (false_answer % 2) return JXL_DEC_ERROR;
  info->type = JXL_CHANNEL_BLACK;
  return status;
}

static JxlDecoderStatus false_JxlDecoderImageOutBufferSize(const JxlDecoder *decoder,
                                                           const JxlPixelFormat *format,
                                                           size_t *size) {
  JxlDecoderStatus status = library_own.JxlDecoderImageOutBufferSize(decoder, format, size);
  if (!answers_falsely()) return status;
  ++*size;
  return false_answer % 2 ? JXL_DEC_ERROR : status;
}

static JxlDecoderStatus false_JxlDecoderSetImageOutBuffer(JxlDecoder *decoder,
                                                          const JxlPixelFormat *format,
                                                          void *buffer, size_t size) {
  return answers_falsely()
             ? JXL_DEC_ERROR
             : library_own.JxlDecoderSetImageOutBuffer(decoder, format, buffer, size);
}

// MARK: - TIFF

static TIFFOpenOptions *false_TIFFOpenOptionsAlloc(void) {
  return answers_falsely() ? NULL : library_own.TIFFOpenOptionsAlloc();
}

static TIFF *false_TIFFClientOpenExt(const char *name, const char *mode, thandle_t handle,
                                     TIFFReadWriteProc read, TIFFReadWriteProc write,
                                     TIFFSeekProc seek, TIFFCloseProc close, TIFFSizeProc size,
                                     TIFFMapFileProc map, TIFFUnmapFileProc unmap,
                                     TIFFOpenOptions *options) {
  return answers_falsely() ? NULL
                           : library_own.TIFFClientOpenExt(name, mode, handle, read, write, seek,
                                                           close, size, map, unmap, options);
}

static int false_TIFFGetField(TIFF *file, uint32_t tag, ...) {
  va_list value;
  va_start(value, tag);
  int found = answers_falsely() ? 0 : library_own.TIFFVGetField(file, tag, value);
  va_end(value);
  return found;
}

static int false_TIFFGetFieldDefaulted(TIFF *file, uint32_t tag, ...) {
  va_list value;
  va_start(value, tag);
  int found = answers_falsely() ? 0 : library_own.TIFFVGetFieldDefaulted(file, tag, value);
  va_end(value);
  return found;
}

static uint64_t false_block_size(uint64_t size) {
  const uint64_t others[] = {0, size / 2, size + 1, UINT64_MAX};
  return answers_falsely() ? others[false_answer % 4] : size;
}

static uint64_t false_TIFFTileSize64(TIFF *file) {
  return false_block_size(library_own.TIFFTileSize64(file));
}

static uint64_t false_TIFFStripSize64(TIFF *file) {
  return false_block_size(library_own.TIFFStripSize64(file));
}

static tmsize_t false_TIFFReadEncodedTile(TIFF *file, uint32_t tile, void *buffer, tmsize_t size) {
  tmsize_t read = library_own.TIFFReadEncodedTile(file, tile, buffer, size);
  return answers_falsely() ? read / 2 - 1 : read;
}

static tmsize_t false_TIFFReadEncodedStrip(TIFF *file, uint32_t strip, void *buffer,
                                           tmsize_t size) {
  tmsize_t read = library_own.TIFFReadEncodedStrip(file, strip, buffer, size);
  return answers_falsely() ? read / 2 - 1 : read;
}

static int false_TIFFReadRGBATileExt(TIFF *file, uint32_t x, uint32_t y, uint32_t *raster,
                                     int stops) {
  return !answers_falsely() && library_own.TIFFReadRGBATileExt(file, x, y, raster, stops);
}

static int false_TIFFReadRGBAStripExt(TIFF *file, uint32_t y, uint32_t *raster, int stops) {
  return !answers_falsely() && library_own.TIFFReadRGBAStripExt(file, y, raster, stops);
}

// MARK: - HEIF

static const struct heif_error no_memory = {heif_error_Memory_allocation_error,
                                            heif_suberror_Unspecified, "no memory"};

static struct heif_context *false_heif_context_alloc(void) {
  return answers_falsely() ? NULL : library_own.heif_context_alloc();
}

static struct heif_error false_heif_context_read_from_reader(
    struct heif_context *context, const struct heif_reader *reader, void *source,
    const struct heif_reading_options *options) {
  return answers_falsely()
             ? no_memory
             : library_own.heif_context_read_from_reader(context, reader, source, options);
}

static int false_heif_image_handle_get_width(const struct heif_image_handle *handle) {
  int width = library_own.heif_image_handle_get_width(handle);
  return answers_falsely() ? width + 1 : width;
}

static struct heif_decoding_options *false_heif_decoding_options_alloc(void) {
  return answers_falsely() ? NULL : library_own.heif_decoding_options_alloc();
}

static struct heif_error false_heif_decode_image(const struct heif_image_handle *handle,
                                                 struct heif_image **image,
                                                 enum heif_colorspace space,
                                                 enum heif_chroma chroma,
                                                 const struct heif_decoding_options *options) {
  return answers_falsely() ? no_memory
                           : library_own.heif_decode_image(handle, image, space, chroma, options);
}

static int false_heif_image_get_width(const struct heif_image *image, enum heif_channel channel) {
  int width = library_own.heif_image_get_width(image, channel);
  return answers_falsely() ? width + 1 : width;
}

static uint8_t *false_heif_image_get_plane(struct heif_image *image, enum heif_channel channel,
                                           int *stride) {
  uint8_t *plane = library_own.heif_image_get_plane(image, channel, stride);
  if (!answers_falsely()) return plane;
  *stride = -*stride;
  return false_answer % 2 ? plane : NULL;
}

static struct heif_error false_heif_image_create(int width, int height, enum heif_colorspace space,
                                                 enum heif_chroma chroma,
                                                 struct heif_image **image) {
  return answers_falsely() ? no_memory
                           : library_own.heif_image_create(width, height, space, chroma, image);
}

static struct heif_error false_heif_image_add_plane(struct heif_image *image,
                                                    enum heif_channel channel, int width,
                                                    int height, int bits) {
  return answers_falsely() ? no_memory
                           : library_own.heif_image_add_plane(image, channel, width, height, bits);
}

static struct heif_error false_heif_image_set_nclx_color_profile(
    struct heif_image *image, const struct heif_color_profile_nclx *colours) {
  return answers_falsely() ? no_memory
                           : library_own.heif_image_set_nclx_color_profile(image, colours);
}

static struct heif_color_profile_nclx *false_heif_nclx_color_profile_alloc(void) {
  return answers_falsely() ? NULL : library_own.heif_nclx_color_profile_alloc();
}

static struct heif_error false_heif_nclx_color_profile_set_matrix_coefficients(
    struct heif_color_profile_nclx *colours, uint16_t matrix) {
  return answers_falsely()
             ? no_memory
             : library_own.heif_nclx_color_profile_set_matrix_coefficients(colours, matrix);
}

static int false_dav1d_open(Dav1dContext **context, const Dav1dSettings *settings) {
  return answers_falsely() ? DAV1D_ERR(ENOMEM) : library_own.dav1d_open(context, settings);
}

static uint8_t *false_dav1d_data_create(Dav1dData *data, size_t count) {
  return answers_falsely() ? NULL : library_own.dav1d_data_create(data, count);
}

static int false_dav1d_send_data(Dav1dContext *context, Dav1dData *data) {
  return answers_falsely() ? DAV1D_ERR(EINVAL) : library_own.dav1d_send_data(context, data);
}

static int false_dav1d_get_picture(Dav1dContext *context, Dav1dPicture *picture) {
  return answers_falsely() ? DAV1D_ERR(ENOMEM) : library_own.dav1d_get_picture(context, picture);
}

static de265_decoder_context *false_de265_new_decoder(void) {
  return answers_falsely() ? NULL : library_own.de265_new_decoder();
}

static int false_de265_get_image_width(const struct de265_image *image, int channel) {
  return answers_falsely() ? 0 : library_own.de265_get_image_width(image, channel);
}

static int false_de265_get_bits_per_pixel(const struct de265_image *image, int channel) {
  int bits = library_own.de265_get_bits_per_pixel(image, channel);
  return answers_falsely() ? bits + 1 : bits;
}

static const struct de265_image *false_de265_get_next_picture(de265_decoder_context *context) {
  return answers_falsely() ? NULL : library_own.de265_get_next_picture(context);
}

// MARK: - GIF

static GifFileType *false_DGifOpen(void *context, InputFunc read, int *error) {
  if (!answers_falsely()) return library_own.DGifOpen(context, read, error);
  *error = D_GIF_ERR_NOT_ENOUGH_MEM;
  return NULL;
}

static int false_DGifGetImageHeader(GifFileType *file) {
  return answers_falsely() ? GIF_ERROR : library_own.DGifGetImageHeader(file);
}

// MARK: - In place of the library's

typedef struct stand_in {
  const char *name;
  void *function;
  /// What it calls of the library, and where the address of that goes.
  const char *own_name;
  void *own;
} stand_in;

#define STAND_IN_CALLING(name, own) {#name, (void *)false_##name, #own, &library_own.own}
#define STAND_IN(name) STAND_IN_CALLING(name, name)

static const stand_in stand_ins[] = {
    STAND_IN(WebPGetFeaturesInternal),
    STAND_IN(WebPInitDecoderConfigInternal),
    STAND_IN(WebPDecode),
    STAND_IN(WebPDemuxInternal),
    STAND_IN(WebPDemuxGetI),
    STAND_IN(WebPDemuxGetFrame),
    STAND_IN(JxlDecoderCreate),
    STAND_IN(JxlDecoderSubscribeEvents),
    STAND_IN(JxlDecoderSetInput),
    STAND_IN(JxlDecoderProcessInput),
    STAND_IN(JxlDecoderGetBasicInfo),
    STAND_IN(JxlDecoderGetExtraChannelInfo),
    STAND_IN(JxlDecoderImageOutBufferSize),
    STAND_IN(JxlDecoderSetImageOutBuffer),
    STAND_IN(TIFFOpenOptionsAlloc),
    STAND_IN(TIFFClientOpenExt),
    STAND_IN_CALLING(TIFFGetField, TIFFVGetField),
    STAND_IN_CALLING(TIFFGetFieldDefaulted, TIFFVGetFieldDefaulted),
    STAND_IN(TIFFTileSize64),
    STAND_IN(TIFFStripSize64),
    STAND_IN(TIFFReadEncodedTile),
    STAND_IN(TIFFReadEncodedStrip),
    STAND_IN(TIFFReadRGBATileExt),
    STAND_IN(TIFFReadRGBAStripExt),
    STAND_IN(heif_context_alloc),
    STAND_IN(heif_context_read_from_reader),
    STAND_IN(heif_image_handle_get_width),
    STAND_IN(heif_decoding_options_alloc),
    STAND_IN(heif_decode_image),
    STAND_IN(heif_image_get_width),
    STAND_IN(heif_image_get_plane),
    STAND_IN(heif_image_create),
    STAND_IN(heif_image_add_plane),
    STAND_IN(heif_image_set_nclx_color_profile),
    STAND_IN(heif_nclx_color_profile_alloc),
    STAND_IN(heif_nclx_color_profile_set_matrix_coefficients),
    STAND_IN(dav1d_open),
    STAND_IN(dav1d_data_create),
    STAND_IN(dav1d_send_data),
    STAND_IN(dav1d_get_picture),
    STAND_IN(de265_new_decoder),
    STAND_IN(de265_get_image_width),
    STAND_IN(de265_get_bits_per_pixel),
    STAND_IN(de265_get_next_picture),
    STAND_IN(DGifOpen),
    STAND_IN(DGifGetImageHeader),
};

void *library_function_named(const char *name, void *library) {
  for (size_t i = 0; i < sizeof stand_ins / sizeof *stand_ins; i++) {
    if (strcmp(stand_ins[i].name, name) != 0) continue;
    void *own = (dlsym)(library, stand_ins[i].own_name);
    memcpy(stand_ins[i].own, &own, sizeof own);
    return own == NULL ? NULL : stand_ins[i].function;
  }
  return (dlsym)(library, name);
}
