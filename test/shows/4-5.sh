#!/usr/bin/env bash
# What whole HTTP semantics cost: opencache beside itself as it was before them,
# in alternation in one run. Less than a tenth is the noise of such a run.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/real/lib.sh
before=${BEFORE:-$(git log -1 --format=%H --grep '^docs: the plots of what a request costs$' 2>/dev/null || true)}
[[ -n $before ]] || die "the commit before them is not here: a whole clone is needed, or BEFORE=COMMIT"
limits="hit-10m before 1.3;" # a quarter of it is noise: some 150 answers a second
for w in hit-1k hit-64k range-64k cond-304 newconn pass-1k miss-1k open-30 tls-1k tls-handshake; do
  limits+="$w before 1.1;"
done
bounded 2400 env BENCH_ASSERT=1 BEFORE="$before" BENCH_LIMITS="$limits mem-object 1530; mem-idle 4096" QUICK= \
  SERVERS="opencache before nginx" \
  WORKLOADS="hit-1k hit-64k hit-10m range-64k cond-304 newconn pass-1k miss-1k open-30 tls-1k tls-handshake stampede mem-object mem-idle" \
  ROUNDS="${ROUNDS:-5}" SECONDS_EACH="${SECONDS_EACH:-1}" test/bench/run.sh
