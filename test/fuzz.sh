#!/usr/bin/env bash
# Runs every fuzz target of every package for FUZZTIME (3s) each, JOBS of them
# at a time (one a processor), each with one worker. Prints a line for each and
# a list of what failed; a failing input is then under testdata/fuzz of its
# package and is to be committed with the fix. ONLY, an expression, picks
# targets by package and name. What is found interesting stays in the go
# command's cache; test/corpus.sh commits some of it.
set -euo pipefail
cd "$(dirname "$0")/.."

# ended LOG reports that a run failed of nothing but its own end: up to Go 1.26
# the fuzzer may take the end of -fuzztime for an error (golang/go issue 75804).
ended() {
  grep -qx ' *context deadline exceeded' "$1" && ! grep -qE 'Failing input|panic|fatal error|hung or terminated|_test\.go:|seed corpus' "$1"
}

# one BINARY DIR TARGET fuzzes one target.
one() {
  local binary=$1 dir=$2 target=$3 log=$WORK/$3.$RANDOM.log begin=$SECONDS execs
  if (cd "$dir" && timeout -k 10 "$LIMIT" "$binary" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$FUZZTIME" \
    -test.fuzzminimizetime 2s -test.parallel 1 -test.timeout 0 -test.fuzzcachedir "$CACHE/$dir") >"$log" 2>&1 || ended "$log"; then
    execs=$(sed -n 's/.*execs: \([0-9]*\).*/\1/p' "$log" | tail -1)
    echo "fuzz $dir $target: ${execs:-0} executions in $((SECONDS - begin)) s: clean"
    return
  fi
  grep -vE '^fuzz: (elapsed|minimizing)' "$log" | head -40 >&2 || true
  echo "fuzz $dir $target: FAILED; its input: $(sed -n "s|.*Failing input written to \(.*\)|$dir/\1|p" "$log" | head -1)" | tee -a "$WORK/failed"
  return 1
}

# seconds of a duration as Go writes it, in h, m and s.
seconds() {
  awk -v d="$1" 'BEGIN {
    while (match(d, /^[0-9.]+[hms]/)) {
      u = substr(d, RLENGTH, 1); s += substr(d, 1, RLENGTH - 1) * (u == "h" ? 3600 : u == "m" ? 60 : 1); d = substr(d, RLENGTH + 1)
    }
    if (d != "" || s <= 0) exit 1
    printf "%d", s + 1
  }' || { echo "fuzz: FUZZTIME=$1: a duration like 90s, 10m or 1h30m is expected" >&2; exit 2; }
}

if [[ ${1-} == one ]]; then
  shift
  one "$@"
  exit
fi

export FUZZTIME=${FUZZTIME:-3s} LIMIT WORK CACHE
jobs=${JOBS:-$(nproc)}
LIMIT=$(seconds "$FUZZTIME")
LIMIT=$((LIMIT + 120)) # for the corpus that is run first, and minimising
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
CACHE=$(go env GOCACHE)/fuzz/$(go list -m)

while read -r dir; do
  dir=${dir#./}
  binary=$WORK/${dir//\//_}.test
  go test -c -fuzz . -o "$binary" "./$dir"
  (cd "$dir" && "$binary" -test.list '^Fuzz') | { grep '^Fuzz' || true; } | sed "s|^|$binary $dir |"
done < <(grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | xargs -r -n1 dirname | sort -u) >"$WORK/all"
awk -v only="${ONLY:-.}" '$2 " " $3 ~ only' "$WORK/all" >"$WORK/targets"
count=$(wc -l <"$WORK/targets")
((count > 0)) || { echo "fuzz: no target${ONLY:+ matches $ONLY}" >&2; exit 2; }

xargs -P "$jobs" -L 1 test/fuzz.sh one <"$WORK/targets" || true
if [[ -s $WORK/failed ]]; then
  echo "fuzz: $(wc -l <"$WORK/failed") of $count targets failed:" >&2
  cat "$WORK/failed" >&2
  exit 1
fi
echo "fuzz: $count targets, $FUZZTIME each, $jobs at a time: clean"
