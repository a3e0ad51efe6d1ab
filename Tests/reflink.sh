#!/usr/bin/env bash
# Checks that the second copy of a photo shares its outputs' blocks with the cache on file systems
# that can do so: XFS and Btrfs, made in files and mounted where only this script sees them.
# `make reflink` runs it, as root; $M2FP is the binary.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
if [[ -z "${REFLINK_INSIDE-}" ]]; then
  REFLINK_INSIDE=$(mktemp -d)
  export REFLINK_INSIDE
  trap 'rm -rf "$REFLINK_INSIDE"' EXIT
  unshare --mount "$0"
  exit
fi

cd "$REFLINK_INSIDE"
for system in xfs btrfs; do
  truncate --size 400M $system.image
  case $system in
    xfs) mkfs.xfs -q -m reflink=1 xfs.image ;;
    btrfs) mkfs.btrfs -q btrfs.image >/dev/null ;; # It talks all the same.
  esac
  mkdir $system
  mount -o loop $system.image $system
  mkdir $system/in
  cp "$here/../Examples/grace-hopper.jpg" $system/in/a.jpg
  cp $system/in/a.jpg $system/in/b.jpg
  # The overlay is the output that has blocks to share.
  "$M2FP" parse $system/in --out $system/out --cache $system/cache --jobs 1 --overlay --quiet \
    --model "$here/Fixtures/models/colour-multi.pt"
  sync
  cmp $system/out/a.m2fp.overlay.jpg $system/out/b.m2fp.overlay.jpg
  shared=$(filefrag -v $system/out/b.m2fp.overlay.jpg | grep -c shared) || true
  echo "$system: $shared shared extents in an overlay out of the cache"
  ((shared > 0))
  umount $system
done
