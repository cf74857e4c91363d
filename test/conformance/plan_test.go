package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The committed tables are read as run.sh reads them, every exception is needed
// and the page that people read says the same.
func TestCommitted(t *testing.T) {
	all, err := plans(".")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{350, 350, 294} { // what the suite runs against each
		if got := len(all[i].wishes); got != want {
			t.Errorf("%s: got %d tests, want %d", subjects[i], got, want)
		}
	}
	for _, e := range all[0].exceptions {
		if !slices.ContainsFunc(all, func(p *plan) bool { return len(p.excepted(e.name)) > 0 }) {
			t.Errorf("exception %s: no test needs it", e.name)
		}
	}
	const page = "../../docs/conformance.md"
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	want, err := into(got, all)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s is out of date: go run ./test/conformance -write docs/conformance.md", page)
	}
}

func TestCheck(t *testing.T) {
	age := exception{"age", "RFC 9111, 5.1", "so it is"}
	for _, tt := range []struct {
		name       string
		wishes     []wish
		exceptions []exception
		fault      string // part of it; "": none
	}{
		{"good", []wish{{"a", "required", pass, "", ""}, {"b", "optimal", fail, "age", "Assertion"}, {"c", "check", no, "", ""}}, []exception{age}, ""},
		{"twice", []wish{{"a", "required", pass, "", ""}, {"a", "required", pass, "", ""}}, nil, "a: not behind a"},
		{"kind", []wish{{"a", "nice", pass, "", ""}}, nil, `"nice" is no kind`},
		{"required no", []wish{{"a", "required", no, "", ""}}, nil, `"no" is no end`},
		{"required either", []wish{{"a", "required", either, "", ""}}, nil, `"either" is no end`},
		{"check fails", []wish{{"a", "check", fail, "age", "x"}}, []exception{age}, `"fail" is no end`},
		{"no exception", []wish{{"a", "required", fail, "", "x"}}, nil, "belong to a test that fails"},
		{"no message", []wish{{"a", "required", fail, "age", ""}}, []exception{age}, "belong to a test that fails"},
		{"passing exception", []wish{{"a", "required", pass, "age", "x"}}, []exception{age}, "belong to a test that fails"},
		{"unknown exception", []wish{{"a", "required", fail, "agee", "x"}}, []exception{age}, `no exception "agee"`},
		{"skip in the first table", []wish{{"a", "required", skip, "", ""}}, nil, `"skip" is no end`},
		{"no section", []wish{{"a", "required", fail, "age", "x"}}, []exception{{"age", "", "why"}}, "a section and a reason"},
	} {
		err := (&plan{exceptions: tt.exceptions}).check(tt.wishes, false)
		if got := err == nil; got != (tt.fault == "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.fault)
		}
	}
}

func TestAdd(t *testing.T) {
	p := &plan{}
	p.add([]wish{{"a", "required", pass, "", ""}, {"b", "check", yes, "", ""}, {"d", "check", yes, "", ""}})
	p.add([]wish{{"a", "required", skip, "", ""}, {"b", "check", no, "", ""}, {"c", "optimal", pass, "", ""}})
	want := []wish{{"b", "check", no, "", ""}, {"c", "optimal", pass, "", ""}, {"d", "check", yes, "", ""}}
	if !slices.Equal(p.wishes, want) {
		t.Errorf("got %v, want %v", p.wishes, want)
	}
}

