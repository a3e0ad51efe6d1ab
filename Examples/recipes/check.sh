#!/usr/bin/env bash
# Checks every recipe with the tool that will read it, and runs those that need nothing but m2fp.
# 'make recipes-check' installs the tools and calls it.
set -euo pipefail
cd "$(dirname "$0")"
m2fp=${M2FP:?M2FP names the binary}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

echo "shell scripts: shellcheck"
shellcheck ./*.sh ../../packaging/*.sh

echo "cron: crontab -n"
# A user's own crontab has no column for the user.
sed 's/  parser  /  /' m2fp.cron >"$scratch/crontab"
crontab -n "$scratch/crontab"

echo "systemd: systemd-analyze verify"
sed "s#/usr/local/bin/m2fp#$m2fp#" m2fp.service >"$scratch/m2fp.service"
cp m2fp.timer "$scratch"
sed "s#/usr/local/bin/m2fp#$m2fp#" m2fp-watch.service >"$scratch/m2fp-watch.service"
systemd-analyze verify "$scratch/m2fp.service" "$scratch/m2fp.timer" "$scratch/m2fp-watch.service"

echo "systemd, the server: systemd-analyze verify, and its exposure of at most 2 of 10"
sed "s#/usr/bin/m2fp#$m2fp#" ../../packaging/m2fp-serve.service >"$scratch/m2fp-serve.service"
systemd-analyze verify "$scratch/m2fp-serve.service"
systemd-analyze security --offline=yes --threshold=20 "$scratch/m2fp-serve.service" | tail -1

echo "HAProxy: haproxy -c"
HAPROXY_BIND=127.0.0.1:8000 M2FP_A=127.0.0.1:8472 M2FP_B=127.0.0.1:8473 haproxy -c -f serve/haproxy.cfg

echo "compose: schema"
check-jsonschema --builtin-schema vendor.compose-spec serve/compose.yml

echo "Kubernetes: schemas (no cluster is at hand)"
kubernetes-validate --strict --quiet serve/kubernetes.yaml

echo "Prometheus: promtool, the rules and the dashboard's queries"
promtool check rules serve/prometheus-rules.yml
promtool test rules serve/prometheus-rules.test.yml
python3 - serve/grafana-dashboard.json >"$scratch/dashboard.yml" <<'END'
import json, sys
queries = [t["expr"] for p in json.load(open(sys.argv[1]))["panels"] for t in p["targets"]]
rules = [
    {"record": f"dashboard:{n}", "expr": q.replace("$__rate_interval", "5m").replace("$instance", "a")}
    for n, q in enumerate(queries)
]
print(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
END
promtool check rules "$scratch/dashboard.yml"

echo "GitHub Actions: actionlint, schema"
mkdir -p "$scratch/.github/workflows" "$scratch/.github/actions"
cp github-actions.yml ../../.github/workflows/*.yml "$scratch/.github/workflows"
cp -r action "$scratch/.github/actions/m2fp"
(cd "$scratch" && git init --quiet && actionlint)
check-jsonschema --builtin-schema vendor.github-workflows github-actions.yml ../../.github/workflows/*.yml
check-jsonschema --builtin-schema vendor.github-actions action/action.yml

echo "GitHub Actions: a file's name is no command"
sed -n "/jq -r 'def data/,/' \"\$results\"/p" action/action.yml >"$scratch/errors"
printf '%s\n' '{"file": "a,b:c%\n::add-mask::x.jpg", "status": "failed", "message": "50 %\n::error::y"}' |
  results=/dev/stdin sh "$scratch/errors" >"$scratch/said"
grep -Fx '::error file=a%2Cb%3Ac%25%0A%3A%3Aadd-mask%3A%3Ax.jpg::50 %25%0A::error::y' "$scratch/said"

echo "GitLab CI: schema"
check-jsonschema --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci gitlab-ci.yml

echo "container: hadolint"
# DL3008 wants versions pinned: Debian's stable release keeps only the current ones.
hadolint --ignore DL3008 ../../Containerfile

mkdir "$scratch/photos" "$scratch/bin"
cp ../eileen-collins.png ../grace-hopper.jpg "$scratch/photos"
ln -s "$m2fp" "$scratch/bin/m2fp"
export PATH="$scratch/bin:$PATH"

echo "pre-commit: run, on photos and on what is none"
(
  cp pre-commit-config.yaml "$scratch/photos/.pre-commit-config.yaml"
  cd "$scratch/photos"
  git init --quiet
  git add .
  pre-commit run --all-files
  echo 'no photo' >broken.jpg
  git add broken.jpg
  if pre-commit run --all-files >"$scratch/pre-commit"; then
    echo "the hook lets a broken photo through" >&2
    exit 1
  fi
  grep 'failed (decode)' "$scratch/pre-commit"
  rm -r broken.jpg .git .pre-commit-config.yaml
)

echo "GNU parallel: run"
./parallel.sh "$scratch/photos" "$scratch/parsed" 3
test -s "$scratch/parsed/eileen-collins.m2fp.json" -a -s "$scratch/parsed/grace-hopper.m2fp.json"

echo "correcting by hand: run"
cat >"$scratch/editor" <<'PYTHON'
#!/usr/bin/env python3
"""Stands for a person with an editor: paints a hat into the corner of a colour map."""
import sys
from PIL import Image
map = Image.open(sys.argv[1])
map.paste(1, (0, 0, 10, 10))
map.save(sys.argv[1])
PYTHON
chmod +x "$scratch/editor"
mkdir "$scratch/corrected"
cp ../grace-hopper.jpg "$scratch/corrected"
./correct.sh "$scratch/corrected" "$scratch/people.json" "$scratch/editor"
python3 - "$scratch" <<'PYTHON'
import json, sys
folder = sys.argv[1]
hat = json.load(open(folder + "/people.json"))["annotations"]
assert any(a["category_id"] == 1 and a["bbox"] == [0, 0, 10, 10] for a in hat), hat
assert json.load(open(folder + "/corrected/grace-hopper.m2fp.json"))["labels"]["edited"]
PYTHON

echo "all recipes are sound"
