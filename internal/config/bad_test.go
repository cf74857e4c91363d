package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBad reads the deliberately bad documents of testdata/bad. The first line
// of each is a comment with its key; beside it lie its faults and warnings as
// check prints them. Each document has one at least.
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.jsonc")
	if err != nil || len(files) < 30 {
		t.Fatalf("got %d documents, %v", len(files), err)
	}
	total := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		d, faults := Parse(strings.TrimPrefix(first, "// "), text, Limits{})
		if len(faults) == 0 {
			t.Errorf("%s: got no fault", name)
		}
		total += len(faults)
		var b strings.Builder
		for _, f := range faults {
			b.WriteString(f.String() + "\n")
		}
		for _, f := range d.Warnings {
			b.WriteString("warning: " + f.String() + "\n")
		}
		if strings.Contains(b.String(), "secret@") || strings.Contains(b.String(), `"secret"`) {
			t.Errorf("%s: a fault tells a secret: %s", name, b.String())
		}
		sameFile(t, strings.TrimSuffix(name, ".jsonc")+".faults", []byte(b.String()))
	}
	t.Logf("%d documents, %d faults", len(files), total)
}
