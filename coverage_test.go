package opencache_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"opencache/internal/engine"
	"opencache/internal/rfc9111"
	"opencache/test/coverage/rows"
)

// tables are where statements stand with what proves them.
var tables = [...]string{"docs/coverage.tsv", "docs/seed-003.tsv"}

// TestCoverage: every row of the tables is well formed and names tests that are
// in the sources. That they ran is test/coverage's to see.
func TestCoverage(t *testing.T) {
	tests := map[string]map[string]bool{} // by folder, then name
	for _, name := range tables {
		for _, row := range rowsOf(t, name) {
			for _, p := range row.Proofs {
				if tests[p.Package] == nil {
					tests[p.Package] = testsIn(t, p.Package)
				}
				if fault := proofFault(p, tests[p.Package]); fault != "" {
					t.Errorf("%s, line %d: %s: %s %s: %s", name, row.Line, row.ID, p.Package, p.Test, fault)
				}
			}
		}
	}
}

// rowsOf reads a table.
func rowsOf(t *testing.T, name string) []rows.Row {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	all, err := rows.Read(file)
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return all
}

// TestCoverageOfPlays: a play that is named after a statement of a seed is one
// that a row names.
func TestCoverageOfPlays(t *testing.T) {
	named := map[string]bool{}
	for _, name := range tables {
		for _, row := range rowsOf(t, name) {
			for _, p := range row.Proofs {
				named[path.Base(p.Test)] = true
			}
		}
	}
	files, err := filepath.Glob("testdata/plays/edge/seed*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if play := strings.TrimSuffix(path.Base(file), ".txtar"); !named[play] {
			t.Errorf("%s: no row names it", file)
		}
	}
}

// testsIn returns the names of the test functions in the files of a folder.
func testsIn(t *testing.T, dir string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				names[f.Name.Name] = true
			}
		}
	}
	return names
}

// onlyIn is the line of a play that runs in one place alone.
var onlyIn = regexp.MustCompile(`(?m)^only (memory|sockets):`)

// proofFault tells why a proof can not have run; empty: it can.
func proofFault(p rows.Proof, tests map[string]bool) string {
	parts := strings.Split(p.Test, "/")
	if !tests[parts[0]] {
		return "no such test"
	}
	folder, ok := map[string]string{"TestPlays": "testdata/plays", "TestEdgePlays": "testdata/plays/edge"}[parts[0]]
	if p.Package != rows.PlayPackage || !ok {
		return ""
	}
	if len(parts) != 3 || parts[1] != "memory" && parts[1] != "sockets" {
		return "want " + parts[0] + "/memory/PLAY or " + parts[0] + "/sockets/PLAY"
	}
	text, err := os.ReadFile(path.Join(folder, parts[2]+".txtar"))
	if err != nil {
		return "no such play"
	}
	if m := onlyIn.FindSubmatch(text); m != nil && string(m[1]) != parts[1] {
		return "this play runs only in " + string(m[1])
	}
	return ""
}

// TestProofFaults makes sure that a proof can be refused at all.
func TestProofFaults(t *testing.T) {
	plays := map[string]bool{"TestPlays": true, "TestEdgePlays": true, "TestServe": true}
	for _, tt := range []struct{ test, want string }{
		{"TestPlays/memory/hit-and-miss", ""},
		{"TestPlays/sockets/hit-and-miss", ""},
		{"TestServe/any", ""},
		{"TestGone", "no such test"},
		{"TestPlays", "want TestPlays/memory/PLAY or TestPlays/sockets/PLAY"},
		{"TestPlays/memory/no-play-of-that-name", "no such play"},
		{"TestEdgePlays/memory/seed1-reverse-cache", ""},
		{"TestEdgePlays/memory/hit-and-miss", "no such play"},
		{"TestPlays/sockets/origin-stalls-504", "this play runs only in memory"},
	} {
		if got := proofFault(rows.Proof{Package: rows.PlayPackage, Test: tt.test}, plays); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.test, got, tt.want)
		}
	}
}

// TestOperatingNamesReasons: docs/operating.md tells of every value that
// X-Cache-Status, and fwd and detail of Cache-Status, can have.
func TestOperatingNamesReasons(t *testing.T) {
	text, err := os.ReadFile("docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for s := range engine.NumStatus {
		want[engine.Status(s).String()] = true
	}
	for f := engine.NotForwarded; f <= engine.ForPartial; f++ {
		want[f.String()] = true
	}
	for r := range rfc9111.NumReasons {
		want[rfc9111.Reason(r).String()] = true
	}
	for i := range engine.NumReasons {
		want[(engine.OriginUnreachable + engine.Reason(i)).String()] = true
	}
	delete(want, "")
	for word := range want {
		if !strings.Contains(string(text), "`"+word+"`") {
			t.Errorf("docs/operating.md does not name `%s`", word)
		}
	}
}
