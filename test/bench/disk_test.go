package main

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

func TestInTier(t *testing.T) {
	for field, want := range map[string]bool{
		`opencache; hit; ttl=3599; detail="disk"`:   true,
		`opencache; hit; ttl=3599; detail="memory"`: false,
		`opencache; fwd=uri-miss; stored`:           false,
		"":                                          false,
	} {
		if got := inTier(answer{header: http.Header{"Cache-Status": {field}}}, "disk"); got != want {
			t.Errorf("%q: got %v, want %v", field, got, want)
		}
	}
}

// What is dropped from the page cache is still there.
func TestForget(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "volume")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("kept"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := forget(dir); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "kept" {
		t.Errorf("got %q, %v, want %q", got, err, "kept")
	}
	if err := forget(filepath.Join(dir, "none")); err == nil {
		t.Error("no folder: got no error, want one")
	}
}

// Servers keep what they store where the mode has it.
func TestMegabytes(t *testing.T) {
	for m, want := range map[mode]int{plain: 512, secure: 512, small: 64, tiered: 64, disked: 0} {
		if got := (&site{Mode: m}).Megabytes(); got != want {
			t.Errorf("%s: got %d, want %d", m, got, want)
		}
	}
}
