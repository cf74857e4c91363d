// Kill shows what a cache with a disk brings back: it starts the real binary,
// asks it for many things at once, has things purged all the while, kills it
// (SIGKILL) at a random moment, and starts it again on the same volume; fifty
// times. It is the origin itself, so it knows what every byte must be, and
// which versions must not be seen any more. It exits with 1 when a byte was
// wrong, something purged or superseded came back, or a start failed.
//
//	kill -bin bin/opencache -rounds 50
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"opencache/test/bench/child"
)

// startTime is how long a start may take.
const startTime = 20 * time.Second

func main() {
	// Children end with the thread that started them: see child.Start.
	runtime.LockOSThread()
	log.SetFlags(0)
	bin := flag.String("bin", "bin/opencache", "opencache to start")
	rounds := flag.Int("rounds", 50, "how often to kill it")
	seconds := flag.Float64("seconds", 1.2, "longest time between a start and its kill")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of what is random")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fmt.Printf("seed %d\n", *seed)
	dir, err := os.MkdirTemp("", "opencache-kill-")
	if err != nil {
		log.Fatalf("kill: %v", err)
	}
	s := stage{bin: *bin, dir: dir, seconds: *seconds, r: rand.New(rand.NewPCG(*seed, 0))}
	err = s.run(ctx, *rounds)
	os.RemoveAll(dir)
	if err != nil {
		log.Fatalf("kill: MISSED: %v", err)
	}
}

// A stage is the cache that is killed, and who asks it.
type stage struct {
	bin, dir string
	seconds  float64
	r        *rand.Rand

	origin *origin
	crowd  *crowd
	cache  *child.Child
	port   int
	starts []time.Duration
}

// run kills the cache so often and prints what came of it.
func (s *stage) run(ctx context.Context, rounds int) error {
	var err error
	if s.origin, err = listen(s.r.Uint64()); err != nil {
		return err
	}
	defer s.origin.close()
	if s.port, err = child.Port(); err != nil {
		return err
	}
	s.crowd = newCrowd(s.origin, s.port)
	if err := s.start(ctx); err != nil {
		return err
	}
	defer func() { s.cache.Stop() }()
	for i := range rounds {
		if err := s.round(ctx); err != nil {
			return fmt.Errorf("round %d: %w", i+1, err)
		}
		if (i+1)%10 == 0 {
			fmt.Printf("%3d kills: %s\n", i+1, s.crowd.tell())
		}
	}
	s.tellStarts()
	return s.end(ctx)
}

// round has the cache asked and purged, kills it at some moment, starts it
// again and looks at all that came back.
func (s *stage) round(ctx context.Context) error {
	working, done := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for range 6 {
		seed := s.r.Uint64()
		wg.Go(func() { s.crowd.ask(working, seed) })
	}
	seed := s.r.Uint64()
	wg.Go(func() { s.crowd.purge(working, seed) })
	time.Sleep(time.Duration(s.r.Float64() * s.seconds * float64(time.Second)))
	s.crowd.killed.Store(true)
	if err := syscall.Kill(s.cache.PID(), syscall.SIGKILL); err != nil {
		done()
		return fmt.Errorf("it had ended by itself: %w", err)
	}
	done()
	wg.Wait()
	s.cache.Stop()
	if out, err := s.check(ctx); err != nil {
		return fmt.Errorf("volume check: %w\n%s", err, out)
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	s.crowd.sweep(ctx)
	return s.crowd.verdict()
}

// check has the program look at the volume that the cache left.
func (s *stage) check(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, s.bin, "volume", "check", filepath.Join(s.dir, "disk")).CombinedOutput()
	return "  " + strings.ReplaceAll(strings.TrimSuffix(string(out), "\n"), "\n", "\n  "), err
}

// start starts the cache and waits until it answers.
func (s *stage) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	at := time.Now()
	var err error
	s.cache, err = child.Start(child.Command{Core: -1, Args: []string{
		s.bin, "serve", "--listen", fmt.Sprintf("127.0.0.1:%d", s.port), "--admin", "off", "--origin", s.origin.url,
		"--memory", "8M", "--disk", filepath.Join(s.dir, "disk") + "=48M", "--cache-status-tier", "--log-level", "warn",
	}})
	if err != nil {
		return err
	}
	s.crowd.killed.Store(false)
	if err := s.cache.Listening(ctx, s.port); err != nil {
		return fmt.Errorf("a start failed: %w", err)
	}
	s.starts = append(s.starts, time.Since(at))
	return nil
}

func (s *stage) tellStarts() {
	slices.Sort(s.starts)
	fmt.Printf("%d starts, none failed: from exec to the first connection %v (fastest), %v (half), %v (slowest)\n", len(s.starts),
		s.starts[0].Round(time.Millisecond), s.starts[len(s.starts)/2].Round(time.Millisecond), s.starts[len(s.starts)-1].Round(time.Millisecond))
}

// end stops the cache in order, has its volume checked, and starts it once more.
func (s *stage) end(ctx context.Context) error {
	s.cache.Stop()
	out, err := s.check(ctx)
	fmt.Println(out)
	if err != nil {
		return fmt.Errorf("volume check: %w", err)
	}
	before := s.crowd.back.Load()
	if err := s.start(ctx); err != nil {
		return err
	}
	s.crowd.sweep(ctx)
	fmt.Printf("after a stop in order %d came back\n", s.crowd.back.Load()-before)
	if s.crowd.back.Load() == before {
		return errors.New("nothing came back after a stop in order")
	}
	return s.crowd.verdict()
}
