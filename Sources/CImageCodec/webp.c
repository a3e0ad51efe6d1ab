#include <stdlib.h>
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "codec.h"
#include "library.h"

static struct {
  LIBRARY_FUNCTION(WebPGetFeaturesInternal);
  LIBRARY_FUNCTION(WebPInitDecoderConfigInternal);
  LIBRARY_FUNCTION(WebPDecode);
  LIBRARY_FUNCTION(WebPDemuxInternal);
  LIBRARY_FUNCTION(WebPDemuxDelete);
  LIBRARY_FUNCTION(WebPDemuxGetI);
  LIBRARY_FUNCTION(WebPDemuxGetFrame);
  LIBRARY_FUNCTION(WebPDemuxReleaseIterator);
  LIBRARY_FUNCTION(WebPDemuxGetChunk);
  LIBRARY_FUNCTION(WebPDemuxReleaseChunkIterator);
} webp;

static const library_function webp_functions[] = {
    LIBRARY_ENTRY(webp, WebPGetFeaturesInternal),
    LIBRARY_ENTRY(webp, WebPInitDecoderConfigInternal),
    LIBRARY_ENTRY(webp, WebPDecode),
    LIBRARY_ENTRY(webp, WebPDemuxInternal),
    LIBRARY_ENTRY(webp, WebPDemuxDelete),
    LIBRARY_ENTRY(webp, WebPDemuxGetI),
    LIBRARY_ENTRY(webp, WebPDemuxGetFrame),
    LIBRARY_ENTRY(webp, WebPDemuxReleaseIterator),
    LIBRARY_ENTRY(webp, WebPDemuxGetChunk),
    LIBRARY_ENTRY(webp, WebPDemuxReleaseChunkIterator),
};

static library webp_library = LIBRARY("libwebpdemux.so.2", webp_functions);

/// Notes why libwebp does not go on. Returns 0 if it does not.
static int webp_check(VP8StatusCode status, m2fp_image_result *result) {
  switch (status) {
    case VP8_STATUS_OK: break;
    case VP8_STATUS_OUT_OF_MEMORY:
      m2fp_result_fail(result, M2FP_IMAGE_OUT_OF_MEMORY, "out of memory");
      break;
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA:
      m2fp_result_fail(result, M2FP_IMAGE_TRUNCATED, "the file ends before the picture does");
      break;
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      m2fp_result_fail(result, M2FP_IMAGE_UNSUPPORTED, "an unknown feature of the bitstream");
      break;
    default: m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "the bitstream makes no sense"); break;
  }
  return status == VP8_STATUS_OK;
}

static int32_t webp_chunk_orientation(const WebPDemuxer *demuxer, const char *name,
                                      int32_t (*find)(const uint8_t *, size_t)) {
  WebPChunkIterator chunk;
  if (!webp.WebPDemuxGetChunk(demuxer, name, 1, &chunk)) return 0;
  int32_t orientation = find(chunk.chunk.bytes, chunk.chunk.size);
  webp.WebPDemuxReleaseChunkIterator(&chunk);
  return orientation;
}

/// The orientation as far as the bytes tell it.
static int32_t webp_orientation(const uint8_t *bytes, size_t count) {
  const WebPData data = {bytes, count};
  WebPDemuxState state;
  WebPDemuxer *demuxer = webp.WebPDemuxInternal(&data, 1, &state, WEBP_DEMUX_ABI_VERSION);
  if (demuxer == NULL) return 1;
  int32_t orientation = webp_chunk_orientation(demuxer, "EXIF", m2fp_exif_orientation);
  if (orientation == 0) {
    orientation = webp_chunk_orientation(demuxer, "XMP ", m2fp_xmp_orientation);
  }
  webp.WebPDemuxDelete(demuxer);
  return orientation == 0 ? 1 : orientation;
}

void m2fp_webp_header(const uint8_t *bytes, size_t count, m2fp_image_header *header,
                      m2fp_image_result *result) {
  m2fp_result_reset(result);
  if (!m2fp_library_open(&webp_library, result)) return;
  WebPBitstreamFeatures features;
  if (!webp_check(
          webp.WebPGetFeaturesInternal(bytes, count, &features, WEBP_DECODER_ABI_VERSION), result)) {
    return;
  }
  enum { LOSSY = 1 };
  int64_t pixels = (int64_t)features.width * features.height;
  int32_t orientation = webp_orientation(bytes, count);
  // Without losses the library holds ARGB; what is turned, or has alpha, is held as it is stored.
  int64_t held = features.format == LOSSY && !features.has_animation ? 0 : 4;
  held += features.has_alpha ? 6 : orientation != 1 ? 3 : 0;
  *header = (m2fp_image_header){features.width, features.height, orientation, held * pixels};
}

