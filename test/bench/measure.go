package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"opencache/test/bench/child"
)

// bench is a run under way.
type bench struct {
	options

	kinds    []kind
	origin   *backend
	mode     mode      // that the servers run in; empty: none runs
	servers  []*server // by kind; nil: it cannot run in this mode
	spoiled  []error   // measurements that said nothing even when tried again
	baseRate float64   // requests per second of a closed loop, for open ones; 0: not known yet
}

// measure takes turns between the servers, so that what disturbs the machine
// disturbs all of them.
func (b *bench) measure(ctx context.Context, w workload) ([]row, error) {
	rows := make([]row, len(b.kinds))
	var able []int
	for i, k := range b.kinds {
		rows[i] = row{Workload: w.name, Server: k.name}
		if k.can(w) && b.has(w) {
			able = append(able, i)
		}
	}
	if len(able) == 0 {
		return rows, nil
	}
	if err := b.run(ctx, w); err != nil {
		return nil, err
	}
	for _, i := range able {
		if err := b.check(ctx, b.servers[i], w); err != nil {
			return nil, fmt.Errorf("%s: %w", b.servers[i].name, err)
		}
	}
	for _, i := range able {
		if err := b.prepare(ctx, b.servers[i], w); err != nil {
			return nil, fmt.Errorf("%s: %w", b.servers[i].name, err)
		}
	}
	if w.way == skewed {
		if err := b.equalize(ctx, able, w); err != nil {
			return nil, err
		}
	}
	if w.way == open && b.baseRate == 0 {
		if err := b.calibrate(ctx, able); err != nil {
			return nil, err
		}
	}
	rounds := b.rounds
	if w.fresh {
		rounds = 1 // another would not be fresh
	}
	for round := range rounds {
		for _, i := range able {
			v, err := b.once(ctx, b.servers[i], w, round)
			for again := 0; errors.Is(err, errSpoiled) && again < tries; again++ {
				v, err = b.once(ctx, b.servers[i], w, round)
			}
			switch {
			case errors.Is(err, errSpoiled):
				b.spoiled = append(b.spoiled, fmt.Errorf("%s: %s: round %d: %w", w.name, b.servers[i].name, round+1, err))
			case err != nil:
				return nil, fmt.Errorf("%s: round %d: %w", b.servers[i].name, round+1, err)
			default:
				rows[i].Samples = append(rows[i].Samples, v)
			}
		}
	}
	for i := range rows {
		rows[i].sum()
		if err := b.loggedAll(ctx, w, b.servers[i], rows[i]); err != nil {
			return nil, err
		}
	}
	relate(rows)
	if w.name == reference {
		b.baseRate = rateOf(rows)
	}
	return rows, b.profiles(ctx, w)
}

// has reports whether the options name what the workload needs.
func (b *bench) has(w workload) bool {
	return (b.steady != "" || w.way != open && w.way != cold) && (b.disk != "" || w.mode != disked && w.mode != tiered)
}

// prepare has a server do what the measurements need to be done before.
func (b *bench) prepare(ctx context.Context, s *server, w workload) error {
	switch {
	case w.mode == disked:
		return b.pushOut(ctx, s)
	case w.way == cold:
		return b.fillDisk(ctx, s, w)
	case w.way == skewed:
		return b.warmUp(ctx, s, w)
	}
	return nil
}

// loggedAll sees to it that what should be logged is: a hundred bytes a request
// in the end, since logs are buffered.
func (b *bench) loggedAll(ctx context.Context, w workload, s *server, r row) error {
	if w.mode != logged && (w.mode != noted || s.name == "opencache-bare") || len(r.Samples) == 0 {
		return nil
	}
	var sum int64
	for _, v := range r.Samples {
		sum += int64(v.Requests)
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		info, err := os.Stat(s.site.file("access.log"))
		if err == nil && info.Size() >= 100*sum {
			return nil
		}
		select {
		case <-ctx.Done():
			if err == nil {
				err = fmt.Errorf("got %d bytes, want the lines of %d requests", info.Size(), sum)
			}
			return fmt.Errorf("%s: access log: %w", s.name, err)
		case <-time.After(grain):
		}
	}
}

// tries is how often a measurement is made anew that said nothing.
const tries = 3

