#!/usr/bin/env bash
# Many requests of all kinds of clients at one server with the default model: every photo is accounted for,
# memory, descriptors and threads stay as they were. Then twice as many photos as it can parse, clients
# that leave, and one photo again and again. 'make serve-soak' calls it; M2FP names the program.
set -euo pipefail
cd "$(dirname "$0")/.."
requests=${1:?how many requests}
port=${PORT:-18490}
scratch=$(mktemp -d)
"$M2FP" serve --listen "127.0.0.1:$port" --per-client 0 --cache "$scratch/cache" --quiet &
server=$!
trap 'kill $server 2>/dev/null; wait; rm -rf "$scratch"' EXIT
for _ in $(seq 600); do
  curl --silent --fail --output "$scratch/ready" "http://127.0.0.1:$port/readyz" && break
  sleep 0.1
done
PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 Models serve_load --check --repeat --hangups --overload --soak "$requests" \
  --pid "$server" "http://127.0.0.1:$port" Examples/grace-hopper.jpg
