#include "block_pool.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <unordered_map>

namespace m2fp {
namespace {

// Smaller ones are malloc's.
constexpr size_t kLargeBlock = 1 << 20;
constexpr size_t kHugePage = 2 << 20;
// A block serves a request that fills at least this part of it.
constexpr size_t kLeastShare = 4;

class BlockPool final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t size) const override {
    const c10::Device cpu(c10::DeviceType::CPU);
    if (size == 0) return {nullptr, cpu};
    if (size < kLargeBlock) {
      void* data = nullptr;
      if (posix_memalign(&data, 64, size) != 0) throw std::bad_alloc();
      return {data, data, &release, cpu};
    }
    void* const data = take(size);
    return {data, data, &release, cpu};
  }

  // oneDNN's side of torch allocates without the owner that a DataPtr is.
  c10::DeleterFnPtr raw_deleter() const override { return &release; }

  void trim() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [size, data] : free_) {
      munmap(data, size);
      sizes_.erase(data);
    }
    free_.clear();
  }

 private:
  mutable std::mutex mutex_;
  // Of every large block.
  mutable std::unordered_map<void*, size_t> sizes_;
  // Those that no tensor uses, by size.
  mutable std::multimap<size_t, void*> free_;

  static void release(void* data);

  void* take(size_t size) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = free_.lower_bound(size);
    if (found != free_.end() && found->first / kLeastShare <= size) {
      void* const data = found->second;
      free_.erase(found);
      return data;
    }
    const size_t page = 4096, whole = (size + page - 1) / page * page;
    void* const data = map(whole);
    sizes_.emplace(data, whole);
    return data;
  }

  // New memory of whole pages, on huge ones where it fills some.
  static void* map(size_t whole) {
    const size_t slack = whole < kHugePage ? 0 : kHugePage;
    void* const mapped = mmap(
        nullptr, whole + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    auto* data = static_cast<char*>(mapped);
    if (slack) {
      const size_t before = -reinterpret_cast<uintptr_t>(mapped) % kHugePage;
      data += before;
      if (before) munmap(mapped, before);
      if (slack - before) munmap(data + whole, slack - before);
      // Advice: without it, it works on small pages.
      madvise(data, whole, MADV_HUGEPAGE);
    }
    return data;
  }
};

// Lives as long as the process: tensors may outlive static destructors.
BlockPool& pool() {
  static BlockPool* const instance = new BlockPool;
  return *instance;
}

void BlockPool::release(void* data) {
  const BlockPool& owner = pool();
  {
    const std::lock_guard<std::mutex> lock(owner.mutex_);
    const auto found = owner.sizes_.find(data);
    if (found != owner.sizes_.end()) {
      owner.free_.emplace(found->second, data);
      return;
    }
  }
  std::free(data);
}

}  // namespace

void install_block_pool() { c10::SetCPUAllocator(&pool()); }

void trim_block_pool() { pool().trim(); }

}  // namespace m2fp
