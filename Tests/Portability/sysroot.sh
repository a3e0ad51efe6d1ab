#!/usr/bin/env bash
# Unpacks Debian 12's arm64 packages that our C and C++ are compiled and linked against, by apt, but apart from
# this machine's own packages:
#
#   sysroot.sh FOLDER
set -euo pipefail
target=$(realpath --canonicalize-missing "${1:?usage: sysroot.sh FOLDER}")
folder=$target.new
apt=$target.apt
mirror=${DEBIAN_MIRROR:-http://deb.debian.org}

rm -rf "$folder" "$apt"
mkdir -p "$apt"/{lists,cache/archives}/partial "$folder"/usr/{bin,lib,sbin}
ln -s usr/bin usr/lib usr/sbin "$folder"
: >"$apt/status"
echo "deb [arch=arm64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror/debian bookworm main" \
  >"$apt/sources.list"
cat >"$apt/apt.conf" <<END
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Dir::State "$apt";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
END
export APT_CONFIG=$apt/apt.conf
apt-get -qq update
# What libtorch names and does not use stays away, as m2fp keeps it out (Sources/CTorchLoader).
torch=$(apt-cache depends libtorch1.13 | sed -n 's/^ *|\?Depends: \([a-z].*\)/\1/p' |
  grep -Ev '^lib(av|opencv|sw)|^lib(blas|lapack)3$')
# shellcheck disable=SC2086 # a word for each package
apt-get -qq --yes --download-only install libc6-dev libstdc++-12-dev $torch libopenblas0-openmp \
  ocl-icd-libopencl1 libfreetype-dev libgflags-dev libgif-dev libgoogle-glog-dev libheif-dev libjpeg-dev \
  libjxl-dev libpng-dev libprotobuf-dev libtiff-dev libwebp-dev >/dev/null
(cd "$apt/cache/archives" && apt-get -qq download libtorch1.13 libtorch-dev)
for package in "$apt"/cache/archives/*.deb; do
  dpkg-deb --fsys-tarfile "$package" | tar --extract --keep-directory-symlink --directory "$folder"
done
rm -rf "$apt" "$target"
mv "$folder" "$target"
touch "$target"
