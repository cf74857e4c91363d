# shellcheck shell=bash
# What shows of seed 003 share. To be sourced behind gotest.sh.

# seed SECTIONS... runs the tests that the rows of docs/seed-003.tsv of these
# sections name, in bubbles and under -race, and prints how many statements of
# each are proved. It ends the script when one fails or is missing, when a
# section has nothing that is proved, or when a statement waits for issue LATER.
seed() {
  local rows report folder pattern section tests
  rows=$(mktemp)
  report=$(mktemp)
  on_exit rm -f "$rows" "$report"
  awk -F'\t' -v list=" $* " 'NR == 1 || index(list, " " substr($2, length("seed 003, ") + 1) " ")' docs/seed-003.tsv >"$rows"
  tests=$(go run ./test/coverage -patterns "$rows") || die "docs/seed-003.tsv is not to be read"
  while read -r folder pattern; do
    bounded 600 go test -race -count=1 -json -run "$pattern" "$folder" >>"$report" || true # the report tells
  done <<<"$tests"
  go run ./test/coverage "$rows" <"$report" || die "MISSED: the lines above say what"
  awk -F'\t' 'NR > 1 { sub(/.*, /, "", $2); n[$2]++; if ($4 == "proved") p[$2]++; else if ($4 == "declined") d[$2]++; else l[$2]++ }
    END { for (s in n) printf "  section %s: %d statements, %d proved, %d declined, %d later\n", s, n[s], p[s], d[s], l[s] }' "$rows" | sort -k2n
  echo "  $(cut -f5 "$rows" | grep -oE 'TestEdgePlays/[^; ]+' | sort -u | wc -l) plays named by them, of $(ls testdata/plays/edge/*.txtar | wc -l)"
  for section in "$@"; do
    grep -q "	seed 003, $section	.*	proved	" "$rows" || die "MISSED: section $section has no statement that is proved"
  done
  ! grep -qE "	later(:[1-${LATER:?}])?	" "$rows" || die "MISSED: statements are left for later"
}
