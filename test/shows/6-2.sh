#!/usr/bin/env bash
# What opencache explain says of a request is what becomes of one that is really
# sent: site, route, rule, key, stored or not, freshness, status and fields, for
# CASES (3000) made-up configurations, each with a made-up request and answer.
# A case that fails is printed whole, with its seed, without what it fails without.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/shows/gotest.sh

cases=${CASES:-3000}
ran '^TestExplain$' 1 "explanations that came true" bounded 600 env EXPLAIN_CASES="$cases" go test -count=1 -v -run '^TestExplain$' ./internal/edge
figures TestExplain
ran '^Test(Foresee|Question|ExplainPath|StaleWindow)$' 4 "tests of what is foreseen and who may ask" bounded 300 \
  go test -count=1 -race -v -run '^Test(Foresee|Question|ExplainPath|StaleWindow)$' ./internal/engine ./internal/edge
