// Settings that libgomp and oneDNN read from the environment, and only once: libgomp in its own
// constructor, before `main`. Functions in the executable's .preinit_array run before the
// constructors of all shared libraries, which is the last moment to say something.
#include <stdlib.h>

#if defined(__linux__)

static void m2fp_prepare_environment(void) {
  // libgomp spins at barriers, by default for so long that a second busy process on the machine
  // makes an image take six times as long. Waiting in the kernel after a short spin costs
  // nothing measurable on an idle machine. Whoever set a policy keeps it.
  if (!getenv("OMP_WAIT_POLICY")) setenv("GOMP_SPINCOUNT", "2000", 0);
  // oneDNN keeps compiled primitives per input shape, 1024 of them by default, and torch as many
  // again: over a folder of mixed sizes memory creeps. A network has about 100 distinct
  // convolutions and products a shape.
  setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256", 0);
  setenv("LRU_CACHE_CAPACITY", "256", 0);
}

__attribute__((section(".preinit_array"), used)) static void (*const prepare_environment)(void) =
    m2fp_prepare_environment;

#endif
