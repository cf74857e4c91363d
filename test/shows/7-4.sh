#!/usr/bin/env bash
# A hit of 1 KiB at an edge that tells all it ever tells of a request (fields for
# clients, Server-Timing, request id, metrics, a log in JSON) costs at most 1.15 of
# the processor time of one that tells nothing, and at most 0.65 of nginx's with
# like fields and a like log.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
bounded 600 env BENCH_ASSERT=1 BENCH_LIMITS="told-1k opencache-bare 1.15; told-1k nginx-plain 0.65" WORKLOADS=told-1k \
  SERVERS="opencache opencache-bare nginx-plain" ROUNDS="${ROUNDS:-5}" SECONDS_EACH="${SECONDS_EACH:-2}" test/bench/run.sh
