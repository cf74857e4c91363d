package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"opencache/internal/listen"
	"opencache/internal/telemetry"
)

// demoCmd is opencache demo.
type demoCmd struct {
	Listen  string `default:"127.0.0.1:8080" placeholder:"ADDR" help:"Address for clients; the next free port when it is taken (default ${default})."`
	Seconds int    `placeholder:"N" help:"End after so many seconds; 0: when interrupted."`
	Quiet   bool   `help:"Make no requests; without it the demo makes a few per second to have something to show."`

	Options serveOptions `embed:""`
}

// demoPorts is how many ports are tried after one that is taken.
const demoPorts = 100

// Run shows the cache at work until a signal, or after Seconds.
func (c *demoCmd) Run() error {
	o := &c.Options
	if err := o.check(); err != nil {
		return usageError{err}
	}
	if c.Seconds < 0 {
		return usageError{fmt.Errorf("--seconds: %d: expected 0 or more", c.Seconds)}
	}
	builtIn := o.Origin == ""
	if builtIn {
		origin, err := startDemoOrigin()
		if err != nil {
			return err
		}
		defer func() { _ = origin.server.Close() }()
		o.Origin = originURL(origin.url)
	}
	log := newLog(o)
	public, err := listenNext(c.Listen, o.Socket.socket(o.HeadTimeout))
	if err != nil {
		return usageError{err}
	}
	p, err := newProcess(o, public, log)
	if err != nil {
		return err
	}
	p.foreground = true
	ctx, cancel := context.WithCancel(context.Background())
	if c.Seconds > 0 {
		ctx, cancel = context.WithTimeout(context.Background(), time.Duration(c.Seconds)*time.Second)
	}
	defer cancel()
	base := "http://" + public.Addr().String()
	c.introduce(os.Stdout, base, builtIn, p)
	load := func(ctx context.Context) { demoLoad(ctx, base, []string{"/"}, 1, log) }
	switch {
	case c.Quiet:
		load = func(context.Context) {}
	case builtIn:
		load = func(ctx context.Context) { demoLoad(ctx, base, demoRound, demoRate, log) }
	}
	return show(ctx, cancel, p, load)
}

// show runs p with the demo's own requests and the live line beside it.
func show(ctx context.Context, stop func(), p *process, load func(context.Context)) error {
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx) }()
	beside := make(chan struct{}, 2)
	go func() {
		live(ctx, os.Stdout, isTerminal(os.Stdout), p.stack.metrics.Totals)
		beside <- struct{}{}
	}()
	go func() {
		load(ctx)
		beside <- struct{}{}
	}()
	err := <-ended
	stop()
	<-beside
	<-beside
	fmt.Println(liveLine(p.stack.metrics.Totals()))
	return err
}

// introduce prints where things are and what to try.
func (c *demoCmd) introduce(w io.Writer, base string, builtIn bool, p *process) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	say("opencache %s: a cache at %s in front of %s", version, base, c.Options.Origin)
	if p.admin != nil {
		say("administration at http://%s: /healthz?verbose, /metrics, /__admin/stats", p.admin.Addr())
	}
	say("\nTry it twice, and look at X-Cache-Status and Age:\n")
	if builtIn {
		for _, page := range demoPages {
			say("  curl -si -o /dev/null -D - %-32s # %s", base+page.path, page.about)
		}
	} else {
		say("  curl -si -o /dev/null -D - %s/", base)
	}
	say("  curl -X PURGE %s/ ; curl -s %s/__admin/stats\n", base, base)
	switch {
	case c.Quiet:
	case builtIn:
		say("The demo itself makes %d requests per second, so that there is something to see (--quiet: none).", demoRate)
	default:
		say("The demo itself asks for / once per second, so that there is something to see (--quiet: never).")
	}
}

// listenNext listens on addr or, when that is taken, on the next free port.
func listenNext(addr string, o listen.Options) (net.Listener, error) {
	l, err := o.Listen(addr)
	host, port, _ := net.SplitHostPort(addr)
	first, notPort := net.LookupPort("tcp", port)
	for i := 1; notPort == nil && i <= demoPorts && first+i < 1<<16 && errors.Is(err, syscall.EADDRINUSE); i++ {
		l, err = o.Listen(net.JoinHostPort(host, fmt.Sprint(first+i)))
	}
	return l, err
}

// live writes a line of counts each second over the one before or, where that
// is not possible, every five seconds below it. It returns when ctx ends.
func live(ctx context.Context, w io.Writer, terminal bool, totals func() telemetry.Totals) {
	every := 5 * time.Second
	if terminal {
		every = time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			if terminal {
				_, _ = fmt.Fprint(w, "\r\x1b[K")
			}
			return
		case <-tick.C:
		}
		line := liveLine(totals())
		if terminal {
			_, _ = fmt.Fprint(w, "\r\x1b[K"+line)
		} else {
			_, _ = fmt.Fprintln(w, line)
		}
	}
}

// liveLine tells the counts in one line.
func liveLine(t telemetry.Totals) string {
	return fmt.Sprintf("requests %d  hits %d  misses %d  hit ratio %.1f %%  bytes saved %s  origin requests %d",
		t.Requests, t.Hits, t.Misses, 100*t.Ratio, humanBytes(t.Saved()), t.UpstreamRequests)
}

// humanBytes returns n with three digits or so.
func humanBytes(n uint64) string {
	v, unit := float64(n), 0
	for ; v >= 1000 && unit < len(units)-1; unit++ {
		v /= 1024
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%s %siB", strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0"), units[unit])
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
