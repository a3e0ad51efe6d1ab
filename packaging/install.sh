#!/bin/sh
# Installs m2fp @VERSION@ for Linux on x86-64 with glibc 2.36 or later (Debian 12, Ubuntu 24.04, Fedora 37):
#
#   curl -fsSL @URL@/install.sh | sh
#
# into ~/.local, or another folder: … | sh -s -- /opt/m2fp. No root, no other packages; a tarball
# that lies here already is taken in place of a download. To remove it: PREFIX/lib/m2fp/uninstall.
set -eu
prefix=${1:-$HOME/.local}
tarball=m2fp-@VERSION@-linux-x86_64.tar.xz

case $(uname -s)-$(uname -m) in
Linux-x86_64) ;;
*) echo "m2fp: this tarball is for Linux on x86-64, not $(uname -s) on $(uname -m)" >&2; exit 1 ;;
esac
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ -f "$tarball" ]; then
  cp "$tarball" "$scratch"
else
  curl -fSL --output "$scratch/$tarball" "@URL@/$tarball"
fi
(cd "$scratch" && echo "@SHA256@  $tarball" | sha256sum --check --quiet -)
tar -xJf "$scratch/$tarball" -C "$scratch" --no-same-owner
"$scratch/${tarball%.tar.xz}/install" "$prefix"
"$prefix/bin/m2fp" --version
case :$PATH: in
*:"$prefix/bin":*) ;;
*) echo "m2fp is in $prefix/bin, which is not in PATH: add it there." ;;
esac
