/// Lets our own C code run out of memory, and find no function in a library, or another in its place.
/// Included before every source of it (-include).
#pragma once

// As sources that define it have it, where it must come first.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>

/// Allocations until one fails; negative: none does.
extern long allocations_left;

static inline int allocation_fails(void) {
  return allocations_left >= 0 && allocations_left-- == 0;
}

static inline void *fuzz_malloc(size_t size) { return allocation_fails() ? NULL : malloc(size); }
static inline void *fuzz_calloc(size_t count, size_t size) {
  return allocation_fails() ? NULL : calloc(count, size);
}
static inline void *fuzz_realloc(void *old, size_t size) {
  return allocation_fails() ? NULL : realloc(old, size);
}

/// A function of a library. A target that has another in its place (FORMAT) defines this itself.
void *library_function_named(const char *name, void *library);
#ifndef FORMAT
__attribute__((weak)) void *library_function_named(const char *name, void *library) {
  return dlsym(library, name);
}
#endif

static inline void *fuzz_dlsym(void *library, const char *name) {
  return allocation_fails() ? NULL : library_function_named(name, library);
}

#define dlsym(library, name) fuzz_dlsym(library, name)
#define malloc fuzz_malloc
#define calloc fuzz_calloc
#define realloc fuzz_realloc
