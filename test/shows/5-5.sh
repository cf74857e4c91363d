#!/usr/bin/env bash
# A 4 GiB object at an origin that knows ranges, read in pieces and whole: what
# the origin is asked for beside what was read, and the memory that it took.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
need go "install Go 1.26 or later from https://go.dev/dl/"
go build -o bin/show-seek ./test/shows/seek
go build -o bin/opencache ./cmd/opencache
volume=$(mktemp -d)
on_exit rm -rf "$volume"
echo "== memory alone"
bounded 140 bin/show-seek -opencache bin/opencache
echo "== memory over disk"
bounded 140 bin/show-seek -opencache bin/opencache -memory 64 -disk "$volume" -disk-size 1024
