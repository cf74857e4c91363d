package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A cacheAway is an administration that can be away, and come back anew.
type cacheAway struct {
	away    atomic.Bool
	started atomic.Int64
	looks   atomic.Uint64
}

func (c *cacheAway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.away.Load() {
		panic(http.ErrAbortHandler)
	}
	g := glanceAt(c.looks.Load())
	g.stats.Started = time.Unix(c.started.Load(), 0)
	switch r.URL.Path {
	case "/v1/stats":
		c.looks.Add(1)
		tell(w, 200, g.stats)
	case "/v1/zones":
		tell(w, 200, g.zones)
	case "/v1/top":
		tell(w, 200, g.top)
	}
}

func startAway(t *testing.T) (*cacheAway, *adminClient) {
	c := new(cacheAway)
	c.started.Store(1)
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	o := adminOptions{Admin: strings.TrimPrefix(s.URL, "http://")}
	client, err := o.client()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.http.CloseIdleConnections)
	return c, client
}

// stepped hands each sight to a function, which says what comes next.
type stepped struct {
	next func(n int, s *sight) error
	n    int
}

func (p *stepped) paint(s *sight) error {
	p.n++
	return p.next(p.n, s)
}

var errSeen = errors.New("seen enough")

// A cache that goes away and comes back is watched on, and said to be away
// meanwhile.
func TestTopSurvivesRestart(t *testing.T) {
	c, client := startAway(t)
	var seen []string
	var last time.Time
	out := &stepped{next: func(n int, s *sight) error {
		defer func() { last = s.Time }()
		switch {
		case s.Fault != "":
			seen = append(seen, "away")
			if !strings.Contains(s.lines()[0], "NO ANSWER for ") || len(s.Keys) == 0 {
				t.Errorf("away: got %q and %d keys, want what was last seen", s.lines()[0], len(s.Keys))
			}
			if s.Time.Equal(last) {
				t.Errorf("away: the time is that of the last look that had an answer: %s", last)
			}
			c.started.Store(2)
			c.away.Store(false)
		case s.Restarted:
			seen = append(seen, "restarted")
		default:
			seen = append(seen, "well")
			if n == 2 {
				c.away.Store(true)
			}
			if n > 4 {
				return errSeen
			}
		}
		return nil
	}}
	w := &watcher{cache: client, by: "hits", keys: 5, now: time.Now}
	err := w.watch(context.Background(), out, time.Millisecond, false)
	if got := strings.Join(seen, " "); !errors.Is(err, errSeen) || got != "well well away restarted well" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestTopOnce(t *testing.T) {
	_, client := startAway(t)
	var out bytes.Buffer
	w := &watcher{cache: client, by: "hits", keys: 5, now: time.Now}
	if err := w.watch(context.Background(), jsonLines{&out}, time.Millisecond, true); err != nil {
		t.Fatal(err)
	}
	var s sight
	if err := json.Unmarshal(out.Bytes(), &s); err != nil || s.Seconds == 0 || len(s.Zones) != 1 || len(s.Zones[0].Tiers) != 2 || len(s.Keys) != 2 {
		t.Errorf("got %v, %s", err, out.Bytes())
	}
	out.Reset()
	if err := w.watch(context.Background(), page{&out, 40}, time.Millisecond, true); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "zone default: ") || strings.Contains(out.String(), "\x1b") {
		t.Errorf("got %q", out.String())
	}
	for line := range strings.Lines(out.String()) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 40 {
			t.Errorf("%q: %d characters, want 40 at most", line, n)
		}
	}
}

// Whoever names what is no cache is told so, at once.
func TestTopWrongAddress(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { tell(w, 200, map[string]string{}) }))
	defer other.Close()
	for addr, want := range map[string]string{
		strings.TrimPrefix(other.URL, "http://"): "no administration of opencache answers there",
		"127.0.0.1:1":                            "nothing listens there; is the cache running",
	} {
		code, stdout, stderr := run(t, nil, "top", "--admin", addr)
		if code != 1 || stdout != "" || !strings.Contains(stderr, addr) || !strings.Contains(stderr, want) {
			t.Errorf("%s: got %d, %q, %q, want 1 and %q", addr, code, stdout, stderr, want)
		}
	}
}
