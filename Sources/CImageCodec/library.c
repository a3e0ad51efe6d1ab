#include "library.h"

#include <dlfcn.h>
#include <string.h>

#include "codec.h"

/// Finds all functions, or leaves the library closed.
static int open_library(library *library) {
  void *handle = dlopen(library->soname, RTLD_LAZY | RTLD_LOCAL);
  if (handle == NULL) return 0;
  for (size_t i = 0; i < library->count; i++) {
    // Of what the library needs itself, too: libwebpdemux's dependency is libwebp.
    void *address = dlsym(handle, library->functions[i].name);
    if (address == NULL) {
      dlclose(handle);
      return 0;
    }
    memcpy(library->functions[i].pointer, &address, sizeof address);
  }
  return 1;
}

int m2fp_library_open(library *library, m2fp_image_result *result) {
  pthread_mutex_lock(&library->lock);
  // What is missing may be installed while a long run goes on.
  if (!library->is_open) library->is_open = open_library(library);
  int is_open = library->is_open;
  pthread_mutex_unlock(&library->lock);
  if (!is_open) m2fp_result_fail(result, M2FP_IMAGE_LIBRARY_MISSING, "%s", library->soname);
  return is_open;
}
