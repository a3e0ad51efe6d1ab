#include <stdlib.h>
#include <string.h>

#include <jxl/decode.h>

#include "codec.h"
#include "library.h"

static struct {
  LIBRARY_FUNCTION(JxlDecoderCreate);
  LIBRARY_FUNCTION(JxlDecoderDestroy);
  LIBRARY_FUNCTION(JxlDecoderSubscribeEvents);
  LIBRARY_FUNCTION(JxlDecoderSetInput);
  LIBRARY_FUNCTION(JxlDecoderSetUnpremultiplyAlpha);
  LIBRARY_FUNCTION(JxlDecoderProcessInput);
  LIBRARY_FUNCTION(JxlDecoderGetBasicInfo);
  LIBRARY_FUNCTION(JxlDecoderGetExtraChannelInfo);
  LIBRARY_FUNCTION(JxlDecoderImageOutBufferSize);
  LIBRARY_FUNCTION(JxlDecoderSetImageOutBuffer);
} jxl;

static const library_function jxl_functions[] = {
    LIBRARY_ENTRY(jxl, JxlDecoderCreate),
    LIBRARY_ENTRY(jxl, JxlDecoderDestroy),
    LIBRARY_ENTRY(jxl, JxlDecoderSubscribeEvents),
    LIBRARY_ENTRY(jxl, JxlDecoderSetInput),
    LIBRARY_ENTRY(jxl, JxlDecoderSetUnpremultiplyAlpha),
    LIBRARY_ENTRY(jxl, JxlDecoderProcessInput),
    LIBRARY_ENTRY(jxl, JxlDecoderGetBasicInfo),
    LIBRARY_ENTRY(jxl, JxlDecoderGetExtraChannelInfo),
    LIBRARY_ENTRY(jxl, JxlDecoderImageOutBufferSize),
    LIBRARY_ENTRY(jxl, JxlDecoderSetImageOutBuffer),
};

/// Bytes a pixel that libjxl holds of the colours, and of each channel besides.
enum { COLOUR_BYTES = 12, EXTRA_CHANNEL_BYTES = 32 };

#define TEXT_OF(number) #number
#define JXL_SONAME(major, minor) "libjxl.so." TEXT_OF(major) "." TEXT_OF(minor)
// Its versions differ before 1.0: the one that the headers are of.
static library jxl_library =
    LIBRARY(JXL_SONAME(JPEGXL_MAJOR_VERSION, JPEGXL_MINOR_VERSION), jxl_functions);

/// Alpha, depth, a selection and a few more; each costs as much memory as a colour.
enum { MOST_EXTRA_CHANNELS = 8 };

static JxlDecoder *jxl_open(const uint8_t *bytes, size_t count, int events,
                            m2fp_image_result *result) {
  JxlDecoder *decoder = jxl.JxlDecoderCreate(NULL);
  if (decoder == NULL || jxl.JxlDecoderSubscribeEvents(decoder, events) != JXL_DEC_SUCCESS ||
      jxl.JxlDecoderSetUnpremultiplyAlpha(decoder, JXL_TRUE) != JXL_DEC_SUCCESS ||
      jxl.JxlDecoderSetInput(decoder, bytes, count) != JXL_DEC_SUCCESS) {
    m2fp_result_fail(result, M2FP_IMAGE_OUT_OF_MEMORY, "out of memory");
  }
  // The input is not closed: at its end the library then asks for more, and prints nothing.
  return decoder;
}

/// Goes on to an event. Returns 0 if it does not come.
static int jxl_await(JxlDecoder *decoder, JxlDecoderStatus event, m2fp_image_result *result) {
  if (result->status != M2FP_IMAGE_OK) return 0;
  JxlDecoderStatus status = jxl.JxlDecoderProcessInput(decoder);
  if (status == event) return 1;
  if (status == JXL_DEC_NEED_MORE_INPUT) {
    m2fp_result_fail(result, M2FP_IMAGE_TRUNCATED, "the file ends before the picture does");
  } else {
    m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "the bitstream makes no sense");
  }
  return 0;
}

