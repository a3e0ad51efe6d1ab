#include "m2fp_build_info.h"

// Written by make out of git, anew only where it changes, so that a commit compiles this file alone.
#if __has_include("commit.h")
#include "commit.h"
#else
#define M2FP_COMMIT ""
#endif

const char *const m2fp_commit = M2FP_COMMIT;
