#!/usr/bin/env bash
# Kill -9: the real binary with a disk, ROUNDS (50) times, under load and with
# purges going on; every byte afterwards is compared with the origin's. Then how
# long volumes of 10 GiB take to come back (sparse files: 450 MB are written).
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
need go "install Go 1.26 or later from https://go.dev/dl/"
go build -trimpath -o bin/opencache ./cmd/opencache
go build -o bin/show-kill ./test/shows/kill
bounded 600 bin/show-kill -bin bin/opencache -rounds "${ROUNDS:-50}" ${SEED:+-seed "$SEED"}
bounded 600 go test ./internal/store -run '^$' -bench '^BenchmarkRecovery$' -benchtime 1x |
  awk '/^BenchmarkRecovery/ {
    for (i = 3; i < NF; i += 2) v[$(i + 1)] = $i
    split($1, name, "/"); sub("mean=", "", name[3])
    printf "recovery of 10 GiB, records of %s, %s: %.2f s for %d records, %d MiB of directories read, no body\n", name[3], name[4] ~ /true/ ? "from the device" : "from the page cache",
      v["s/recovery"], v["records"], v["MiB/directories"]
    n++
  }
  END { if (n != 4) { print "MISSED: " n " recoveries, 4 are expected" > "/dev/stderr"; exit 1 } }'
