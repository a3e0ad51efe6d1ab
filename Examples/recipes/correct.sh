#!/bin/sh
# Parses photos, opens their colour maps in an editor one after another, and exports what you made of
# them: what was corrected by hand is never parsed over.
#
#   ./correct.sh photos/ people.json gimp
set -eu
photos=$1 export=$2 editor=$3

m2fp parse "$photos"
find "$photos" -name '*.m2fp.png' -exec "$editor" {} \;
# No network from here on: masks, counts and persons are made of the corrected maps.
m2fp render "$photos" --overlay --export coco="$export"