// run has the servers run in the workload's mode, afresh where it wants that.
func (b *bench) run(ctx context.Context, w workload) error {
	if b.mode == w.mode && !w.fresh {
		return nil
	}
	b.stop()
	b.servers = make([]*server, len(b.kinds))
	for i, k := range b.kinds {
		if !b.has(w) || !k.can(w) && (w.fresh || !k.canAny(w.mode)) {
			continue
		}
		var err error
		if b.servers[i], err = start(ctx, b.options, k, site{Origin: b.origin.port, Mode: w.mode}); err != nil {
			return err
		}
	}
	b.mode = w.mode
	if w.fresh {
		b.mode = "" // what follows has to start them again
	}
	return nil
}

// canAny reports whether the server runs in the mode.
func (k kind) canAny(m mode) bool {
	for _, w := range workloads {
		if w.mode == m && k.can(w) {
			return true
		}
	}
	return false
}

// stop ends all servers.
func (b *bench) stop() {
	for _, s := range b.servers {
		if s != nil {
			s.stop()
		}
	}
	b.servers, b.mode = nil, ""
}

// reference is the workload whose rate open loops are parts of, and referee
// the server.
const (
	reference = "hit-1k"
	referee   = "nginx"
)

// rateOf is the referee's rate, or without it the highest.
func rateOf(rows []row) float64 {
	var rate float64
	for _, r := range rows {
		if r.Server == referee && r.Rate > 0 {
			return r.Rate
		}
		rate = max(rate, r.Rate)
	}
	return rate
}

// calibrate finds the rate for open loops when the reference was not measured.
func (b *bench) calibrate(ctx context.Context, able []int) error {
	list, err := chosen([]string{reference})
	if err != nil {
		return err
	}
	var rows []row
	for _, i := range able {
		v, err := b.load(ctx, b.servers[i], list[0], 0)
		if err != nil {
			return fmt.Errorf("%s: %w", b.servers[i].name, err)
		}
		rows = append(rows, row{Server: b.servers[i].name, sample: v})
	}
	b.baseRate = rateOf(rows)
	return nil
}

// once is one measurement.
func (b *bench) once(ctx context.Context, s *server, w workload, round int) (sample, error) {
	if w.way == closed || w.way == open {
		if err := b.glance(ctx, s, w); err != nil {
			return sample{}, err
		}
	}
	if err := s.resetPeak(); err != nil {
		return sample{}, err
	}
	before, err := s.cpu()
	if err != nil {
		return sample{}, err
	}
	v, err := b.work(ctx, s, w, round)
	if err != nil {
		return sample{}, err
	}
	after, err1 := s.cpu()
	peak, err2 := s.peak()
	v.Peak = peak
	if v.Held == 0 {
		if v.Held, err = s.resident(); err != nil {
			return sample{}, err
		}
	}
	if !w.memory() {
		if v.work == 0 {
			v.work = float64(v.Requests)
		}
		v.CPU = float64((after - before).Nanoseconds()) / 1e3 / v.work
	}
	return v, errors.Join(err1, err2)
}

func (b *bench) work(ctx context.Context, s *server, w workload, round int) (sample, error) {
	switch w.way {
	case crowded:
		return b.stampede(ctx, s, round)
	case objects:
		return b.fill(ctx, s, w)
	case idle:
		return b.idle(ctx, s, w)
	case skewed:
		return b.skewed(ctx, s, w, round)
	case cold:
		return b.cold(ctx, s, w, round)
	default:
		return b.load(ctx, s, w, round)
	}
}

// load counts what reaches the origin while the load runs.
func (b *bench) load(ctx context.Context, s *server, w workload, round int) (sample, error) {
	counted := w.path
	if w.each {
		counted = b.tag(s, fmt.Sprintf("%s-%d", w.name, round))
	}
	before, err := b.origin.count(ctx, counted)
	if err != nil {
		return sample{}, err
	}
	var v sample
	switch w.way {
	case open:
		v, err = b.openLoop(ctx, s, w)
	case handshakes:
		v, err = b.handshakes(ctx, s, w)
	default:
		v, err = b.closedLoop(ctx, s, w, counted)
	}
	if err != nil {
		return sample{}, err
	}
	after, err := b.origin.count(ctx, counted)
	v.Fetches = after - before
	switch {
	case err != nil:
		return sample{}, err
	case w.cached && v.Fetches != 0:
		return sample{}, fmt.Errorf("%d requests reached the origin, want 0", v.Fetches)
	case !w.cached && v.Fetches < v.Requests:
		return sample{}, fmt.Errorf("%d of %d requests reached the origin, want all", v.Fetches, v.Requests)
	}
	return v, nil
}

