// Reload shows what changes of documents cost an edge and its clients. It
// starts the real binary on a folder of documents, asks it for many sites at
// once, and changes documents all the while: fields of answers, origins, sites
// that come and go, the fleet's policy, documents that are wrong. It is the
// origin itself, so it knows what every answer must be. It exits with 1 when
// a request failed, an answer was of another site or older than what was in
// effect, a change took longer than a second, or something is left behind.
//
//	reload -bin bin/opencache -reloads 100
//	reload -bin bin/opencache -many 10000
//
// With -many it shows how long so many sites take to load and what they keep
// in memory, and that a change of one reads one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

func main() {
	// Children end with the thread that started them: see child.Start.
	runtime.LockOSThread()
	log.SetFlags(0)
	bin := flag.String("bin", "bin/opencache", "opencache to start")
	reloads := flag.Int("reloads", 100, "how often documents change under load")
	sites := flag.Int("sites", 200, "sites that are there then")
	clients := flag.Int("clients", 12, "clients that ask at a time")
	many := flag.Int("many", 0, "show so many sites instead")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of what is random")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "opencache-reload-")
	if err != nil {
		log.Fatalf("reload: %v", err)
	}
	r := rand.New(rand.NewPCG(*seed, 0))
	if *many > 0 {
		err = showMany(ctx, *bin, dir, *many)
	} else {
		fmt.Printf("seed %d\n", *seed)
		err = (&show{random: r, clients: *clients}).run(ctx, *bin, dir, *sites, *reloads)
	}
	err = errors.Join(err, os.RemoveAll(dir))
	if err != nil {
		log.Fatalf("reload: MISSED: %v", err)
	}
}
