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
done | expand | awk '
  {
    if (length($0) > widest) widest = length($0)
    gsub(/&/, "\\&amp;"); gsub(/</, "\\&lt;")
    lines[NR] = $0
  }
  END {
    # A character of a monospace font of 13 pixels is 7.8 wide.
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\">\n", \
      7.83 * widest + 30, 18 * NR + 12
    print "<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#1b1f24\"/>"
    print "<g font-family=\"monospace\" font-size=\"13\" fill=\"#d0d7de\" style=\"white-space:pre\">"
    for (i = 1; i <= NR; ++i)
      printf "<text x=\"14\" y=\"%d\"%s>%s</text>\n", 18 * i + 6, \
        lines[i] ~ /^\$ / ? " fill=\"#7ee787\"" : "", lines[i]
    print "</g></svg>"
  }'
