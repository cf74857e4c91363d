// Idle shows what connections cost a cache that do nothing, or next to
// nothing: the memory of those that wait between two requests, and whether
// slow clients are bounded while others are served. It starts no cache; it can
// be the origin of one.
//
//	bench-idle origin -listen 127.0.0.1:9000
//	bench-idle hold -addr 127.0.0.1:8080 -pid 4711 -conns 15000 -limit 4
//	bench-idle hold -addr 127.0.0.1:8443 -pid 4712 -conns 5000 -limit 20 -tls
//	bench-idle slow -addr 127.0.0.1:8080 -pid 4711 -clients 1000 -secure 127.0.0.1:8443
//
// Each prints figures and exits with 1 when they are missed. It needs a file
// descriptor for each connection.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench-idle: ")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 {
		log.Fatal("origin, hold or slow is expected")
	}
	f := flag.NewFlagSet("bench-idle "+os.Args[1], flag.ExitOnError)
	var err error
	switch os.Args[1] {
	case "origin":
		listen := f.String("listen", "127.0.0.1:9000", "address to listen on")
		parse(f)
		err = serveOrigin(ctx, *listen)
	case "hold":
		var h hold
		f.StringVar(&h.addr, "addr", "127.0.0.1:8080", "address of the cache")
		f.IntVar(&h.pid, "pid", 0, "its process")
		f.StringVar(&h.admin, "admin", "", "its administration, for a garbage collection when the limit is missed; empty: none")
		f.BoolVar(&h.secure, "tls", false, "speak TLS")
		f.IntVar(&h.conns, "conns", 1000, "connections")
		f.Float64Var(&h.limit, "limit", 0, "KiB a connection may take; 0: any")
		parse(f)
		err = h.run(ctx)
	case "slow":
		var s slow
		f.StringVar(&s.addr, "addr", "127.0.0.1:8080", "address of the cache")
		f.StringVar(&s.secure, "secure", "", "address where it speaks TLS; empty: nowhere")
		f.IntVar(&s.pid, "pid", 0, "its process")
		f.IntVar(&s.clients, "clients", 1000, "clients of each kind")
		f.IntVar(&s.requests, "requests", 1000, "well-behaved requests")
		f.DurationVar(&s.timeout, "timeout", 5*time.Second, "the cache's --head-timeout, --body-timeout and --write-timeout")
		f.DurationVar(&s.grace, "grace", 10*time.Second, "for how long it bears clients below the minimum rate")
		f.DurationVar(&s.slack, "slack", 5*time.Second, "by how much a busy machine may be late")
		parse(f)
		err = s.run(ctx)
	default:
		err = fmt.Errorf("%q: origin, hold or slow is expected", os.Args[1])
	}
	if err != nil {
		log.Fatal(err)
	}
}

func parse(f *flag.FlagSet) {
	_ = f.Parse(os.Args[2:]) // ends the process itself
	if f.NArg() > 0 {
		log.Fatalf("argument %q: none is expected", f.Arg(0))
	}
}
