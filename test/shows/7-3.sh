#!/usr/bin/env bash
# What the edge tells of itself: Prometheus (a Debian package) scrapes it,
# promtool checks its metrics, and a Loki that stops, hangs or fails costs no
# request.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
need go "install Go 1.26 or later from https://go.dev/dl/"
need_packages prometheus:prometheus promtool:prometheus
go build -trimpath -o bin/opencache ./cmd/opencache
go build -o bin/show-watch ./test/shows/watch
bounded 120 bin/show-watch -bin bin/opencache
