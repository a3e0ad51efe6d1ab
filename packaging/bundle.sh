#!/usr/bin/env bash
# Puts the libraries that an installed m2fp needs beside it, so that it runs where they are not:
#
#   bundle.sh PREFIX all     every one but glibc's: the tree then runs on any Linux with as new a glibc
#   bundle.sh PREFIX torch   libtorch's own alone: its Debian package would bring 300 others
#
# Debian's libraries name some that they take no symbol from: libtorch OpenCV's and FFmpeg's, which are
# made of 200 more. In the copies these names are left out. Debian only.
set -euo pipefail
prefix=${1:?usage: bundle.sh PREFIX all|torch}
mode=${2:?usage: bundle.sh PREFIX all|torch}
folder=$prefix/lib/m2fp
notices=$prefix/share/doc/m2fp/libraries

needed() { readelf --dynamic --wide "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }

# Those of them that no symbol comes from, unless versions of symbols are asked of them all the same.
unused() {
  comm -23 <(ldd -u "$1" | sed -n 's#^\s.*/##p' | sort) \
    <(readelf --version-info "$1" | sed -n 's/.*File: \(\S*\).*/\1/p' | sort)
}

# Where the linker finds a library; the fast BLAS in the reference one's place.
located() {
  local openblas
  openblas=$(dpkg -L libopenblas0-openmp | grep --max-count 1 -- "/$1\$" || true)
  if [ -n "$openblas" ]; then
    echo "$openblas"
  else
    ldconfig -p | sed -n "s#^\s$1 (libc6,x86-64.*) => ##p" | head -n 1
  fi
}

wanted() {
  case $mode:$1 in
  *:ld-linux-*.so.* | *:lib[cm].so.6 | *:libdl.so.* | *:libpthread.so.* | *:librt.so.*) return 1 ;;
  torch:libtorch*.so.* | torch:libc10.so.* | all:*) return 0 ;;
  *) return 1 ;;
  esac
}

# Leaves out of a file's needs what it does not use, and bundles the rest.
bundle_needs_of() {
  local path=$1 copy=$2 name library
  # shellcheck disable=SC2046 # a word for each library
  test -z "$(unused "$path")" || patchelf $(unused "$path" | sed 's/^/--remove-needed /') "$copy"
  for name in $(needed "$copy"); do
    if ! wanted "$name" || [ -e "$folder/$name" ]; then continue; fi
    library=$(located "$name")
    library=$(realpath "${library:?bundle.sh: $name is not installed}")
    install -D -m 644 "$library" "$folder/$name"
    patchelf --set-rpath "\$ORIGIN" "$folder/$name"
    notice "$library"
    bundle_needs_of "$library" "$folder/$name"
  done
}

# The licence of the package that a library is from.
notice() {
  local package
  package=$(dpkg -S "$1" 2>/dev/null || dpkg -S "${1#/usr}")
  package=${package%%[: ]*}
  install -D -m 644 "/usr/share/doc/$package/copyright" "$notices/$package"
}

for file in "$prefix"/bin/* "$folder/libM2FPTorch.so"; do bundle_needs_of "$file" "$file"; done
if [ "$mode" = all ]; then
  font=/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
  install -D -m 644 "$font" "$prefix/share/m2fp/fonts/DejaVuSans.ttf"
  notice "$font"
fi

# Nothing is missing, and what should be here is not found elsewhere.
for file in "$prefix"/bin/* "$folder"/*.so*; do
  ldd -r "$file" 2>&1 | while read -r name arrow path _; do
    case $name:$path in
    undefined:* | *:not) echo "bundle.sh: $file: $name $arrow $path" >&2; exit 1 ;;
    linux-vdso* | /*) continue ;;
    esac
    if wanted "$name" && [ "$(realpath "$path")" != "$(realpath "$folder")/$name" ]; then
      echo "bundle.sh: $file takes $name from $path" >&2
      exit 1
    fi
  done
done