static int jxl_read_info(JxlDecoder *decoder, JxlBasicInfo *info, m2fp_image_result *result) {
  if (!jxl_await(decoder, JXL_DEC_BASIC_INFO, result)) return 0;
  if (jxl.JxlDecoderGetBasicInfo(decoder, info) != JXL_DEC_SUCCESS) {
    m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "the header makes no sense");
  } else if (m2fp_check_size(info->xsize, info->ysize, result) &&
             info->num_extra_channels > MOST_EXTRA_CHANNELS) {
    m2fp_result_fail(result, M2FP_IMAGE_UNSUPPORTED, "more than %d extra channels",
                     MOST_EXTRA_CHANNELS);
  }
  for (uint32_t i = 0; result->status == M2FP_IMAGE_OK && i < info->num_extra_channels; i++) {
    JxlExtraChannelInfo channel;
    if (jxl.JxlDecoderGetExtraChannelInfo(decoder, i, &channel) != JXL_DEC_SUCCESS) {
      m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "the header makes no sense");
    } else if (channel.type == JXL_CHANNEL_BLACK) {
      m2fp_result_fail(result, M2FP_IMAGE_UNSUPPORTED, "CMYK");
    }
  }
  return result->status == M2FP_IMAGE_OK;
}

void m2fp_jxl_header(const uint8_t *bytes, size_t count, m2fp_image_header *header,
                     m2fp_image_result *result) {
  m2fp_result_reset(result);
  if (!m2fp_library_open(&jxl_library, result)) return;
  JxlDecoder *decoder = jxl_open(bytes, count, JXL_DEC_BASIC_INFO, result);
  JxlBasicInfo info;
  if (jxl_read_info(decoder, &info, result)) {
    int64_t held = COLOUR_BYTES + EXTRA_CHANNEL_BYTES * (int64_t)info.num_extra_channels +
                   (info.alpha_bits > 0 ? 4 : 0);
    // The library turns the picture itself, and tells the size that comes of it.
    *header = (m2fp_image_header){(int32_t)info.xsize, (int32_t)info.ysize, 1,
                                  held * (int64_t)info.xsize * (int64_t)info.ysize};
  }
  jxl.JxlDecoderDestroy(decoder);
}

/// Decodes the first frame, which `JxlDecoderSetCoalescing`'s default makes as large as the picture.
static void jxl_read_frame(JxlDecoder *decoder, const JxlPixelFormat *format, uint8_t *buffer,
                           size_t size, m2fp_image_result *result) {
  size_t wanted = 0;
  if (!jxl_await(decoder, JXL_DEC_NEED_IMAGE_OUT_BUFFER, result)) return;
  if (jxl.JxlDecoderImageOutBufferSize(decoder, format, &wanted) != JXL_DEC_SUCCESS ||
      wanted != size ||
      jxl.JxlDecoderSetImageOutBuffer(decoder, format, buffer, size) != JXL_DEC_SUCCESS) {
    m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "the header changed while it was read");
    return;
  }
  jxl_await(decoder, JXL_DEC_FULL_IMAGE, result);
}

void m2fp_jxl_decode(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                     const m2fp_decode_options *options, uint8_t *pixels,
                     m2fp_image_result *result) {
  (void)options;  // nothing that is damaged leaves a picture
  m2fp_result_reset(result);
  if (!m2fp_library_open(&jxl_library, result)) return;
  JxlDecoder *decoder = jxl_open(bytes, count, JXL_DEC_BASIC_INFO | JXL_DEC_FULL_IMAGE, result);
  JxlBasicInfo info;
  uint8_t *stored = NULL;
  if (jxl_read_info(decoder, &info, result)) {
    int has_alpha = info.alpha_bits > 0;
    size_t all = (size_t)header->width * (size_t)header->height;
    JxlPixelFormat format = {has_alpha ? 4 : 3, JXL_TYPE_UINT8, JXL_NATIVE_ENDIAN, 0};
    if ((int32_t)info.xsize != header->width || (int32_t)info.ysize != header->height) {
      m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "the header changed while it was read");
    } else if (!has_alpha) {
      jxl_read_frame(decoder, &format, pixels, all * 3, result);
    } else if ((stored = malloc(all * 4)) == NULL) {
      m2fp_result_fail(result, M2FP_IMAGE_OUT_OF_MEMORY, "out of memory");
    } else {
      jxl_read_frame(decoder, &format, stored, all * 4, result);
      if (result->status == M2FP_IMAGE_OK) {
        m2fp_over_white(stored, all);
        memcpy(pixels, stored, all * 3);
      }
    }
  }
  free(stored);
  jxl.JxlDecoderDestroy(decoder);
}
