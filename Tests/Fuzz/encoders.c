#include "decoder.h"

long allocations_left = -1;

/// A file that was written is read back, and so many pixels are in it.
static uint8_t *read_back(const m2fp_buffer *file, int32_t width, int32_t height, int is_jpeg) {
  m2fp_image_header header;
  m2fp_image_result result;
  (is_jpeg ? m2fp_jpeg_header : m2fp_png_header)(file->bytes, file->count, &header, &result);
  require(result.status == M2FP_IMAGE_OK && result.warning_count == 0);
  require(header.width == width && header.height == height && header.orientation == 1);
  uint8_t *pixels = malloc((size_t)width * height * 3);
  const m2fp_decode_options strict = {.refuse_damaged = 1};
  (is_jpeg ? m2fp_jpeg_decode : m2fp_png_decode)(file->bytes, file->count, &header, &strict, pixels,
                                                 &result);
  require(result.status == M2FP_IMAGE_OK && result.warning_count == 0);
  return pixels;
}

/// Whether there is a file; if an allocation failed, that is the reason.
static int is_written(const m2fp_buffer *file, const m2fp_image_result *result) {
  require_a_reason(result);
  int is_written = result->status == M2FP_IMAGE_OK;
  require(is_written || (file->bytes == NULL && file->count == 0 && allocations_left < 0));
  allocations_left = -1;
  return is_written;
}

static void check_indexed(input *in, const uint8_t *labels, int32_t width, int32_t height) {
  uint8_t palette[256 * 3];
  int32_t colours = 1 + (int32_t)take(in, 256), clear_zero = (int32_t)take(in, 2);
  for (size_t i = 0; i < sizeof palette; i++) palette[i] = (uint8_t)(i * 37 + colours);
  size_t count = (size_t)width * height;
  uint8_t highest = 0;
  for (size_t i = 0; i < count; i++) highest = labels[i] > highest ? labels[i] : highest;
  m2fp_buffer file = {0};
  m2fp_image_result result;
  m2fp_png_encode_indexed(labels, width, height, palette, colours, clear_zero, &file, &result);
  if (highest >= colours) {
    require(result.status == M2FP_IMAGE_CORRUPT && file.bytes == NULL);
    return;
  }
  if (is_written(&file, &result)) {
    m2fp_image_header header;
    m2fp_png_header(file.bytes, file.count, &header, &result);
    uint16_t *values = malloc(count * sizeof *values);
    const m2fp_decode_options strict = {.refuse_damaged = 1};
    m2fp_png_decode_labels(file.bytes, file.count, &header, &strict, values, &result);
    require(result.status == M2FP_IMAGE_OK);
    for (size_t i = 0; i < count; i++) require(values[i] == labels[i]);
    free(values);
    uint8_t *pixels = read_back(&file, width, height, 0);
    for (size_t i = 0; i < count; i++) {
      for (int c = 0; c < 3; c++) {
        int is_clear = clear_zero && labels[i] == 0;
        require(pixels[3 * i + c] == (is_clear ? 255 : palette[3 * labels[i] + c]));
      }
    }
    free(pixels);
  }
  m2fp_buffer_free(&file);
}

static void check_mask(input *in, const uint8_t *labels, int32_t width, int32_t height) {
  uint8_t label = take(in, 2) ? labels[0] : (uint8_t)take(in, 256);
  m2fp_buffer file = {0};
  m2fp_image_result result;
  m2fp_png_encode_mask(labels, width, height, label, &file, &result);
  if (is_written(&file, &result)) {
    uint8_t *pixels = read_back(&file, width, height, 0);
    for (size_t i = 0; i < (size_t)width * height; i++) {
      require(pixels[3 * i] == (labels[i] == label ? 255 : 0));
    }
    free(pixels);
  }
  m2fp_buffer_free(&file);
}

static void check_colours(input *in, const uint8_t *samples, int32_t width, int32_t height) {
  static const int channels[] = {1, 3, 4};
  int count = channels[take(in, 3)];
  m2fp_buffer file = {0};
  m2fp_image_result result;
  m2fp_png_encode(samples, width, height, count, &file, &result);
  if (is_written(&file, &result)) {
    uint8_t *pixels = read_back(&file, width, height, 0);
    for (size_t i = 0; i < (size_t)width * height && count < 4; i++) {
      for (int c = 0; c < 3; c++) {
        require(pixels[3 * i + c] == samples[count * i + (count == 1 ? 0 : c)]);
      }
    }
    free(pixels);
  }
  m2fp_buffer_free(&file);
  m2fp_jpeg_encode(samples, width, height, 1 + (int32_t)take(in, 100), &file, &result);
  if (is_written(&file, &result)) free(read_back(&file, width, height, 1));
  m2fp_buffer_free(&file);
}

/// Small pictures of any samples are written and read back as they were, or memory ran out.
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  input in = {bytes, count, 0};
  int32_t width = 1 + (int32_t)take(&in, 80), height = 1 + (int32_t)take(&in, 40);
  int few = (int)take(&in, 2);
  allocations_left = take(&in, 4) == 0 ? (long)take(&in, 8) : -1;
  size_t samples = (size_t)width * height * 4;
  uint8_t *values = malloc(samples);
  for (size_t i = 0; i < samples; i++) {
    uint8_t value = in.count == 0 ? (uint8_t)(i * i >> 5) : in.bytes[i % in.count];
    values[i] = few ? value % 5 : value;
  }
  long left = allocations_left;
  check_indexed(&in, values, width, height);
  if (left >= 0) allocations_left = left;
  check_mask(&in, values, width, height);
  if (left >= 0) allocations_left = left;
  check_colours(&in, values, width, height);
  allocations_left = -1;
  free(values);
  // The sides that JPEG has no room for.
  m2fp_buffer file = {0};
  m2fp_image_result result;
  m2fp_jpeg_encode(bytes, 1 << 16, 1, 90, &file, &result);
  require(result.status == M2FP_IMAGE_TOO_LARGE && file.bytes == NULL);
  return 0;
}
