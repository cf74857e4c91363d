#!/usr/bin/env bash
# The library: its examples run; Transport keeps http.RoundTripper's contract
# and gives a thousand goroutines their own bytes, under the race detector;
# beside three other caches for http.Client, what each does and what a hit
# costs. It fails when a hit costs more than gregjones/httpcache's.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/shows/gotest.sh
# tables prints the tables that the tests logged.
tables() { sed -n 's/^ *|/|/p' "$output"; }

ran '^(Example|TestExample)' 8 "examples" bounded 300 go test -count=1 -race -v -run '^(Example|TestExample)' .
ran '^TestTransport' 60 "tests of Transport" bounded 600 go test -count=1 -race -v -run '^Test(Transport|Outcome|Purge|Trace)' .
figures TestTransportThousand
ran '^TestChecks/opencache/' 30 "checks beside three other caches" bounded 600 go -C test/library test -count=1 -v -run '^TestChecks$' .
tables
ran '^TestSpeed$' 1 "comparison of speed" bounded 600 env SPEED=1 go -C test/library test -count=1 -v -run '^TestSpeed$' .
tables
