// Command seek shows what a large object costs that is read in pieces: it has
// opencache serve stand before an origin with an object of 4 GiB, a function of
// the offset that is nowhere stored, and reads it by seeks, by readers at
// several places at once, on from a seek, up to where a reader loses interest,
// and whole. It compares every byte, and prints what the origin was asked for,
// and what it sent, beside what was read. It ends with 1 when a byte differs,
// when the origin was asked for more than was read in whole segments and the
// read-ahead, or when the cache took more memory than it was given.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
)

const mib = 1 << 20

func main() {
	bin := flag.String("opencache", "bin/opencache", "the program")
	memory := flag.Int64("memory", 128, "its memory for stored responses, MiB")
	disk := flag.String("disk", "", "folder for a volume on disk; none: memory alone")
	diskSize := flag.Int64("disk-size", 1024, "size of that volume, MiB")
	size := flag.Int64("size", 4096, "size of the object, MiB")
	flag.Parse()
	c := &cache{bin: *bin, memory: *memory, disk: *disk, diskSize: *diskSize}
	if err := run(c, *size*mib); err != nil {
		fmt.Fprintln(os.Stderr, "seek:", err)
		os.Exit(1)
	}
}

// readAhead is what the cache is told, in bytes.
const readAhead = 4 * mib

// A show is the object, and the cache that it is read through.
type show struct {
	*cache
	o       *origin
	segment int64
	client  *http.Client
}

