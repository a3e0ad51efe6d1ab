#!/usr/bin/env bash
# Runs the recipes for more than one server, on loopback: HAProxy before two of them while one after the
# other is restarted, and Celery with Redis while a worker is killed. No photo may be lost.
# M2FP names the program; 'make recipes-check' installs the rest and calls it.
set -euo pipefail
cd "$(dirname "$0")"
m2fp=${M2FP:?M2FP names the binary}
scratch=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$scratch"' EXIT
photo=../../grace-hopper.jpg
# How many go through HAProxy, at most 40.
photos=${PHOTOS:-40}

ready() { # URL
  for _ in $(seq 600); do
    curl --silent --fail --output /dev/null "$1/readyz" && return
    sleep 0.1
  done
  echo "$1 is not ready" >&2
  exit 1
}
serve() { # PORT
  "$m2fp" serve --listen "127.0.0.1:$1" --jobs 1 --per-client 0 --drain-delay 1s --quiet &
  server=$!
}
# The same picture in other bytes, so that each is parsed.
another() { # NUMBER
  { head -c 2 "$photo"; printf '\xff\xfe\x00\x08%06d' "$1"; tail -c +3 "$photo"; } >"$scratch/$1.jpg"
}
for number in $(seq 60); do another "$number"; done

echo "HAProxy: two servers, restarted one after the other under load"
serve 18472 && a=$server
serve 18473 && b=$server
ready http://127.0.0.1:18472
ready http://127.0.0.1:18473
HAPROXY_BIND=127.0.0.1:18470 M2FP_A=127.0.0.1:18472 M2FP_B=127.0.0.1:18473 \
  haproxy -f haproxy.cfg >"$scratch/haproxy.log" 2>&1 &
ready http://127.0.0.1:18470
seq "$photos" | xargs -P 4 -I{} curl --silent --output "$scratch/{}.png" --write-out '%{http_code}\n' \
  --data-binary "@$scratch/{}.jpg" http://127.0.0.1:18470/v1/parse >"$scratch/statuses" &
load=$!
sleep 2
kill -TERM "$a" && wait "$a"
serve 18472 && a=$server
ready http://127.0.0.1:18472
sleep 1
kill -TERM "$b" && wait "$b"
wait "$load" || true
sort "$scratch/statuses" | uniq -c
test "$(grep -c '^200$' "$scratch/statuses")" = "$photos"
cmp "$scratch/1.png" "$scratch/$photos.png"

echo "Celery and Redis: a worker is killed with a photo in hand"
redis-server --port 18479 --bind 127.0.0.1 --save '' --dir "$scratch" >"$scratch/redis.log" &
export M2FP_REDIS=redis://127.0.0.1:18479/0 M2FP_URL=http://127.0.0.1:18472 M2FP_VISIBILITY=10 PYTHONDONTWRITEBYTECODE=1
worker() { # NAME
  /usr/bin/python3 -m celery --app m2fp_tasks worker --concurrency 1 --hostname "$1@localhost" --loglevel WARNING >"$scratch/$1.log" 2>&1 &
}
worker one && killed=$!
worker two
sleep 5
/usr/bin/python3 - "$scratch" "$killed" <<'END'
import base64, os, pathlib, signal, subprocess, sys, time
sys.path.insert(0, ".")
from m2fp_tasks import parse
scratch, worker = pathlib.Path(sys.argv[1]), int(sys.argv[2])
start = time.monotonic()
tasks = [
    parse.delay(base64.b64encode((scratch / f"{n}.jpg").read_bytes()).decode(), "output=map") for n in range(41, 53)
]
print(f"{len(tasks)} photos submitted in {time.monotonic() - start:.2f} s")
tasks[0].get(timeout=60)
# The worker and the process in which it runs the task.
for child in subprocess.run(["pgrep", "-P", str(worker)], capture_output=True, text=True).stdout.split():
    os.kill(int(child), signal.SIGKILL)
os.kill(worker, signal.SIGKILL)
maps = [base64.b64decode(task.get(timeout=120)) for task in tasks]
assert all(m == (scratch / "1.png").read_bytes() for m in maps)
print(f"all {len(maps)} parsed after {time.monotonic() - start:.1f} s, one worker killed")
END
