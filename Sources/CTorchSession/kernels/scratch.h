// Memory that a kernel works in, kept from one call to the next.
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <new>

namespace m2fp {

class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { std::free(data_); }

  // Room for `count` values, which are any.
  float* reserve(int64_t count) {
    const size_t needed = static_cast<size_t>(count) * sizeof(float);
    if (needed > size_) {
      std::free(data_);
      data_ = nullptr;
      size_ = 0;
      // On huge pages, where it fills some: planes that lie apart would need an entry of the TLB each.
      const size_t page = needed < kHugePage ? 64 : kHugePage;
      const size_t whole = (needed + page - 1) / page * page;
      data_ = std::aligned_alloc(page, whole);
      if (!data_) throw std::bad_alloc();
      size_ = whole;
      if (page == kHugePage) madvise(data_, whole, MADV_HUGEPAGE);
    }
    return static_cast<float*>(data_);
  }

 private:
  static constexpr size_t kHugePage = 2 << 20;
  void* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace m2fp
