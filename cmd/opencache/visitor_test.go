package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opencache/internal/config"
)

// TestVisitorKey: a document's secret goes before what the state folder keeps,
// and a key that is not kept anywhere is told of.
func TestVisitorKey(t *testing.T) {
	var told bytes.Buffer
	log := slog.New(slog.NewTextHandler(&told, nil))
	state := filepath.Join(t.TempDir(), "state")
	first, err := visitorKey(nil, state, log)
	if err != nil || len(first) != 64 || told.Len() > 0 {
		t.Fatalf("got %q, %v and %q, want a key of 64 digits", first, err, &told)
	}
	again, err := visitorKey(nil, state, log)
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("second start: got %q, %v, want %q", again, err, first)
	}
	if info, err := os.Stat(filepath.Join(state, visitorFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want a file for its owner alone", info, err)
	}
	if files, err := os.ReadDir(state); err != nil || len(files) != 1 {
		t.Errorf("got %v, %v, want the key alone", files, err)
	}
	t.Setenv("VISITORS", "a secret of the fleet")
	if key, err := visitorKey(&config.Secret{Env: "VISITORS"}, state, log); err != nil || string(key) != "a secret of the fleet" {
		t.Errorf("got %q, %v, want the document's", key, err)
	}
	t.Setenv("VISITORS", "short")
	if _, err := visitorKey(&config.Secret{Env: "VISITORS"}, state, log); err == nil || !strings.Contains(err.Error(), "network.visitorKey") {
		t.Errorf("short: got %v, want an error that names the field", err)
	}
	if told.Len() > 0 {
		t.Errorf("got %q in the log, want nothing", &told)
	}
	if key, err := visitorKey(nil, "", log); err != nil || len(key) != 64 || !strings.Contains(told.String(), "new ids at each start") {
		t.Errorf("without a folder: got %q, %v and %q", key, err, &told)
	}
	if err := os.WriteFile(filepath.Join(state, visitorFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if key, err := visitorKey(nil, state, log); err != nil || len(key) != 64 {
		t.Errorf("an empty file: got %q, %v, want a new key", key, err)
	}
}
