package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"opencache/test/bench/crowd"
)

// scene is one case: perhaps something is stored and grows stale, then the
// crowd asks, then judge says what is wrong with what was seen.
type scene struct {
	name   string
	stored bool
	answer func(*act, http.ResponseWriter, int)
	judge  func(*act, []crowd.Seen) (figure string, err error)
}

const whole = 1 << 20

func cases() []scene {
	return []scene{
		{name: "shareable, fast origin", answer: fast, judge: one},
		{name: "shareable, slow origin", answer: slow, judge: one},
		{name: "origin hangs up, stale stored", stored: true, answer: hangUp, judge: stale},
		{name: "origin answers 503, stale stored", stored: true, answer: unavailable, judge: stale},
		{name: "origin stalls, stale stored", stored: true, answer: stall, judge: stale},
		{name: "origin hangs up, nothing stored", answer: hangUp, judge: fault},
		{name: "origin answers 503, nothing stored", answer: unavailable, judge: fault},
		{name: "origin stalls, nothing stored", answer: stall, judge: fault},
		{name: "private", answer: personal("private"), judge: apart},
		{name: "no-store", answer: personal("no-store"), judge: apart},
	}
}

// play plays one scene.
func (s *stage) play(ctx context.Context, c scene) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, caseTime)
	defer cancel()
	path := fmt.Sprintf("/%x", c.name)
	if c.stored {
		if err := s.store(ctx, path); err != nil {
			return "", err
		}
	}
	a := newAct(c.answer)
	s.origin.play(a)
	seen, err := crowd.Crowd{
		Addr: s.cache, Size: s.clients,
		Asked: func() { close(a.asked) },
		Begun: func() { close(a.begun) },
	}.Rush(ctx, path)
	if err != nil {
		return "", err
	}
	close(a.over)
	a.mu.Lock()
	defer a.mu.Unlock()
	return c.judge(a, seen)
}

// store has the cache store an answer, and waits until it is stale.
func (s *stage) store(ctx context.Context, path string) error {
	a := newAct(func(a *act, w http.ResponseWriter, nth int) {
		w.Header().Set("Cache-Control", "max-age=1, stale-if-error=600")
		w.Header().Set("ETag", `"stored"`)
		a.send(w, own(nth, piece), nil)
	})
	s.origin.play(a)
	seen, err := crowd.Crowd{Addr: s.cache, Size: 1}.Rush(ctx, path)
	switch {
	case err != nil:
		return err
	case seen[0].Err != nil || seen[0].Status != http.StatusOK:
		return fmt.Errorf("storing: got %v, want 200", seen[0])
	}
	time.Sleep(2100 * time.Millisecond) // ages count whole seconds
	return nil
}

// fast sends all but the last piece at once and holds that back until every
// client has its first byte.
func fast(a *act, w http.ResponseWriter, nth int) {
	w.Header().Set("Cache-Control", "max-age=3600")
	a.send(w, own(nth, whole), func(i int) {
		if (i+1)*piece == whole {
			hold(a.begun)
		}
	})
}

// slow takes its time whatever the clients have.
func slow(a *act, w http.ResponseWriter, nth int) {
	w.Header().Set("Cache-Control", "max-age=3600")
	a.send(w, own(nth, whole), func(int) { time.Sleep(100 * time.Millisecond) })
}

func hangUp(a *act, _ http.ResponseWriter, nth int) {
	if nth == 1 {
		a.gather()
	}
	panic(http.ErrAbortHandler) // net/http's way to close without an answer
}

func unavailable(a *act, w http.ResponseWriter, nth int) {
	if nth == 1 {
		a.gather()
	}
	w.WriteHeader(http.StatusServiceUnavailable)
}

// stall sends nothing until the cache has given up.
func stall(a *act, _ http.ResponseWriter, _ int) {
	hold(a.over)
	panic(http.ErrAbortHandler)
}

