package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

// topCmd is opencache top.
type topCmd struct {
	Cache    adminOptions  `embed:""`
	Interval time.Duration `default:"1s" help:"Between two looks (default ${default})."`
	By       string        `default:"hits" enum:"hits,bytes" help:"What keys are ranked by: hits, bytes (default ${default})."`
	Keys     int           `short:"n" default:"10" placeholder:"N" help:"Keys and sites to show, up to 512 (default ${default})."`
	Once     bool          `help:"Look for one interval, print and end."`
	Output   string        `short:"o" default:"text" enum:"text,json" help:"Form: text, or json, a line a look (default ${default})."`
}

// Run shows a running cache until q, Ctrl-C or a signal.
func (c *topCmd) Run() error {
	switch {
	case c.Interval < 100*time.Millisecond:
		return usageError{fmt.Errorf("--interval: %s: expected 100ms or more", c.Interval)}
	case c.Keys < 1 || c.Keys > mostTop:
		return usageError{fmt.Errorf("--keys: %d: expected 1 to %d", c.Keys, mostTop)}
	}
	client, err := c.Cache.client()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	w := &watcher{cache: client, by: c.By, keys: c.Keys, now: time.Now}
	out := c.screen()
	if s, ok := out.(*screen); ok {
		// The cache has to be there before the terminal is taken.
		if err := w.look(ctx); err != nil {
			return endedOr(err)
		}
		if err := s.open(stop); err != nil {
			return err
		}
		defer s.close()
	}
	return endedOr(w.watch(ctx, out, c.Interval, c.Once))
}

// endedOr is err, unless that only says that we were asked to end.
func endedOr(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// A painter shows what was seen.
type painter interface {
	paint(s *sight) error
}

// screen is the painter that the flags and standard output ask for.
func (c *topCmd) screen() painter {
	terminal := isTerminal(os.Stdout)
	switch {
	case c.Output == "json":
		return jsonLines{os.Stdout}
	case c.Once:
		width := 120
		if w, _, err := term.GetSize(int(os.Stdout.Fd())); terminal && err == nil {
			width = w
		}
		return page{os.Stdout, width}
	case terminal:
		return &screen{out: os.Stdout}
	}
	return textLines{os.Stdout}
}

// A watcher looks at a running cache again and again.
type watcher struct {
	cache *adminClient
	by    string
	keys  int
	now   func() time.Time

	was, is *glance // the last two that succeeded
	fault   error   // why the last look failed, nil: it did not
	since   time.Time
}

// watch shows the cache at each interval until ctx ends. The first look must
// succeed; after that the cache may be away, and come back.
func (w *watcher) watch(ctx context.Context, out painter, every time.Duration, once bool) error {
	if w.is == nil {
		if err := w.look(ctx); err != nil {
			return err
		}
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if !once {
			if err := out.paint(w.sight()); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		err := w.look(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if once {
			return errors.Join(err, out.paint(w.sight()))
		}
	}
}

// look takes a glance.
func (w *watcher) look(ctx context.Context) error {
	g := &glance{at: w.now()}
	err := w.cache.get(ctx, "/v1/stats", &g.stats)
	if err == nil {
		err = w.cache.get(ctx, fmt.Sprintf("/v1/zones?sites=%d", w.keys), &g.zones)
	}
	if err == nil {
		err = w.cache.get(ctx, fmt.Sprintf("/v1/top?by=%s&limit=%d", w.by, w.keys), &g.top)
	}
	if err == nil && g.stats.Started.IsZero() {
		err = fmt.Errorf("%s: %w", w.cache.addr, errNoAdmin)
	}
	if err != nil {
		if w.fault == nil {
			w.since = g.at
		}
		w.fault = err
		return err
	}
	w.fault, w.was, w.is = nil, w.is, g
	return nil
}

// sight is what the last glances tell.
func (w *watcher) sight() *sight {
	s := compare(w.was, w.is)
	s.Addr = w.cache.addr
	if w.fault != nil {
		s.Time = w.now() // of the line that says so
		s.Fault, s.FaultFor = w.fault.Error(), s.Time.Sub(w.since).Seconds()
	}
	return s
}

// jsonLines paints each sight as a line of JSON.
type jsonLines struct{ out io.Writer }

func (p jsonLines) paint(s *sight) error {
	if s.begins() {
		return nil
	}
	return json.NewEncoder(p.out).Encode(s)
}

// textLines paints each sight as a line of text.
type textLines struct{ out io.Writer }

func (p textLines) paint(s *sight) error {
	if s.begins() {
		return nil
	}
	_, err := fmt.Fprintln(p.out, s.line())
	return err
}

// A page paints a sight as the screen would show it, without end.
type page struct {
	out   io.Writer
	width int
}

func (p page) paint(s *sight) error {
	for _, line := range s.lines() {
		if _, err := fmt.Fprintln(p.out, cut(line, p.width)); err != nil {
			return err
		}
	}
	return nil
}
