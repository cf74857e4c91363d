package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"opencache/internal/store"
)

// TestVolumeCheck: a volume in use is refused, a sound one described, damage is
// exit code 1, and nothing is written without --repair.
func TestVolumeCheck(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "disk")
	check := func(want int, flags ...string) (stdout, stderr string) {
		t.Helper()
		code, stdout, stderr := run(t, nil, append([]string{"volume", "check", dir}, flags...)...)
		if code != want {
			t.Fatalf("%q: got code %d, output %q, error %q, want %d", flags, code, stdout, stderr, want)
		}
		return stdout, stderr
	}
	if _, stderr := check(1); !strings.Contains(stderr, "no such file") {
		t.Errorf("no folder: got %q", stderr)
	}
	p := start(t, "--origin", "http://127.0.0.1:1", "--disk", dir+"=8M")
	if _, stderr := check(1, "--repair"); !strings.Contains(stderr, "in use by another process") || !strings.Contains(stderr, dir) {
		t.Errorf("in use: got %q", stderr)
	}
	p.signal(t, syscall.SIGTERM)
	if code := p.exit(t); code != 0 {
		t.Fatalf("the program ended with %d", code)
	}
	stdout, _ := check(0)
	for _, want := range []string{dir + ": sound", "8 MiB, stripe 1 of 1", "opened 1 times, closed in order", "0 objects and 0 segments"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("sound: got %q, want %q in it", stdout, want)
		}
	}
	name := filepath.Join(dir, "opencache.volume")
	flip(t, name, 100)
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := check(1, "--quick")
	if !strings.Contains(stdout, "1 of 2 copies is good") || !strings.Contains(stderr, "with --repair what is damaged is dropped") {
		t.Errorf("damaged: got %q, %q", stdout, stderr)
	}
	if after, err := os.ReadFile(name); err != nil || string(after) != string(before) {
		t.Errorf("a check without --repair has written (%v)", err)
	}
	if stdout, _ = check(0, "--repair"); !strings.Contains(stdout, "repaired") {
		t.Errorf("repaired: got %q", stdout)
	}
	stdout, _ = check(0, "-o", "json")
	var reports []store.VolumeReport
	if err := json.Unmarshal([]byte(stdout), &reports); err != nil || len(reports) != 1 || reports[0].Size != 8<<20 || len(reports[0].Damage) != 0 {
		t.Errorf("JSON: got %q, %v", stdout, err)
	}
	flip(t, name, 100)
	flip(t, name, 4096+100)
	if _, stderr := check(1, "--repair"); !strings.Contains(stderr, "damaged in both copies") {
		t.Errorf("no superblock: got %q", stderr)
	}
}

// flip changes one bit of a file.
func flip(t *testing.T, name string, off int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var b [1]byte
	if _, err = f.ReadAt(b[:], off); err == nil {
		b[0] ^= 1
		_, err = f.WriteAt(b[:], off)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What a report in text says of what was found.
func TestPrintVolume(t *testing.T) {
	r := store.VolumeReport{
		Dir: "/d", Size: 10 << 30, SlabSize: 2 << 20, Slabs: 5100, Used: 7, MeanObject: 8 << 10, Set: "0123456789abcdef", Stripe: 2, Stripes: 3,
		Created: time.Unix(1000, 0), Opens: 4, Objects: 5, Segments: 6, Live: 1 << 20, Soft: 2, Dead: 3, JournalState: "whole", Verified: 4096,
		Notes: []string{"a note"}, Damage: []string{"a fault"},
	}
	for range 25 {
		r.Sites = append(r.Sites, store.SiteReport{Name: "http://a", Records: 1, Bytes: 2})
	}
	var b strings.Builder
	if err := printVolume(&b, &r, time.Unix(4600, 0)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"/d: damaged\n", "10 GiB, stripe 2 of 3 of set 01234567;", "1h0m0s, opened 4 times, not closed in order", "5100 of 2 MiB, 7 with records",
		"2 to be validated; 3 listed that do not come back", "4 KiB read", "http://a: 1 records, 2 B", "and 5 more", "a note", "a fault",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("got %q, want %q in it", b.String(), want)
		}
	}
}
