#!/usr/bin/env bash
# No allocation per hit; a million objects in memory at the size and GC cost of
# docs/architecture.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/shows/gotest.sh
ran 'Alloc' 1 "tests of allocations" bounded 600 go test -count=1 -v -run 'Alloc' ./...
ran '^TestMillion$' 1 "tests of a million objects" bounded 600 go test -count=1 -v -run '^TestMillion$' ./internal/store
figures TestMillion
# DESIGN, 9: at most 0.5 % of a CPU.
figures TestMillion | awk '{ for (i = 1; i <= NF; i++) if ($i == "takes" && $(i + 2) == "%") share = $(i + 1) }
  END { if (share == "" || share + 0 > 0.5) { print "MISSED: GC takes " share " % of a CPU, at most 0.5 is expected"; exit 1 } }'
