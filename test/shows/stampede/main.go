// Stampede shows what a thousand clients do that ask at once for one thing
// that the cache has not got: how many requests the origin sees, and what each
// client gets. It starts the cache and plays the origin itself; all of it over
// real loopback sockets. It exits with 1 when a case does not end as it should.
//
//	stampede -bin bin/opencache             starts the cache
//	stampede -cache 127.0.0.1:8080 \
//	         -origin 127.0.0.1:9000         or takes one that runs
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"opencache/test/bench/child"
)

const (
	startTime = 15 * time.Second
	caseTime  = 60 * time.Second // longest time that a case may take
)

func main() {
	// Children end with the thread that started them: see child.Start.
	runtime.LockOSThread()
	log.SetFlags(0)
	bin := flag.String("bin", "bin/opencache", "opencache to start")
	cache := flag.String("cache", "", "address of a cache that runs; empty: start one")
	origin := flag.String("origin", "", "address for the origin; empty: a free port")
	clients := flag.Int("clients", 1000, "clients that ask at once")
	only := flag.String("case", "", "run only the cases whose names contain this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := stage{cache: *cache, clients: *clients}
	missed, err := s.run(ctx, *bin, *origin, *only)
	if err != nil {
		log.Fatalf("stampede: %v", err)
	}
	if missed > 0 {
		log.Fatalf("stampede: %d cases MISSED", missed)
	}
}

// stage is where the cases run.
type stage struct {
	cache   string // address
	clients int
	origin  *origin
}

func (s *stage) run(ctx context.Context, bin, listen, only string) (missed int, err error) {
	if listen == "" {
		listen = child.Addr(0)
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return 0, fmt.Errorf("origin: %w", err)
	}
	s.origin = newOrigin()
	stop := s.origin.serve(l)
	defer stop()
	if s.cache == "" {
		c, err := s.start(ctx, bin, l.Addr().String())
		if err != nil {
			return 0, err
		}
		defer c.Stop()
	}
	for _, c := range cases() {
		if !strings.Contains(c.name, only) {
			continue
		}
		figure, err := s.play(ctx, c)
		word := "kept  "
		if err != nil {
			missed++
			word, figure = "MISSED", figure+": "+err.Error()
		}
		fmt.Printf("%s %-34s %s\n", word, c.name, figure)
		if ctx.Err() != nil {
			return missed, ctx.Err()
		}
	}
	return missed, nil
}

func (s *stage) start(ctx context.Context, bin, origin string) (*child.Child, error) {
	port, err := child.Port()
	if err != nil {
		return nil, err
	}
	s.cache = child.Addr(port)
	c, err := child.Start(child.Command{Core: -1, Args: []string{bin, "serve", "--listen", s.cache,
		"--origin", "http://" + origin, "--memory", "256M", "--admin", "off",
		"--origin-head-timeout", "4s"}}) // for the origin that stalls; less than the default --lock-age
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := c.Listening(ctx, port); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}
