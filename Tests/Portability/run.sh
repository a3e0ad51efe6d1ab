#!/usr/bin/env bash
# Runs what Tests/Portability/Makefile has built on a machine, or on what qemu-user makes of this one:
#
#   run.sh x86_64|nehalem|aarch64
#
# First x86_64, this machine: the others must compute the same bytes in kernels, codecs and fonts, which their fuzz
# targets' references hold besides. The network's outputs are compared with PyTorch's (Tests/Fixtures/models).
# Nehalem is a processor from before AVX.
set -euo pipefail
machine=${1:?usage: run.sh x86_64|nehalem|aarch64}
cd "$(dirname "$0")/../.."
build=.build-portability
images=Tests/Fixtures/images
models=Tests/Fixtures/models

case $machine in
x86_64) run=() programs=$build/x86_64 ;;
nehalem) run=(qemu-x86_64-static -cpu Nehalem) programs=$build/x86_64 ;;
aarch64)
  run=(qemu-aarch64-static -L "$build/sysroot" -E LD_LIBRARY_PATH=/usr/lib/aarch64-linux-gnu/openblas-openmp)
  programs=$build/aarch64
  ;;
esac
results=$build/$machine.results
mkdir -p "$results"
say() { echo "$machine: $*"; }

# replay TARGET INPUTS SUFFIX…: so many inputs are made up, and all photos so called are tried.
replay() {
  local target=$1 inputs=$2 suffix files=()
  shift 2
  for suffix in "$@"; do
    for file in "$images"/*."$suffix" "$images"/bad/*."$suffix"; do
      test ! -e "$file" || files+=("$file")
    done
  done
  # Some libraries tell of every bad file.
  "${run[@]}" "$programs/$target" "$inputs" "${files[@]}" >"$results/$target" 2>"$results/messages" ||
    { tail "$results/messages"; exit 1; }
  # Its library computes in floating point, as each processor does it best.
  if [ "$target" = jxl ]; then
    say "$target: $(wc -l <"$results/$target") results"
  else
    diff "$build/x86_64.results/$target" "$results/$target"
    say "$target: $(wc -l <"$results/$target") results, the same"
  fi
}
replay patches 1000
replay guide 300
replay font 50
replay encoders 300
replay orientation 1000
replay jpeg 300 jpg
replay png 300 png
replay webp 300 webp
replay heif 300 heic avif
replay tiff 300 tiff
replay jxl 300 jxl
replay gif 300 gif
replay bmp 300 bmp

# A million tiles of integers, but on a processor that is emulated.
case $machine in
x86_64) Tests/Portability/kernels.sh "$machine" 1000000 ;;
*) Tests/Portability/kernels.sh "$machine" 20000 ;;
esac

# network ARCHIVE PRECISION HEIGHT WIDTH MOST OUTPUT…
network() {
  say "network: $1 $2 $3x$4"
  "${run[@]}" "$programs/network" "$programs" "$@"
}
for size in '96 128' '160 64'; do
  read -r height width <<<"$size"
  shape=${height}x$width
  network $models/random.pt float32 "$height" "$width" 1e-3 $models/random-"$shape".{logits,masks}.f32
  network $models/layers.pt float32 "$height" "$width" 1e-5 $models/layers-"$shape".masks.f32
  network $models/layers.pt int16 "$height" "$width" 1e-3 $models/layers-"$shape".masks.f32
done
network $models/in-place.pt float32 96 128 1e-5 $models/in-place-96x128.masks.f32
# PyTorch's outputs of this one are in no file: this machine's are.
tiny=$build/x86_64.results/m2fp-tiny
if [ "$machine" = x86_64 ]; then rm -f "$tiny".*; fi
network Models/archives/m2fp-tiny.pt float32 256 192 1e-3 "$tiny".logits.f32 "$tiny".masks.f32
