#!/usr/bin/env bash
# What documents say is what happens: each statement of seed 003 on caching has a
# play that runs, and every field of the documents one that fails without it, a
# test, or a refusal.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/shows/gotest.sh
. test/shows/seed.sh

LATER=6 seed 1 5 6 7 8 9

ran '^TestFields/' 240 "fields of site, node and tier policy" bounded 300 go test -race -count=1 -v -run '^TestFields$' ./cmd/opencache
figures TestFields | tail -1
ran '^Test(FieldsRefused|VolumesOfDocuments|EdgeNode)' 5 "tests of what no play sees" bounded 300 go test -race -count=1 -v -run '^Test(FieldsRefused|VolumesOfDocuments|EdgeNode)$' ./cmd/opencache
