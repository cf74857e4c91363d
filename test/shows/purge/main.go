// Command purge shows what a purge by tag costs: it fills a cache, stages and
// engine as they serve, with a million responses that share ten thousand tags,
// asks for them without a pause, and purges one tag, then a hundred, meanwhile.
// It prints the time that the call took, what a hit costs before it, while it
// is pending and behind it, and ends with 1 when anything purged was used for a
// request that began behind the call, or when anything else is gone.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"opencache/internal/config"
	"opencache/internal/edge"
	"opencache/internal/engine"
	"opencache/internal/store"
	"opencache/internal/wire"
)

func main() {
	objects := flag.Int("objects", 1_000_000, "stored responses")
	tags := flag.Int("tags", 10_000, "tags that they share, two each")
	clients := flag.Int("clients", 2, "clients that ask without a pause")
	phase := flag.Duration("phase", 3*time.Second, "how long hits are measured before and behind")
	flag.Parse()
	if err := run(*objects, *tags, *clients, *phase); err != nil {
		fmt.Fprintln(os.Stderr, "purge:", err)
		os.Exit(1)
	}
}

func run(objects, tags, clients int, phase time.Duration) (err error) {
	zone, err := store.Open(store.ZoneOptions{Memory: int64(objects) * 1200, MeanObject: 700})
	if err != nil {
		return err
	}
	o := &origin{objects: objects, tags: tags}
	eng := engine.New(engine.Options{Store: zone})
	defer func() {
		eng.Close()
		err = errors.Join(err, zone.Close())
	}()
	c := edge.Compiler{
		Volumes: []edge.Volume{{Name: "default", Store: zone, Engine: eng, Memory: true}},
		Count:   func(wire.Exchanger) wire.Exchanger { return o },
	}
	plan, faults := c.Compile(nil, nil, []*config.Site{{
		ID: "show", Hostnames: []string{"_"}, SpeculationRules: "pass",
		Upstreams: []config.Upstream{{Name: "origin", Servers: []config.Server{{URL: "http://origin.test"}}}},
		Cache:     config.SiteCache{Global: config.CacheGlobal{Key: "http://origin.test$request_uri", PassThroughRequest: []string{"*"}}},
	}})
	for _, f := range faults {
		return errors.New(f.String())
	}
	e, err := edge.New(edge.Options{Plan: plan, Volumes: c.Volumes, Warn: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	s := &show{o: o, edge: e, zone: zone, gone: make([]atomic.Int64, objects)}
	begun := time.Now()
	if err := s.fill(clients); err != nil {
		return err
	}
	st := zone.Stats()
	fmt.Printf("%d responses with %d tags, two each, in %s of memory, filled in %.1f s\n",
		st.Memory.Objects, tags, megabytes(st.Memory.Live), time.Since(begun).Seconds())
	if st.Memory.Objects != int64(objects) {
		return fmt.Errorf("%d responses are stored, %d expected", st.Memory.Objects, objects)
	}
	load := s.load(clients)
	defer load.stop()
	time.Sleep(phase)
	for _, list := range [][]int{{tags / 3}, s.some(100)} {
		if err := s.purge(load, list, phase); err != nil {
			return err
		}
	}
	load.stop()
	if err := s.check(clients); err != nil {
		return err
	}
	return s.failed()
}

// A show is a cache, and what must be in it.
type show struct {
	o    *origin
	edge *edge.Edge
	zone *store.Zone
	// gone is, of each response, the edition (origin.edition) that may be the
	// oldest to be used: 0 is the first.
	gone []atomic.Int64
	fail atomic.Pointer[error]
}

func (s *show) failed() error {
	if err := s.fail.Load(); err != nil {
		return *err
	}
	return nil
}

// some are n different tags, none of them the first third's.
func (s *show) some(n int) (list []int) {
	for i := range n {
		list = append(list, (s.o.tags/2+i*37)%s.o.tags)
	}
	return list
}

// fill asks for everything once.
func (s *show) fill(clients int) error {
	return s.all(clients, func(c *client, n int) error {
		_, err := c.ask(n)
		return err
	})
}

// check asks for everything once more: what was not purged is there still.
func (s *show) check(clients int) error {
	return s.all(clients, func(c *client, n int) error {
		a, err := c.ask(n)
		return errors.Join(err, s.judge(n, s.gone[n].Load(), &a))
	})
}

func (s *show) all(clients int, do func(c *client, n int) error) error {
	var group sync.WaitGroup
	errs := make([]error, clients)
	for i := range clients {
		group.Go(func() {
			c := newClient(s.edge)
			for n := i; n < s.o.objects && errs[i] == nil; n += clients {
				errs[i] = do(c, n)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// judge says what is wrong with the answer a for response n, whose oldest edition that
// may be used was oldest when the request began.
func (s *show) judge(n int, oldest int64, a *answer) error {
	switch {
	case a.n != n:
		return fmt.Errorf("response %d was given for %d", a.n, n)
	case a.edition < oldest:
		return fmt.Errorf("response %d was purged and is used: edition %d, %d is the oldest that may be", n, a.edition, oldest)
	case a.edition > s.gone[n].Load():
		return fmt.Errorf("response %d is gone, and has none of the tags that were purged", n)
	}
	return nil
}

// purge purges tags under load and prints what it took.
func (s *show) purge(load *load, tags []int, phase time.Duration) error {
	before := load.measure(func() { time.Sleep(phase) })
	edition := s.o.edition.Add(1)
	hit := make([]int, 0, 1024)
	want := int64(0)
	for n := range s.o.objects {
		if first, second := s.o.tagsOf(n); slices.Contains(tags, first) || slices.Contains(tags, second) {
			hit, want = append(hit, n), want+1
		}
	}
	p := edge.Purge{}
	for _, tag := range tags {
		p.Tags = append(p.Tags, tagName(tag))
	}
	var done edge.Purged
	var err error
	var call, swept time.Duration
	pending := load.measure(func() {
		load.lenient.Store(true) // till the call returns, an old edition is no fault
		for _, n := range hit {  // from here on, a new one is none either
			s.o.purged(n, edition)
			s.gone[n].Store(edition)
		}
		begun := time.Now()
		done, err = s.edge.Purge(&p)
		call = time.Since(begun)
		load.lenient.Store(false)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		done.Wait(ctx)
		swept = time.Since(begun)
	})
	if err != nil {
		return err
	}
	behind := load.measure(func() { time.Sleep(phase) })
	n, exact := done.Objects()
	fmt.Printf("purge of %d of the tags: the call took %s; %d responses dropped and counted %s behind it\n",
		len(tags), call.Round(time.Microsecond), n, swept.Round(time.Millisecond))
	fmt.Printf("  a hit takes %s of processor time before it, %s while it is pending (%+.0f %%), %s behind it\n",
		before, pending, 100*(pending.each()/before.each()-1), behind)
	if n != want || !exact {
		return fmt.Errorf("%d responses were counted, exactly: %v; %d have the tags", n, exact, want)
	}
	if st := s.zone.Stats(); st.Pending != 0 {
		return fmt.Errorf("%d purges are pending behind the sweep", st.Pending)
	}
	return s.failed()
}

func megabytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }
