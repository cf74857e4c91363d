package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"text/tabwriter"
	"time"

	"opencache/internal/lab"
	"opencache/internal/plot"
)

// simulateCmd is opencache simulate.
type simulateCmd struct {
	Trace    string `placeholder:"FILE" help:"Requests to play, a line each: time, key and size, or an access log; - is standard input. It may be compressed by gzip."`
	Generate string `placeholder:"KIND[:NAME=VALUE,...]" help:"Play random requests, the same ones each time: ${generators}; with alpha, keys, requests, wonders, scan, scankeys, shift, size (small, cdn or bytes), seed."`

	Sizes      []size   `default:"64M,256M,1G" placeholder:"SIZE" help:"Caches to try, 4M or larger (default ${default})."`
	Policies   []string `placeholder:"NAME" help:"Policies to try: ${policies} (default all)."`
	Disk       size     `placeholder:"SIZE" help:"Play opencache+disk, too: each size as memory over a disk of so many bytes (default none)."`
	DiskDir    string   `placeholder:"DIR" help:"Where such disks lie while they are played (default where temporary files do)."`
	MeanObject size     `default:"2K" placeholder:"SIZE" help:"As of serve: mean size of what is stored, for which opencache's index is made (default ${default})."`
	Warmup     int64    `placeholder:"N" help:"Requests to play before hits are counted (default none)."`
	Plot       string   `placeholder:"FILE" help:"Draw the hit ratios over the sizes, as SVG."`
	Output     string   `short:"o" default:"text" enum:"text,json" help:"Form: text, json (default ${default})."`
}

// Run plays the trace and prints what was hit.
func (c *simulateCmd) Run() error {
	if err := c.check(); err != nil {
		return usageError{err}
	}
	trace, progress, closeTrace, err := c.open()
	if err != nil {
		return usageError{err}
	}
	defer closeTrace()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	bar := newBar(os.Stderr, isTerminal(os.Stderr), progress)
	report, err := lab.Run(ctx, trace, c.options(bar.show))
	bar.clear()
	if err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	if err := c.counted(report); err != nil {
		return err
	}
	if err := c.print(report); err != nil {
		return err
	}
	if c.Plot != "" { // behind the rest: a picture that fails takes no result with it
		if err := c.draw(report); err != nil {
			return fmt.Errorf("--plot: %w", err)
		}
	}
	return nil
}

// counted refuses a report of no requests: its zeros would be no ratios.
func (c *simulateCmd) counted(r *lab.Report) error {
	switch {
	case r.Requests == 0 && r.Skipped > 0:
		return fmt.Errorf("simulate: --trace %s: no request to play: all %d lines were skipped", c.Trace, r.Skipped)
	case r.Requests == 0:
		return fmt.Errorf("simulate: --trace %s: empty: expected requests, a line each", c.Trace)
	case r.Counted == 0:
		return usageError{fmt.Errorf("--warmup: %d of %d requests: expected less", c.Warmup, r.Requests)}
	}
	return nil
}

func (c *simulateCmd) print(report *lab.Report) error {
	if c.Output == "json" {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		return out.Encode(report)
	}
	return printReport(os.Stdout, report)
}

// check refuses what cannot work.
func (c *simulateCmd) check() error {
	var sum size
	for _, s := range c.Sizes {
		if s < lab.Smallest {
			return fmt.Errorf("--sizes: %s: expected at least %s", s, size(lab.Smallest))
		}
		if c.Disk >= largeSegments && s < memoryOverDisk {
			return fmt.Errorf("--sizes: %s over a disk of %s or more: expected at least %s", s, largeSegments, memoryOverDisk)
		}
		sum += s
	}
	for _, name := range c.Policies {
		if !slices.Contains(lab.Names(), name) {
			return fmt.Errorf("--policies: %q: expected some of %s", name, strings.Join(lab.Names(), ", "))
		}
		if name == lab.Tiered && c.Disk == 0 {
			return fmt.Errorf("--policies: %s without --disk: expected the size of one", name)
		}
	}
	switch total := memoryHere(os.ReadFile); {
	case c.Trace == "" && c.Generate == "":
		return errors.New("--trace is missing: expected a file of requests, or --generate")
	case c.Trace != "" && c.Generate != "":
		return errors.New("--trace and --generate: expected one of them")
	case c.Disk != 0 && c.Disk < smallestDisk:
		return fmt.Errorf("--disk: %s: expected at least %s", c.Disk, smallestDisk)
	case len(c.Sizes) == 0:
		return errors.New("--sizes: none: expected some, like 64M,256M")
	case c.Warmup < 0:
		return fmt.Errorf("--warmup: %d: expected 0 or more", c.Warmup)
	case c.MeanObject < smallestMean:
		return fmt.Errorf("--mean-object: %s: expected at least %s", c.MeanObject, smallestMean)
	case total > 0 && int64(sum) >= total:
		return fmt.Errorf("--sizes: %s together, and each is memory: expected less than the %dM that this machine or container has", sum, total>>20)
	}
	return nil
}

