// Bench measures opencache beside nginx and Varnish: the same work in
// alternation in one run, the servers on one processor core and the load on
// another. Its figure is processor time per request of the server's processes.
// It does not install or build anything: run.sh does, and then calls it.
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

	"opencache/test/bench/child"
)

// options are the flags.
type options struct {
	servers   string
	workloads string
	rounds    int
	duration  time.Duration
	clients   int
	conf      string // folder of nginx.conf.in, varnish.vcl.in and report.lua
	bin       string // opencache
	origin    string // the origin's program
	scratch   string // folder for caches, on a tmpfs
	out       string // folder for the results
	commit    string
	assert    bool
}

const (
	serverCore = 0
	loadCore   = 1
)

func main() {
	// Children end with the thread that started them: see child.Start.
	runtime.LockOSThread()
	var o options
	flag.StringVar(&o.servers, "servers", "opencache nginx varnish", "what to measure")
	flag.StringVar(&o.workloads, "workloads", "hit-1k hit-64k hit-10m pass-1k stampede", "by what")
	flag.IntVar(&o.rounds, "rounds", 5, "measurements of each; their median counts")
	flag.DurationVar(&o.duration, "duration", 2*time.Second, "length of a measurement")
	flag.IntVar(&o.clients, "clients", 1000, "clients of a stampede")
	flag.StringVar(&o.conf, "conf", "test/bench", "folder of the servers' settings")
	flag.StringVar(&o.bin, "bin", "bin/opencache", "opencache to measure")
	flag.StringVar(&o.origin, "origin", "bin/bench-origin", "the origin's program")
	flag.StringVar(&o.scratch, "scratch", "", "folder for the servers' files, best on a tmpfs")
	flag.StringVar(&o.out, "out", "test/bench/out", "folder for the results as JSON")
	flag.StringVar(&o.commit, "commit", "", "what is measured")
	flag.BoolVar(&o.assert, "assert", false, "exit with 1 when a limit is missed")
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
	if o.scratch == "" || o.rounds < 1 || o.duration < 100*time.Millisecond || o.clients < 1 {
		return errors.New("-scratch is missing, or -rounds, -duration or -clients is too small")
	}
	loads, err := chosen(strings.Fields(o.workloads))
	if err != nil {
		return err
	}
	back, err := startOrigin(ctx, o)
	if err != nil {
		return err
	}
	defer back.child.Stop()
	var servers []*server
	defer func() {
		for _, s := range servers {
			s.child.Stop()
		}
	}()
	for name := range strings.FieldsSeq(o.servers) {
		s, err := start(ctx, o, name, back.port)
		if err != nil {
			return err
		}
		servers = append(servers, s)
	}
	b := bench{options: o, origin: back, servers: servers}
	result := newResult(o, servers)
	for _, w := range loads {
		rows, err := b.measure(ctx, w)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		result.Rows = append(result.Rows, rows...)
		printRows(os.Stdout, w, rows)
	}
	if err := result.save(o.out); err != nil {
		return err
	}
	if o.assert {
		return result.assert(os.Stdout)
	}
	return nil
}

// workload is one kind of work. A stampede has no path.
type workload struct {
	name   string
	path   string
	size   int64
	conns  int  // connections of the load generator
	cached bool // the origin must not notice it
}

var workloads = []workload{
	{name: "hit-1k", path: "/1k", size: 1 << 10, conns: 64, cached: true},
	{name: "hit-64k", path: "/64k", size: 64 << 10, conns: 64, cached: true},
	{name: "hit-10m", path: "/10m", size: 10 << 20, conns: 16, cached: true},
	{name: "pass-1k", path: "/pass/1k", size: 1 << 10, conns: 64},
	{name: "stampede", size: 1 << 20},
}

func chosen(names []string) ([]workload, error) {
	var list []workload
	for _, name := range names {
		n := len(list)
		for _, w := range workloads {
			if w.name == name {
				list = append(list, w)
			}
		}
		if len(list) == n {
			return nil, fmt.Errorf("workload %q: expected hit-1k, hit-64k, hit-10m, pass-1k or stampede", name)
		}
	}
	return list, nil
}

// bench is a run under way.
type bench struct {
	options

	origin  *backend
	servers []*server
}

// measure takes turns between the servers, so that what disturbs the machine
// disturbs all of them.
func (b *bench) measure(ctx context.Context, w workload) ([]row, error) {
	rows := make([]row, len(b.servers))
	for i, s := range b.servers {
		rows[i] = row{Workload: w.name, Server: s.name}
		if w.path == "" {
			continue
		}
		if err := b.check(ctx, s, w); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	for round := range b.rounds {
		for i, s := range b.servers {
			v, err := b.once(ctx, s, w, round)
			if err != nil {
				return nil, fmt.Errorf("%s: round %d: %w", s.name, round+1, err)
			}
			rows[i].Samples = append(rows[i].Samples, v)
		}
	}
	for i := range rows {
		rows[i].sum()
	}
	relate(rows)
	return rows, nil
}

func (b *bench) once(ctx context.Context, s *server, w workload, round int) (sample, error) {
	before, err := child.CPU(s.child.PID())
	if err != nil {
		return sample{}, err
	}
	var v sample
	if w.path == "" {
		v, err = b.stampede(ctx, s, round)
	} else {
		v, err = b.load(ctx, s, w)
	}
	if err != nil {
		return sample{}, err
	}
	after, err := child.CPU(s.child.PID())
	if err != nil {
		return sample{}, err
	}
	v.CPU = float64((after - before).Nanoseconds()) / 1e3 / float64(v.Requests)
	return v, nil
}
