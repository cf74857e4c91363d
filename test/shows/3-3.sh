#!/usr/bin/env bash
# Every fuzz target, FUZZTIME (10m) each: nothing found.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
need go "install Go 1.26 or later from https://go.dev/dl/"
export FUZZTIME=${FUZZTIME:-10m}
output=$(mktemp)
on_exit rm -f "$output"
begin=$SECONDS
make fuzz | tee "$output" || die "MISSED: a fuzz target found something"
targets=$(grep -cE '^fuzz [^ ]+ Fuzz[A-Za-z0-9]+: [0-9]+ executions .*: clean$' "$output" || true)
executions=$(awk '/ executions in / { n += $4 } END { printf "%.0f", n }' "$output")
inputs=$(find . -path '*/testdata/fuzz/*' -type f | wc -l)
((targets >= 25)) || die "MISSED: $targets targets ran, at least 25 are expected"
((inputs >= 25)) || die "MISSED: $inputs inputs are committed, at least 25 are expected"
echo "$targets fuzz targets, $FUZZTIME each: clean; $executions executions in $((SECONDS - begin)) s; $inputs inputs committed"
