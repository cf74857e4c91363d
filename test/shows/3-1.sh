#!/usr/bin/env bash
# The HTTP/1.1 and TLS rows of the limits, default fields on, access log off,
# in one run. ROUNDS and SECONDS_EACH make it longer or shorter.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
bounded 2400 env BENCH_ASSERT=1 BENCH_LIMITS= QUICK= \
  SERVERS="opencache nginx nginx-plain varnish haproxy ats" \
  WORKLOADS="hit-1k hit-64k hit-10m range-64k newconn newconn-defer pass-1k miss-1k open-10 open-30 open-70
    stampede tls-1k tls-handshake mem-object mem-idle mem-idle-tls" \
  ROUNDS="${ROUNDS:-5}" SECONDS_EACH="${SECONDS_EACH:-2}" test/bench/run.sh
