#!/usr/bin/env bash
# What documents say is what happens: each statement of seed 003 on caching has a
# play that runs, and every field of the documents one that fails without it, a
# test, or a refusal.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/shows/gotest.sh

tests=$(go run ./test/coverage -patterns docs/seed-003.tsv) || die "docs/seed-003.tsv is not to be read"
report=$(mktemp)
on_exit rm -f "$report"
while read -r folder pattern; do
  bounded 600 go test -race -count=1 -json -run "$pattern" "$folder" >>"$report" || true # the report tells
done <<<"$tests"
go run ./test/coverage docs/seed-003.tsv <"$report" || die "MISSED: the lines above say what"
awk -F'\t' 'NR > 1 { sub(/.*, /, "", $2); n[$2]++; if ($4 == "proved") p[$2]++; else if ($4 == "declined") d[$2]++; else l[$2]++ }
  END { for (s in n) printf "  section %s: %d statements, %d proved, %d declined, %d later\n", s, n[s], p[s], d[s], l[s] }' docs/seed-003.tsv | sort -k2n
echo "  $(cut -f5 docs/seed-003.tsv | grep -oE 'TestEdgePlays/[^; ]+' | sort -u | wc -l) plays named by them, of $(ls testdata/plays/edge/*.txtar | wc -l)"
for section in 1 5 6 7 8 9; do
  grep -q "	seed 003, $section	.*	proved	" docs/seed-003.tsv || die "MISSED: section $section has no statement that is proved"
done
! grep -qE '	later(:6)?	' docs/seed-003.tsv || die "MISSED: statements are left for later"

ran '^TestFields/' 240 "fields of site, node and tier policy" bounded 300 go test -race -count=1 -v -run '^TestFields$' ./cmd/opencache
figures TestFields | tail -1
ran '^Test(FieldsRefused|VolumesOfDocuments|EdgeNode)' 13 "tests of what no play sees" bounded 300 go test -race -count=1 -v -run '^Test(FieldsRefused|VolumesOfDocuments|EdgeNode)$' ./cmd/opencache
