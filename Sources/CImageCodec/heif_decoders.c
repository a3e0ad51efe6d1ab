#include <dav1d/dav1d.h>
#include <errno.h>
#include <libde265/de265.h>
#include <libheif/heif_plugin.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "heif.h"

#define TEXT(macro) TEXT_OF(macro)
#define TEXT_OF(value) #value

// MARK: - What may be held

/// More than any decoder of libheif's has.
enum { PRIORITY = 1000 };

static _Thread_local m2fp_heif_allowance allowance;
static _Thread_local int has_refused;

void m2fp_heif_allow(const m2fp_heif_allowance *allowed) {
  allowance = allowed == NULL ? (m2fp_heif_allowance){0} : *allowed;
  has_refused = 0;
}

int m2fp_heif_has_refused(void) { return has_refused; }

/// The pixels that the next picture may have.
static int64_t allowed_pixels(void) {
  // Blocks that it does not fill are decoded.
  enum { BLOCK = 64 };
  int64_t one = ((int64_t)allowance.width + BLOCK) * ((int64_t)allowance.height + BLOCK);
  return one < allowance.pixels ? one : allowance.pixels;
}

/// Counts a decoded picture. Returns 0 where its size is not what was said.
static int count_picture(int width, int height) {
  allowance.pixels -= (int64_t)width * height;
  if (width == (int64_t)allowance.width && height == (int64_t)allowance.height) return 1;
  has_refused = 1;
  return 0;
}

/// Other users of libheif in this process keep its own decoders.
static int priority_on_this_thread(void) { return allowance.width > 0 ? PRIORITY : 0; }

static const struct heif_error done = {heif_error_Ok, heif_suberror_Unspecified, "Success"};

static struct heif_error out_of_memory(void) {
  return (struct heif_error){heif_error_Memory_allocation_error, heif_suberror_Unspecified,
                             "out of memory"};
}

static struct heif_error failed(const char *reason) {
  return (struct heif_error){heif_error_Decoder_plugin_error, heif_suberror_Unspecified, reason};
}

// MARK: - Pictures

/// A decoded picture, in planes.
typedef struct decoded {
  enum heif_chroma chroma;
  int bits;
  const uint8_t *planes[3];
  ptrdiff_t strides[3];
  int widths[3];
  int heights[3];
  int primaries;
  int transfer;
  int matrix;
  int is_full_range;
} decoded;

/// Notes which colours are meant. What libheif does not know is a failure only if that is asked for.
static struct heif_error set_colours(struct heif_image *image, const decoded *picture,
                                     int is_strict) {
  struct heif_color_profile_nclx *colours = heif.heif_nclx_color_profile_alloc();
  if (colours == NULL) return out_of_memory();
  struct heif_error errors[] = {
      heif.heif_nclx_color_profile_set_color_primaries(colours, (uint16_t)picture->primaries),
      heif.heif_nclx_color_profile_set_transfer_characteristics(colours,
                                                                (uint16_t)picture->transfer),
      heif.heif_nclx_color_profile_set_matrix_coefficients(colours, (uint16_t)picture->matrix),
  };
  colours->full_range_flag = (uint8_t)picture->is_full_range;
  struct heif_error error = heif.heif_image_set_nclx_color_profile(image, colours);
  heif.heif_nclx_color_profile_free(colours);
  for (size_t i = 0; is_strict && i < sizeof errors / sizeof *errors; i++) {
    if (errors[i].code != heif_error_Ok) return errors[i];
  }
  return error;
}

static struct heif_error copy_plane(struct heif_image *image, const decoded *picture, int index) {
  static const enum heif_channel channels[] = {heif_channel_Y, heif_channel_Cb, heif_channel_Cr};
  int width = picture->widths[index], height = picture->heights[index], stride = 0;
  struct heif_error error =
      heif.heif_image_add_plane(image, channels[index], width, height, picture->bits);
  if (error.code != heif_error_Ok) return error;
  uint8_t *to = heif.heif_image_get_plane(image, channels[index], &stride);
  const uint8_t *from = picture->planes[index];
  size_t count = (size_t)width * (picture->bits > 8 ? 2 : 1);
  if (to == NULL || stride < 0 || (size_t)stride < count) return out_of_memory();
  for (int y = 0; y < height; y++, from += picture->strides[index], to += stride) {
    memcpy(to, from, count);
  }
  return error;
}

