#include "instruction_set.h"

#include <cstdlib>
#include <cstring>

namespace m2fp {
namespace {

struct Named {
  InstructionSet set;
  const char* name;
  bool is_there;
};

Named choose() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("x86-64-v3");
#if defined(M2FP_TEST_WIDE_ON_AVX2)
  const bool has_avx512 = has_avx2, has_avx512_vnni = has_avx2, has_avx_vnni = has_avx2;
#else
  const bool has_avx512 = __builtin_cpu_supports("x86-64-v4");
  const bool has_avx512_vnni = has_avx512 && __builtin_cpu_supports("avx512vnni");
  const bool has_avx_vnni = has_avx2 && __builtin_cpu_supports("avxvnni");
#endif
  // The best ones first.
  const Named sets[] = {
      {InstructionSet::avx512_vnni, "avx512-vnni", has_avx512_vnni},
      {InstructionSet::avx512, "avx512", has_avx512},
      {InstructionSet::avx2_vnni, "avx2-vnni", has_avx_vnni},
      {InstructionSet::avx2, "avx2", has_avx2},
      {InstructionSet::baseline, "sse2", true},
  };
#else
  const Named sets[] = {{InstructionSet::baseline, "neon", true}};
#endif
  const char* const asked = std::getenv("M2FP_KERNELS");
  const Named* best = nullptr;
  for (const Named& each : sets) {
    if (!each.is_there) continue;
    if (asked && std::strcmp(asked, each.name) == 0) return each;
    if (!best) best = &each;
  }
  return *best;
}

const Named& chosen() {
  static const Named set = choose();
  return set;
}

}  // namespace

InstructionSet instruction_set() { return chosen().set; }

const char* instruction_set_name() { return chosen().name; }

}  // namespace m2fp
