// Runs a fuzz target (Tests/Fuzz) without a fuzzer, where there is none: over COUNT inputs that are made up,
// the same everywhere, and over files.
//
//   TARGET COUNT FILE…
//
// Prints how much was computed, and a checksum of it, for every file and for the rest together.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
// Few targets have one.
__attribute__((weak)) int LLVMFuzzerInitialize(int *count, char ***arguments);

// Named by targets that change inputs by themselves, which nobody asks them to here.
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t count, size_t most) {
  (void)bytes;
  (void)most;
  return count;
}

// FNV-1a, of 64 bits.
static uint64_t sum;
static size_t observed;

void observe(const void *bytes, size_t count) {
  const uint8_t *each = bytes;
  for (size_t i = 0; i < count; i++) sum = (sum ^ each[i]) * 0x100000001b3;
  observed += count;
}

static void begin(void) {
  sum = 0xcbf29ce484222325;
  observed = 0;
}

static void end(const char *name) {
  if (observed > 0) printf("%s: %zu bytes, %016llx\n", name, observed, (unsigned long long)sum);
}

int main(int count, char **arguments) {
  enum { MOST = 1 << 12, LARGEST_FILE = 1 << 20 };
  static uint8_t bytes[LARGEST_FILE];
  if (count < 2) return 64;
  if (LLVMFuzzerInitialize) LLVMFuzzerInitialize(&count, &arguments);
  uint32_t state = 1;
  begin();
  for (long input = 0; input < atol(arguments[1]); input++) {
    size_t length = (state >> 8) % MOST;
    for (size_t i = 0; i < length; i++) {
      state = state * 1664525u + 1013904223u;
      bytes[i] = (uint8_t)(state >> 24);
    }
    state += (uint32_t)length + 1;
    LLVMFuzzerTestOneInput(bytes, length);
  }
  end("made up");
  for (int i = 2; i < count; i++) {
    FILE *file = fopen(arguments[i], "rb");
    if (!file) {
      perror(arguments[i]);
      return 66;
    }
    size_t length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    begin();
    LLVMFuzzerTestOneInput(bytes, length);
    end(strrchr(arguments[i], '/') + 1);
  }
  return 0;
}
