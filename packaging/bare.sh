#!/usr/bin/env bash
# Unpacks a bare Debian 12, with its security updates, into a folder:
#
#   bare.sh FOLDER
#
# BARE=FILE.tar keeps it for the next time, for a day. As root.
set -euo pipefail
folder=${1:?usage: bare.sh FOLDER}
kept=${BARE:-}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org}

mkdir -p "$folder"
if [ -n "$kept" ] && [ -n "$(find "$kept" -mmin -1440 2>/dev/null)" ]; then
  tar --extract --file "$kept" --directory "$folder"
  exit
fi
debootstrap --variant=minbase bookworm "$folder" "$mirror/debian" >"$folder.log" ||
  { cat "$folder.log"; exit 1; }
rm "$folder.log"
echo "deb $mirror/debian-security bookworm-security main" >>"$folder/etc/apt/sources.list"
in_folder() { chroot "$folder" env DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"; }
in_folder apt-get -qq update
in_folder apt-get -qq --yes upgrade >/dev/null
in_folder apt-get clean
if [ -n "$kept" ]; then tar --create --file "$kept" --directory "$folder" .; fi
