#include <stdio.h>

#include "input.h"
#include "m2fp_font.h"

long allocations_left = -1;

static const char *const PATHS[] = {
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf",
    "/usr/share/fonts/TTF/DejaVuSans.ttf",
    "/usr/share/fonts/dejavu/DejaVuSans.ttf",
};

static uint8_t *file;
static size_t file_size;

int LLVMFuzzerInitialize(int *count, char ***arguments) {
  (void)count;
  (void)arguments;
  FILE *stream = NULL;
  for (size_t i = 0; stream == NULL && i < sizeof PATHS / sizeof *PATHS; i++) {
    stream = fopen(PATHS[i], "rb");
  }
  require(stream != NULL);
  file = malloc(8 << 20);
  file_size = fread(file, 1, 8 << 20, stream);
  fclose(stream);
  return 0;
}

/// Whatever the text, it is drawn within its bitmap or not at all.
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  input in = {bytes, count, 0};
  int32_t size = 4 + (int32_t)take(&in, take(&in, 64) == 1 ? 997 : 24);
  allocations_left = take(&in, 4) == 0 ? (long)take(&in, 3) : -1;
  // The input itself is no font.
  m2fp_font_close(m2fp_font_open(bytes, count));
  m2fp_font *font = m2fp_font_open(file, file_size);
  if (font != NULL) {
    uint32_t codes[12];
    size_t length = take(&in, 13);
    for (size_t i = 0; i < length; i++) {
      codes[i] = take(&in, 2) ? take(&in, 256) : take(&in, 1 << 16) * 17;
    }
    m2fp_text text = {0};
    if (m2fp_text_render(font, codes, length, size, &text) == 0) {
      require(text.width >= 1 && text.height >= 1 && text.coverage != NULL);
      // The sanitizer sees whether all of it is there.
      uint32_t sum = 0;
      for (size_t i = 0; i < (size_t)text.width * (size_t)text.height; i++) sum += text.coverage[i];
      require(sum <= 255u * (uint32_t)text.width * (uint32_t)text.height);
      observe(text.coverage, (size_t)text.width * (size_t)text.height);
      m2fp_text_free(&text);
    }
    require(text.coverage == NULL);
    m2fp_font_close(font);
  }
  allocations_left = -1;
  return 0;
}
