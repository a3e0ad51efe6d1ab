#define _GNU_SOURCE
#include "m2fp_thread_calls.h"

#include <errno.h>
#include <sched.h>

int m2fp_keep_to_cpus(pthread_attr_t *attributes, const int *cpus, int count) {
  int last = 0;
  for (int i = 0; i < count; i++) {
    if (cpus[i] < 0) return EINVAL;
    if (cpus[i] > last) last = cpus[i];
  }
  // Machines may have more CPUs than a set of the usual size names.
  cpu_set_t *const set = CPU_ALLOC((size_t)last + 1);
  if (!set) return ENOMEM;
  const size_t size = CPU_ALLOC_SIZE((size_t)last + 1);
  CPU_ZERO_S(size, set);
  for (int i = 0; i < count; i++) CPU_SET_S((size_t)cpus[i], size, set);
  const int reason = pthread_attr_setaffinity_np(attributes, size, set);
  CPU_FREE(set);
  return reason;
}
