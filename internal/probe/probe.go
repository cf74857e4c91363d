// Package probe asks URLs now and then and tells whether they answer. It is
// for what a node needs beside itself to be of use; it asks no upstream on
// behalf of a request, and has no say in which server of a pool is asked.
//
//	p := &probe.Prober{Log: log}
//	p.Use([]probe.Target{{URL: "http://127.0.0.1:9000/live", Interval: 15 * time.Second}})
//	…
//	if n, why := p.Failing(); n > 0 {
//		fmt.Println("the probe", n, "fails:", why)
//	}
//	p.Close()
package probe

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// A Target is a URL that is asked. Targets are compared: what stays the same
// is asked on.
type Target struct {
	URL      string
	Interval time.Duration // from one question to the next; 0: 15 s
	Timeout  time.Duration // for the head of the answer; 0: 3 s
	Rise     int           // so many good answers in a row end a failure; 0: 2
	Fall     int           // so many bad ones in a row are one; 0: 3
}

// A Prober asks Targets. The zero value asks none.
type Prober struct {
	// Dial makes connections; nil: a net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Log is told when a target begins to fail, and when it has recovered; nil:
	// nobody is.
	Log *slog.Logger

	mu      sync.Mutex // guards the fields below
	watches []*watch   // in the order of the targets
	running sync.WaitGroup
}

// Use asks these targets from now on, each on a goroutine of its own until it
// is none of them any more. The first answer decides; until then a target fails.
func (p *Prober) Use(targets []Target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	had := p.watches
	p.watches = nil
	for _, t := range targets {
		w := (*watch)(nil)
		for i, one := range had {
			if one != nil && one.Target == t {
				w, had[i] = one, nil
				break
			}
		}
		if w == nil {
			ctx, cancel := context.WithCancel(context.Background())
			w = &watch{Target: t, p: p, cancel: cancel, why: "not asked yet"}
			p.running.Go(func() { w.run(ctx) })
		}
		p.watches = append(p.watches, w)
	}
	for _, w := range had {
		if w != nil {
			w.cancel()
		}
	}
}

// Failing returns which target, counted from 1, is the first that fails, and
// why, without its address; 0: none does.
func (p *Prober) Failing() (n int, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, w := range p.watches {
		if why := w.failing(); why != "" {
			return i + 1, why
		}
	}
	return 0, ""
}

// Close asks nothing any more, and waits for what is under way to end.
func (p *Prober) Close() {
	p.Use(nil)
	p.running.Wait()
}

// A watch is what is known of a target.
type watch struct {
	Target
	p      *Prober
	cancel context.CancelFunc

	mu    sync.Mutex // guards the fields below
	why   string     // it fails; empty: it does not
	asked bool       // it was, once
	row   int        // answers in a row that say otherwise than why
}

func (w *watch) failing() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.why
}

// run asks until ctx ends.
func (w *watch) run(ctx context.Context) {
	transport := &http.Transport{DialContext: w.p.Dial, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	next := time.NewTicker(cmp.Or(w.Interval, 15*time.Second))
	defer next.Stop()
	for {
		why := w.ask(ctx, client)
		if ctx.Err() != nil {
			return
		}
		w.heard(why)
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
	}
}

// ask asks once; empty: the answer was good.
func (w *watch) ask(ctx context.Context, client *http.Client) (why string) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(w.Timeout, 3*time.Second))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.URL, nil)
	if err != nil {
		return "no URL"
	}
	r.Header.Set("User-Agent", "opencache-probe")
	resp, err := client.Do(r)
	var wait net.Error
	switch {
	case errors.As(err, &wait) && wait.Timeout():
		return "timeout"
	case err != nil:
		return "no answer"
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // as much as says that all is well
	_ = resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return "status " + strconv.Itoa(resp.StatusCode)
	}
	return ""
}

// heard notes an answer.
func (w *watch) heard(why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	failed := w.why != ""
	switch {
	case !w.asked:
		w.asked, w.row, w.why = true, 0, why
		if why == "" { // as it should be
			return
		}
	case failed == (why != ""):
		w.row, w.why = 0, why
		return
	default:
		need := cmp.Or(w.Fall, 3)
		if failed {
			need = cmp.Or(w.Rise, 2)
		}
		if w.row++; w.row < need {
			return
		}
		w.row, w.why = 0, why
	}
	if w.p.Log == nil {
		return
	}
	if why != "" {
		w.p.Log.Warn("a probe fails", "url", bare(w.URL), "why", why)
		return
	}
	w.p.Log.Info("a probe is good again", "url", bare(w.URL))
}

// bare is a URL without what may be secret in it.
func bare(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery = nil, ""
	return u.String()
}
