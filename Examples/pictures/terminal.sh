#!/usr/bin/env bash
# Runs commands and draws what a terminal shows of them as an SVG, on standard output:
#
#   terminal.sh 'COMMAND' ...
set -euo pipefail
for command in "$@"; do
  echo "\$ $command"
  # What fails is shown, too.
  bash -c "$command" 2>&1 || true
  echo
done | sed 's/&/\&amp;/g; s/</\&lt;/g' | awk '
  { lines[NR] = $0 }
  END {
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"%d\">\n", 18 * NR + 12
    print "<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#1b1f24\"/>"
    print "<g font-family=\"monospace\" font-size=\"13\" fill=\"#d0d7de\" xml:space=\"preserve\">"
    for (i = 1; i <= NR; ++i)
      printf "<text x=\"14\" y=\"%d\"%s>%s</text>\n", 18 * i + 6, \
        lines[i] ~ /^\$ / ? " fill=\"#7ee787\"" : "", lines[i]
    print "</g></svg>"
  }'
