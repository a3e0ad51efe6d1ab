// One source for every width of vectors: kernels are templates over the registers of an instruction set,
// compiled for each, and the best that this CPU has is chosen once. The binary itself stays plain.
#pragma once

#include <cstdint>

namespace m2fp {

enum class InstructionSet {
  // SSE2 on x86-64, NEON on aarch64.
  baseline,
  avx2,
  // The same with vpdpwssd.
  avx2_vnni,
  avx512,
  avx512_vnni,
};

// The best one that this CPU has or, for tests, another one of its that M2FP_KERNELS names.
InstructionSet instruction_set();

// As M2FP_KERNELS names it.
const char* instruction_set_name();

// Registers of an instruction set, and the tile of a matrix product that fits them: Rows x Vectors sums,
// beside them Vectors of one matrix and a value of the other in all lanes.
template <int64_t Lanes, int64_t Rows, int64_t Vectors>
struct Registers {
  static constexpr int64_t kLanes = Lanes;
  static constexpr int64_t kRows = Rows;
  static constexpr int64_t kVectors = Vectors;
};

#if defined(__x86_64__)
// 16, 16 and 32 of them.
using Baseline = Registers<4, 6, 2>;
using AVX2 = Registers<8, 6, 2>;
using AVX512 = Registers<16, 12, 2>;

// Tests run the code for AVX-512 where there is AVX2 alone as well, with two registers to a vector.
#if defined(M2FP_TEST_WIDE_ON_AVX2)
#define M2FP_AVX2_VNNI "arch=x86-64-v3"
#define M2FP_AVX512 "arch=x86-64-v3"
#define M2FP_AVX512_VNNI "arch=x86-64-v3"
#else
#define M2FP_AVX2_VNNI "arch=x86-64-v3,avxvnni"
#define M2FP_AVX512 "arch=x86-64-v4,no-prefer-256-bit"
#define M2FP_AVX512_VNNI "arch=x86-64-v4,no-prefer-256-bit,avx512vnni"
#endif

template <typename Body>
[[gnu::target("arch=x86-64-v3")]] void run_with_avx2(const Body& body) {
  body(AVX2{});
}

template <typename Body>
[[gnu::target(M2FP_AVX2_VNNI)]] void run_with_avx2_vnni(const Body& body) {
  body(AVX2{});
}

template <typename Body>
[[gnu::target(M2FP_AVX512)]] void run_with_avx512(const Body& body) {
  body(AVX512{});
}

template <typename Body>
[[gnu::target(M2FP_AVX512_VNNI)]] void run_with_avx512_vnni(const Body& body) {
  body(AVX512{});
}
#else
// NEON's 32.
using Baseline = Registers<4, 6, 4>;
#endif

// Whether a kernel's products are of integers, for which there are instructions beside those for floats.
enum class Arithmetic { floats, integers };

// Calls body(registers), which must be always inlined, in the best version that this CPU runs.
template <Arithmetic Kind = Arithmetic::floats, typename Body>
void run_on_this_cpu(const Body& body) {
#if defined(__x86_64__)
  switch (instruction_set()) {
    case InstructionSet::avx512_vnni:
      if constexpr (Kind == Arithmetic::integers) return run_with_avx512_vnni(body);
      [[fallthrough]];
    case InstructionSet::avx512: return run_with_avx512(body);
    case InstructionSet::avx2_vnni:
      if constexpr (Kind == Arithmetic::integers) return run_with_avx2_vnni(body);
      [[fallthrough]];
    case InstructionSet::avx2: return run_with_avx2(body);
    case InstructionSet::baseline: break;
  }
#endif
  body(Baseline{});
}

}  // namespace m2fp
