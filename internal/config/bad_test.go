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
		t.Run(strings.TrimSuffix(filepath.Base(name), ".jsonc"), func(t *testing.T) { total += badDocument(t, name) })
	}
	t.Logf("%d documents, %d faults", len(files), total)
}

// badDocument compares what is told of one document, and returns how many
// faults it has.
func badDocument(t *testing.T, name string) int {
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	key := strings.TrimPrefix(first, "// ")
	d, faults := Parse(key, text, Limits{})
	if len(faults) == 0 {
		t.Error("got no fault")
	}
	var b strings.Builder
	for _, f := range faults {
		b.WriteString(f.String() + "\n")
	}
	for _, f := range d.Warnings {
		b.WriteString("warning: " + f.String() + "\n")
	}
	if strings.Contains(b.String(), "secret@") || strings.Contains(b.String(), `"secret"`) {
		t.Errorf("a fault tells a secret: %s", b.String())
	}
	sameFile(t, strings.TrimSuffix(name, ".jsonc")+".faults", []byte(b.String()))
	// Beside others it takes nobody down.
	var s Set
	shot := s.Load(map[string][]byte{key: text, sitePrefix + "good": []byte(site("good", "good.example"))})
	if len(shot.Sites) != 1 || len(shot.Out) != 1 || len(shot.Faults) != len(faults) {
		t.Errorf("beside a good one: got %d sites, %v out, %d faults", len(shot.Sites), shot.Out, len(shot.Faults))
	}
	return len(faults)
}
