// One body, compiled for each instruction set; the binary itself stays plain x86-64.
#pragma once

namespace m2fp {

#if defined(__x86_64__)
template <auto Body, typename... Arguments>
[[gnu::target("arch=x86-64-v3")]] void run_with_avx2(Arguments... arguments) {
  Body(arguments...);
}

inline bool has_avx2() {
  static const bool result = [] {
    __builtin_cpu_init();
    return static_cast<bool>(__builtin_cpu_supports("x86-64-v3"));
  }();
  return result;
}
#endif

// Calls Body, which must be [[gnu::always_inline]], in the best version that this CPU runs.
template <auto Body, typename... Arguments>
void run_on_this_cpu(Arguments... arguments) {
#if defined(__x86_64__)
  if (has_avx2()) return run_with_avx2<Body>(arguments...);
#endif
  Body(arguments...);
}

}  // namespace m2fp
