#!/usr/bin/env bash
# debian/changelog, out of CHANGELOG.md (standard input):
#
#   changelog.sh VERSION SECONDS-SINCE-1970
set -euo pipefail
version=${1:?usage: changelog.sh VERSION SECONDS}
date=$(date --rfc-email --utc --date "@${2:?usage: changelog.sh VERSION SECONDS}")
notes=$("$(dirname "$0")/notes.sh" "$version")
echo "m2fp ($version) unstable; urgency=medium"
echo
sed -n 's/^- /  * /p; t; s/^  /    /p' <<<"$notes"
echo
echo " -- m2fp maintainers <maintainers@m2fp.invalid>  $date"
