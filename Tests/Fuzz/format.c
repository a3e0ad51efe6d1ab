// A decoder of a library that is opened at run time: FORMAT is the name in its functions.
#include "decoder.h"

long allocations_left = -1;

#define JOINED(prefix, name, suffix) prefix##name##suffix
#define FUNCTION(name, suffix) JOINED(m2fp_, name, suffix)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  check_decoder(FUNCTION(FORMAT, _header), FUNCTION(FORMAT, _decode), bytes, count);
  return 0;
}
