// Threads for our own kernels, from the pool that torch's kernels use.
//
// at::parallel_for is a template over an OpenMP pragma: it runs on one thread in code compiled
// without -fopenmp, which SwiftPM cannot pass. So we call what GCC makes of that pragma: libgomp's
// ABI (https://gcc.gnu.org/onlinedocs/libgomp/Implementing-PARALLEL-construct.html).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>

extern "C" {
void GOMP_parallel(void (*body)(void*), void* data, unsigned threads, unsigned flags);
int omp_get_max_threads(void);
int omp_get_num_threads(void);
int omp_get_thread_num(void);
}

namespace m2fp {

// Intra-op threads of the calling thread.
inline int64_t intra_op_threads() { return omp_get_max_threads(); }

// Calls body(begin, end) on parts of [0, count) of at least `grain`, on at most the calling
// thread's number of intra-op threads. What `body` throws on any of them, one of it is thrown here
// when all have ended: an exception must not leave libgomp's region.
template <typename Body>
void parallel_for(int64_t count, int64_t grain, const Body& body) {
  const int64_t parts = std::min<int64_t>(intra_op_threads(), (count + grain - 1) / grain);
  if (parts <= 1) {
    if (count > 0) body(int64_t{0}, count);
    return;
  }
  struct Work {
    int64_t count;
    const Body* body;
    std::atomic<bool> has_failed{false};
    std::exception_ptr failure{};
  } work{count, &body};
  GOMP_parallel(
      [](void* data) noexcept {
        Work& work = *static_cast<Work*>(data);
        const int64_t threads = omp_get_num_threads(), thread = omp_get_thread_num();
        const int64_t begin = work.count * thread / threads;
        const int64_t end = work.count * (thread + 1) / threads;
        if (begin >= end) return;
        try {
          (*work.body)(begin, end);
        } catch (...) {
          if (!work.has_failed.exchange(true)) work.failure = std::current_exception();
        }
      },
      &work, static_cast<unsigned>(parts), 0);
  if (work.failure) std::rethrow_exception(work.failure);
}

}  // namespace m2fp
