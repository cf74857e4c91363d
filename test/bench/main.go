// Bench measures opencache beside nginx, Varnish, HAProxy and Traffic Server:
// the same work in alternation in one run, the servers on one processor core
// and the load on another. Its figure is processor time per request of the
// server's processes. It does not install or build anything: run.sh does, and
// then calls it.
//
//	bench -servers "opencache nginx varnish" -workloads "hit-1k stampede" \
//	      -rounds 5 -duration 2s -conf test/bench -bin bin/opencache \
//	      -origin bin/bench-origin -scratch /dev/shm/bench -out test/bench/out
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	servers   string
	workloads string
	rounds    int
	duration  time.Duration
	clients   int
	objects   int
	conf      string // folder of the templates and of report.lua
	bin       string // opencache
	before    string // opencache as it was, for the server "before"; empty: none
	origin    string // the origin's program
	steady    string // the program for open loops; empty: they are not measured
	scratch   string // folder for caches, on a tmpfs
	disk      string // folder for caches on a disk; empty: they are not measured
	out       string // folder for the results
	plots     string // folder for plots; empty: none
	commit    string
	assert    bool
	limits    string // instead of the project's own
	profile   bool
	pinned    bool
}

const (
	serverCore = 0
	loadCore   = 1
)

// core is the core to pin to; negative: none.
func (o options) core(n int) int {
	if o.pinned {
		return n
	}
	return -1
}

func main() {
	// Children end with the thread that started them: see child.Start.
	runtime.LockOSThread()
	var o options
	flag.StringVar(&o.servers, "servers", "opencache nginx nginx-plain varnish", "what to measure")
	flag.StringVar(&o.workloads, "workloads", "", "by what (default all)")
	flag.IntVar(&o.rounds, "rounds", 5, "measurements of each; their median counts")
	flag.DurationVar(&o.duration, "duration", 2*time.Second, "length of a measurement")
	flag.IntVar(&o.clients, "clients", 1000, "clients of a stampede")
	flag.IntVar(&o.objects, "objects", 200_000, "objects whose memory is measured")
	flag.StringVar(&o.conf, "conf", "test/bench", "folder of the servers' settings")
	flag.StringVar(&o.bin, "bin", "bin/opencache", "opencache to measure")
	flag.StringVar(&o.before, "before", "", "an earlier opencache to compare it with, the server \"before\" (default none)")
	flag.StringVar(&o.origin, "origin", "bin/bench-origin", "the origin's program")
	flag.StringVar(&o.steady, "steady", "", "the open loop's program")
	flag.StringVar(&o.scratch, "scratch", "", "folder for the servers' files, best on a tmpfs")
	flag.StringVar(&o.disk, "disk", "", "folder for caches on a disk, which must be no tmpfs (default none: they are not measured)")
	flag.StringVar(&o.out, "out", "test/bench/out", "folder for the results as JSON")
	flag.StringVar(&o.plots, "plots", "", "folder for plots as SVG (default none)")
	flag.StringVar(&o.commit, "commit", "", "what is measured")
	flag.BoolVar(&o.assert, "assert", false, "exit with 1 when a limit is missed")
	flag.StringVar(&o.limits, "limits", "", `limits to assert instead of the project's, as "hit-1k nginx 0.8; ..."`)
	flag.BoolVar(&o.profile, "profile", false, "profile opencache under each workload")
	flag.BoolVar(&o.pinned, "pinned", true, "servers on core 0, load on core 1")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, o)
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
	}
	switch {
	case errors.Is(err, errMissed):
		os.Exit(1)
	case err != nil:
		os.Exit(2)
	}
}

// run starts everything, measures, reports, and leaves no process behind.
func run(ctx context.Context, o options) error {
	if o.scratch == "" || o.rounds < 1 || o.duration < 100*time.Millisecond || o.clients < 1 || o.objects < 1 {
		return errors.New("-scratch is missing, or -rounds, -duration, -clients or -objects is too small")
	}
	held, err := parseLimits(o.limits)
	if err != nil {
		return err
	}
	loads, err := chosen(strings.Fields(o.workloads))
	if err != nil {
		return err
	}
	b := bench{options: o}
	for name := range strings.FieldsSeq(o.servers) {
		k, err := kindOf(o, name)
		if err != nil {
			return err
		}
		b.kinds = append(b.kinds, k)
	}
	if b.origin, err = startOrigin(ctx, o); err != nil {
		return err
	}
	defer b.origin.child.Stop()
	defer b.stop()
	result := newResult(o, b.kinds)
	for _, w := range loads {
		rows, err := b.measure(ctx, w)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		result.Rows = append(result.Rows, rows...)
		printRows(os.Stdout, w, rows)
	}
	return errors.Join(report(o, result, held), errors.Join(b.spoiled...))
}

// report writes and prints what was found.
func report(o options, r *result, held []limit) error {
	if err := r.save(o.out); err != nil {
		return err
	}
	fmt.Println()
	r.markdown(os.Stdout)
	if o.plots != "" {
		if err := r.plot(o.plots); err != nil {
			return err
		}
	}
	if !o.assert {
		return nil
	}
	fmt.Println()
	return assert(os.Stdout, r.judge(held))
}
