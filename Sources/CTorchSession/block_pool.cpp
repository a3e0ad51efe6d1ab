#include "block_pool.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <unordered_map>
#include <utility>

namespace m2fp {
namespace {

// Smaller ones are malloc's.
constexpr size_t kLargeBlock = 1 << 20;
constexpr size_t kHugePage = 2 << 20;
// A block serves a request that fills at least this part of it.
constexpr size_t kLeastShare = 4;

// The NUMA node that the calling thread's blocks are near to.
thread_local unsigned node_of_thread = 0;

class BlockPool final : public c10::Allocator {
  using Free = std::multimap<size_t, void*>;

 public:
  c10::DataPtr allocate(size_t size) const override {
    const c10::Device cpu(c10::DeviceType::CPU);
    if (size == 0) return {nullptr, cpu};
    if (size < kLargeBlock) {
      void* data = nullptr;
      if (posix_memalign(&data, 64, size) != 0) throw std::bad_alloc();
      // Nobody's lock: many workers would wait for one another.
      return {data, data, &std::free, cpu};
    }
    void* const data = take(size);
    return {data, data, &release, cpu};
  }

  // oneDNN's side of torch allocates without the owner that a DataPtr is.
  c10::DeleterFnPtr raw_deleter() const override { return &release; }

  void trim() const {
    Free unused;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      for (auto& [node, free] : free_) unused.merge(free);
      for (const auto& [size, data] : unused) blocks_.erase(data);
    }
    // It takes long, and nobody need wait for it.
    for (const auto& [size, data] : unused) munmap(data, size);
  }

 private:
  struct Block {
    // Where it goes when no tensor uses it: the map of the NUMA node whose thread took it first.
    Free* home;
    // Of those in use what they go back there with. Giving a block back, which may happen while memory
    // is short and must not fail, so allocates nothing.
    Free::node_type entry;
  };

  mutable std::mutex mutex_;
  // Every large block.
  mutable std::unordered_map<void*, Block> blocks_;
  // Those that no tensor uses, by NUMA node, of which none is ever erased, and by size.
  mutable std::map<unsigned, Free> free_;

  static void release(void* data) noexcept;

  void* take(size_t size) const {
    if (void* const data = take_free(size)) return data;
    const size_t page = page_size();
    if (size > SIZE_MAX - page - kHugePage) throw std::bad_alloc();
    const size_t whole = (size + page - 1) / page * page;
    void* const data = map(whole);
    const std::lock_guard<std::mutex> lock(mutex_);
    try {
      Free& home = free_[node_of_thread];
      blocks_[data] = {&home, home.extract(home.emplace(whole, data))};
    } catch (...) {
      blocks_.erase(data);
      munmap(data, whole);
      throw;
    }
    return data;
  }

  // One that no tensor uses; null if none will do.
  void* take_free(size_t size) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    Free& free = free_[node_of_thread];
    const auto found = free.lower_bound(size);
    if (found == free.end() || found->first / kLeastShare > size) return nullptr;
    void* const data = found->second;
    blocks_.find(data)->second.entry = free.extract(found);
    return data;
  }

  static size_t page_size() {
    static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    return size;
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

void BlockPool::release(void* data) noexcept {
  const BlockPool& owner = pool();
  {
    const std::lock_guard<std::mutex> lock(owner.mutex_);
    const auto found = owner.blocks_.find(data);
    if (found != owner.blocks_.end()) {
      found->second.home->insert(std::move(found->second.entry));
      return;
    }
  }
  std::free(data);
}

}  // namespace

void install_block_pool() { c10::SetCPUAllocator(&pool()); }

void keep_blocks_near() {
  unsigned node = 0;
  node_of_thread = getcpu(nullptr, &node) == 0 ? node : 0;
}

void trim_block_pool() { pool().trim(); }

}  // namespace m2fp