/// A picture of libheif's with the same pixels.
static struct heif_error copy_picture(const decoded *picture, int is_strict,
                                      struct heif_image **copy) {
  int is_grey = picture->chroma == heif_chroma_monochrome;
  struct heif_image *image = NULL;
  if (!count_picture(picture->widths[0], picture->heights[0])) return failed("of another size");
  struct heif_error error = heif.heif_image_create(
      picture->widths[0], picture->heights[0],
      is_grey ? heif_colorspace_monochrome : heif_colorspace_YCbCr, picture->chroma, &image);
  if (error.code != heif_error_Ok) return error;
  error = set_colours(image, picture, is_strict);
  for (int i = 0; error.code == heif_error_Ok && i < (is_grey ? 1 : 3); i++) {
    error = copy_plane(image, picture, i);
  }
  if (error.code == heif_error_Ok) {
    *copy = image;
  } else {
    heif.heif_image_release(image);
  }
  return error;
}

// MARK: - AV1

static struct {
  LIBRARY_FUNCTION(dav1d_default_settings);
  LIBRARY_FUNCTION(dav1d_open);
  LIBRARY_FUNCTION(dav1d_close);
  LIBRARY_FUNCTION(dav1d_data_create);
  LIBRARY_FUNCTION(dav1d_data_unref);
  LIBRARY_FUNCTION(dav1d_send_data);
  LIBRARY_FUNCTION(dav1d_get_picture);
  LIBRARY_FUNCTION(dav1d_picture_unref);
} dav1d;

static const library_function dav1d_functions[] = {
    LIBRARY_ENTRY(dav1d, dav1d_default_settings), LIBRARY_ENTRY(dav1d, dav1d_open),
    LIBRARY_ENTRY(dav1d, dav1d_close),            LIBRARY_ENTRY(dav1d, dav1d_data_create),
    LIBRARY_ENTRY(dav1d, dav1d_data_unref),       LIBRARY_ENTRY(dav1d, dav1d_send_data),
    LIBRARY_ENTRY(dav1d, dav1d_get_picture),      LIBRARY_ENTRY(dav1d, dav1d_picture_unref),
};

// Its structures are those of this version only.
static library dav1d_library =
    LIBRARY("libdav1d.so." TEXT(DAV1D_API_VERSION_MAJOR), dav1d_functions);

typedef struct av1_decoder {
  Dav1dContext *context;
  Dav1dData data;
  int is_strict;
} av1_decoder;

static const char *av1_name(void) { return "dav1d, within m2fp's limits"; }

static int av1_priority(enum heif_compression_format format) {
  return format == heif_compression_AV1 ? priority_on_this_thread() : 0;
}

/// dav1d refuses a frame that is too large, and tells that its logger.
static void av1_log(void *cookie, const char *format, va_list arguments) {
  (void)cookie;
  (void)arguments;
  if (strstr(format, "exceeds limit") != NULL) has_refused = 1;
}

static void av1_free(void *raw) {
  av1_decoder *decoder = raw;
  if (decoder->data.sz > 0) dav1d.dav1d_data_unref(&decoder->data);
  if (decoder->context != NULL) dav1d.dav1d_close(&decoder->context);
  free(decoder);
}

static struct heif_error av1_new(void **raw) {
  av1_decoder *decoder = calloc(1, sizeof *decoder);
  if (decoder == NULL) return out_of_memory();
  Dav1dSettings settings;
  dav1d.dav1d_default_settings(&settings);
  // Photos are decoded side by side already.
  settings.n_threads = 1;
  settings.max_frame_delay = 1;
  settings.all_layers = 0;
  settings.logger = (Dav1dLogger){NULL, av1_log};
  // 0 would be no limit.
  int64_t pixels = allowed_pixels();
  settings.frame_size_limit = pixels < 1 ? 1 : pixels > UINT_MAX ? UINT_MAX : (unsigned)pixels;
  if (dav1d.dav1d_open(&decoder->context, &settings) != 0) {
    av1_free(decoder);
    return out_of_memory();
  }
  *raw = decoder;
  return done;
}

static void av1_set_strict(void *raw, int flag) { ((av1_decoder *)raw)->is_strict = flag; }

static struct heif_error av1_push(void *raw, const void *bytes, size_t count) {
  av1_decoder *decoder = raw;
  if (count == 0) return failed("no data");
  if (decoder->data.sz > 0) return failed("data in more than one piece");
  uint8_t *data = dav1d.dav1d_data_create(&decoder->data, count);
  if (data == NULL) return out_of_memory();
  memcpy(data, bytes, count);
  return done;
}

