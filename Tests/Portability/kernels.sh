#!/usr/bin/env bash
# Tests the network's kernels, as Tests/Portability/Makefile has built them, with every instruction set that they
# are written for:
#
#   kernels.sh x86_64|nehalem|aarch64 [TILES]
#
# Where products and sums are fused the results are the same bytes: first x86_64, this machine, for the others to be
# compared with. The code for AVX-512 is run on AVX2 as well, two registers to a vector, so that every machine tests it;
# what it is compiled to where there are such registers is looked at.
set -euo pipefail
machine=${1:?usage: kernels.sh x86_64|nehalem|aarch64 [TILES]}
tiles=${2:-100000}
cd "$(dirname "$0")/../.."
build=.build-portability
say() { echo "$machine: $*"; }

# kernels SET SAME PROGRAM…: the results of SET are those of SAME.
kernels() {
  local set=$1 same=$2 results=$build/$machine.results
  shift 2
  mkdir -p "$results"
  M2FP_KERNELS=$set "$@" "$tiles" >"$results/kernels-$set" 2>"$results/messages" ||
    { cat "$results"/{kernels-"$set",messages}; exit 1; }
  if [ "$set" != "$(cat "$results/messages")" ]; then
    say "kernels: $set: not on this processor"
    return
  fi
  diff "$build/$same" "$results/kernels-$set"
  say "kernels: $set: $(wc -l <"$results/kernels-$set") results, the same as in $same"
}

# sums MACHINE FUNCTION SUM LEAST: its inner loops keep their sums in registers.
objdump=$(clang --print-prog-name=llvm-objdump)
sums() {
  "$objdump" -d --no-show-raw-insn -C "$build/$1/session/kernels/matrix_product.o" |
    awk -v FUNCTION="$2" -v SUM="$3" -v LEAST="$4" -f Tests/Portability/loops.awk | sed "s/^/$1: kernels: /"
}

case $machine in
x86_64)
  kernels sse2 x86_64.results/kernels-sse2 $build/x86_64/kernels
  if grep -qw avx2 /proc/cpuinfo; then
    kernels avx2 x86_64.results/kernels-avx2 $build/x86_64/kernels
    kernels avx2-vnni x86_64.results/kernels-avx2 $build/x86_64/kernels
    kernels avx512-vnni x86_64.results/kernels-avx2 $build/x86_64/kernels-wide
    kernels avx512 x86_64.results/kernels-avx2 $build/x86_64/kernels
    kernels avx512-vnni x86_64.results/kernels-avx2 $build/x86_64/kernels
  fi
  sums x86_64 'run_with_avx2<.*<float>' '^vfmadd.*ymm' 12
  sums x86_64 'run_with_avx2<.*<short>' '^vpaddd.*ymm' 12
  sums x86_64 'run_with_avx2_vnni<.*<short>' 'vpdpwssd.*ymm' 12
  sums x86_64 'run_with_avx512<.*<float>' '^vfmadd.*zmm' 24
  sums x86_64 'run_with_avx512_vnni<.*<short>' '^vpdpwssd.*zmm' 24
  ;;
nehalem) kernels sse2 x86_64.results/kernels-sse2 qemu-x86_64-static -cpu Nehalem $build/x86_64/kernels ;;
aarch64)
  kernels neon x86_64.results/kernels-avx2 qemu-aarch64-static -L "$build/sysroot" $build/aarch64/kernels
  sums aarch64 'run_on_this_cpu<.*<float>' '^fmla' 24
  ;;
esac
