// Runs an archive's network and compares its outputs with those that were computed elsewhere:
//
//   network FOLDER MODEL.pt PRECISION HEIGHT WIDTH MOST OUTPUT.f32…
//
// FOLDER holds libM2FPTorch.so. Each output is a file of little-endian float32, which must not differ by more
// than MOST; one that does not exist is written. The input is the one that Tests/Fixtures/models/README.md gives.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include "m2fp_torch_loader.h"

static void fail(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

static size_t count_of(const m2fp_tensor *tensor) {
  size_t count = 1;
  for (int32_t i = 0; i < tensor->rank; i++) count *= (size_t)tensor->shape[i];
  return count;
}

// The largest difference of a tensor from what a file holds.
static float difference(const m2fp_tensor *tensor, const char *path) {
  size_t count = count_of(tensor);
  FILE *file = fopen(path, "rb");
  if (!file) {
    file = fopen(path, "wb");
    if (!file || fwrite(tensor->values, sizeof(float), count, file) != count || fclose(file)) {
      fail(path, "cannot be written");
    }
    return 0;
  }
  float *expected = malloc((count + 1) * sizeof *expected);
  if (!expected) fail(path, "no memory");
  // One more, to see that the file ends there.
  if (fread(expected, sizeof *expected, count + 1, file) != count) fail(path, "is of another size");
  fclose(file);
  float largest = 0;
  for (size_t i = 0; i < count; i++) {
    // A value that is no number differs by more than any.
    float d = fabsf(tensor->values[i] - expected[i]);
    if (!(d <= largest)) largest = isnan(d) ? INFINITY : d;
  }
  free(expected);
  return largest;
}

int main(int count, char **arguments) {
  if (count < 8) return 64;
  const char *const model_path = arguments[2];
  enum m2fp_precision precision =
      strcmp(arguments[3], "int16") == 0 ? M2FP_PRECISION_INT16 : M2FP_PRECISION_FLOAT32;
  int32_t height = atoi(arguments[4]), width = atoi(arguments[5]);
  float most = strtof(arguments[6], NULL);
  m2fp_torch_error error = {0};
  const m2fp_torch_api *torch = m2fp_torch_open(arguments[1], &error);
  if (!torch) fail(arguments[1], error.message);
  int file = open(model_path, O_RDONLY | O_CLOEXEC);
  m2fp_model *model = torch->model_load(file, precision, false, &error);
  if (!model) fail(model_path, error.message);
  close(file);
  m2fp_session *session = torch->session_create(model, 1, &error);
  if (!session) fail(model_path, error.message);
  float *input = torch->session_input(session, height, width, &error);
  if (!input) fail(model_path, error.message);
  for (int64_t i = 0; i < (int64_t)3 * height * width; i++) {
    input[i] = (float)(i * 7919 % 1009) / 504 - 1;
  }
  m2fp_output output;
  if (!torch->session_run(session, &output, &error)) fail(model_path, error.message);
  if (output.count < count - 7) fail(model_path, "gives fewer outputs");
  int is_far = 0;
  for (int i = 7; i < count; i++) {
    // Only the last of them where there is one name: masks.
    const m2fp_tensor *tensor = &output.tensors[output.count - (count - i)];
    float d = difference(tensor, arguments[i]);
    printf("%s: %zu values, at most %.2g off\n", strrchr(arguments[i], '/') + 1, count_of(tensor), (double)d);
    is_far |= !(d <= most);
  }
  torch->session_destroy(session);
  torch->model_destroy(model);
  return is_far;
}
