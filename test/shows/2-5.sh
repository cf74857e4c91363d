#!/usr/bin/env bash
# No allocation per hit; a million objects in memory at the size and GC cost of
# docs/architecture.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/shows/gotest.sh
ran 'Alloc' 1 "tests of allocations" bounded 600 go test -count=1 -v -run 'Alloc' ./...
ran '^TestMillion$' 1 "tests of a million objects" bounded 600 go test -count=1 -v -run '^TestMillion$' ./internal/store
figures TestMillion
