#!/usr/bin/env bash
# Measures opencache beside nginx and Varnish; installs them when they are
# missing, builds, and ends everything it started. See bench -help and:
#
#   QUICK=1                    3 rounds of 1 s instead of 5 of 2 s
#   ROUNDS=7 SECONDS_EACH=3    other numbers of them
#   SERVERS="opencache nginx"  what to measure
#   WORKLOADS="hit-1k"         by what: hit-1k hit-64k hit-10m pass-1k stampede
#   BENCH_ASSERT=1             exit with 1 when a limit is missed
#   OPENCACHE=FILE             a binary that is built already
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh

servers=${SERVERS:-opencache nginx varnish}
workloads=${WORKLOADS:-hit-1k hit-64k hit-10m pass-1k stampede}
rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-2}
if [[ ${QUICK:-} == 1 ]]; then
  rounds=${ROUNDS:-3} seconds=${SECONDS_EACH:-1}
fi

need go "install Go 1.26 or later from https://go.dev/dl/"
(($(nproc) >= 2)) || die "two processor cores are needed: one for the server, one for the load; there is $(nproc)"
need_packages wrk:wrk taskset:util-linux
for s in $servers; do
  case $s in
  nginx) need_packages nginx:nginx-light ;;
  varnish) need_packages varnishd:varnish ;;
  opencache) build_opencache ;;
  esac
done
go build -o bin/bench ./test/bench
go build -o bin/bench-origin ./test/bench/origin

# A thousand clients, and as many connections behind them.
ulimit -n "$(ulimit -Hn)"
scratch=$(mktemp -d -p "$([[ -w /dev/shm ]] && echo /dev/shm || echo "${TMPDIR:-/tmp}")" opencache-bench.XXXXXX)
on_exit rm -rf "$scratch"
commit=$(git rev-parse --short HEAD 2>/dev/null || echo none)
[[ -z $(git status --porcelain 2>/dev/null) ]] || commit+=-dirty
assert=()
[[ ${BENCH_ASSERT:-} != 1 ]] || assert=(-assert)

echo "opencache beside its peers: $rounds rounds of $seconds s, servers on core 0, load on core 1; medians"
bounded 1800 taskset -c 1 env GOMAXPROCS=1 bin/bench -servers "$servers" -workloads "$workloads" -rounds "$rounds" \
  -duration "${seconds}s" -conf test/bench -bin "$opencache" -origin bin/bench-origin -scratch "$scratch" \
  -out test/bench/out -commit "$commit" ${assert[@]+"${assert[@]}"}
echo "as JSON: test/bench/out/latest.json"
