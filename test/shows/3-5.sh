#!/usr/bin/env bash
# Nothing is allocated on the hot path, from a connection's bytes to its bytes:
# hit, HEAD, single ranges, 304 by tag and by date, variants by Accept-Encoding;
# with metrics, access log, timing and patterns on; each answer is one write.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/shows/gotest.sh
ran '^TestHotPathAllocatesNothing' 4 "ways to serve, from end to end," bounded 600 go test -count=1 -v -run '^TestHotPathAllocatesNothing$' ./cmd/opencache
figures TestHotPathAllocatesNothing
# A figure each: 14 kinds of request in 4 ways.
n=$(figures TestHotPathAllocatesNothing | grep -c ' 0 allocations, 1 write of ' || true)
((n >= 56)) || die "MISSED: $n figures of no allocation and one write, 56 are expected"
ran 'Alloc' 3 "tests of allocations" bounded 600 go test -count=1 -v -run 'Alloc' ./internal/...
