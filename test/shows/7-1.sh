#!/usr/bin/env bash
# What the edge does to every request: each statement of seed 003 on what
# upstreams and clients are told, on stale answers, places, CORS, diagnostics,
# build, log and failing upstreams has a play, or a test, that runs.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/shows/gotest.sh
. test/shows/seed.sh

LATER=7 seed 3 4 8 10 11 12 13 14 15
