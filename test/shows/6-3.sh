#!/usr/bin/env bash
# Ten thousand sites: how long the real binary takes to load them and what it
# keeps, that a change of one reads and compiles one, and what a request costs
# beside a node of ten sites.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
need go "install Go 1.26 or later from https://go.dev/dl/"
go build -trimpath -o bin/opencache ./cmd/opencache
go build -o bin/show-reload ./test/shows/reload
missed=0
bounded 120 bin/show-reload -bin bin/opencache -many "${SITES:-10000}" || missed=1
bounded 120 go test ./internal/edge -count=1 -run '^TestManySitesCompileOne$' -v | grep -E '^(---|ok|FAIL|panic)' || missed=1
# The same requests to both nodes first: that is what matching costs. Then as
# many different ones, to ten sites there and to all of them here: what these
# cost more is that a processor's caches hold ten sites and not 10,000.
bounded 300 go test ./internal/edge -run '^$' -bench '^BenchmarkManySites$' -benchtime 60x |
  awk '/^BenchmarkManySites/ { split($1, name, "="); sub(/-[0-9]+$/, "", name[2]); for (i = 3; i < NF; i += 2) v[name[2], $(i + 1)] = $i; n++ }
  END {
    if (n != 2) { print "MISSED: " n " figures, 2 are expected" > "/dev/stderr"; exit 1 }
    for (k = 1; k <= 2; k++) {
      asked = k == 1 ? 10 : 10000; few = v[asked, "few-ns"]; many = v[asked, "many-ns"]; most = k == 1 ? 1.10 : 1.8
      printf "a hit, %d different requests in turn: %.0f ns on a node of 10 sites, %.0f ns on one of 10,000 when %d of them are asked: %.3f times\n", asked, few, many, asked, many / few
      if (many / few > most) { print "MISSED: more than " most " times" > "/dev/stderr"; bad = 1 }
    }
    exit bad
  }' || missed=1
exit "$missed"