static enum heif_chroma av1_chroma(enum Dav1dPixelLayout layout) {
  switch (layout) {
    case DAV1D_PIXEL_LAYOUT_I400: return heif_chroma_monochrome;
    case DAV1D_PIXEL_LAYOUT_I420: return heif_chroma_420;
    case DAV1D_PIXEL_LAYOUT_I422: return heif_chroma_422;
    default: return heif_chroma_444;
  }
}

static struct heif_error av1_decode(void *raw, struct heif_image **image) {
  av1_decoder *decoder = raw;
  Dav1dPicture frame = {0};
  int status;
  // Once more when all was sent: of several layers the last is given out then.
  for (int is_sent = 0;;) {
    if (decoder->data.sz > 0) {
      status = dav1d.dav1d_send_data(decoder->context, &decoder->data);
      if (status < 0 && status != DAV1D_ERR(EAGAIN)) return failed("the AV1 in it is damaged");
    }
    status = dav1d.dav1d_get_picture(decoder->context, &frame);
    if (status != DAV1D_ERR(EAGAIN) || is_sent) break;
    is_sent = decoder->data.sz == 0;
  }
  if (status < 0) return failed("the AV1 in it is damaged");
  int is_wide = frame.p.layout == DAV1D_PIXEL_LAYOUT_I444;
  int is_high = is_wide || frame.p.layout == DAV1D_PIXEL_LAYOUT_I422;
  int width = is_wide ? frame.p.w : (frame.p.w + 1) / 2;
  int height = is_high ? frame.p.h : (frame.p.h + 1) / 2;
  decoded picture = {
      av1_chroma(frame.p.layout),
      frame.p.bpc,
      {frame.data[0], frame.data[1], frame.data[2]},
      {frame.stride[0], frame.stride[1], frame.stride[1]},
      {frame.p.w, width, width},
      {frame.p.h, height, height},
      (int)frame.seq_hdr->pri,
      (int)frame.seq_hdr->trc,
      (int)frame.seq_hdr->mtrx,
      frame.seq_hdr->color_range,
  };
  struct heif_error error = copy_picture(&picture, decoder->is_strict, image);
  dav1d.dav1d_picture_unref(&frame);
  return error;
}

static const struct heif_decoder_plugin av1_plugin = {
    .plugin_api_version = 3,
    .get_plugin_name = av1_name,
    .does_support_format = av1_priority,
    .new_decoder = av1_new,
    .free_decoder = av1_free,
    .push_data = av1_push,
    .decode_image = av1_decode,
    .set_strict_decoding = av1_set_strict,
    .id_name = "m2fp-dav1d",
};

// MARK: - HEVC

static struct {
  LIBRARY_FUNCTION(de265_new_decoder);
  LIBRARY_FUNCTION(de265_free_decoder);
  LIBRARY_FUNCTION(de265_push_NAL);
  LIBRARY_FUNCTION(de265_flush_data);
  LIBRARY_FUNCTION(de265_decode);
  LIBRARY_FUNCTION(de265_get_next_picture);
  LIBRARY_FUNCTION(de265_release_next_picture);
  LIBRARY_FUNCTION(de265_get_image_width);
  LIBRARY_FUNCTION(de265_get_image_height);
  LIBRARY_FUNCTION(de265_get_chroma_format);
  LIBRARY_FUNCTION(de265_get_bits_per_pixel);
  LIBRARY_FUNCTION(de265_get_image_plane);
  LIBRARY_FUNCTION(de265_get_image_full_range_flag);
  LIBRARY_FUNCTION(de265_get_image_colour_primaries);
  LIBRARY_FUNCTION(de265_get_image_transfer_characteristics);
  LIBRARY_FUNCTION(de265_get_image_matrix_coefficients);
} de265;

static const library_function de265_functions[] = {
    LIBRARY_ENTRY(de265, de265_new_decoder),
    LIBRARY_ENTRY(de265, de265_free_decoder),
    LIBRARY_ENTRY(de265, de265_push_NAL),
    LIBRARY_ENTRY(de265, de265_flush_data),
    LIBRARY_ENTRY(de265, de265_decode),
    LIBRARY_ENTRY(de265, de265_get_next_picture),
    LIBRARY_ENTRY(de265, de265_release_next_picture),
    LIBRARY_ENTRY(de265, de265_get_image_width),
    LIBRARY_ENTRY(de265, de265_get_image_height),
    LIBRARY_ENTRY(de265, de265_get_chroma_format),
    LIBRARY_ENTRY(de265, de265_get_bits_per_pixel),
    LIBRARY_ENTRY(de265, de265_get_image_plane),
    LIBRARY_ENTRY(de265, de265_get_image_full_range_flag),
    LIBRARY_ENTRY(de265, de265_get_image_colour_primaries),
    LIBRARY_ENTRY(de265, de265_get_image_transfer_characteristics),
    LIBRARY_ENTRY(de265, de265_get_image_matrix_coefficients),
};

