package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// startAll starts opencache in all its modes.
func startAll(t *testing.T) []*rig {
	t.Helper()
	dir := t.TempDir()
	p := place{dir: dir, binary: filepath.Join(dir, "opencache")}
	if out, err := exec.Command("go", "build", raceFlag, "-o", p.binary, "../../cmd/opencache").CombinedOutput(); err != nil {
		t.Fatalf("opencache does not build: %v\n%s", err, out)
	}
	var rigs []*rig
	for _, m := range modesOf("opencache") {
		r, err := start(m, p)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.stop)
		rigs = append(rigs, r)
	}
	return rigs
}

func loadAll(t *testing.T) *corpus {
	t.Helper()
	c, err := load("")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCorpus runs all cases on opencache, each in all modes at the same time:
// not one desync, nothing ambiguous forwarded, and each is treated as it wants.
func TestCorpus(t *testing.T) {
	c, rigs := loadAll(t), startAll(t)
	each := func(kind string, cases []*testCase, run func(*rig, *testCase) result) {
		for _, tc := range cases {
			t.Run(kind+"/"+tc.String(), func(t *testing.T) {
				r := worst(everywhere(rigs, func(r *rig) result { return run(r, tc) }))
				if r.missed != "" {
					t.Errorf("RFC %s: %s", tc.rfc, r.missed)
				}
			})
		}
	}
	each("requests", c.requests, (*rig).request)
	each("responses", c.responses, (*rig).response)
	for _, r := range rigs {
		if text := r.complaint(); text != "" {
			t.Errorf("%s: %s", r.name, text)
		}
	}
}

// TestCorpusSize: what the project promises of it.
func TestCorpusSize(t *testing.T) {
	c := loadAll(t)
	if got, want := len(c.requests), 150; got < want {
		t.Errorf("%d requests, want %d", got, want)
	}
	if got, want := len(c.responses), 80; got < want {
		t.Errorf("%d responses, want %d", got, want)
	}
	for kind, text := range c.abstracts {
		if text == "" {
			t.Errorf("%s does not say what it is", kind)
		}
	}
}

// TestParse: a case that is not one is told, with its line.
func TestParse(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"x\n== a | 1, 1 | forwarded 1\nG", ""},
		{"x\n== a | 1, 1\nG", "x, line 2: "},
		{"x\n== a | 1, 1 | forwarded\nG", "want \"forwarded\""},
		{"x\n== a | 1, 1 | refused many\nG", "invalid syntax"},
		{"x\n== a | 1, 1 | waits\n!what", "no directive !what"},
		{"x\n== a | 1, 1 | waits\n!repeat x y", "invalid syntax"},
		{"x\n== a | 1, 1 | waits\n\\q", "line 3: \\q"},
		{"x\n== a | 1, 1 | waits\nG\n== a | 1, 1 | waits\nG", "a is there already"},
	} {
		_, _, err := parse("x", c.text, false)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q: got %v, want %q", c.text, err, c.want)
		}
	}
}

// TestDocument: the column of a document that is compared is the one that is
// written, and a change of it shows.
func TestDocument(t *testing.T) {
	c := loadAll(t)
	col := &column{name: "opencache", version: "1", requests: make([]result, len(c.requests)), responses: make([]result, len(c.responses))}
	tab := &table{corpus: c, names: []string{"opencache"}, columns: []*column{col, col}}
	file := filepath.Join(t.TempDir(), "strictness.md")
	if err := writeFile(file, tab.document()); err != nil {
		t.Fatal(err)
	}
	if err := tab.compare(file); err != nil {
		t.Error(err)
	}
	col.requests[0].class = safe
	if err := tab.compare(file); err == nil {
		t.Error("another result: got nil, want an error")
	}
	tab.corpus.requests = c.requests[:len(c.requests)-1]
	if err := tab.compare(file); err == nil {
		t.Error("another number of cases: got nil, want an error")
	}
}