// tag is the beginning of paths that nobody has asked this server for. With
// the host before it and a number and a name behind, it makes a key of about
// 80 bytes.
func (b *bench) tag(s *server, what string) string {
	name := s.name + "-" + what + "-"
	return each + name + strings.Repeat("x", max(36-len(name), 1))
}

// check asks the server and compares the answers with the origin's own, and
// what the origin sees of it with what the workload says.
func (b *bench) check(ctx context.Context, s *server, w workload) error {
	if w.way == crowded {
		return nil // every answer is looked at
	}
	path, counted := w.path, w.path
	if w.each {
		counted = b.tag(s, "check")
		path = counted + "/000000000000/1k"
	}
	want, err := get(ctx, "http://"+child.Addr(b.origin.port)+path, nil)
	if err != nil {
		return fmt.Errorf("origin: %w", err)
	}
	if w.status == http.StatusPartialContent {
		want.body = want.body[rangeFrom : rangeFrom+rangeSize]
	}
	status := "BYPASS"
	if w.cached || w.each {
		status = "HIT"
		if err := b.prime(ctx, s, path, counted); err != nil {
			return err
		}
	}
	before, err1 := b.origin.count(ctx, counted)
	got, err2 := get(ctx, s.url(path), w.header)
	after, err3 := b.origin.count(ctx, counted)
	if err := errors.Join(err1, err2, err3, w.fits(got, path)); err != nil {
		return err
	}
	x := got.header.Get("X-Cache-Status")
	switch {
	case w.size > 0 && !bytes.Equal(got.body, want.body):
		return fmt.Errorf("GET %s: got other bytes than the origin's", path)
	case (after-before == 0) != (status == "HIT"):
		return fmt.Errorf("GET %s: got %d fetches from the origin, want a %s", path, after-before, status)
	case s.name == "opencache" && x != status:
		return fmt.Errorf("GET %s: got X-Cache-Status %q, want %s", path, x, status)
	case s.name == "opencache" && w.mode == disked && !inTier(got, "disk"), s.name == "opencache" && w.mode == tiered && !inTier(got, "memory"):
		return fmt.Errorf("GET %s: got Cache-Status %q, want the other tier", path, got.header["Cache-Status"])
	}
	return nil
}

// primes is how often prime asks at most.
const primes = 100

// prime has the server store the path: asks until an answer comes without the
// origin. Traffic Server has not always stored what it has just sent.
func (b *bench) prime(ctx context.Context, s *server, path, counted string) error {
	before, err := b.origin.count(ctx, counted)
	for range primes {
		if err != nil {
			return err
		}
		if _, err = get(ctx, s.url(path), nil); err != nil {
			return fmt.Errorf("GET %s: %w", path, err)
		}
		last := before
		if before, err = b.origin.count(ctx, counted); err == nil && before == last {
			return nil
		}
		time.Sleep(grain)
	}
	return fmt.Errorf("GET %s: %d times got it from the origin, want a hit", path, primes)
}

// fits compares status and length with the workload's.
func (w workload) fits(got answer, path string) error {
	if got.status != w.status || int64(len(got.body)) != w.size {
		return fmt.Errorf("GET %s: got %d with %d bytes, want %d with %d", path, got.status, len(got.body), w.status, w.size)
	}
	return nil
}

// glance asks once before each measurement: what was a hit at the check may
// have grown stale or been evicted.
func (b *bench) glance(ctx context.Context, s *server, w workload) error {
	if w.each {
		return nil // every URL is another one
	}
	got, err := get(ctx, s.url(w.path), w.header)
	if err != nil {
		return fmt.Errorf("GET %s: %w", w.path, err)
	}
	if err := w.fits(got, w.path); err != nil {
		return err
	}
	if status := got.header.Get("X-Cache-Status"); s.name == "opencache" && w.cached && status != "HIT" {
		return fmt.Errorf("GET %s: got X-Cache-Status %q, want HIT", w.path, status)
	}
	return nil
}

const grain = 10 * time.Millisecond // of waiting for something to happen
