#!/usr/bin/env bash
# Each requirement on a cache of RFC 9111 and of the specifications beside it is
# a row of docs/coverage.tsv, with the play or table test that proves it: counts
# the rows, and runs those tests. None may be left for this issue.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
need go "install Go 1.26 or later from https://go.dev/dl/"
report=$(mktemp)
on_exit rm -f "$report"
tests=$(go run ./test/coverage -rfcs -patterns docs/coverage.tsv) || die "docs/coverage.tsv is not to be read"
while read -r folder pattern; do
  bounded 900 go test -race -json -run "$pattern" "$folder" >>"$report" || true # the report tells
done <<<"$tests"
go run ./test/coverage -rfcs docs/coverage.tsv <"$report" || die "MISSED: the lines above say what"
