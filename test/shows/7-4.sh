#!/usr/bin/env bash
# What a hit of 1 KiB costs, in processor time, at an edge that tells of each
# request what it tells when nobody asks for more or less (fields for clients,
# request id, metrics; what upstreams are told costs a hit nothing), beside one
# that tells nothing and beside nginx with like fields:
#
#   (a) told-1k      without an access log: at most 1.15 of the bare hit's, and
#                    at most 0.65 of nginx's
#   (b) told-log-1k  with one in JSON, to a file; nginx's is a like one, with a
#                    buffer. Printed, not held: it misses 1.15 (1.2 to 1.3 of the
#                    bare hit's on a quiet machine, and just 0.65 of nginx's)
#
# A server that takes longer finds the load generator asleep and pays for waking
# it: in a closed loop as here, a microsecond of its own counts for nearly two.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
bounded 600 env BENCH_ASSERT=1 BENCH_LIMITS="told-1k opencache-bare 1.15; told-1k nginx-plain 0.65" WORKLOADS="told-1k told-log-1k" \
  SERVERS="opencache opencache-bare nginx-plain" ROUNDS="${ROUNDS:-5}" SECONDS_EACH="${SECONDS_EACH:-2}" test/bench/run.sh
