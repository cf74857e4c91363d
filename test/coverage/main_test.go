package main

import (
	"strings"
	"testing"

	"opencache/test/coverage/rows"
)

func TestReport(t *testing.T) {
	const report = `{"Action":"output","Package":"opencache/internal/a","Test":"TestGood","Output":"quiet\n"}
{"Action":"pass","Package":"opencache/internal/a","Test":"TestGood"}
{"Action":"output","Package":"opencache/internal/a","Output":"PASS\n"}
{"Action":"output","Package":"opencache/internal/a","Output":"ok  \topencache/internal/a\n"}
{"Action":"pass","Package":"opencache/internal/a"}
{"Action":"output","Package":"opencache","Test":"TestBad","Output":"loud\n"}
{"Action":"fail","Package":"opencache","Test":"TestBad"}
{"Action":"pass","Package":"opencache","Test":"TestBad"}
{"Action":"skip","Package":"opencache","Test":"TestLazy"}
{"Action":"pass","Package":"opencache/cmd/opencache","Test":"TestPlays/memory/a"}
go: no JSON`
	const table = rows.Header + `
a-1	s	q	proved	internal/a TestGood; TestPlays/memory/a	
a-2	s	q	proved	. TestBad	
a-3	s	q	proved	. TestLazy	
a-4	s	q	proved	TestPlays/sockets/a	
a-5	s	q	later:4		not yet
`
	all, err := rows.Read(strings.NewReader(table))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	r := newReport(&out)
	if err := r.read(strings.NewReader(report)); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "ok  \topencache/internal/a\nloud\ngo: no JSON"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	got := strings.Join(r.missing(all), "\n")
	want := `line 3: a-2: . TestBad: fail
line 4: a-3: . TestLazy: skip
line 5: a-4: cmd/opencache TestPlays/sockets/a: did not run`
	if got != want {
		t.Errorf("missing:\n%s\nwant:\n%s", got, want)
	}
	if got, want := r.summary(all), "2 tests passed, 1 failures; coverage: 1 later, 4 proved of 5 statements"; got != want {
		t.Errorf("summary %q, want %q", got, want)
	}
}

// TestBuildFailure: what does not compile has no test that could fail.
func TestBuildFailure(t *testing.T) {
	var out strings.Builder
	r := newReport(&out)
	err := r.read(strings.NewReader(`{"ImportPath":"opencache/x","Action":"build-output","Output":"x.go:1: bad\n"}
{"ImportPath":"opencache/x","Action":"build-fail"}
`))
	if err != nil || r.failures != 1 || out.String() != "x.go:1: bad\n" {
		t.Errorf("got %v, %d failures, printed %q; want 1 failure and the compiler's words", err, r.failures, out.String())
	}
}
