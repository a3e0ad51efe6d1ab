#include "heif.h"

#include <string.h>

heif_functions heif;

static const library_function functions[] = {
    LIBRARY_ENTRY(heif, heif_init),
    LIBRARY_ENTRY(heif, heif_register_decoder_plugin),
    LIBRARY_ENTRY(heif, heif_context_alloc),
    LIBRARY_ENTRY(heif, heif_context_free),
    LIBRARY_ENTRY(heif, heif_context_set_max_decoding_threads),
    LIBRARY_ENTRY(heif, heif_context_read_from_reader),
    LIBRARY_ENTRY(heif, heif_context_get_primary_image_handle),
    LIBRARY_ENTRY(heif, heif_image_handle_release),
    LIBRARY_ENTRY(heif, heif_image_handle_get_width),
    LIBRARY_ENTRY(heif, heif_image_handle_get_height),
    LIBRARY_ENTRY(heif, heif_image_handle_get_luma_bits_per_pixel),
    LIBRARY_ENTRY(heif, heif_image_handle_has_alpha_channel),
    LIBRARY_ENTRY(heif, heif_image_handle_is_premultiplied_alpha),
    LIBRARY_ENTRY(heif, heif_decoding_options_alloc),
    LIBRARY_ENTRY(heif, heif_decoding_options_free),
    LIBRARY_ENTRY(heif, heif_decode_image),
    LIBRARY_ENTRY(heif, heif_image_create),
    LIBRARY_ENTRY(heif, heif_image_add_plane),
    LIBRARY_ENTRY(heif, heif_image_get_width),
    LIBRARY_ENTRY(heif, heif_image_get_height),
    LIBRARY_ENTRY(heif, heif_image_get_plane),
    LIBRARY_ENTRY(heif, heif_image_set_nclx_color_profile),
    LIBRARY_ENTRY(heif, heif_image_release),
    LIBRARY_ENTRY(heif, heif_nclx_color_profile_alloc),
    LIBRARY_ENTRY(heif, heif_nclx_color_profile_free),
    LIBRARY_ENTRY(heif, heif_nclx_color_profile_set_color_primaries),
    LIBRARY_ENTRY(heif, heif_nclx_color_profile_set_transfer_characteristics),
    LIBRARY_ENTRY(heif, heif_nclx_color_profile_set_matrix_coefficients),
};

/// Bytes a pixel that libheif holds: planes, and RGB of them.
enum { HEIF_WORKING_BYTES = 10 };

static library heif_library = LIBRARY("libheif.so.1", functions);

static void heif_start(void) {
  // Where codecs are plug-ins of their own, this finds them.
  heif.heif_init(NULL);
  m2fp_heif_register_decoders();
}

static int heif_open_library(m2fp_image_result *result) {
  static pthread_once_t started = PTHREAD_ONCE_INIT;
  if (!m2fp_library_open(&heif_library, result)) return 0;
  pthread_once(&started, heif_start);
  return 1;
}

/// Notes why libheif does not go on. Returns 0 if it does not.
static int heif_check(struct heif_error error, m2fp_image_result *result) {
  enum m2fp_image_status status = M2FP_IMAGE_CORRUPT;
  if (error.code == heif_error_Ok) return 1;
  if (error.subcode == heif_suberror_End_of_data) {
    status = M2FP_IMAGE_TRUNCATED;
  } else if (error.subcode == heif_suberror_Security_limit_exceeded) {
    status = M2FP_IMAGE_TOO_LARGE;
  } else if (error.code == heif_error_Memory_allocation_error) {
    status = M2FP_IMAGE_OUT_OF_MEMORY;
  } else if (error.code == heif_error_Unsupported_filetype ||
             error.code == heif_error_Unsupported_feature) {
    status = M2FP_IMAGE_UNSUPPORTED;
  }
  // Some of the reasons end in a line feed.
  int length = (int)strcspn(error.message, "\n");
  m2fp_result_fail(result, status, "%.*s", length, error.message);
  if (result->message[0] == 0) strcpy(result->message, "no reason given");
  return 0;
}

/// A file as libheif reads it.
typedef struct heif_input {
  const m2fp_source *source;
  int64_t position;
} heif_input;

static int64_t heif_position(void *context) { return ((heif_input *)context)->position; }

static int heif_read(void *buffer, size_t count, void *context) {
  heif_input *input = context;
  size_t read = input->source->read(input->source->context, input->position, buffer, count);
  input->position += (int64_t)read;
  return read == count ? 0 : -1;
}

static int heif_seek(int64_t position, void *context) {
  ((heif_input *)context)->position = position;
  return 0;
}

static enum heif_reader_grow_status heif_await(int64_t size, void *context) {
  const heif_input *input = context;
  uint8_t last;
  if (size <= 0 || input->source->read(input->source->context, size - 1, &last, 1) == 1) {
    return heif_reader_grow_status_size_reached;
  }
  return heif_reader_grow_status_size_beyond_eof;
}

/// The picture that is shown first: of a sequence with a still, that still.
static struct heif_image_handle *heif_open(struct heif_context *context, heif_input *input,
                                           m2fp_image_result *result) {
  static const struct heif_reader reader = {1, heif_position, heif_read, heif_seek, heif_await};
  struct heif_image_handle *handle = NULL;
  if (context == NULL) {
    m2fp_result_fail(result, M2FP_IMAGE_OUT_OF_MEMORY, "out of memory");
    return NULL;
  }
  // Photos are decoded side by side already.
  heif.heif_context_set_max_decoding_threads(context, 0);
  if (!heif_check(heif.heif_context_read_from_reader(context, &reader, input, NULL), result) ||
      !heif_check(heif.heif_context_get_primary_image_handle(context, &handle), result)) {
    return NULL;
  }
  return handle;
}

