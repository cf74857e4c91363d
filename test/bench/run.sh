#!/usr/bin/env bash
# Measures opencache beside nginx, Varnish, HAProxy and Traffic Server (ats);
# installs them when they are missing, builds, and ends everything it started.
# See bench -help and:
#
#   QUICK=1                    one round of 0.5 s, opencache, nginx and Varnish,
#                              smaller memory workloads: a few minutes
#   ROUNDS=7 SECONDS_EACH=3    other numbers of rounds and seconds (5 and 2)
#   SERVERS="opencache nginx"  what to measure: opencache nginx nginx-plain
#                              varnish haproxy ats
#   WORKLOADS="hit-1k"         by what (default all; bench -help lists them)
#   PIN=0                      servers and load on whatever core, servers with
#                              as many threads as they choose
#   BENCH_ASSERT=1             exit with 1 when a limit is missed (limits.go)
#   BENCH_LIMITS="hit-1k nginx 0.8"  hold these limits instead
#   BENCH_DISK=DIR             folder on a disk, with 3 GiB of room, for caches on
#                              disk (default TMPDIR or /var/tmp)
#   BENCH_PLOTS=docs/plots     folder for plots as SVG
#   PROFILE=1                  a profile of opencache under each workload, and
#                              its first lines: test/bench/out/profile-*.txt
#   OPENCACHE=FILE             a binary that is built already
#   BEFORE=COMMIT              what the server "before" in SERVERS is built from:
#                              opencache as it was
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh

servers="opencache nginx nginx-plain varnish haproxy ats"
rounds=5 seconds=2 objects=200000
if [[ ${QUICK:-} == 1 ]]; then
  servers="opencache nginx nginx-plain varnish"
  rounds=1 seconds=0.5 objects=20000
fi
servers=${SERVERS:-$servers} rounds=${ROUNDS:-$rounds} seconds=${SECONDS_EACH:-$seconds}

need go "install Go 1.26 or later from https://go.dev/dl/"
(($(nproc) >= 2)) || die "two processor cores are needed: one for the server, one for the load; there is $(nproc)"
packages=(wrk:wrk taskset:util-linux)
for s in $servers; do
  case $s in
  nginx | nginx-plain) packages+=(nginx:nginx-light) ;;
  varnish) packages+=(varnishd:varnish) ;;
  haproxy) packages+=(haproxy:haproxy) ;;
  ats) packages+=(traffic_server:trafficserver) ;;
  opencache | opencache-bare) build_opencache ;;
  esac
done
need_packages "${packages[@]}"
go build -o bin/bench ./test/bench
go build -o bin/bench-origin ./test/bench/origin
go build -o bin/bench-steady ./test/bench/steady

earlier=
if [[ " $servers " == *" before "* ]]; then
  earlier=$(earlier_opencache "${BEFORE:?says from which commit the server \"before\" is built}")
fi

# A thousand clients, and as many connections behind them; thousands that wait.
ulimit -n "$(ulimit -Hn)"
scratch=$(mktemp -d -p "$([[ -w /dev/shm ]] && echo /dev/shm || echo "${TMPDIR:-/tmp}")" opencache-bench.XXXXXX)
on_exit rm -rf "$scratch"
# Caches on disk want a disk: on a tmpfs they would be measured in memory.
disk=$(mktemp -d -p "${BENCH_DISK:-${TMPDIR:-/var/tmp}}" opencache-bench.XXXXXX)
on_exit rm -rf "$disk"
if [[ $(stat -f -c %T "$disk") == tmpfs ]]; then
  [[ " ${WORKLOADS:-} " != *" disk-"* ]] || die "$disk is a tmpfs: BENCH_DISK=DIR names a folder on a disk"
  echo "${0##*/}: $disk is a tmpfs: the workloads of disks are left out; BENCH_DISK=DIR names a folder on a disk" >&2
  disk=
fi
commit=$(git rev-parse --short HEAD 2>/dev/null || echo none)
[[ -z $(git status --porcelain 2>/dev/null) ]] || commit+=-dirty

flags=(-servers "$servers" -workloads "${WORKLOADS:-}" -rounds "$rounds" -duration "${seconds}s" -objects "$objects"
  -conf test/bench -bin "$opencache" -before "$earlier" -origin bin/bench-origin -steady bin/bench-steady -scratch "$scratch" -disk "$disk"
  -out test/bench/out -plots "${BENCH_PLOTS:-}" -commit "$commit" -limits "${BENCH_LIMITS:-}")
[[ ${BENCH_ASSERT:-} != 1 ]] || flags+=(-assert)
[[ ${PROFILE:-} != 1 ]] || flags+=(-profile)
pin=(taskset -c 1 env GOMAXPROCS=1) where="servers on core 0, load on core 1"
[[ ${PIN:-1} != 0 ]] || { flags+=(-pinned=false) pin=() where="nothing pinned"; }

echo "opencache beside its peers: rounds of $seconds s ($rounds), $where; medians"
bounded 3300 ${pin[@]+"${pin[@]}"} bin/bench "${flags[@]}"
echo "as JSON: test/bench/out/latest.json"
