// Fails the n-th allocation that libM2FPTorch.so makes while it runs a network, for every n there is,
// and while it loads one, for every seventh, as that takes longer: each must come back as "out of
// memory". Those that torch makes by itself are not counted.
//
//   allocations LIBRARY MODEL THREADS
//
// Each n has a process of its own, which has allocated nothing yet that is kept from run to run.
//
//   allocations LIBRARY MODEL THREADS PAGE
//
// runs the network once on a machine that says to have pages of that size, and counts what the library
// maps: whole pages, or it is an error.
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "m2fp_torch.h"

namespace {

// Allocations of the library until one fails; negative: none does.
std::atomic<long> left{-1};
// Where the library's code lies.
uintptr_t library_begin, library_end;
// The size of pages that the library is told; 0: the machine's.
size_t page = 0;
// What it has mapped, and whether that was always whole pages.
std::atomic<long> mapped{0};
std::atomic<bool> is_whole{true};

bool is_library(const void* caller) {
  const auto address = reinterpret_cast<uintptr_t>(caller);
  return address >= library_begin && address < library_end;
}

bool fails(const void* caller) { return is_library(caller) && left >= 0 && left-- == 0; }

int find_library(dl_phdr_info* info, size_t, void*) {
  if (!std::strstr(info->dlpi_name, "libM2FPTorch")) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_X)) continue;
    library_begin = info->dlpi_addr + segment.p_vaddr;
    library_end = library_begin + segment.p_memsz;
  }
  return 1;
}

void* allocate(size_t size, size_t alignment, const void* caller) {
  if (fails(caller)) throw std::bad_alloc();
  void* const data =
      alignment ? std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment)
                : std::malloc(size ? size : 1);
  if (!data) throw std::bad_alloc();
  return data;
}

}  // namespace

#define CALLER __builtin_return_address(0)

void* operator new(size_t size) { return allocate(size, 0, CALLER); }
void* operator new[](size_t size) { return allocate(size, 0, CALLER); }
void* operator new(size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<size_t>(alignment), CALLER);
}
void* operator new[](size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<size_t>(alignment), CALLER);
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return fails(CALLER) ? nullptr : std::malloc(size ? size : 1);
}
void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  return fails(CALLER) ? nullptr : std::malloc(size ? size : 1);
}
void operator delete(void* data) noexcept { std::free(data); }
void operator delete[](void* data) noexcept { std::free(data); }
void operator delete(void* data, size_t) noexcept { std::free(data); }
void operator delete[](void* data, size_t) noexcept { std::free(data); }
void operator delete(void* data, std::align_val_t) noexcept { std::free(data); }
void operator delete[](void* data, std::align_val_t) noexcept { std::free(data); }
void operator delete(void* data, size_t, std::align_val_t) noexcept { std::free(data); }
void operator delete[](void* data, size_t, std::align_val_t) noexcept { std::free(data); }

extern "C" int posix_memalign(void** data, size_t alignment, size_t size) {
  if (fails(CALLER)) return ENOMEM;
  *data = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  return *data ? 0 : ENOMEM;
}

extern "C" void* mmap(void* at, size_t size, int protection, int flags, int file, off_t offset) {
  if (fails(CALLER)) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  if (is_library(CALLER)) {
    ++mapped;
    if (page && size % page != 0) is_whole = false;
  }
  return reinterpret_cast<void*>(syscall(SYS_mmap, at, size, protection, flags, file, offset));
}

extern "C" long sysconf(int name) noexcept {
  static const auto system = reinterpret_cast<long (*)(int)>(dlsym(RTLD_NEXT, "sysconf"));
  return name == _SC_PAGESIZE && page && is_library(CALLER) ? static_cast<long>(page) : system(name);
}

namespace {

// How a process ends.
enum Outcome { kNothingFailed = 0, kOutOfMemory = 10, kOtherError = 11 };

Outcome outcome(bool succeeded, const m2fp_torch_error& error) {
  if (succeeded) return left < 0 ? kOtherError : kNothingFailed;
  if (error.status == M2FP_TORCH_OUT_OF_MEMORY && error.message[0]) return kOutOfMemory;
  std::fprintf(stderr, "status %d: %s\n", static_cast<int>(error.status), error.message);
  return kOtherError;
}

bool run(const m2fp_torch_api* api, const m2fp_model* model, int threads, m2fp_torch_error* error) {
  m2fp_session* const session = api->session_create(model, threads, error);
  if (!session) return false;
  constexpr int kHeight = 96, kWidth = 128;
  float* const input = api->session_input(session, kHeight, kWidth, error);
  bool succeeded = input != nullptr;
  if (input) {
    std::memset(input, 0, sizeof(float) * 3 * kHeight * kWidth);
    m2fp_output output;
    succeeded = api->session_run(session, &output, error);
  }
  api->session_destroy(session);
  return succeeded;
}

// Runs `attempt` in a process for every n that is a multiple of `step`. Returns the first n that there
// was no more, or -1.
template <typename Attempt>
long fail_each(const char* what, long step, Attempt attempt) {
  for (long n = 0;; n += step) {
    const pid_t child = fork();
    if (child == 0) {
      left = n;
      m2fp_torch_error error;
      const bool succeeded = attempt(&error);
      const Outcome result = outcome(succeeded, error);
      left = -1;
      _exit(result);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) return -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == kNothingFailed) return n;
    if (WIFEXITED(status) && WEXITSTATUS(status) == kOutOfMemory) continue;
    std::fprintf(stderr, "%s, allocation %ld: status %#x\n", what, n, status);
    return -1;
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4 && count != 5) return 2;
  void* const library = dlopen(arguments[1], RTLD_LAZY | RTLD_LOCAL);
  if (!library) {
    std::fprintf(stderr, "%s\n", dlerror());
    return 2;
  }
  dl_iterate_phdr(find_library, nullptr);
  using GetAPI = const m2fp_torch_api* (*)(size_t);
  const auto get_api = reinterpret_cast<GetAPI>(dlsym(library, "m2fp_torch_get_api"));
  const m2fp_torch_api* const api = get_api ? get_api(M2FP_TORCH_API_VERSION) : nullptr;
  if (!api || !library_begin) return 2;
  const char* const path = arguments[2];
  const int threads = std::atoi(arguments[3]);
  page = count == 5 ? std::strtoul(arguments[4], nullptr, 10) : 0;
  // Before the others, which then find ready what torch sets up once.
  m2fp_torch_error error;
  const int archive = open(path, O_RDONLY | O_CLOEXEC);
  if (archive < 0) return 2;
  const m2fp_model* const model = api->model_load(archive, M2FP_PRECISION_FLOAT32, false, &error);
  if (!model) return 2;
  if (page) {
    if (!run(api, model, threads, &error)) return 1;
    std::printf("%ld\n", mapped.load());
    return is_whole ? 0 : 1;
  }
  const long loading = fail_each("loading", 7, [&](m2fp_torch_error* error) {
    return api->model_load(archive, M2FP_PRECISION_FLOAT32, false, error) != nullptr;
  });
  const long running = fail_each(
      "running", 1, [&](m2fp_torch_error* error) { return run(api, model, threads, error); });
  std::printf("%ld %ld\n", loading, running);
  return loading > 0 && running > 0 ? 0 : 1;
}
