#!/usr/bin/env bash
# Runs every fuzz target of every package for FUZZTIME (3s) each, one after
# another. A target that finds something fails the script; its input is then
# under testdata/fuzz of the package and is to be committed.
set -euo pipefail
cd "$(dirname "$0")/.."

fuzztime=${FUZZTIME:-3s}
count=0
for dir in $(grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | xargs -r -n1 dirname | sort -u); do
  targets=$(go test -list '^Fuzz' "$dir" | grep '^Fuzz' || true)
  for target in $targets; do
    echo "fuzz $dir $target $fuzztime"
    # Minimizing an interesting input has a bound of its own: 60 s unless told.
    timeout -k 10 900 go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" -fuzzminimizetime 2s -timeout 10m "$dir" |
      grep -vE '^fuzz: elapsed' || {
      echo "fuzz: $dir $target failed" >&2
      exit 1
    }
    count=$((count + 1))
  done
done
echo "fuzz: $count targets, $fuzztime each: ok"
