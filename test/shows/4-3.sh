#!/usr/bin/env bash
# A million steps of random clients, origins and clocks: nothing that an RFC
# forbids is served, every kind of answer occurs; and the judge catches caches
# that were made bad in each of many ways.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/shows/gotest.sh
STEPS=${STEPS:-1000000}
ran '^TestBent' 10 "bad caches that the judge catches" bounded 600 go test -count=1 -v -run '^TestBent$' ./test/model
figures TestBent
ran '^TestModel/' 1 "runs of random play" bounded 1200 go test -count=1 -v -timeout 20m -run '^TestModel$' ./test/model -steps "$STEPS"
figures TestModel
figures TestModel | awk -v least="$STEPS" '$2 == "steps" { steps = $1 }
  END { if (steps + 0 < least) { print "MISSED: " steps " steps, at least " least " are expected"; exit 1 } }'
