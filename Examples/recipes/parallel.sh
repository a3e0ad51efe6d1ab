#!/usr/bin/env bash
# Parses a folder with GNU parallel on several machines that share it:
#
#   parallel.sh PHOTOS OUT [SHARDS [SSH-LOGIN,…]]
#
# On one machine plain 'm2fp parse' is better: its workers share one copy of the model. The folders
# must be absolute and the same everywhere. Without logins the shards run here, one after another.
set -euo pipefail
photos=${1:?usage: parallel.sh PHOTOS OUT [SHARDS [SSH-LOGIN,…]]}
out=${2:?usage: parallel.sh PHOTOS OUT [SHARDS [SSH-LOGIN,…]]}
shards=${3:-4}
logins=${4:-:}

# A shard that is lost with its machine is tried again elsewhere; what it had done stays.
seq "$shards" | parallel --jobs 1 --sshlogin "$logins" --retries 3 --halt soon,fail=1 \
  m2fp parse "$photos" --out "$out" --shard "{}/$shards" --quiet
