package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"opencache/test/bench/child"
)

const (
	// What is pushed behind an object so that it leaves the buffers in which a
	// store collects what it writes.
	pushed     = 32
	pushedName = "1m"

	coldObjects = 10 * smallMemory << 20 / coldSize // ten times what memory takes
	coldName    = "32k"
	coldSize    = 32 << 10
	coldRate    = 4000 // requests a second, in memory and on disk together
	coldEvery   = 8    // which of the connections ask for what is on disk
	coldTries   = 20   // passes over all, until all is stored
)

// inTier reports whether opencache says that an answer came from there.
func inTier(a answer, tier string) bool {
	return strings.Contains(a.header.Get("Cache-Status"), `"`+tier+`"`)
}

// pushOut has what is stored so far written to disk.
func (b *bench) pushOut(ctx context.Context, s *server) error {
	ctx, cancel := context.WithTimeout(ctx, 2*startTime)
	defer cancel()
	if _, err := b.sweep(ctx, s, b.tag(s, "pushed"), pushed, pushedName); err != nil {
		return err
	}
	return b.rest(ctx)
}

// rest lets a server do what it does behind its answers.
func (b *bench) rest(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Second):
		return nil
	}
}

// fillDisk has the server store a working set of ten times its memory. What
// comes faster than a disk writes may be dropped, so it is asked for until all
// is there.
func (b *bench) fillDisk(ctx context.Context, s *server, w workload) error {
	ctx, cancel := context.WithTimeout(ctx, 8*startTime)
	defer cancel()
	prefix := b.tag(s, w.name)
	var has int
	for range coldTries {
		var err error
		if has, err = b.sweep(ctx, s, prefix, coldObjects, coldName); err != nil {
			return err
		}
		if has == coldObjects {
			return b.rest(ctx)
		}
	}
	return fmt.Errorf("%d of %d objects are stored after %d passes", has, coldObjects, coldTries)
}

// cold offers hits in memory by themselves, and beside reads of what memory
// has no room for and the system has forgotten; every other round in turn.
func (b *bench) cold(ctx context.Context, s *server, w workload, round int) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*b.duration+startTime)
	defer cancel()
	var v sample
	for i := range 2 {
		var err error
		if i == round%2 {
			err = b.quiet(ctx, s, w, &v)
		} else {
			err = b.loud(ctx, s, w, &v)
		}
		if err != nil {
			return sample{}, err
		}
	}
	// Somebody else's work disturbs hits more than disks do, and would pass for
	// a quiet that they are to be like.
	if v.Quiet > 2*v.P99 {
		return sample{}, fmt.Errorf("%w: p99 %.0f µs when all is quiet, %.0f µs beside reads from disk: others use the machine", errSpoiled, v.Quiet, v.P99)
	}
	v.work *= float64(b.duration+b.before()) / float64(b.duration)
	return v, nil
}

// coldArgs leave one connection of each group to what lies on disk.
func coldArgs(w workload) []string {
	return []string{"-conns", strconv.Itoa(w.conns), "-rate", strconv.Itoa(coldRate), "-skip", strconv.Itoa(coldEvery)}
}

func (b *bench) quiet(ctx context.Context, s *server, w workload, v *sample) error {
	got, err := b.offer(ctx, s, w, coldArgs(w))
	v.Quiet = got.P99
	v.work += float64(got.Requests)
	return err
}

func (b *bench) loud(ctx context.Context, s *server, w workload, v *sample) error {
	if err := forget(s.site.Store); err != nil {
		return err
	}
	prefix := b.tag(s, w.name)
	fetches, err1 := b.origin.count(ctx, prefix)
	read, err2 := total(s, child.Read)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	// What was read is in memory now: each time it goes on where it ended.
	first := s.read
	s.read += int(coldRate / coldEvery * (b.duration + b.before() + time.Second) / time.Second)
	got, err := b.offer(ctx, s, w, append(coldArgs(w), "-other", s.url(prefix+"/{number}/"+coldName),
		"-others", strconv.Itoa(coldObjects), "-first", strconv.Itoa(first)))
	if err != nil {
		return err
	}
	after, err1 := b.origin.count(ctx, prefix)
	readBy, err2 := total(s, child.Read)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if asked := int64(got.Other.Requests) * coldSize; readBy-read < asked/2 {
		return fmt.Errorf("%w: %d bytes were read from the disk, and %d asked for: it was not cold", errSpoiled, readBy-read, asked)
	}
	v.Requests, v.Rate, v.P50, v.P99, v.Late = got.Requests, got.Rate, got.P50, got.P99, got.Late
	v.Disk, v.Fetches = got.Other.P99, after-fetches
	v.work += float64(got.Requests + got.Other.Requests)
	return nil
}

// forget drops from the page cache what lies under dir.
func forget(dir string) error {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED), f.Close())
	})
	if err != nil {
		return fmt.Errorf("page cache: %w", err)
	}
	return nil
}

// before is how long an open loop runs before it counts.
func (b *bench) before() time.Duration { return min(warmup, b.duration/4) }

// offer runs bench-steady with more arguments.
func (b *bench) offer(ctx context.Context, s *server, w workload, more []string) (steadyReport, error) {
	args := append([]string{b.steady, "-url", s.url(w.path), "-duration", b.duration.String(), "-warmup", b.before().String()}, more...)
	out, err := b.command(ctx, args).Output()
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended):
		return steadyReport{}, fmt.Errorf("open loop: %w: %s", err, ended.Stderr)
	case err != nil:
		return steadyReport{}, fmt.Errorf("open loop: %w", err)
	}
	return parseSteady(out)
}
