#!/bin/sh
# Installs m2fp @VERSION@ for Linux on x86-64 with glibc 2.36 or later (Debian 12, Ubuntu 24.04, Fedora 37):
#
#   curl -fsSL RELEASE/install.sh | sh    RELEASE: where the release lies
#   sh install.sh                         beside the tarball
#
# into ~/.local, or another folder: … sh -s -- /opt/m2fp, sh install.sh /opt/m2fp. $M2FP_RELEASE is where the
# tarball lies, if not where it was released. Needs tar and xz; no root, no other packages. To remove it:
# PREFIX/lib/m2fp/uninstall.
set -eu
prefix=${1:-$HOME/.local}
release=${M2FP_RELEASE:-@RELEASE@}
tarball=m2fp-@VERSION@-linux-x86_64.tar.xz
fail() { echo "install.sh: $*" >&2; exit 1; }

case $(uname -s)-$(uname -m) in
Linux-x86_64) ;;
*) fail "this tarball is for Linux on x86-64, not $(uname -s) on $(uname -m)" ;;
esac
for tool in tar xz; do
  command -v "$tool" >/dev/null || fail "$tool is missing, which unpacks the tarball"
done
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ -f "$(dirname "$0")/$tarball" ]; then
  cp "$(dirname "$0")/$tarball" "$scratch"
elif [ -n "$release" ]; then
  curl -fSL --output "$scratch/$tarball" "$release/$tarball"
else
  fail "$tarball is not in this folder, and M2FP_RELEASE is not set to where it is"
fi
(cd "$scratch" && echo "@SHA256@  $tarball" | sha256sum --check --quiet -)
tar -xJf "$scratch/$tarball" -C "$scratch" --no-same-owner
"$scratch/${tarball%.tar.xz}/install" "$prefix"
"$prefix/bin/m2fp" --version
case :$PATH: in
*:"$prefix/bin":*) ;;
*) echo "m2fp is in $prefix/bin, which is not in PATH: add it there." ;;
esac
