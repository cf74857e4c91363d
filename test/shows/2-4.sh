#!/usr/bin/env bash
# A hit of 1 KiB costs at most 0.8 of nginx's processor time.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
bounded 600 env BENCH_ASSERT=1 QUICK=1 WORKLOADS=hit-1k SERVERS="opencache nginx" test/bench/run.sh
