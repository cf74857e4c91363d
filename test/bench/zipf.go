package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

const (
	// skewedURLs are what is asked for by Zipf's law: 490 MB of content, of which
	// an eighth fits into smallMemory.
	skewedURLs = 100_000
	// skewedPause is what each connection rests between two requests, in
	// milliseconds: some 10,000 requests a second, two thousand of them misses. A
	// server that makes room behind its answers, as nginx does, is then not asked
	// for more than it can do, and holds what it was told to.
	skewedPause = 5

	// Equal memory is within a part in so many, found in at most so many tries.
	equalPart  = 20
	equalTries = 5
	// Settings for it, in MiB.
	leastTold, mostTold = 8, 1024

	lookEvery = 100 * time.Millisecond // at what a server holds
)

// skewedBy is what wrk asks the server for, drawn by the seed.
func (b *bench) skewedBy(s *server, w workload, seed, pause int) asked {
	prefix := b.tag(s, w.name)
	return asked{prefix, fmt.Sprintf("BENCH_ZIPF=%s %d %d %d", prefix, skewedURLs, seed, pause)}
}

// warmUp has the cache full, and turned over a few times: nothing is known of
// hits before. Then the server may do what it has put off.
func (b *bench) warmUp(ctx context.Context, s *server, w workload) error {
	ctx, cancel := context.WithTimeout(ctx, 5*startTime)
	defer cancel()
	if err := b.emptied(ctx, s, w); err != nil {
		return err
	}
	if _, err := b.store(ctx, s, w, b.skewedBy(s, w, 1, 0), max(b.objects/2, 1)); err != nil {
		return err
	}
	_, err := settle(ctx, s)
	return err
}

// emptied notes what a server holds that has worked, and stored nothing: what it
// keeps for its own work is there before what is stored is measured.
func (b *bench) emptied(ctx context.Context, s *server, w workload) error {
	passed := w
	passed.path, passed.each = "/pass/1k", false
	if _, err := b.wrk(ctx, s, passed, ""); err != nil {
		return err
	}
	var err error
	if s.empty, err = settle(ctx, s); err != nil {
		return err
	}
	if k, err := kindOf(b.options, s.name); err == nil && k.whole {
		s.empty = max(s.empty-int64(s.site.Megabytes())<<20, 0)
	}
	return nil
}

// equalize gives every server the memory that the first of them holds, or was
// told if that is more: one whose settings have it hold more or less under the
// same load is started again with others, until they fit. What each was found to
// hold and to hit on the way is printed.
func (b *bench) equalize(ctx context.Context, able []int, w workload) error {
	var want int64
	for _, i := range able {
		held, err := b.probe(ctx, b.servers[i], w)
		if err != nil {
			return fmt.Errorf("%s: %w", b.kinds[i].name, err)
		}
		if want == 0 {
			// A heap that was larger while nothing was stored is no memory saved.
			want = max(held, smallMemory<<20)
			continue
		}
		at, before := setting{b.servers[i].site.Megabytes(), held}, setting{}
		for try := 0; !equal(held, want) && try < equalTries; try++ {
			told := retold(before, at, want)
			if told == at.told {
				break
			}
			if held, err = b.restart(ctx, i, w, told); err != nil {
				return fmt.Errorf("%s with %d MiB: %w", b.kinds[i].name, told, err)
			}
			before, at = at, setting{told, held}
		}
		if held < want && !equal(held, want) { // one that holds more only has it easier
			b.spoiled = append(b.spoiled, fmt.Errorf("%s: %s: holds %s MiB told %d, wanted are %s: not at equal memory",
				w.name, b.servers[i].name, mebibytes(held), b.servers[i].site.Megabytes(), mebibytes(want)))
		}
	}
	return nil
}

// equal reports whether two servers hold the same, as far as settings can tell.
func equal(held, want int64) bool { return max(held-want, want-held) <= want/equalPart }

// A setting is what a server was told to store in, in MiB, and what it held
// then.
type setting struct {
	told int
	held int64
}

// retold is what a server is to be told to hold what is wanted, by the line
// through its last two settings, the zero setting being one. Where those say
// nothing, more held less, it is in proportion to the last.
func retold(before, at setting, want int64) int {
	slope := float64(at.held-before.held) / float64(at.told-before.told)
	if !(slope > 0) || math.IsInf(slope, 0) {
		slope = float64(max(at.held, 1)) / float64(at.told)
	}
	next := math.Round(float64(at.told) + float64(want-at.held)/slope)
	return int(min(max(next, leastTold), mostTold))
}

// restart starts a server again, told to store in so many MiB, and returns what
// it holds once it is warm.
func (b *bench) restart(ctx context.Context, i int, w workload, told int) (held int64, err error) {
	b.servers[i].stop()
	as := site{Origin: b.origin.port, Mode: w.mode, Told: told}
	if b.servers[i], err = start(ctx, b.options, b.kinds[i], as); err != nil {
		return 0, err
	}
	if err := b.warmUp(ctx, b.servers[i], w); err != nil {
		return 0, err
	}
	return b.probe(ctx, b.servers[i], w)
}

// probe returns what the server holds under the load, which is thrown away.
func (b *bench) probe(ctx context.Context, s *server, w workload) (int64, error) {
	v, err := b.skewed(ctx, s, w, -1)
	if err == nil {
		fmt.Printf("%s: %s told %d MiB holds %s beside the %s that it works with, %.2f %% hits\n",
			w.name, s.name, v.Told, mebibytes(v.Held), mebibytes(s.empty), v.Hits)
	}
	return v.Held, err
}

// skewed asks with the same draws of all servers. What the origin sees is no hit.
func (b *bench) skewed(ctx context.Context, s *server, w workload, round int) (sample, error) {
	a := b.skewedBy(s, w, 3+round, skewedPause)
	before, err := b.origin.count(ctx, a.prefix)
	if err != nil {
		return sample{}, err
	}
	held := s.watch()
	got, err := b.wrk(ctx, s, w, a.variable)
	mean, err1 := held()
	if err := errors.Join(err, err1); err != nil {
		return sample{}, err
	}
	after, err := b.origin.count(ctx, a.prefix)
	if err != nil {
		return sample{}, err
	}
	v := sample{Requests: got.Requests, Rate: float64(got.Requests) / got.Duration * 1e6, P50: got.P50, P99: got.P99,
		Fetches: after - before, Held: max(mean-s.empty, 1), Told: s.site.Megabytes()}
	v.Hits = 100 * (1 - float64(v.Fetches)/float64(v.Requests))
	return v, nil
}

// watch looks at what the server holds until the function that it returns is
// called, which returns the mean.
func (s *server) watch() (mean func() (int64, error)) {
	stop, ended := make(chan struct{}), make(chan struct{})
	var sum, looks int64
	var err error
	go func() {
		defer close(ended)
		for {
			var held int64
			if held, err = s.resident(); err != nil {
				return
			}
			sum, looks = sum+held, looks+1
			select {
			case <-stop:
				return
			case <-time.After(lookEvery):
			}
		}
	}()
	return func() (int64, error) {
		close(stop)
		<-ended
		return sum / max(looks, 1), err
	}
}
