#!/usr/bin/env bash
# What a hit of 1 KiB costs, in processor time, at an edge that tells of each
# request what it tells when nobody asks for more or less (fields for clients,
# request id, what upstreams are told, metrics), beside one that tells nothing
# and beside nginx with like fields:
#
#   (a) told-…      without an access log
#   (b) told-log-…  with one in JSON, to a file; nginx's has a like one, buffered
#
# each in a closed loop (-1k) and at a rate that is the same for all (-open): in
# a closed loop a server that takes longer finds the load generator asleep and
# pays for waking it, so that a microsecond of its own counts nearly double.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
bounded 900 env BENCH_ASSERT=1 \
  BENCH_LIMITS="told-1k opencache-bare 1.15; told-1k nginx-plain 0.65; told-open opencache-bare 1.15; told-log-open opencache-bare 1.15; told-log-1k nginx-plain 0.65" \
  WORKLOADS="told-1k told-open told-log-1k told-log-open" \
  SERVERS="opencache opencache-bare nginx-plain" ROUNDS="${ROUNDS:-5}" SECONDS_EACH="${SECONDS_EACH:-2}" test/bench/run.sh