static library de265_library = LIBRARY("libde265.so.0", de265_functions);

typedef struct hevc_decoder {
  de265_decoder_context *context;
  int is_strict;
} hevc_decoder;

static const char *hevc_name(void) { return "libde265, within m2fp's limits"; }

static int hevc_priority(enum heif_compression_format format) {
  return format == heif_compression_HEVC ? priority_on_this_thread() : 0;
}

static struct heif_error hevc_new(void **raw) {
  hevc_decoder *decoder = calloc(1, sizeof *decoder);
  if (decoder == NULL) return out_of_memory();
  // Without worker threads: photos are decoded side by side already.
  decoder->context = de265.de265_new_decoder();
  if (decoder->context == NULL) {
    free(decoder);
    return out_of_memory();
  }
  *raw = decoder;
  return done;
}

static void hevc_free(void *raw) {
  hevc_decoder *decoder = raw;
  de265.de265_free_decoder(decoder->context);
  free(decoder);
}

static void hevc_set_strict(void *raw, int flag) { ((hevc_decoder *)raw)->is_strict = flag; }

/// The bits of a unit, without the bytes that keep start codes out of it. Past its end they are 0.
typedef struct hevc_bits {
  const uint8_t *bytes;
  size_t count;
  size_t at;
  unsigned zeros;
  unsigned left;
} hevc_bits;

static unsigned hevc_bit(hevc_bits *bits) {
  if (bits->left == 0) {
    if (bits->at > 0 && bits->at <= bits->count) {
      bits->zeros = bits->bytes[bits->at - 1] == 0 ? bits->zeros + 1 : 0;
    }
    if (bits->zeros >= 2 && bits->at < bits->count && bits->bytes[bits->at] == 3) {
      bits->zeros = 0;
      bits->at++;
    }
    bits->at++;
    bits->left = 8;
  }
  bits->left--;
  return bits->at > bits->count ? 0 : bits->bytes[bits->at - 1] >> bits->left & 1;
}

static uint32_t hevc_take(hevc_bits *bits, unsigned count) {
  uint32_t value = 0;
  for (unsigned i = 0; i < count; i++) value = value << 1 | hevc_bit(bits);
  return value;
}

/// An Exp-Golomb number, `ue(v)`: as many zeros as bits follow the next one.
static int64_t hevc_number(hevc_bits *bits) {
  unsigned zeros = 0;
  while (zeros < 32 && hevc_bit(bits) == 0) zeros++;
  return ((int64_t)1 << zeros) - 1 + hevc_take(bits, zeros);
}

/// The pixels that pictures have by a sequence parameter set (ITU-T H.265, 7.3.2.2), from which
/// libde265 allocates them; 0 where the unit is none. With filters across blocks it does not ask the
/// functions for allocation that can be given to it.
static int64_t hevc_sequence_pixels(const uint8_t *unit, size_t count) {
  hevc_bits bits = {unit, count, 0, 0, 0};
  enum { SEQUENCE_PARAMETERS = 33 };
  hevc_take(&bits, 1);
  unsigned type = hevc_take(&bits, 6), layer = hevc_take(&bits, 6);
  hevc_take(&bits, 3);
  // Of other layers nothing is decoded.
  if (count < 2 || type != SEQUENCE_PARAMETERS || layer != 0) return 0;
  hevc_take(&bits, 4);
  unsigned layers = hevc_take(&bits, 3), has_profile = 0, has_level = 0;
  // Whether they are nested; the profile, of 88 bits, and the level.
  hevc_take(&bits, 1);
  for (int i = 0; i < 3; i++) hevc_take(&bits, 32);
  for (unsigned i = 0; i < (layers > 0 ? 8 : 0); i++) {
    unsigned profile = hevc_bit(&bits), level = hevc_bit(&bits);
    if (i >= layers) continue;
    has_profile += profile;
    has_level += level;
  }
  for (unsigned i = 0; i < has_profile * 88 + has_level * 8; i++) hevc_bit(&bits);
  hevc_number(&bits);
  // Planes of their own.
  if (hevc_number(&bits) == 3) hevc_bit(&bits);
  int64_t width = hevc_number(&bits), height = hevc_number(&bits);
  return width > INT32_MAX || height > INT32_MAX ? INT64_MAX : width * height;
}

