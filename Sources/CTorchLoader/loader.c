#define _GNU_SOURCE
#include "m2fp_torch_loader.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unused_libraries.h"

// What libgomp, oneDNN and libtorch read from the environment when they are loaded. A user's own value
// wins.
static char *const kVariables[] = {
    // libgomp spins 300,000 times at a barrier before it sleeps: with one other busy process on the
    // machine an image takes six times as long.
    "GOMP_SPINCOUNT=1000",
    // oneDNN keeps compiled primitives per input shape, 1024 by default, and torch as many again: over
    // a folder of mixed sizes memory creeps. One shape of the network needs about 100.
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY=256",
    "LRU_CACHE_CAPACITY=256",
};
enum { kVariableCount = sizeof kVariables / sizeof *kVariables };

static bool is_set(const char *variable) {
  const size_t length = (size_t)(strchr(variable, '=') - variable) + 1;
  for (char **entry = environ; entry && *entry; ++entry) {
    if (strncmp(*entry, variable, length) == 0) return true;
  }
  return false;
}

// Adds those variables that are not set.
//
// Not by setenv, which frees what another thread may be reading; the old list stays, and one store puts
// the new one in its place. Not in a constructor either: one of Swift's finds the arguments by where
// the environment lies.
static void set_environment(void) {
  size_t count = 0;
  while (environ && environ[count]) ++count;
  char **const list = malloc((count + kVariableCount + 1) * sizeof *list);
  if (!list) return;
  if (count) memcpy(list, environ, count * sizeof *list);
  const size_t before = count;
  for (int i = 0; i < kVariableCount; ++i) {
    if (!is_set(kVariables[i])) list[count++] = kVariables[i];
  }
  list[count] = NULL;
  if (count == before) {
    free(list);
  } else {
    environ = list;
  }
}

typedef const m2fp_torch_api *(*get_api)(size_t version);

static const char *const kLibrary = "libM2FPTorch.so";
// From the executable's folder: where the package manager builds it, and where it is installed.
static const char *const kFolders[] = {".", "../lib/m2fp"};

static void *open_library(const char *path) {
  set_environment();
  m2fp_keep_out_unused_libraries();
  void *const library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
  if (library) return library;
  m2fp_let_in_unused_libraries();
  return dlopen(path, RTLD_LAZY | RTLD_LOCAL);
}

// The shim in the library at `path`, or null.
static const m2fp_torch_api *open_at(const char *path, m2fp_torch_error *error) {
  void *const library = open_library(path);
  // A C function's address out of dlsym's void *, the way POSIX spells it.
  get_api function = NULL;
  if (library) *(void **)&function = dlsym(library, "m2fp_torch_get_api");
  if (!function) {
    snprintf(error->message, sizeof error->message, "%s", dlerror());
    return NULL;
  }
  const m2fp_torch_api *const api = function(M2FP_TORCH_API_VERSION);
  if (api) {
    error->status = M2FP_TORCH_OK;
    error->message[0] = '\0';
  } else {
    snprintf(
        error->message, sizeof error->message, "%.400s belongs to another version of m2fp", path);
  }
  return api;
}

const m2fp_torch_api *m2fp_torch_open(const char *folder, m2fp_torch_error *error) {
  error->status = M2FP_TORCH_FAILED;
  char path[2 * PATH_MAX];
  if (folder) {
    snprintf(path, sizeof path, "%s/%s", folder, kLibrary);
    if (access(path, F_OK) == 0) return open_at(path, error);
  }
  char own[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
  if (length < 0) {
    snprintf(
        error->message, sizeof error->message, "cannot read /proc/self/exe: %s", strerror(errno));
    return NULL;
  }
  own[length] = '\0';
  *strrchr(own, '/') = '\0';
  for (size_t i = 0; i < sizeof kFolders / sizeof *kFolders; ++i) {
    snprintf(path, sizeof path, "%s/%s/%s", own, kFolders[i], kLibrary);
    if (access(path, F_OK) == 0) return open_at(path, error);
  }
  snprintf(
      error->message, sizeof error->message, "%s is neither in %.200s nor in %.200s/%s", kLibrary,
      own, own, kFolders[1]);
  return NULL;
}
