#!/usr/bin/env bash
# Bad input: forged fields, spoofed addresses, cookies that do not fit, fields that
# Vary spreads over, paths that deceive, fields that no key has. Each family is plays
# by name, in bubbles and over sockets, under -race; nothing leaks, nothing is
# poisoned. What parses such input is fuzzed for FUZZTIME (10s) each.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/shows/gotest.sh

FUZZTIME=${FUZZTIME:-10s}
families=(
  "forged OC-* and X-Forwarded-* fields:bad-forged-fields bad-forged-trailers seed3-forwarded-chain"
  "spoofed X-Forwarded-For:bad-spoofed-forwarded-for bad-open-quotes client-of-trusted-proxies"
  "paths around access:bad-paths-around-access access-allow-and-deny"
  "oversized cookies:bad-oversized-cookies"
  "huge Vary spreads:bad-vary-spread seed3-vary-by-what-the-edge-says"
  "cache deception:guard-cache-deception guard-ambiguous-path"
  "hosts and unkeyed fields:bad-poisoned-hosts bad-unkeyed-fields"
)
plays=0
for family in "${families[@]}"; do
  names=${family#*:}
  n=$(wc -w <<<"$names")
  plays=$((plays + n))
  pattern="^TestEdgePlays$/^(memory|sockets)$/^(${names// /|})$"
  ran "^TestEdgePlays/(memory|sockets)/." $((2 * n)) "${family%%:*}" bounded 200 go test -race -count=1 -v -run "$pattern" ./cmd/opencache
done
missing=$(cd testdata/plays/edge && ls bad-*.txtar | sed 's/.txtar$//' | while read -r name; do [[ " ${families[*]//:/ } " == *" $name "* ]] || echo "$name"; done)
[[ -z $missing ]] || die "MISSED: no family has $missing"
ran '^Test(FindClient|Upstream|Visitor)$' 3 "tables: who the client is, what upstreams are told" bounded 200 go test -race -count=1 -v -run '^Test(FindClient|Upstream|Visitor)$' ./internal/edge
ran '^Test(ReadHeader|Greeted|GreetedPerAddress)' 3 "headers of the PROXY protocol" bounded 200 go test -race -count=1 -v -run '^Test(ReadHeader|Greeted|GreetedPerAddress)$' ./internal/listen
for target in edge/FuzzBehind edge/FuzzUpstream listen/FuzzReadHeader; do
  out=$(bounded 200 go test "./internal/${target%/*}" -run '^$' -fuzz "^${target#*/}\$" -fuzztime "$FUZZTIME" 2>&1) || { echo "$out"; die "MISSED: ${target#*/}"; }
  echo "  ${target#*/}: $(grep -o 'execs: [0-9]*' <<<"$out" | tail -1)"
done
echo "  $plays plays of bad input, each in memory and over sockets: nothing leaked, nothing was poisoned"
