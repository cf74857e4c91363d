#!/usr/bin/env bash
# Runs the shows that docs/shows.md marks with "yes" in its column "ci", in its
# order, all of them even when one fails.
set -euo pipefail
cd "$(dirname "$0")/../.."

[[ -r docs/shows.md ]] || {
  echo "shows: docs/shows.md is missing: it lists what can be shown" >&2
  exit 1
}
shows=$(awk -F '|' '
  !ci && /^\|/ { for (i = 1; i <= NF; i++) if ($i ~ /^ *ci *$/) ci = i; next }
  ci && $ci ~ /^ *yes/ && match($0, /show-[0-9]+-[0-9]+/) { print substr($0, RSTART, RLENGTH) }' docs/shows.md)
[[ -n $shows ]] || {
  echo "shows: docs/shows.md has no row with \"yes\" under ci" >&2
  exit 1
}
failed=()
for show in $shows; do
  echo "== $show"
  make --no-print-directory "$show" || failed+=("$show")
done
if ((${#failed[@]})); then
  echo "shows: missed: ${failed[*]}" >&2
  exit 1
fi
echo "shows: all $(wc -w <<<"$shows") ok"