func TestJudge(t *testing.T) {
	p := &plan{
		wishes: []wish{
			{"check", "check", no, "", ""},
			{"excepted", "required", fail, "age", "Assertion: Response 2"},
			{"leaning", "optimal", pass, "", ""},
			{"plain", "required", pass, "", ""},
			{"timed", "check", either, "", ""},
		},
		exceptions: []exception{{"age", "RFC 9111, 5.1", "so it is"}},
	}
	good := func() run {
		r := run{}
		r.add([]*test{
			{ID: "check", Kind: "check", Result: []string{"Assertion", "Response 2 comes from cache"}},
			{ID: "excepted", Kind: "required", Result: []string{"Assertion", "Response 2 comes from cache"}},
			{ID: "leaning", Kind: "optimal", Depends: []string{"plain"}},
			{ID: "plain", Kind: "required"},
			{ID: "timed", Kind: "check"},
		})
		return r
	}
	for _, tt := range []struct {
		name  string
		alter func(run)
		want  []string // the beginning of each fault
	}{
		{"as expected", func(run) {}, nil},
		{"either way", func(r run) { r["timed"].Result = []string{"Assertion", "late"} }, nil},
		{"excepted passes", func(r run) { r["excepted"].Result = nil }, []string{"excepted (required): passes, though it is excepted by age"}},
		{"excepted fails otherwise", func(r run) { r["excepted"].Result = []string{"Setup", "502"} },
			[]string{`excepted (required): fails otherwise than excepted: got "Setup: 502"`}},
		{"check turns", func(r run) { r["check"].Result = nil }, []string{"check (check): got yes, want no"}},
		{"set up fails, and what leans on it", func(r run) { r["plain"].Result = []string{"Setup", "retry"} },
			[]string{"leaning (optimal): got fail, want pass: depends on plain", "plain (required): got fail, want pass: Setup: retry"}},
		{"the client throws", func(r run) { r["plain"].Result = []string{"FetchError", "reset"}; r["leaning"].Depends = nil },
			[]string{"plain (required): got fail, want pass: FetchError: reset"}},
		{"missing", func(r run) { delete(r, "check") }, []string{"check: is missing"}},
		{"unknown", func(r run) { r["new"] = &test{ID: "new", Kind: "check"} }, []string{"new (check): nobody expects it"}},
		{"other kind", func(r run) { r["plain"].Kind = "optimal" }, []string{"plain (optimal): is expected as required"}},
	} {
		r := good()
		tt.alter(r)
		got := p.judge(r)
		same := slices.EqualFunc(got, tt.want, func(f fault, want string) bool {
			return strings.HasPrefix(f.text, want) && strings.HasPrefix(want, f.id)
		})
		if !same {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestSummary(t *testing.T) {
	p := &plan{
		wishes:     []wish{{"a", "required", fail, "age", "x"}, {"b", "required", pass, "", ""}, {"c", "check", yes, "", ""}},
		exceptions: []exception{{"age", "RFC 9111, 5.1", "so it is"}},
	}
	ran := run{}
	ran.add([]*test{{ID: "a", Kind: "required"}, {ID: "b", Kind: "required"}, {ID: "c", Kind: "check"}})
	ran.add([]*test{{ID: "a", Kind: "required", Result: []string{"x"}}}) // run once more
	want := "required: 1 of 2 passed, 1 of them expected to\noptimal: 0 of 0 passed, 0 of them expected to\ncheck: 1 yes, 0 no\n" +
		"excepted by RFC 9111, 5.1 (age): 1\n"
	if got := summary(p, ran); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCompare(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"versions.tsv": "ours\t\ntheirs\t1.2\n",
		"ours.json":    `[{"id":"a","kind":"required","result":["Assertion","x"]},{"id":"b","kind":"required"},{"id":"c","kind":"optimal"}]`,
		"theirs.json":  `[{"id":"a","kind":"required"},{"id":"b","kind":"required","depends":["c"]},{"id":"c","kind":"optimal","result":["Setup","x"]}]`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := &plan{wishes: []wish{{"a", "required", fail, "age", "x"}, {"b", "required", pass, "", ""}, {"c", "optimal", pass, "", ""}}}
	got, err := compare(p, dir)
	want := "| ours | 1 of 2 | 1 of 1 | 1 of 1 |\n| theirs 1.2 | 1 of 2 | 0 of 1 | 0 of 1 |\n"
	if err != nil || !strings.HasSuffix(got, want) {
		t.Errorf("got %q, %v, want the end %q", got, err, want)
	}
}
