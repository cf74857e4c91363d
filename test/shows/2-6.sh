#!/usr/bin/env bash
# Readers slower than eviction, clients that vanish, origins that stall, lie
# about length, close early, answer too soon or too much: a play each, under
# the race detector, in bubbles and over real sockets; no goroutine and no pin
# may be left.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/shows/gotest.sh
families=(reader-slower client-vanishes origin- length- last-chunk)
pattern=$(IFS='|' && echo "${families[*]}")
ran "^TestPlays/.*/($pattern)" ${#families[@]} "plays" bounded 900 go test -count=1 -race -v -run "^TestPlays\$/.*/(${pattern//|/.*|}.*)" ./...
for f in "${families[@]}"; do
  n=$(passed "^TestPlays/.*/$f")
  echo "  $f: $n"
  ((n)) || die "MISSED: no play named $f… ran"
done
