#!/usr/bin/env bash
# Documents that are wrong: every fault of a folder of deliberately bad ones is
# told with its place, and takes down nothing but its document; fuzzing the
# loader for FUZZTIME (1m) a target finds no panic.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/shows/gotest.sh

ran '^TestBad/' 35 "bad documents told with all their faults" bounded 300 go test -count=1 -v -run '^TestBad$' ./internal/config
figures TestBad
places=$(grep -hcE '^(warning: )?opencache:[^ ]+:[0-9]+:[0-9]+: ' internal/config/testdata/bad/*.faults | awk '{ n += $1 } END { print n }')
paths=$(sed -nE 's/^opencache:[^ ]+:[0-9]+:[0-9]+: ([^ ]+): .*/\1/p' internal/config/testdata/bad/*.faults | sed -E 's/\[[^]]*\]//g' | sort -u | wc -l)
echo "  $places faults with line and column, at $paths different paths"
((places >= 290)) || die "MISSED: $places faults have a place, at least 290 are expected"
ran '^Test(Set|SetColdStart|ParseSecrets|ParseMany|ParseLimits)$' 5 "tests of sets, secrets and bounds" bounded 300 \
  go test -count=1 -race -v -run '^Test(Set|SetColdStart|ParseSecrets|ParseMany|ParseLimits)$' ./internal/config

for target in FuzzParse FuzzSet; do
  bounded 900 go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-1m}" ./internal/config >"$output" 2>&1 ||
    { tail -20 "$output" >&2; die "MISSED: $target found something"; }
  echo "$target, ${FUZZTIME:-1m}: clean; $(sed -nE 's/.*execs: ([0-9]+) .*/\1/p' "$output" | tail -1) executions"
done
