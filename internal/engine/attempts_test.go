package engine

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"opencache/internal/wire"
)

// triedBy prints the servers that an Outcome says were asked.
func triedBy(o *Outcome) string {
	var all []string
	for _, t := range o.Attempts.All() {
		all = append(all, fmt.Sprintf("%s %d%s", t.Server, t.Status, t.Why))
	}
	return strings.Join(all, ", ")
}

// Everybody whom a fetch answers hears which servers it has asked, a hit of
// none, and who is handed through of its own.
func TestOutcomeAttempts(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			after(time.Second)
			r.Attempts.Note(wire.Attempt{Server: fmt.Sprint("first", n), Why: "dial"})
			if r.Method == wire.POST {
				r.Attempts.Withhold(wire.RetryBudget)
				return nil, &wire.Error{Side: wire.Upstream, Status: 502, Err: errors.New("refused")}
			}
			r.Attempts.Note(wire.Attempt{Server: fmt.Sprint("second", n), Status: 200})
			return respond("200 OK\r\nCache-Control: max-age=60", "whole"), nil
		})
		defer g.close()
		var wg sync.WaitGroup
		both := make([]*sink, 2)
		for i := range both {
			wg.Go(func() { both[i] = g.get("/a") })
		}
		wg.Wait()
		for _, s := range both {
			if got, want := triedBy(&s.out), "first1 0dial, second1 200"; got != want {
				t.Errorf("collapsed %t: got %q, want %q", s.out.Collapsed, got, want)
			}
		}
		hit := g.get("/a")
		if got := triedBy(&hit.out); hit.out.Status != Hit || got != "" {
			t.Errorf("%s: got %q, want none", hit.out.Status, got)
		}
		failed := g.ask("POST", "/a")
		if got, want := triedBy(&failed.out), "first2 0dial"; got != want {
			t.Errorf("handed through: got %q, want %q", got, want)
		}
		if got, want := failed.field("Cache-Status"), `detail="origin-unreachable, retry-budget"`; !strings.HasSuffix(got, want) {
			t.Errorf("got %q, want %q at its end", got, want)
		}
	})
}

// What failed is told with the stale answer that hides it.
func TestStaleTellsAttempts(t *testing.T) {
	play(t, func(t *testing.T) {
		g := newRig(t, func(n int, r *wire.Request) (*wire.Response, error) {
			if n == 1 {
				return respond("200 OK\r\nCache-Control: max-age=1", "old"), nil
			}
			r.Attempts.Note(wire.Attempt{Server: "a", Why: "dial"})
			return nil, &wire.Error{Side: wire.Upstream, Status: 502, Err: errors.New("refused")}
		})
		defer g.close()
		g.get("/a")
		after(time.Minute)
		s := g.get("/a")
		s.want(t, 200, "STALE", "old")
		if got, want := triedBy(&s.out), "a 0dial"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
