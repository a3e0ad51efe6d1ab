#!/usr/bin/env bash
# debian/changelog, out of CHANGELOG.md (standard input):
#
#   changelog.sh VERSION SECONDS-SINCE-1970 'NAME <ADDRESS>'
set -euo pipefail
usage="usage: changelog.sh VERSION SECONDS 'NAME <ADDRESS>'"
version=${1:?$usage}
date=$(date --rfc-email --utc --date "@${2:?$usage}")
maintainer=${3:?$usage}
notes=$("$(dirname "$0")/notes.sh" "$version")
echo "m2fp ($version) unstable; urgency=medium"
echo
sed -n 's/^- /  * /p; t; s/^  /    /p' <<<"$notes"
echo
echo " -- $maintainer  $date"