/// Decodes a frame into `stored` (alpha: RGBA, else RGB), tightly packed.
static int webp_decode_frame(const WebPIterator *frame, int has_alpha, uint8_t *stored,
                             m2fp_image_result *result) {
  WebPDecoderConfig config;
  if (!webp.WebPInitDecoderConfigInternal(&config, WEBP_DECODER_ABI_VERSION)) {
    m2fp_result_fail(result, M2FP_IMAGE_LIBRARY_MISSING, "%s", webp_library.soname);
    return 0;
  }
  size_t stride = (size_t)frame->width * (has_alpha ? 4 : 3);
  config.output.colorspace = has_alpha ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = stored;
  config.output.u.RGBA.stride = (int)stride;
  config.output.u.RGBA.size = stride * (size_t)frame->height;
  // A frame of another size than its header says would not fit.
  VP8StatusCode status = webp.WebPGetFeaturesInternal(
      frame->fragment.bytes, frame->fragment.size, &config.input, WEBP_DECODER_ABI_VERSION);
  if (!webp_check(status, result)) return 0;
  if (config.input.width != frame->width || config.input.height != frame->height) {
    return webp_check(VP8_STATUS_BITSTREAM_ERROR, result);
  }
  return webp_check(
      webp.WebPDecode(frame->fragment.bytes, frame->fragment.size, &config), result);
}

/// Decodes the first frame of what was demuxed: of a still, the picture.
static void webp_decode_first(const WebPDemuxer *demuxer, const m2fp_image_header *header,
                              uint8_t *pixels, m2fp_image_result *result) {
  WebPIterator frame;
  if (!webp.WebPDemuxGetFrame(demuxer, 1, &frame)) {
    m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "it has no frame");
    return;
  }
  int32_t width = (int32_t)webp.WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_WIDTH);
  int32_t height = (int32_t)webp.WebPDemuxGetI(demuxer, WEBP_FF_CANVAS_HEIGHT);
  int has_alpha = (webp.WebPDemuxGetI(demuxer, WEBP_FF_FORMAT_FLAGS) & ALPHA_FLAG) != 0;
  uint8_t *stored = NULL;
  if (width != header->width || height != header->height) {
    m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "the header changed while it was read");
  } else if (frame.x_offset + frame.width > width || frame.y_offset + frame.height > height) {
    m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "the frame is larger than the picture");
  } else if (!has_alpha && header->orientation == 1 && frame.width == width &&
             frame.height == height) {
    webp_decode_frame(&frame, 0, pixels, result);
  } else if ((stored = malloc((size_t)frame.width * (size_t)frame.height * (has_alpha ? 4 : 3))) ==
             NULL) {
    m2fp_result_fail(result, M2FP_IMAGE_OUT_OF_MEMORY, "out of memory");
  } else if (webp_decode_frame(&frame, has_alpha, stored, result)) {
    // Round the first frame of an animation there is nothing: transparent, or else black.
    memset(pixels, has_alpha ? 255 : 0, (size_t)width * (size_t)height * 3);
    if (has_alpha) m2fp_over_white(stored, (size_t)frame.width * (size_t)frame.height);
    placement place = m2fp_placement(header, pixels);
    m2fp_place(&place, stored, (size_t)frame.width * 3, frame.x_offset, frame.y_offset, frame.width,
               frame.height);
  }
  free(stored);
  webp.WebPDemuxReleaseIterator(&frame);
}

void m2fp_webp_decode(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                      const m2fp_decode_options *options, uint8_t *pixels,
                      m2fp_image_result *result) {
  (void)options;  // nothing that is damaged leaves a picture
  m2fp_result_reset(result);
  if (!m2fp_library_open(&webp_library, result)) return;
  const WebPData data = {bytes, count};
  WebPDemuxState state;
  WebPDemuxer *demuxer = webp.WebPDemuxInternal(&data, 1, &state, WEBP_DEMUX_ABI_VERSION);
  if (state == WEBP_DEMUX_DONE) {
    webp_decode_first(demuxer, header, pixels, result);
  } else if (state == WEBP_DEMUX_PARSE_ERROR) {
    m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "its chunks make no sense");
  } else {
    m2fp_result_fail(result, M2FP_IMAGE_TRUNCATED, "the file ends before the picture does");
  }
  webp.WebPDemuxDelete(demuxer);
}
