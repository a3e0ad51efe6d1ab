/// Libraries that are opened when a file first needs them: a run over JPEGs loads no libheif.
#pragma once

#include <pthread.h>
#include <stddef.h>

#include "m2fp_image.h"

#pragma clang assume_nonnull begin
#pragma GCC visibility push(hidden)

/// Where the address of a function goes.
typedef struct library_function {
  const char *name;
  void *pointer;
} library_function;

/// A library, and what is called of it. It stays open.
typedef struct library {
  const char *soname;
  const library_function *functions;
  size_t count;
  pthread_mutex_t lock;
  int is_open;
} library;

/// Declares a pointer to a function that a library's header declares, by the same name.
#define LIBRARY_FUNCTION(name) __typeof__(name) *name

/// An entry of `functions`: the pointer is the member `name` of `table`.
#define LIBRARY_ENTRY(table, name) {#name, &table.name}

#define LIBRARY(soname, functions) \
  {soname, functions, sizeof functions / sizeof *functions, PTHREAD_MUTEX_INITIALIZER, 0}

/// Opens a library unless it is open. Returns 0 after a failure, of which the message is the name of
/// the library.
int m2fp_library_open(library *library, m2fp_image_result *result);

#pragma GCC visibility pop
#pragma clang assume_nonnull end
