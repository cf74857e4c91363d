#!/usr/bin/env bash
# Stampede: 1000 clients on one cold object.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
need go "install Go 1.26 or later from https://go.dev/dl/"
build_opencache
go build -o bin/stampede ./test/shows/stampede
# A thousand clients, and as many connections behind them, in each process.
ulimit -n "$(ulimit -Hn)"
bounded 300 bin/stampede -bin "$opencache"