/// Units of HEVC, each after its length in four bytes.
static struct heif_error hevc_push(void *raw, const void *bytes, size_t count) {
  const hevc_decoder *decoder = raw;
  const uint8_t *left = bytes;
  while (count > 0) {
    size_t length = 0;
    if (count >= 4) {
      length = (size_t)left[0] << 24 | (size_t)left[1] << 16 | (size_t)left[2] << 8 | left[3];
    }
    if (count < 4 || length > count - 4) {
      return (struct heif_error){heif_error_Decoder_plugin_error, heif_suberror_End_of_data,
                                 "the HEVC in it ends too early"};
    }
    if (hevc_sequence_pixels(left + 4, length) > allowed_pixels()) {
      has_refused = 1;
      return failed("the HEVC in it is too large");
    }
    // What it cannot use it leaves out: no picture comes then.
    de265.de265_push_NAL(decoder->context, left + 4, (int)length, 0, NULL);
    left += 4 + length;
    count -= 4 + length;
  }
  return done;
}

static struct heif_error hevc_copy(const hevc_decoder *decoder, const struct de265_image *from,
                                   struct heif_image **image) {
  enum de265_chroma chroma = de265.de265_get_chroma_format(from);
  decoded picture = {
      .chroma = (enum heif_chroma)chroma,
      .bits = de265.de265_get_bits_per_pixel(from, 0),
      .primaries = de265.de265_get_image_colour_primaries(from),
      .transfer = de265.de265_get_image_transfer_characteristics(from),
      .matrix = de265.de265_get_image_matrix_coefficients(from),
      .is_full_range = de265.de265_get_image_full_range_flag(from) != 0,
  };
  for (int i = 0; i < (chroma == de265_chroma_mono ? 1 : 3); i++) {
    int stride = 0;
    picture.planes[i] = de265.de265_get_image_plane(from, i, &stride);
    picture.strides[i] = stride;
    picture.widths[i] = de265.de265_get_image_width(from, i);
    picture.heights[i] = de265.de265_get_image_height(from, i);
    if (picture.widths[i] <= 0 || picture.heights[i] <= 0) return failed("a plane of it is empty");
    if (de265.de265_get_bits_per_pixel(from, i) != picture.bits) {
      return (struct heif_error){heif_error_Unsupported_feature,
                                 heif_suberror_Unsupported_color_conversion,
                                 "its channels have different numbers of bits"};
    }
  }
  return copy_picture(&picture, decoder->is_strict, image);
}

/// The last picture of the item.
static struct heif_error hevc_decode(void *raw, struct heif_image **image) {
  const hevc_decoder *decoder = raw;
  struct heif_error error = failed("the HEVC in it is damaged");
  *image = NULL;
  de265.de265_flush_data(decoder->context);
  for (int more = 1; more;) {
    more = 0;
    if (de265.de265_decode(decoder->context, &more) != DE265_OK) break;
    const struct de265_image *picture = de265.de265_get_next_picture(decoder->context);
    if (picture == NULL) continue;
    if (*image != NULL) heif.heif_image_release(*image);
    *image = NULL;
    error = hevc_copy(decoder, picture, image);
    de265.de265_release_next_picture(decoder->context);
    if (error.code != heif_error_Ok) break;
  }
  return error;
}

static const struct heif_decoder_plugin hevc_plugin = {
    .plugin_api_version = 3,
    .get_plugin_name = hevc_name,
    .does_support_format = hevc_priority,
    .new_decoder = hevc_new,
    .free_decoder = hevc_free,
    .push_data = hevc_push,
    .decode_image = hevc_decode,
    .set_strict_decoding = hevc_set_strict,
    .id_name = "m2fp-libde265",
};

// MARK: -

void m2fp_heif_register_decoders(void) {
  m2fp_image_result result;
  m2fp_result_reset(&result);
  if (m2fp_library_open(&dav1d_library, &result)) heif.heif_register_decoder_plugin(&av1_plugin);
  if (m2fp_library_open(&de265_library, &result)) heif.heif_register_decoder_plugin(&hevc_plugin);
}
