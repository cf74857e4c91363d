#!/usr/bin/env bash
# Clones HEAD into a temporary folder, as on a machine that has Go and nothing
# else of ours (empty HOME, GOCACHE and GOMODCACHE), and does there what the
# README says: make test, make run. Where modules and packages come from stays
# as the go command and npm have it here.
set -euo pipefail
cd "$(dirname "$0")/.."

dir=$(mktemp -d "${TMPDIR:-/tmp}/opencache-fresh.XXXXXX")
# Modules are stored read-only.
trap 'chmod -R u+w "$dir" && rm -rf "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

for name in GOPROXY GOSUMDB GONOSUMDB GONOPROXY GOPRIVATE GOINSECURE GOAUTH GOTOOLCHAIN GOFLAGS; do
  export "$name=$(go env "$name")"
done
if command -v npm >/dev/null; then
  NPM_CONFIG_USERCONFIG=$(npm config get userconfig 2>/dev/null)
  export NPM_CONFIG_USERCONFIG
fi
# The names that the go command calls commands and files by are from here.
PATH=$(go env GOROOT)/bin:$PATH
mkdir -p "$dir/home" "$dir/cache" "$dir/modules"
export PATH HOME=$dir/home GOENV=off GOCACHE=$dir/cache GOMODCACHE=$dir/modules GOPATH=$dir/home/go
unset XDG_CACHE_HOME XDG_CONFIG_HOME GOBIN GOLANGCI_LINT_CACHE MAKEFLAGS MAKELEVEL MFLAGS SECONDS ORIGIN

git clone -q . "$dir/opencache"
cd "$dir/opencache"
begin=$(date +%s)
timeout -k 30 1800 make test
tested=$(date +%s)
timeout -k 30 300 make run SECONDS=10 | tee "$dir/run.out"
grep -qE 'hits [1-9]' "$dir/run.out" || {
  echo "fresh: make run showed no hit" >&2
  exit 1
}
echo "fresh: ok (make test $((tested - begin)) s, make run $(($(date +%s) - tested)) s)"
