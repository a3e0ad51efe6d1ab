#!/usr/bin/env bash
# Runs each package of DIST where there is nothing but what it asks for, in chroots of a bare Debian 12:
#
#   check.sh DIST [deb|tarball|action|image ...]
#
# As root. `make release-check` builds the packages first.
set -euo pipefail
dist=$(realpath "${1:?usage: check.sh DIST [deb|tarball|action|image ...]}")
shift
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
# The same Debian for all of them.
export BARE=${BARE:-$scratch/bare.tar}
# --one-file-system: what is still mounted stays.
trap 'umount -q "$scratch"/*/proc || true; rm -rf --one-file-system "$scratch"' EXIT

say() { printf '\n== %s\n' "$*"; }
fail() { echo "check.sh: $*" >&2; exit 1; }
size_of() { du --summarize --block-size 1M --one-file-system "$1" | cut --fields 1; }

# A bare Debian 12 in scratch/$1, with the examples and a user.
bare() {
  root=$scratch/$1
  packaging/bare.sh "$root"
  prepare
}

prepare() {
  mount -t proc proc "$root/proc"
  mkdir -p "$root/srv/photos" "$root/srv/home"
  cp Examples/eileen-collins.png Examples/grace-hopper.jpg Examples/two-portraits.jpg \
    "$root/srv/photos"
  chown -R 1000:1000 "$root/srv"
}

as_root() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"; }
as_user() {
  chroot --userspec 1000:1000 "$root" env -i PATH="${bin:+$bin:}/usr/bin:/bin" HOME=/srv/home LC_ALL=C "$@"
}
# expect CODE COMMAND…
expect() {
  local expected=$1 code=0
  shift
  as_user "$@" >"$scratch/output" 2>&1 || code=$?
  [ "$code" = "$expected" ] || fail "exit code $code, not $expected, of $*: $(cat "$scratch/output")"
}

# What every package must do.
works() {
  local tool
  for tool in swift gcc clang python3; do
    if as_user sh -c "command -v $tool" >/dev/null; then fail "there is a $tool in the chroot"; fi
  done
  as_user m2fp --version
  expect 0 m2fp doctor
  grep -E 'libtorch|BLAS|self-test' "$scratch/output"
  expect 0 m2fp parse /srv/photos --out /srv/parsed --overlay --persons --sheet /srv/sheet.html
  tail -n 3 "$scratch/output"
  for name in eileen-collins grace-hopper two-portraits; do
    for file in .m2fp.png .m2fp.json .m2fp.persons.png .m2fp.overlay.jpg /face.png; do
      test -s "$root/srv/parsed/$name${file/#\//.m2fp/}" || fail "no $name$file"
    done
  done
  expect 0 m2fp parse /srv/photos --out /srv/parsed
  grep -q '3 already current' "$scratch/output" || fail "parsed again: $(cat "$scratch/output")"
  # The exit codes that the manual lists.
  echo 'no photo' >"$root/srv/photos/broken.jpg"
  expect 3 m2fp parse /srv/photos --out /srv/parsed
  rm "$root/srv/photos/broken.jpg"
  expect 64 m2fp parse /srv/photos --no-such-option
  expect 65 m2fp parse /srv/photos --model /srv/photos/grace-hopper.jpg
  expect 66 m2fp parse /srv/nothing
  expect 69 m2fp parse /srv/photos --model nobody
  expect 73 m2fp parse /srv/photos --out /proc/m2fp
  expect 0 m2fp compare /srv/parsed /srv/parsed --least 100
}

# The manual, found and well-formed.
manual() {
  as_root man -w m2fp-parse
  as_root mandb --quiet --create
  as_root apropos parsing | grep m2fp || fail "apropos parsing finds no m2fp"
  for page in "$root/$1"/share/man/man1/m2fp*; do
    lexgrog "$page" >/dev/null || fail "lexgrog cannot parse $page"
    mandoc -T lint -W warning "$page" >"$scratch/lint" || { cat "$scratch/lint"; fail "$page"; }
  done
}

