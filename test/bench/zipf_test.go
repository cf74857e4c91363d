package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"opencache/test/bench/child"
)

func TestRetold(t *testing.T) {
	for _, tt := range []struct {
		before, at setting
		want       int64
		next       int
	}{
		{setting{}, setting{64, 264 << 20}, 90 << 20, 22},
		{setting{}, setting{64, 80 << 20}, 90 << 20, 72},
		{setting{}, setting{64, 90 << 20}, 90 << 20, 64},
		{setting{64, 120 << 20}, setting{36, 85 << 20}, 70 << 20, 24}, // not in proportion: 30
		{setting{36, 84 << 20}, setting{24, 85 << 20}, 68 << 20, 19},  // less held more
		{setting{}, setting{64, 0}, 90 << 20, mostTold},
		{setting{}, setting{64, 1 << 40}, 90 << 20, leastTold},
	} {
		if got := retold(tt.before, tt.at, tt.want); got != tt.next {
			t.Errorf("%+v, then %+v, wanted %d: got %d, want %d", tt.before, tt.at, tt.want, got, tt.next)
		}
	}
}

func TestEqual(t *testing.T) {
	for held, want := range map[int64]bool{100: true, 105: true, 106: false, 95: true, 94: false, 0: false} {
		if got := equal(held, 100); got != want {
			t.Errorf("%d of 100: got %v, want %v", held, got, want)
		}
	}
}

// What a server that is started again is told is in its settings.
func TestToldInSettings(t *testing.T) {
	as := site{Mode: small, Told: 23, Dir: t.TempDir(), Store: "/tmp/x"}
	o := options{conf: "."}
	for _, name := range []string{"nginx.conf", "haproxy.cfg", "ats/records.config", "ats/storage.config"} {
		if err := os.MkdirAll(filepath.Join(as.Dir, "ats"), 0o755); err != nil {
			t.Fatal(err)
		}
		path, err := as.fill(o, name)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), "23") {
			t.Errorf("%s: got no 23 in it, %v", name, err)
		}
	}
	for name, commands := range map[string]func(options, *site) ([]child.Command, error){"opencache": opencache, "varnish": varnish} {
		list, err := commands(o, &as)
		if err != nil || !strings.Contains(strings.ToLower(strings.Join(list[0].Args, " ")), "23m") {
			t.Errorf("%s: got %v, %v, want 23m in it", name, list, err)
		}
	}
}

// A watch has looked at least once, and says when it could not.
func TestWatch(t *testing.T) {
	s := &server{site: site{Store: t.TempDir()}}
	if err := os.WriteFile(filepath.Join(s.site.Store, "file"), make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	held := s.watch()
	if got, err := held(); err != nil || got < 1<<20 {
		t.Errorf("got %d, %v, want the bytes of the file", got, err)
	}
	gone := &server{site: s.site, children: []*child.Child{ended(t)}}
	if _, err := gone.watch()(); err == nil {
		t.Error("a process that is gone: got no error")
	}
}

// ended is a process that has ended.
func ended(t *testing.T) *child.Child {
	c, err := child.Start(child.Command{Args: []string{"true"}, Core: -1})
	if err != nil {
		t.Fatal(err)
	}
	c.Stop()
	return c
}
