#!/usr/bin/env bash
# A hit of 1 KiB costs at most 0.8 of nginx's processor time.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
bounded 600 env BENCH_ASSERT=1 BENCH_LIMITS="hit-1k nginx 0.8" WORKLOADS=hit-1k SERVERS="opencache nginx" \
  ROUNDS=3 SECONDS_EACH=1 test/bench/run.sh
