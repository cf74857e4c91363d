#!/usr/bin/env bash
# What the store costs and keeps beside its peers, in one run: hits of 1 MiB on
# disk, hits in memory beside reads of a cold disk, hit ratios by Zipf's law.
# ROUNDS and SECONDS_EACH make it longer or shorter, BENCH_DISK says on what disk.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
bounded 2400 env BENCH_ASSERT=1 BENCH_LIMITS= QUICK= \
  SERVERS="opencache nginx varnish haproxy ats" WORKLOADS="zipf-100k disk-1m disk-cold" \
  ROUNDS="${ROUNDS:-5}" SECONDS_EACH="${SECONDS_EACH:-2}" test/bench/run.sh
