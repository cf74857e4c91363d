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
func (b *bench) fillDisk(ctx context.Context, s *server) error {
	ctx, cancel := context.WithTimeout(ctx, 8*startTime)
	defer cancel()
	prefix := b.tag(s, "disk-cold")
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

// cold offers hits in memory, first by themselves and then beside reads of
// what memory has no room for and the system has forgotten.
func (b *bench) cold(ctx context.Context, s *server, w workload, round int) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*b.duration+startTime)
	defer cancel()
	prefix := b.tag(s, "disk-cold")
	args := []string{"-conns", strconv.Itoa(w.conns), "-rate", strconv.Itoa(coldRate), "-skip", strconv.Itoa(coldEvery)}
	quiet, err := b.offer(ctx, s, w, args)
	if err != nil {
		return sample{}, err
	}
	if err := forget(s.site.Store); err != nil {
		return sample{}, err
	}
	before, err1 := b.origin.count(ctx, prefix)
	read, err2 := total(s, child.Read)
	if err := errors.Join(err1, err2); err != nil {
		return sample{}, err
	}
	// Each round goes on where the last one ended: nothing is read twice.
	most := coldRate / coldEvery * int((b.duration+warmup+time.Second)/time.Second)
	args = append(args, "-other", s.url(prefix+"/{number}/"+coldName), "-others", strconv.Itoa(coldObjects), "-first", strconv.Itoa(round*most))
	loud, err := b.offer(ctx, s, w, args)
	if err != nil {
		return sample{}, err
	}
	after, err1 := b.origin.count(ctx, prefix)
	readBy, err2 := total(s, child.Read)
	if asked := int64(loud.Other.Requests) * coldSize; readBy-read < asked/2 {
		return sample{}, fmt.Errorf("%w: %d bytes were read from the disk, and %d asked for: it was not cold", errSpoiled, readBy-read, asked)
	}
	v := sample{Requests: loud.Requests, Rate: loud.Rate, P50: loud.P50, P99: loud.P99, Late: loud.Late, Quiet: quiet.P99,
		Disk: loud.Other.P99, Fetches: after - before}
	v.work = float64(quiet.Requests+loud.Requests+loud.Other.Requests) * float64(b.duration+b.before()) / float64(b.duration)
	return v, errors.Join(err1, err2)
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
