# shellcheck shell=bash
# What the shows that are Go tests share. To be sourced, from the repository's
# root, after set -euo pipefail.

. test/real/lib.sh
need go "install Go 1.26 or later from https://go.dev/dl/"
output=$(mktemp)
on_exit rm -f "$output"

# passed PATTERN prints how many tests whose names match have passed, not
# counting those that only hold others together.
passed() {
  sed -n 's/^ *--- PASS: \([^ ]*\) .*/\1/p' "$output" | sort -u |
    awk '{ n[NR] = $0; split($0, p, "/"); s = ""; for (i = 1; i < length(p); i++) { s = s (i > 1 ? "/" : "") p[i]; parent[s] = 1 } }
      END { for (i = 1; i <= NR; i++) if (!(n[i] in parent)) print n[i] }' | grep -cE "$1" || true
}

# ran PATTERN LEAST WHAT COMMAND... runs go test and prints how many tests
# matching the pattern have passed; it ends the script when one failed or was
# skipped, or fewer than LEAST ran.
ran() {
  local pattern=$1 least=$2 what=$3 n bad
  shift 3
  if ! "$@" >"$output" 2>&1; then
    grep -vE '^=== |^ *--- PASS|^(ok|PASS|\?)' "$output" | tail -40 >&2
    die "MISSED: $what: a test failed"
  fi
  bad=$(grep -cE '^ *--- SKIP' "$output" || true)
  n=$(passed "$pattern")
  echo "$n $what passed, $bad skipped"
  ((n >= least)) || die "MISSED: $what: $n ran, at least $least are expected"
  ((bad == 0)) || { grep -E -A2 '^ *--- SKIP' "$output" >&2; die "MISSED: $what: $bad were skipped"; }
}

# figures TEST prints what the test logged.
figures() {
  awk -v test="$1" '/^=== (RUN|CONT|NAME)/ { on = index($3, test) == 1 }
    /^ +[a-z0-9_]+_test\.go:[0-9]+: / { if (on) { sub(/^ +[a-z0-9_]+_test\.go:[0-9]+: /, "  "); print } }' "$output"
}
