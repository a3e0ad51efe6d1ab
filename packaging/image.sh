#!/usr/bin/env bash
# Makes an OCI image, as Containerfile describes it, without a container engine:
#
#   image.sh M2FP.deb OUT.tar
#
# OUT.tar is for 'podman load --input' and 'skopeo copy oci-archive:OUT.tar'. As root.
set -euo pipefail
deb=$(realpath "${1:?usage: image.sh M2FP.deb OUT.tar}")
out=$(realpath "${2:?usage: image.sh M2FP.deb OUT.tar}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

umoci init --layout "$scratch/image"
umoci new --image "$scratch/image:m2fp"
umoci unpack --image "$scratch/image:m2fp" "$scratch/bundle"
root=$scratch/bundle/rootfs
"$(dirname "$0")/bare.sh" "$root"
cp "$deb" "$root/m2fp.deb"
in_root() { chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"; }
in_root apt-get install --yes -qq --no-install-recommends /m2fp.deb fonts-dejavu-core \
  libgif7 libheif1 libjxl0.7 libtiff6 libwebpdemux2 >/dev/null
in_root apt-get clean
# As Debian's slim images.
rm -rf "$root"/m2fp.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/man/* "$root"/usr/share/locale/* \
  "$root"/var/log/*.log "$root"/var/log/apt
find "$root/usr/share/doc" -type f ! -name copyright ! -path '*/m2fp/*' -delete
umoci repack --image "$scratch/image:m2fp" "$scratch/bundle"
umoci config --image "$scratch/image:m2fp" --config.user 1000 \
  --config.entrypoint m2fp --config.cmd parse --config.cmd /photos --config.cmd --out \
  --config.cmd /parsed --config.env PATH=/usr/local/bin:/usr/bin:/bin
umoci gc --layout "$scratch/image"
tar --create --file "$out" --directory "$scratch/image" .