# `m2fp pa<TAB>` and `m2fp help exi<TAB>` in three shells, found without anything being set up.
completions() {
  local shell typed completed
  # shellcheck disable=SC2016 # by bash
  as_user bash -c '. /usr/share/bash-completion/bash_completion; _completion_loader m2fp
    try() { COMP_LINE="$*" COMP_POINT=${#COMP_LINE} COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
      _m2fp m2fp "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"; echo "bash: $*: ${COMPREPLY[*]}"; }
    try m2fp pa; try m2fp help exi' >"$scratch/completions"
  as_user zsh -f -c "$(cat packaging/complete.zsh)" >>"$scratch/completions"
  # shellcheck disable=SC2016 # by fish
  as_user fish -c 'for typed in "m2fp pa" "m2fp help exi"; echo "fish: $typed:" (complete -C $typed); end' \
    >>"$scratch/completions"
  cat "$scratch/completions"
  for shell in bash zsh fish; do
    while IFS=: read -r typed completed; do
      grep -q "^$shell: $typed: $completed" "$scratch/completions" || fail "$shell completes no '$typed'"
    done <<<$'m2fp pa:parse\nm2fp help exi:exit-codes'
  done
}

# What a systemd unit starts, with the folders that systemd would make; its process ID is in state/pid.
unit() { # UNIT NAME=VALUE…
  local command
  command=$(sed -n 's/^ExecStart=//p' "$1")
  shift
  as_user mkdir -p /srv/state
  as_user STATE_DIRECTORY=/srv/state CACHE_DIRECTORY=/srv/state "$@" \
    sh -c "echo \$\$ >/srv/state/pid; exec $command"
}

# Both units: one pass over a folder, and the server, which answers with the bytes that parse writes.
services() { # FOLDER
  local socket=/srv/serve.sock
  unit "$1/m2fp.service" PHOTOS=/srv/photos >"$scratch/output" 2>&1 || fail "m2fp.service: $(cat "$scratch/output")"
  test -s "$root/srv/state/grace-hopper.m2fp.png" || fail "m2fp.service has written nothing"
  unit "$1/m2fp-serve.service" OPTIONS="--listen unix:$socket" >"$scratch/output" 2>&1 &
  for _ in $(seq 300); do
    if as_user m2fp health "unix:$socket" >/dev/null 2>&1; then break; fi
    sleep 0.1
  done
  curl --silent --fail --unix-socket "$root$socket" --data-binary @Examples/grace-hopper.jpg \
    --output "$scratch/served.png" http://localhost/v1/parse || fail "no answer: $(cat "$scratch/output")"
  cmp "$scratch/served.png" "$root/srv/parsed/grace-hopper.m2fp.png"
  kill "$(cat "$root/srv/state/pid")"
  wait $! || fail "the server ends with $?: $(cat "$scratch/output")"
  echo "services: a pass, and a photo by HTTP"
}

deb() {
  say "Debian package"
  lintian --fail-on error --suppress-tags debian-changelog-line-too-long "$dist"/m2fp_*.deb
  bare deb
  local before bin='' folder
  before=$(size_of "$root")
  cp "$dist"/m2fp_*.deb "$root/m2fp.deb"
  (cd "$root" && find usr etc var -type d) | sort >"$scratch/folders"
  as_root apt-get install --yes -qq --no-install-recommends /m2fp.deb >"$scratch/apt" 2>&1 ||
    { cat "$scratch/apt"; fail "apt-get"; }
  as_root apt-get clean
  rm "$root/m2fp.deb"
  echo "$(du -m "$dist"/m2fp_*.deb | cut -f1) MB; brings $(grep -c '^Setting up' "$scratch/apt") packages, $(($(size_of "$root") - before)) MB"
  works
  services "$root/usr/lib/systemd/system"
  as_root apt-get install --yes -qq --no-install-recommends bash-completion fish man-db zsh \
    >/dev/null 2>&1
  manual usr
  completions
  as_root dpkg -L m2fp >"$scratch/installed"
  as_root apt-get purge --yes -qq m2fp >/dev/null 2>&1
  # What is left belongs to other packages.
  while read -r folder; do
    test ! -e "$root$folder" || as_root dpkg -S "$folder" >/dev/null 2>&1 || fail "purging leaves $folder"
  done <"$scratch/installed"
}

# What a tree below a prefix must do; it is removed at the end.
tree() { # PREFIX
  local bin=$1/bin unit
  works
  mkdir "$scratch/units"
  for unit in Examples/recipes/m2fp.service packaging/m2fp-serve.service; do
    sed "s#^ExecStart=/usr/\(local/\)\?bin#ExecStart=$bin#" "$unit" >"$scratch/units/${unit##*/}"
  done
  services "$scratch/units"
  rm -r "$scratch/units"
  # Elsewhere it works, too.
  mv "$root$1" "$root/srv/moved"
  bin=/srv/moved/bin
  expect 0 m2fp doctor
  as_user /srv/moved/lib/m2fp/uninstall
  test ! -e "$root/srv/moved" || fail "uninstalling leaves $(find "$root/srv/moved")"
}

tarball() {
  say "tarball"
  bare tarball
  cp "$dist"/m2fp-*-linux-x86_64.tar.xz "$dist/install.sh" "$root/srv"
  # What unpacks it; most systems have that.
  as_root apt-get install --yes -qq --no-install-recommends xz-utils >/dev/null 2>&1
  as_user sh -c 'cd /srv && sh install.sh'
  echo "$(du -m "$dist"/m2fp-*-linux-x86_64.tar.xz | cut -f1) MB; installed $(size_of "$root/srv/home/.local") MB"
  tree /srv/home/.local
}

# The steps of the GitHub Action, which take the tarball from DIST.
action() {
  say "GitHub Action"
  local step
  mkdir "$scratch/action" "$scratch/action/photos"
  cp Examples/grace-hopper.jpg "$scratch/action/photos"
  echo 'no photo' >"$scratch/action/photos/broken.jpg"
  python3 - "$scratch/action" <<'END'
import sys, yaml
for number, step in enumerate(yaml.safe_load(open("Examples/recipes/action/action.yml"))["runs"]["steps"]):
    open(f"{sys.argv[1]}/{number}.sh", "w").write(step["run"])
END
  for step in 0 1; do
    (cd "$scratch/action" && env RUNNER_TEMP="$scratch/action" GITHUB_OUTPUT="$scratch/action/output" \
      M2FP_RELEASE="file://$dist" PHOTOS=photos OUT=parsed OPTIONS='--masks none' bash -eo pipefail "$step.sh") \
      >"$scratch/output" || test $? = 3 || fail "step $step: $(cat "$scratch/output")"
    cat "$scratch/output"
  done
  grep -q '^::error file=.*broken.jpg' "$scratch/output" || fail "no annotation"
  test -s "$scratch/action/parsed/grace-hopper.m2fp.png"
}

image() {
  say "container image"
  mkdir "$scratch/layout"
  tar --extract --file "$dist"/m2fp-*-image.tar --directory "$scratch/layout"
  umoci unpack --image "$scratch/layout:m2fp" "$scratch/unpacked"
  ln -s "unpacked/rootfs" "$scratch/image"
  root=$scratch/image/
  local bin=
  prepare
  echo "$(du -m "$dist"/m2fp-*-image.tar | cut -f1) MB; unpacked $(size_of "$root") MB"
  works
  services "$root/usr/lib/systemd/system"
}

for package in "${@:-deb tarball action image}"; do for one in $package; do time "$one"; done; done
say "all packages work"