// personal gives each request content of its own that may not be shared.
func personal(control string) func(*act, http.ResponseWriter, int) {
	return func(a *act, w http.ResponseWriter, nth int) {
		if nth == 1 {
			a.gather()
		} else {
			time.Sleep(100 * time.Millisecond) // so that the others meet here
		}
		w.Header().Set("Cache-Control", control)
		a.send(w, own(nth, piece), nil)
	}
}

// one: one request, and every client reads along.
func one(a *act, seen []crowd.Seen) (string, error) {
	var late int
	var first, done time.Duration
	faults := make([]error, 0, 2)
	for i, s := range seen {
		if s.Err != nil || s.Status != http.StatusOK || s.Size != whole || a.sums[s.Sum] == 0 {
			return "", fmt.Errorf("client %d: got %v, want the origin's 1 MiB", i, s)
		}
		if !s.First.Before(a.last) {
			late++
		}
		first, done = max(first, s.First.Sub(s.Start)), max(done, s.Done.Sub(s.Start))
	}
	if a.requests != 1 {
		faults = append(faults, fmt.Errorf("%d origin requests, want 1", a.requests))
	}
	if late > 0 {
		faults = append(faults, fmt.Errorf("%d clients got their first byte after the origin's last, want 0", late))
	}
	return fmt.Sprintf("%d clients, %d origin request, %d first bytes before the origin's last; worst first byte %d ms, all done %d ms",
		len(seen), a.requests, len(seen)-late, first.Milliseconds(), done.Milliseconds()), errors.Join(faults...)
}

// stale: one request, and what was stored for everybody.
func stale(a *act, seen []crowd.Seen) (string, error) {
	want := seen[0].Sum
	for i, s := range seen {
		if s.Err != nil || s.Status != http.StatusOK || s.Size != piece || s.Sum != want {
			return "", fmt.Errorf("client %d: got %v, want the stored 200", i, s)
		}
	}
	return requests(a, fmt.Sprintf("%d clients, %d origin request, %d stale answers", len(seen), a.requests, len(seen)))
}

// fault: one request, and one error for everybody.
func fault(a *act, seen []crowd.Seen) (string, error) {
	got := map[int]int{}
	for i, s := range seen {
		if s.Err != nil || s.Status < 502 || s.Status > 504 {
			return "", fmt.Errorf("client %d: got %v, want 502, 503 or 504", i, s)
		}
		got[s.Status]++
	}
	return requests(a, fmt.Sprintf("%d clients, %d origin request, errors by status %v", len(seen), a.requests, got))
}

func requests(a *act, figure string) (string, error) {
	if a.requests != 1 {
		return figure, fmt.Errorf("%d origin requests, want 1", a.requests)
	}
	return figure, nil
}

// apart: one request first, then everybody for himself and at the same time,
// and no content twice.
func apart(a *act, seen []crowd.Seen) (string, error) {
	shared := 0
	got := map[uint32]bool{}
	for i, s := range seen {
		if s.Err != nil || s.Status != http.StatusOK || s.Size != piece || a.sums[s.Sum] != 1 {
			return "", fmt.Errorf("client %d: got %v, want one of the origin's answers whole", i, s)
		}
		if got[s.Sum] {
			shared++
		}
		got[s.Sum] = true
	}
	figure := fmt.Sprintf("%d clients, %d origin request first, then %d, %d at a time at most; %d contents shared",
		len(seen), a.early, a.requests-a.early, a.peak, shared)
	switch {
	case shared > 0:
		return figure, fmt.Errorf("%d clients got what another one got, want 0", shared)
	case a.early != 1 || a.requests != len(seen):
		return figure, fmt.Errorf("%d requests first and %d in all, want 1 and %d", a.early, a.requests, len(seen))
	case a.peak < min(8, len(seen)-1):
		return figure, fmt.Errorf("%d at a time, want them in parallel", a.peak)
	}
	return figure, nil
}
