#include <math.h>

#include "input.h"
#include "m2fp_postprocess.h"

// Every array is as long as the header says that it is read or written, so that the sanitizer sees a
// step beyond.

typedef struct picture {
  int32_t width;
  int32_t height;
  int32_t stride;
} picture;

static float *plane(const picture *of) {
  return calloc((size_t)of->stride * (size_t)of->height, sizeof(float));
}

/// The sums of two quantities over the part of the picture in the window round a pixel.
typedef struct sums {
  double count;
  double a;
  double b;
  double aa;
  double ab;
} sums;

static sums window(const picture *of, int32_t radius, int32_t x, int32_t y, const float *a,
                   const float *b) {
  sums sums = {0};
  for (int32_t j = y - radius; j <= y + radius; j++) {
    for (int32_t i = x - radius; i <= x + radius; i++) {
      if (i < 0 || j < 0 || i >= of->width || j >= of->height) continue;
      size_t at = (size_t)j * (size_t)of->stride + (size_t)i;
      sums.count++;
      sums.a += (double)a[at];
      sums.b += (double)b[at];
      sums.aa += (double)a[at] * (double)a[at];
      sums.ab += (double)a[at] * (double)b[at];
    }
  }
  return sums;
}

/// The filter as its paper has it, one window after the other.
static void filter_plainly(const picture *of, int32_t radius, double epsilon, const float *guide,
                           const float *values, float *slopes, float *bases, float *result) {
  for (int32_t y = 0; y < of->height; y++) {
    for (int32_t x = 0; x < of->width; x++) {
      sums s = window(of, radius, x, y, guide, values);
      double mean = s.a / s.count;
      double slope = (s.ab / s.count - mean * s.b / s.count) / (s.aa / s.count - mean * mean + epsilon);
      slopes[y * of->stride + x] = (float)slope;
      bases[y * of->stride + x] = (float)(s.b / s.count - slope * mean);
    }
  }
  for (int32_t y = 0; y < of->height; y++) {
    for (int32_t x = 0; x < of->width; x++) {
      sums s = window(of, radius, x, y, slopes, bases);
      int32_t at = y * of->stride + x;
      result[at] = (float)(s.a / s.count * (double)guide[at] + s.b / s.count);
    }
  }
}

/// What the kernels make of the area, zeros elsewhere.
static void filter(const m2fp_post_guide *guide, m2fp_post_area area, float epsilon,
                   const float *values, float *result) {
  float *memory = malloc(m2fp_post_guide_memory(guide) * sizeof *memory);
  m2fp_post_prepare_guide(guide, epsilon, memory);
  m2fp_post_area written = m2fp_post_guided_filter(guide, area, values, result, memory);
  require(0 <= written.left && written.left <= area.left && area.right <= written.right);
  require(0 <= written.top && written.top <= area.top && area.bottom <= written.bottom);
  require(written.right <= guide->stride && written.bottom <= guide->height);
  free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  input in = {bytes, count, 1};
  picture of = {1 + (int32_t)take(&in, 40), 1 + (int32_t)take(&in, 20), 0};
  of.stride = (of.width + M2FP_POST_LANES - 1) / M2FP_POST_LANES * M2FP_POST_LANES;
  int32_t radius = 1 + (int32_t)take(&in, take(&in, 16) ? 4 : M2FP_POST_LANES);
  const float epsilons[] = {1e-3f, 1e-4f, 1e-2f, 1};
  float epsilon = epsilons[take(&in, 4)];
  m2fp_post_area area;
  area.left = (int32_t)take(&in, (uint32_t)of.width);
  area.right = area.left + 1 + (int32_t)take(&in, (uint32_t)(of.width - area.left));
  area.top = (int32_t)take(&in, (uint32_t)of.height);
  area.bottom = area.top + 1 + (int32_t)take(&in, (uint32_t)(of.height - area.top));
  float *planes[8];
  for (int i = 0; i < 8; i++) planes[i] = plane(&of);
  float *values = planes[1], *slopes = planes[2], *bases = planes[3], *expected = planes[4];
  // Even pictures as well as ragged ones.
  uint32_t levels = 1 + take(&in, 256);
  for (int32_t y = 0; y < of.height; y++) {
    for (int32_t x = 0; x < of.width; x++) {
      planes[0][y * of.stride + x] = (float)take(&in, levels) / 255;
      int is_inside = x >= area.left && x < area.right && y >= area.top && y < area.bottom;
      values[y * of.stride + x] = is_inside ? (float)take(&in, 101) / 100 : 0;
    }
  }
  m2fp_post_guide guide = {planes[0], planes[5], planes[6], of.width, of.height, of.stride, radius};
  filter(&guide, area, epsilon, values, planes[7]);
  filter_plainly(&of, radius, (double)epsilon, planes[0], values, slopes, bases, expected);
  m2fp_post_use_plain_kernels(1);
  float *plain = plane(&of);
  filter(&guide, area, epsilon, values, plain);
  m2fp_post_use_plain_kernels(0);
  for (int32_t y = 0; y < of.height; y++) {
    for (int32_t x = 0; x < of.width; x++) {
      int32_t at = y * of.stride + x;
      require(plain[at] == planes[7][at]);
      require(fabsf(expected[at] - plain[at]) < 2e-5f / sqrtf(epsilon) + 1e-5f);
    }
  }
  observe(plain, (size_t)of.stride * (size_t)of.height * sizeof *plain);
  free(plain);
  for (int i = 0; i < 8; i++) free(planes[i]);
  return 0;
}
