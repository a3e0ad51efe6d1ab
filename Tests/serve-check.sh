#!/usr/bin/env bash
# Tools that we did not write at a running server: schemathesis with its specification, promtool with its
# metrics, slowhttptest with clients that take their time. 'make serve-check' installs and calls them;
# M2FP names the program.
set -euo pipefail
cd "$(dirname "$0")/.."
port=${PORT:-18491}
url=http://127.0.0.1:$port
scratch=$(mktemp -d)
"$M2FP" serve --listen "127.0.0.1:$port" --model Tests/Fixtures/models/colour-multi.pt --per-client 0 --body-timeout 10s \
  --write-timeout 10s --quiet &
server=$!
trap 'kill $server 2>/dev/null; wait; rm -rf "$scratch"' EXIT
for _ in $(seq 600); do
  curl --silent --fail --output "$scratch/ready" "$url/readyz" && break
  sleep 0.1
done

echo "schemathesis"
# It leaves files where it runs.
checkout=$PWD
(cd "$scratch" && "$checkout/.build/serve-check/bin/schemathesis" --config-file "$checkout/Tests/serve-check.toml" \
  run "$url/openapi.json" --checks all --max-examples "${EXAMPLES:-100}" --seed 1 --no-color)

echo "promtool"
curl --silent "$url/metrics" | promtool check metrics

# -H: heads that never end, -B: photos that never end, -X: answers that are read by and by. Each ends when the
# server has closed all of its connections; a probe that fails is told as NO.
for kind in -H -B -X; do
  echo "slowhttptest $kind"
  if [ $kind = -B ]; then target=(-t POST -u "$url/v1/parse"); else target=(-t GET -u "$url/v1/model"); fi
  slowhttptest $kind -c 200 -r 100 -l 40 -i 5 -p 3 "${target[@]}" >"$scratch/slow" 2>&1 </dev/null || true
  sed 's/\x1b\[[0-9;]*m//g' "$scratch/slow" >"$scratch/told"
  tail -n 12 "$scratch/told"
  if grep --quiet 'service available: *NO' "$scratch/told"; then exit 1; fi
  curl --silent --fail --max-time 1 --output "$scratch/alive" "$url/livez"
done
kill -0 $server
