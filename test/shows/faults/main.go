// Faults shows what opencache serves while its disk fails: for each fault it
// starts an origin and opencache with a volume, fills it, has clients ask for
// what lies in memory and what lies on disk before, during and after the
// fault, and compares every byte with what the origin has.
//
//	faults -bin bin/opencache                 all faults
//	faults -bin bin/opencache hang truncate   these
//	faults -list
//
// It needs root: it mounts file systems (tmpfs, FUSE) under a folder of its
// own. It prints a table of what was served in each phase and the metrics that
// moved, and exits with 1 when a byte was wrong, a request failed that the
// origin could answer, a client of memory missed, or no metric told of it.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(0)
	bin := flag.String("bin", "bin/opencache", "the opencache that is looked at")
	phase := flag.Duration("phase", 3*time.Second, "how long clients ask in each phase")
	list := flag.Bool("list", false, "print the faults and exit")
	verbose := flag.Bool("v", false, "print opencache's log")
	flag.Parse()
	all := cases()
	if *list {
		for _, c := range all {
			fmt.Printf("%-14s %s\n", c.name, c.what)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	missed := 0
	for _, c := range all {
		if flag.NArg() > 0 && !slices.Contains(flag.Args(), c.name) {
			continue
		}
		fmt.Printf("\n%s: %s\n", c.name, c.what)
		s := &stage{bin: *bin, phase: *phase, verbose: *verbose}
		faults := s.play(ctx, c)
		for _, f := range faults {
			fmt.Println("  MISSED:", f)
		}
		missed += len(faults)
	}
	if unknown := slices.DeleteFunc(flag.Args(), func(a string) bool {
		return slices.ContainsFunc(all, func(c scene) bool { return c.name == a })
	}); len(unknown) > 0 {
		log.Fatalf("faults: no fault %s (-list has them)", strings.Join(unknown, ", "))
	}
	if missed > 0 {
		log.Fatalf("\nfaults: %d missed", missed)
	}
}

// A scene is a fault.
type scene struct {
	name, what string
	run        func(s *stage) error
}

// play plays one fault and returns what is wrong with what was seen.
func (s *stage) play(ctx context.Context, c scene) (faults []string) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	s.ctx = ctx
	if err := s.open(); err != nil {
		return []string{err.Error()}
	}
	defer func() {
		for _, err := range s.close() {
			faults = append(faults, err.Error())
		}
	}()
	if err := c.run(s); err != nil {
		s.miss("%v", err)
	}
	return s.faults
}
