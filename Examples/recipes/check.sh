#!/usr/bin/env bash
# Checks every recipe with the tool that will read it, and runs those that need nothing but m2fp.
# 'make recipes-check' installs the tools and calls it.
set -euo pipefail
cd "$(dirname "$0")"
m2fp=${M2FP:?M2FP names the binary}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

echo "shell scripts: shellcheck"
shellcheck ./*.sh ../../packaging/*.sh

echo "cron: crontab -n"
# A user's own crontab has no column for the user.
sed 's/  parser  /  /' m2fp.cron >"$scratch/crontab"
crontab -n "$scratch/crontab"

echo "systemd: systemd-analyze verify"
sed "s#/usr/local/bin/m2fp#$m2fp#" m2fp.service >"$scratch/m2fp.service"
cp m2fp.timer "$scratch"
systemd-analyze verify "$scratch/m2fp.service" "$scratch/m2fp.timer"

echo "GitHub Actions: actionlint, schema"
mkdir -p "$scratch/.github/workflows" "$scratch/.github/actions"
cp github-actions.yml ../../.github/workflows/*.yml "$scratch/.github/workflows"
cp -r action "$scratch/.github/actions/m2fp"
(cd "$scratch" && git init --quiet && actionlint)
check-jsonschema --builtin-schema vendor.github-workflows github-actions.yml ../../.github/workflows/*.yml
check-jsonschema --builtin-schema vendor.github-actions action/action.yml

echo "GitLab CI: schema"
check-jsonschema --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci gitlab-ci.yml

echo "container: hadolint"
# DL3008 wants versions pinned: Debian's stable release keeps only the current ones.
hadolint --ignore DL3008 ../../Containerfile

mkdir "$scratch/photos" "$scratch/bin"
cp ../eileen-collins.png ../grace-hopper.jpg "$scratch/photos"
ln -s "$m2fp" "$scratch/bin/m2fp"

echo "pre-commit: run, on photos and on what is none"
(
  cp pre-commit-config.yaml "$scratch/photos/.pre-commit-config.yaml"
  cd "$scratch/photos"
  git init --quiet
  git add .
  export PATH="$scratch/bin:$PATH"
  pre-commit run --all-files
  echo 'no photo' >broken.jpg
  git add broken.jpg
  if pre-commit run --all-files >"$scratch/pre-commit"; then
    echo "the hook lets a broken photo through" >&2
    exit 1
  fi
  grep 'failed (decode)' "$scratch/pre-commit"
  rm -r broken.jpg .git .pre-commit-config.yaml
)

echo "GNU parallel: run"
PATH="$scratch/bin:$PATH" ./parallel.sh "$scratch/photos" "$scratch/parsed" 3
test -s "$scratch/parsed/eileen-collins.m2fp.json" -a -s "$scratch/parsed/grace-hopper.m2fp.json"

echo "correcting by hand: run"
cat >"$scratch/editor" <<'PYTHON'
#!/usr/bin/env python3
"""Stands for a person with an editor: paints a hat into the corner of a colour map."""
import sys
from PIL import Image
map = Image.open(sys.argv[1])
map.paste(1, (0, 0, 10, 10))
map.save(sys.argv[1])
PYTHON
chmod +x "$scratch/editor"
mkdir "$scratch/corrected"
cp ../grace-hopper.jpg "$scratch/corrected"
PATH="$scratch/bin:$PATH" ./correct.sh "$scratch/corrected" "$scratch/people.json" "$scratch/editor"
python3 - "$scratch" <<'PYTHON'
import json, sys
folder = sys.argv[1]
hat = json.load(open(folder + "/people.json"))["annotations"]
assert any(a["category_id"] == 1 and a["bbox"] == [0, 0, 10, 10] for a in hat), hat
assert json.load(open(folder + "/corrected/grace-hopper.m2fp.json"))["labels"]["edited"]
PYTHON

echo "all recipes are sound"