void m2fp_heif_find_header(const m2fp_source *source, m2fp_image_header *header,
                           m2fp_image_result *result) {
  m2fp_result_reset(result);
  if (!heif_open_library(result)) return;
  heif_input input = {source, 0};
  struct heif_context *context = heif.heif_context_alloc();
  struct heif_image_handle *handle = heif_open(context, &input, result);
  if (handle != NULL) {
    int32_t width = heif.heif_image_handle_get_width(handle);
    int32_t height = heif.heif_image_handle_get_height(handle);
    m2fp_heif_layout layout;
    m2fp_heif_read_layout(source, &layout, result);
    if (result->status == M2FP_IMAGE_OK && m2fp_check_size(width, height, result)) {
      int64_t wide = heif.heif_image_handle_get_luma_bits_per_pixel(handle) > 8;
      int64_t held = HEIF_WORKING_BYTES + (wide ? HEIF_WORKING_BYTES / 2 : 0);
      int64_t pixels = (int64_t)width * (int64_t)height;
      if (pixels < layout.pixels) pixels = layout.pixels;
      // What the boxes say of turns is applied, and counted in the size, by the library. EXIF only
      // repeats it.
      *header = (m2fp_image_header){width, height, 1, held * pixels, pixels};
    }
    heif.heif_image_handle_release(handle);
  }
  heif.heif_context_free(context);
}

void m2fp_heif_header(const uint8_t *bytes, size_t count, m2fp_image_header *header,
                      m2fp_image_result *result) {
  memory file = {bytes, count};
  m2fp_source source = m2fp_memory_source(&file);
  m2fp_heif_find_header(&source, header, result);
}

/// Copies the decoded picture, over white if it has alpha.
static void heif_copy(struct heif_image *image, int channels, int is_premultiplied,
                      const m2fp_image_header *header, uint8_t *pixels, m2fp_image_result *result) {
  int stride = 0;
  size_t width = (size_t)header->width, height = (size_t)header->height;
  uint8_t *plane = heif.heif_image_get_plane(image, heif_channel_interleaved, &stride);
  if (plane == NULL || stride < 0 || (size_t)stride < width * (size_t)channels ||
      heif.heif_image_get_width(image, heif_channel_interleaved) != header->width ||
      heif.heif_image_get_height(image, heif_channel_interleaved) != header->height) {
    m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "the picture is not as large as the header says");
    return;
  }
  for (size_t y = 0; y < height; y++, plane += stride) {
    if (channels == 4) {
      if (is_premultiplied) m2fp_divide_by_alpha(plane, width);
      m2fp_over_white(plane, width);
    }
    memcpy(pixels + y * width * 3, plane, width * 3);
  }
}

static void heif_decode(struct heif_image_handle *handle, const m2fp_heif_layout *layout,
                        const m2fp_image_header *header, uint8_t *pixels,
                        m2fp_image_result *result) {
  struct heif_decoding_options *how = heif.heif_decoding_options_alloc();
  if (how == NULL) {
    m2fp_result_fail(result, M2FP_IMAGE_OUT_OF_MEMORY, "out of memory");
    return;
  }
  how->convert_hdr_to_8bit = 1;
  how->strict_decoding = 1;
  int has_alpha = heif.heif_image_handle_has_alpha_channel(handle);
  struct heif_image *image = NULL;
  // Of tiles each may overlap the sides by nearly its own; and as many again of alpha.
  int64_t tile = (int64_t)layout->width * layout->height;
  m2fp_heif_allowance allowance = {layout->width, layout->height,
                                   4 * (header->coded_pixels + tile)};
  m2fp_heif_allow(&allowance);
  struct heif_error error = heif.heif_decode_image(
      handle, &image, heif_colorspace_RGB,
      has_alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB, how);
  if (error.code != heif_error_Ok && m2fp_heif_has_refused()) {
    m2fp_result_fail(result, M2FP_IMAGE_CORRUPT,
                     "the picture in it is not as large as its header says");
  }
  m2fp_heif_allow(NULL);
  if (heif_check(error, result)) {
    heif_copy(image, has_alpha ? 4 : 3, heif.heif_image_handle_is_premultiplied_alpha(handle),
              header, pixels, result);
  }
  if (image != NULL) heif.heif_image_release(image);
  heif.heif_decoding_options_free(how);
}

void m2fp_heif_decode(const uint8_t *bytes, size_t count, const m2fp_image_header *header,
                      const m2fp_decode_options *options, uint8_t *pixels,
                      m2fp_image_result *result) {
  (void)options;  // nothing that is damaged leaves a picture
  m2fp_result_reset(result);
  if (!heif_open_library(result)) return;
  memory file = {bytes, count};
  m2fp_source source = m2fp_memory_source(&file);
  heif_input input = {&source, 0};
  struct heif_context *context = heif.heif_context_alloc();
  struct heif_image_handle *handle = heif_open(context, &input, result);
  if (handle != NULL) {
    m2fp_heif_layout layout;
    m2fp_heif_read_layout(&source, &layout, result);
    if (heif.heif_image_handle_get_width(handle) != header->width ||
        heif.heif_image_handle_get_height(handle) != header->height) {
      m2fp_result_fail(result, M2FP_IMAGE_CORRUPT, "the header changed while it was read");
    } else if (result->status == M2FP_IMAGE_OK) {
      heif_decode(handle, &layout, header, pixels, result);
    }
    heif.heif_image_handle_release(handle);
  }
  heif.heif_context_free(context);
}
