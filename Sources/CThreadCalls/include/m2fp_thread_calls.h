#ifndef M2FP_THREAD_CALLS_H
#define M2FP_THREAD_CALLS_H

#include <pthread.h>

#pragma GCC visibility push(hidden)

// Calls of Linux that Swift's import of glibc leaves out.

// Threads that are started with these attributes, and those that they start, keep to CPUs with the
// numbers in `cpus`.
//
// Returns 0, or why not: ENOMEM, or EINVAL for a number below 0. Starting a thread fails with EINVAL
// where the process may use none of the CPUs.
int m2fp_keep_to_cpus(pthread_attr_t *attributes, const int *cpus, int count);

#pragma GCC visibility pop

#endif
