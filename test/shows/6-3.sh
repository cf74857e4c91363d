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
bounded 120 bin/show-reload -bin bin/opencache -many "${SITES:-10000}"
bounded 120 go test ./internal/edge -count=1 -run '^TestManySitesCompileOne$' -v | grep -E '^(---|ok|FAIL|panic)'
bounded 300 go test ./internal/edge -run '^$' -bench '^BenchmarkManySites$' -benchtime 200000x -count 9 |
  awk '/^BenchmarkManySites/ { split($1, name, "/"); sub(/-[0-9]+$/, "", name[2]); v[name[2]] = v[name[2]] " " $3; n++ }
  function best(list,   a, i, m) { split(list, a, " "); m = a[1]; for (i in a) if (a[i] + 0 < m + 0) m = a[i]; return m }
  END {
    if (n != 27) { print "MISSED: " n " figures, 27 are expected" > "/dev/stderr"; exit 1 }
    few = best(v["sites=10"]); many = best(v["sites=10000"]); spread = best(v["sites=10000,all"])
    printf "a hit: %.0f ns with 10 sites; with 10,000: %.0f ns asking for ten of them (%.3f times), %.0f ns asking for all in turn\n", few, many, many / few, spread
    if (many / few > 1.05) { print "MISSED: more than 1.05 times" > "/dev/stderr"; exit 1 }
  }'