func run(c *cache, size int64) (err error) {
	o, err := newOrigin(size)
	if err != nil {
		return err
	}
	defer o.close()
	if err := c.start(o.url); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	s := &show{cache: c, o: o, segment: c.segment(), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	defer s.client.CloseIdleConnections()
	fmt.Printf("%d MiB at the origin; %s; segments of %d KiB, read-ahead of %d MiB\n", size/mib, c.describe(), s.segment>>10, readAhead/mib)
	fmt.Printf("%-44s %9s %9s %9s %9s %6s\n", "MiB", "read", "asked for", "limit", "sent", "asks")
	r := rand.New(rand.NewPCG(5, 5))
	for _, step := range []struct {
		name string
		do   func(r *rand.Rand) (read, limit int64, err error)
		// leaves says that a request to the origin may be left before its end: by a
		// reader that goes, or one whose disk has lost what came and who asks for
		// that anew. Then what was asked for says nothing, and what was sent counts.
		leaves bool
	}{
		{"60 seeks of up to 3 MiB", s.seeks, false},
		{"the same places again, in part", s.again, false},
		{"the last 100 KiB, and 3 places in one request", s.forms, false},
		{"6 readers at 4 places, 24 MiB each, at once", s.apart, true},
		{"40 MiB in requests of 1 MiB behind a seek", s.onward, false},
		{"a reader that wants all from 1 GiB on, for 20 MiB", s.leaver, true},
		{"all of it by a plain GET", s.whole, true},
	} {
		before := o.counts()
		read, limit, err := step.do(r)
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		o.settled(before)
		n := o.since(before)
		fmt.Printf("%-44s %9.1f %9.1f %9.1f %9.1f %6d\n", step.name, inMiB(read), inMiB(n.asked), inMiB(limit), inMiB(n.sent), n.requests)
		switch {
		case !step.leaves && n.asked > limit:
			return fmt.Errorf("%s: the origin was asked for %d bytes, at most %d expected", step.name, n.asked, limit)
		case step.leaves && n.sent > limit:
			return fmt.Errorf("%s: the origin sent %d bytes, at most %d expected", step.name, n.sent, limit)
		}
	}
	return s.peak()
}

func inMiB(n int64) float64 { return float64(n) / mib }

// A part is a range of the object.
type part struct{ first, last int64 }

// around is the size of the segments that have p.
func (s *show) around(p part) int64 {
	return min(p.last/s.segment*s.segment+s.segment, s.o.size) - p.first/s.segment*s.segment
}

// places are n ranges with nothing in common, also not a segment.
func (s *show) places(r *rand.Rand, n int, most int64) (list []part) {
	step := s.o.size / int64(n)
	for i := range int64(n) {
		first := i*step + r.Int64N(step-most-2*s.segment)
		list = append(list, part{first, first + 1 + r.Int64N(most-1)})
	}
	r.Shuffle(n, func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

func (s *show) seeks(r *rand.Rand) (read, limit int64, err error) {
	for _, p := range s.places(r, 60, 3*mib) {
		if err := s.read(p); err != nil {
			return 0, 0, err
		}
		read += p.last - p.first + 1
		limit += s.around(p)
	}
	return read, limit, nil
}

// again reads what was read a moment ago and must be there.
func (s *show) again(r *rand.Rand) (read, limit int64, err error) {
	list := s.places(r, 8, mib)
	for _, p := range list {
		if err := s.read(p); err != nil {
			return 0, 0, err
		}
		limit += s.around(p)
	}
	for _, p := range list {
		half := part{p.first + (p.last-p.first)/2, p.last}
		if err := s.read(half); err != nil {
			return 0, 0, err
		}
		read += p.last - p.first + 1 + half.last - half.first + 1
	}
	return read, limit, nil
}

func (s *show) forms(*rand.Rand) (read, limit int64, err error) {
	n := int64(100 << 10)
	tail := part{s.o.size - n, s.o.size - 1}
	if err := s.ask(fmt.Sprintf("bytes=-%d", n), tail); err != nil {
		return 0, 0, err
	}
	limit = s.around(tail)
	parts := []part{{s.o.size/2 + 5, s.o.size/2 + 70_000}, {77, 99}, {s.o.size/3 + 1, s.o.size/3 + 90_000}}
	if err := s.several(parts); err != nil {
		return 0, 0, err
	}
	for _, p := range parts {
		read += p.last - p.first + 1
		limit += s.around(p)
	}
	return read + n, limit, nil
}

// apart has readers at several places at once; two read what another reads too,
// and are not to cost anything. One that falls behind by more than the store has
// room for newcomers fetches some of it again: that is within the read-ahead.
func (s *show) apart(*rand.Rand) (read, limit int64, err error) {
	const length = 24 * mib
	var parts []part
	for i := range int64(4) {
		p := part{s.o.size/8 + i*s.o.size/5 + 1234, 0}
		p.last = p.first + length - 1
		parts = append(parts, p)
		limit += s.around(p) + readAhead
	}
	parts = append(parts, parts[0], part{parts[1].first + s.segment/2, parts[1].last})
	var wg sync.WaitGroup
	errs := make([]error, len(parts))
	for i, p := range parts {
		read += p.last - p.first + 1
		wg.Go(func() { errs[i] = s.read(p) })
	}
	wg.Wait()
	return read, limit, errors.Join(errs...)
}

// onward seeks and reads on, request by request.
func (s *show) onward(*rand.Rand) (read, limit int64, err error) {
	all := part{s.o.size*7/10 + 4321, 0}
	all.last = all.first + 40*mib - 1
	for first := all.first; first < all.last; first += mib {
		if err := s.read(part{first, first + mib - 1}); err != nil {
			return 0, 0, err
		}
	}
	return 40 * mib, s.around(all) + readAhead, nil
}

// leaver asks for everything behind a place and leaves before it has it.
func (s *show) leaver(*rand.Rand) (read, limit int64, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	first, most := s.o.size/4+99, int64(20*mib)
	resp, err := s.get(ctx, fmt.Sprintf("bytes=%d-", first))
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := compare(io.LimitReader(resp.Body, most), part{first, first + most - 1}); err != nil {
		return 0, 0, err
	}
	return most, most + 2*s.segment + readAhead + onTheirWay, nil
}

// onTheirWay is what sockets hold, the cache's client's too.
const onTheirWay = 16 * mib

func (s *show) whole(*rand.Rand) (read, limit int64, err error) {
	resp, err := s.get(context.Background(), "")
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != 200 || resp.ContentLength != s.o.size {
		return 0, 0, fmt.Errorf("status %d, %d bytes", resp.StatusCode, resp.ContentLength)
	}
	return s.o.size, s.o.size + readAhead + onTheirWay, compare(resp.Body, part{0, s.o.size - 1})
}
