package main

import (
	"strings"
	"testing"

	"opencache/test/coverage/rows"
)

const someRFCs = rows.Header + `
rfc9111-1	RFC 9111, 1	q	proved	internal/a TestB; internal/a TestA/x; TestPlays/memory/b	
rfc9111-2	RFC 9111, 2	q	declined		no
rfc9110-1	RFC 9110, 1	q	proved	internal/a TestA; TestPlays/sockets/a	
rfc9110-2	RFC 9110, 2	q	later:4		not yet
rfc9110-3	RFC 9110, 3	q	later:7		not yet
rfc9112-1	RFC 9112, 1	q	proved	internal/c TestC	
seed1-1	seed 1	q	later		not yet
`

func TestCensus(t *testing.T) {
	all, err := rows.Read(strings.NewReader(strings.TrimSuffix(someRFCs, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	of := ofSemantics(all)
	table, faults := census(of)
	for _, want := range []string{"RFC 9111 2 1 1 0", "RFC 9110 3 1 0 2", "RFC 5861 0 0 0 0", "all 5 2 1 2"} {
		if squeezed := strings.Join(strings.Fields(table), " "); !strings.Contains(squeezed, want) {
			t.Errorf("got %q, want %q in it", squeezed, want)
		}
	}
	got := strings.Join(faults, "\n")
	for _, want := range []string{"line 5: rfc9110-2: later:4: not yet", "RFC 5861: no rows", "No-Vary-Search: no rows"} {
		if !strings.Contains(got, want) {
			t.Errorf("faults: got %q, want %q in it", got, want)
		}
	}
	if strings.Contains(got, "rfc9110-3") || strings.Contains(got, "RFC 9111: no rows") {
		t.Errorf("faults: got %q", got)
	}
	want := "./internal/a ^(TestA|TestB)$\n./cmd/opencache ^TestPlays$/^(memory|sockets)$/^(a|b)$"
	if got := strings.Join(patterns(of), "\n"); got != want {
		t.Errorf("patterns: got %q, want %q", got, want)
	}
}