func (c *simulateCmd) options(progress func(int64)) lab.Options {
	o := lab.Options{Policies: c.Policies, Disk: int64(c.Disk), Dir: c.DiskDir, MeanObject: int64(c.MeanObject), Warmup: c.Warmup, Progress: progress}
	for _, s := range c.Sizes {
		o.Sizes = append(o.Sizes, int64(s))
	}
	return o
}

// open opens the trace. part says how much of it has been played when so many
// requests were, less than 0 when nobody knows.
func (c *simulateCmd) open() (t lab.Trace, part func(requests int64) float64, closeTrace func(), err error) {
	if c.Generate != "" {
		g, err := lab.ParseGenerator(c.Generate)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("--generate: %w", err)
		}
		return g, func(n int64) float64 { return float64(n) / float64(g.Requests) }, func() {}, nil
	}
	name, in, length := "standard input", os.Stdin, int64(0)
	closeTrace = func() {}
	if c.Trace != "-" {
		name = c.Trace
		if in, err = os.Open(name); err != nil {
			return nil, nil, nil, fmt.Errorf("--trace: %w", err)
		}
		closeTrace = func() { _ = in.Close() } // it was only read
	}
	if info, err := in.Stat(); err == nil && info.Mode().IsRegular() {
		length = info.Size()
	}
	counted := &counter{in: in}
	log, err := lab.NewLog(name, counted)
	if err != nil {
		closeTrace()
		return nil, nil, nil, fmt.Errorf("--trace: %w", err)
	}
	return log, func(int64) float64 {
		if length == 0 {
			return -1
		}
		return float64(counted.n.Load()) / float64(length)
	}, closeTrace, nil
}

// A counter counts the bytes that are read through it.
type counter struct {
	in io.Reader
	n  atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// A bar shows how far a run has come, over the line before.
type bar struct {
	w        io.Writer
	terminal bool // elsewhere nothing is shown
	part     func(n int64) float64
	what     func(n int64) string // what was done so far
	shown    time.Time
}

func newBar(w io.Writer, terminal bool, part func(int64) float64) *bar {
	return &bar{w: w, terminal: terminal, part: part, what: func(n int64) string { return fmt.Sprintf("%d requests", n) }}
}

const (
	barWidth = 40
	barEvery = 100 * time.Millisecond
)

func (b *bar) show(n int64) {
	if now := time.Now(); b.terminal && now.Sub(b.shown) >= barEvery {
		b.shown = now
		_, _ = fmt.Fprint(b.w, "\r\x1b[K", barLine(b.part(n), b.what(n)))
	}
}

func (b *bar) clear() {
	if b.terminal && !b.shown.IsZero() {
		_, _ = fmt.Fprint(b.w, "\r\x1b[K")
	}
}

// barLine is a part from 0 to 1 as a bar; below 0 it is not known.
func barLine(part float64, what string) string {
	if part < 0 {
		return what
	}
	n := int(min(part, 1) * barWidth)
	return fmt.Sprintf("[%s%s] %3.0f %%  %s", strings.Repeat("#", n), strings.Repeat(".", barWidth-n), 100*min(part, 1), what)
}

// printReport prints a line for each policy at each size.
func printReport(w io.Writer, r *lab.Report) error {
	_, _ = fmt.Fprintf(w, "%d requests, %s", r.Counted, humanBytes(uint64(r.Bytes)))
	if warm := r.Requests - r.Counted; warm > 0 {
		_, _ = fmt.Fprintf(w, ", after %d of warm-up", warm)
	}
	if r.Skipped > 0 {
		_, _ = fmt.Fprintf(w, "; %d lines skipped", r.Skipped)
	}
	_, _ = fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "size\tpolicy\thit %\tbyte hit %\tcopied\trefused\twritten\t")
	for _, p := range r.Results {
		copied, refused, written := "", "", ""
		if p.Admitted > 0 {
			copied, refused = fmt.Sprintf("%.2f", float64(p.Copied)/float64(p.Admitted)), fmt.Sprint(p.Refused)
		}
		if p.DiskAdmitted > 0 {
			written = fmt.Sprintf("%.2f", float64(p.DiskWritten)/float64(p.DiskAdmitted))
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%.2f\t%.2f\t%s\t%s\t%s\t\n", size(p.Size), p.Policy, 100*p.HitRatio, 100*p.ByteHitRatio, copied, refused, written)
	}
	return t.Flush()
}

// draw draws the hit ratios.
func (c *simulateCmd) draw(r *lab.Report) error {
	var lines []plot.Line
	for _, p := range r.Results {
		i := slices.IndexFunc(lines, func(l plot.Line) bool { return l.Name == p.Policy })
		if i < 0 {
			i = len(lines)
			lines = append(lines, plot.Line{Name: p.Policy})
		}
		lines[i].Points = append(lines[i].Points, [2]float64{float64(p.Size) / (1 << 20), 100 * p.HitRatio})
	}
	for _, l := range lines {
		slices.SortFunc(l.Points, func(a, b [2]float64) int { return cmp.Compare(a[0], b[0]) })
	}
	title := c.Generate
	if title == "" {
		title = c.Trace
	}
	f, err := os.Create(c.Plot)
	if err != nil {
		return err
	}
	err = plot.Lines(f, "Hit ratio: "+title, "MiB", "%", lines)
	return errors.Join(err, f.Close())
}
