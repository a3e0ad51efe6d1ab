#!/bin/sh
# Copies a tree of bin, lib and share to a prefix, in place of an m2fp that may be there:
#
#   install-tree.sh [PREFIX [TREE]]    PREFIX is ~/.local, TREE the folder that this lies in
#
# PREFIX/lib/m2fp/uninstall then removes it, with the folders that it brought.
set -eu
prefix=${1:-$HOME/.local}
cd "${2:-$(dirname "$0")}"
if [ -x "$prefix/lib/m2fp/uninstall" ]; then "$prefix/lib/m2fp/uninstall"; fi

# Folders, the deepest first, to be removed in that order, and only those that were not there; then files.
installed=$(
  find bin lib share -depth -type d | while read -r folder; do
    if [ ! -d "$prefix/$folder" ]; then echo "$folder/"; fi
  done
  if [ ! -d "$prefix" ]; then echo "./"; fi
  find bin lib share ! -type d
)
mkdir -p "$prefix"
cp -R bin lib share "$prefix"
echo "$installed" >"$prefix/lib/m2fp/installed"
cat >"$prefix/lib/m2fp/uninstall" <<'END'
#!/bin/sh
set -eu
cd "$(dirname "$0")/../.."
installed=$(cat lib/m2fp/installed)
rm -f lib/m2fp/installed lib/m2fp/uninstall
for path in $installed; do
  case $path in */) ;; *) rm -f "$path" ;; esac
done
for path in $installed; do
  case $path in */) rmdir --ignore-fail-on-non-empty "$PWD/${path#./}" ;; esac
done
END
chmod 755 "$prefix/lib/m2fp/uninstall"
