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

// TestCoverage: every row of docs/coverage.tsv is well formed and names tests
// that are in the sources. That they ran is test/coverage's to see.
func TestCoverage(t *testing.T) {
	file, err := os.Open("docs/coverage.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	all, err := rows.Read(file)
	if err != nil {
		t.Errorf("docs/coverage.tsv: %v", err)
	}
	tests := map[string]map[string]bool{} // by folder, then name
	for _, row := range all {
		for _, p := range row.Proofs {
			if tests[p.Package] == nil {
				tests[p.Package] = testsIn(t, p.Package)
			}
			if fault := proofFault(p, tests[p.Package]); fault != "" {
				t.Errorf("docs/coverage.tsv, line %d: %s: %s %s: %s", row.Line, row.ID, p.Package, p.Test, fault)
			}
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
	if p.Package != rows.PlayPackage || parts[0] != "TestPlays" {
		return ""
	}
	if len(parts) != 3 || parts[1] != "memory" && parts[1] != "sockets" {
		return "want TestPlays/memory/PLAY or TestPlays/sockets/PLAY"
	}
	text, err := os.ReadFile(path.Join("testdata/plays", parts[2]+".txtar"))
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
	plays := map[string]bool{"TestPlays": true, "TestServe": true}
	for _, tt := range []struct{ test, want string }{
		{"TestPlays/memory/hit-and-miss", ""},
		{"TestPlays/sockets/hit-and-miss", ""},
		{"TestServe/any", ""},
		{"TestGone", "no such test"},
		{"TestPlays", "want TestPlays/memory/PLAY or TestPlays/sockets/PLAY"},
		{"TestPlays/memory/no-play-of-that-name", "no such play"},
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
