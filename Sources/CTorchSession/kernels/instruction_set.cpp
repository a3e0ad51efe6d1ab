#include "instruction_set.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>

namespace m2fp {
namespace {

#if defined(__x86_64__)
constexpr const char* kNames[] = {"sse2", "avx2", "avx512", "avx512-vnni"};

InstructionSet best() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("x86-64-v3")) return InstructionSet::baseline;
#if defined(M2FP_TEST_WIDE_ON_AVX2)
  return InstructionSet::avx512_vnni;
#endif
  if (!__builtin_cpu_supports("x86-64-v4")) return InstructionSet::avx2;
  return __builtin_cpu_supports("avx512vnni") ? InstructionSet::avx512_vnni
                                              : InstructionSet::avx512;
}
#else
constexpr const char* kNames[] = {"neon"};

InstructionSet best() { return InstructionSet::baseline; }
#endif

InstructionSet choose() {
  const InstructionSet most = best();
  const char* const name = std::getenv("M2FP_KERNELS");
  for (int set = 0; name && set < static_cast<int>(std::size(kNames)); ++set) {
    if (std::strcmp(name, kNames[set]) == 0) return std::min(most, static_cast<InstructionSet>(set));
  }
  return most;
}

}  // namespace

InstructionSet instruction_set() {
  static const InstructionSet set = choose();
  return set;
}

const char* instruction_set_name() { return kNames[static_cast<int>(instruction_set())]; }

}  // namespace m2fp
