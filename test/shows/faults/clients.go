package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// A tally is what a group of clients was served.
type tally struct {
	mu sync.Mutex // guards the fields below

	asked, memory, disk, origin int
	cut                         int // ended visibly early, where nothing better can be
	failed, wrong               int
	first                       string // of the failed and the wrong
	took                        []time.Duration
}

// seen is one answer.
type seen struct {
	from  string // the tier of a hit; "": the origin
	err   error  // no answer, another status, or content cut short
	wrong bool
}

func (t *tally) note(o *object, s seen, took time.Duration, mayCut bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked++
	t.took = append(t.took, took)
	switch {
	case s.wrong:
		t.wrong++
		t.blame(o, errors.New("other bytes than the origin's"))
	case s.err != nil && mayCut && errors.Is(s.err, io.ErrUnexpectedEOF):
		t.cut++
	case s.err != nil:
		t.failed++
		t.blame(o, s.err)
	case s.from == "disk":
		t.disk++
	case s.from != "":
		t.memory++
	default:
		t.origin++
	}
}

func (t *tally) blame(o *object, err error) {
	if t.first == "" {
		t.first = fmt.Sprintf("%s: %v", o.path, err)
	}
}

// line is a row of the table.
func (t *tally) line(phase, who string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	slices.Sort(t.took)
	at := func(q float64) time.Duration {
		if len(t.took) == 0 {
			return 0
		}
		return t.took[int(q*float64(len(t.took)-1))]
	}
	return fmt.Sprintf("  %-8s %-8s %7d %7d %7d %7d %5d %7d %6d  %9s %9s %9s", phase, who, t.asked, t.memory, t.disk, t.origin, t.cut, t.failed, t.wrong,
		at(0.5).Round(10*time.Microsecond), at(0.99).Round(10*time.Microsecond), at(1).Round(10*time.Microsecond))
}

const header = "  phase    set        asked  memory    disk  origin   cut  failed  wrong       half 99 of 100      most"

// A client asks for objects, one after the other, and compares what comes.
type client struct {
	book book
	addr string
	http *http.Client
	rnd  *rand.Rand
}

func newClient(b book, addr string, seed int) *client {
	d := net.Dialer{Timeout: 10 * time.Second}
	return &client{book: b, addr: addr, rnd: rand.New(rand.NewPCG(uint64(seed), 5)), http: &http.Client{
		Timeout:   20 * time.Second, // a hang is a failure
		Transport: &http.Transport{DialContext: d.DialContext, MaxIdleConnsPerHost: 4},
	}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// ask asks for o, or for a range of it.
func (c *client) ask(ctx context.Context, o *object, ranged bool) (s seen) {
	want := c.book.content(o)
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+c.addr+o.path, nil)
	if err != nil {
		return seen{err: err}
	}
	status := http.StatusOK
	if ranged {
		first := c.rnd.IntN(o.n)
		last := first + c.rnd.IntN(o.n-first)
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", first, last))
		want, status = want[first:last+1], http.StatusPartialContent
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return seen{err: err}
	}
	defer resp.Body.Close()
	if resp.Header.Get("X-Cache") == "HIT" {
		s.from = "memory"
		if strings.Contains(resp.Header.Get("Cache-Status"), `disk`) {
			s.from = "disk"
		}
	}
	if resp.StatusCode != status {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		s.err = fmt.Errorf("status %d, want %d: %s", resp.StatusCode, status, strings.TrimSpace(string(b)))
		return s
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := resp.Body.Read(buf)
		if n > len(want) || !bytes.Equal(buf[:n], want[:n]) {
			s.wrong = true
			return s
		}
		want = want[n:]
		if err == io.EOF {
			if len(want) > 0 { // without a word that it was cut: wrong
				s.wrong = true
			}
			return s
		}
		if err != nil {
			s.err = fmt.Errorf("%d bytes missing: %w", len(want), err)
			return s
		}
	}
}

// A look is what the clients of a phase saw.
type look struct{ small, large tally }

// ask has clients ask for both sets until the phase is over.
func (s *stage) ask(phase string) {
	l := new(look)
	ctx, cancel := context.WithTimeout(s.ctx, s.phase)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() { s.repeat(ctx, &l.small, s.small, i, time.Millisecond) })
	}
	for i := range 4 {
		wg.Go(func() { s.repeat(ctx, &l.large, s.large, 10+i, 0) })
	}
	wg.Wait()
	s.judge(phase, l)
}

// repeat asks for members of the set at random until ctx ends; the last answer
// is waited for.
func (s *stage) repeat(ctx context.Context, t *tally, set []*object, seed int, pause time.Duration) {
	c := newClient(s.book, s.addr, seed)
	defer c.close()
	for ctx.Err() == nil {
		o := set[c.rnd.IntN(len(set))]
		if pause == 0 && c.rnd.IntN(20) == 0 { // so that there is something to write
			o = fresh(int(s.asked.Add(1)))
		}
		began := time.Now()
		got := c.ask(s.ctx, o, pause == 0 && c.rnd.IntN(3) == 0)
		t.note(o, got, time.Since(began), s.mayCut(o))
		if pause > 0 {
			time.Sleep(pause)
		}
	}
}

// mayCut reports whether an answer with o may end visibly early when some of it
// is lost while it is under way: without a strong validator the rest of what is
// longer than a record can not be asked for.
func (s *stage) mayCut(o *object) bool { return !o.tagged && o.n > 64<<10 }

// judge prints what a phase served and notes what is wrong with it.
func (s *stage) judge(phase string, l *look) {
	if phase == "" {
		return
	}
	fmt.Println(l.small.line(phase, "small"))
	fmt.Println(l.large.line(phase, "large"))
	for _, t := range []*tally{&l.small, &l.large} {
		if t.wrong+t.failed > 0 {
			s.miss("%s: %d wrong, %d failed; the first: %s", phase, t.wrong, t.failed, t.first)
		}
		if t.asked == 0 {
			s.miss("%s: nobody asked", phase)
		}
	}
	if t := &l.small; t.memory*100 < t.asked*90 {
		s.miss("%s: %d of %d answers of the small set are not from memory", phase, t.asked-t.memory, t.asked)
	}
}
