#!/usr/bin/env bash
# What CHANGELOG.md (standard input) says of a version:
#
#   notes.sh VERSION
set -euo pipefail
version=${1:?usage: notes.sh VERSION}
notes=$(awk -v heading="## [$version]" '
  index($0, heading) == 1 { inside = 1; next }
  /^## / { inside = 0 }
  inside { print }')
echo "${notes:?CHANGELOG.md tells nothing of $version}"
