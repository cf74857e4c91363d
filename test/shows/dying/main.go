// Dying shows what clients of the edge see of servers that die and come back:
// three servers behind the real binary, real sockets, GET and HEAD from several
// clients all the while. One server after the other is killed, resets
// connections, hangs, breaks answers off in mid-body, answers 503, and is well
// again; then all three are gone for a while, and what is stored answers. It
// exits with 1 when a request failed, an answer was cut or wrong, a server that
// is back was not asked again, or nothing was retried or answered stale.
//
//	dying -bin bin/opencache
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"opencache/test/bench/child"
)

func main() {
	// Children end with the thread that started them: see child.Start.
	runtime.LockOSThread()
	log.SetFlags(0)
	bin := flag.String("bin", "bin/opencache", "opencache to start")
	clients := flag.Int("clients", 8, "who ask at once")
	pause := flag.Duration("pause", 25*time.Millisecond, "between two requests of a client")
	ill := flag.Duration("ill", 3*time.Second, "how long a server is ill")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "opencache-dying-")
	if err != nil {
		log.Fatalf("dying: %v", err)
	}
	s := stage{dir: dir, ill: *ill, crowd: crowd{pause: *pause}}
	err = s.run(ctx, *bin, *clients)
	_ = os.RemoveAll(dir)
	if err != nil {
		log.Fatalf("dying: MISSED: %v", err)
	}
}

// A stage is the edge, its servers and who asks it.
type stage struct {
	dir     string
	ill     time.Duration
	servers [3]*server
	edge    *child.Child
	url     string
	crowd   crowd
}

func (s *stage) run(ctx context.Context, bin string, clients int) error {
	for i := range s.servers {
		var err error
		if s.servers[i], err = newServer(); err != nil {
			return err
		}
	}
	if err := s.start(ctx, bin); err != nil {
		return err
	}
	defer s.edge.Stop()
	s.crowd.url = s.url
	if err := s.crowd.warm(); err != nil {
		return err
	}
	asking, done := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() { s.crowd.ask(asking, uint64(i)) })
	}
	err := s.play(ctx)
	done()
	wg.Wait()
	return errors.Join(err, s.verdict())
}

// start starts the edge on its documents.
func (s *stage) start(ctx context.Context, bin string) error {
	port, err := child.Port()
	if err != nil {
		return err
	}
	site := fmt.Sprintf(`{"id": "a", "hostnames": ["_"],
 "upstreams": [{"name": "o", "servers": [{"url": "http://%s", "failTimeout": "1s"}, {"url": "http://%s", "failTimeout": "1s"}, {"url": "http://%s", "failTimeout": "1s"}],
  "connectTimeout": "1s", "headTimeout": "1500ms", "bodyTimeout": "2s",
  "healthCheck": {"path": "/well", "interval": "500ms", "timeout": "500ms", "rise": 2, "fall": 3}}],
 "cache": {"global": {"stale": {"conditions": ["error", "timeout", "invalid_header", "http_503"], "maxAge": "1h"}},
  "proxySettings": {"nextUpstreamConditions": ["error", "timeout", "invalid_header", "http_503"]}}}`,
		s.servers[0].addr, s.servers[1].addr, s.servers[2].addr)
	for key, text := range map[string]string{"opencache:edgeResource:a": site, "opencache:nodeConfigDefaults": `{"network": {"admin": "off"}, "cache": {"memory": "64M"}}`} {
		if err := os.WriteFile(filepath.Join(s.dir, key+".jsonc"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	addr := child.Addr(port)
	s.url = "http://" + addr
	s.edge, err = child.Start(child.Command{Core: -1, Args: []string{bin, "edge", "--config", s.dir, "--listen", addr, "--log-level", "error"}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return s.edge.Listening(ctx, port)
}

// play has one server after the other be ill and well again, and at the end all
// of them gone.
func (s *stage) play(ctx context.Context) error {
	if err := wait(ctx, time.Second); err != nil {
		return err
	}
	for w := killed; int(w) < numWays; w++ {
		one := s.servers[int(w)%len(s.servers)]
		before, retries := s.crowd.requests.Load(), s.metric("upstream_retries_total")
		if err := one.become(w); err != nil {
			return err
		}
		if err := wait(ctx, s.ill); err != nil {
			return err
		}
		if err := one.become(well); err != nil {
			return err
		}
		asked, since := one.asked.Load(), time.Now()
		for one.asked.Load() < asked+3 {
			if time.Since(since) > 15*time.Second {
				return fmt.Errorf("%s: well again, and not asked for %v", w, time.Since(since))
			}
			if err := wait(ctx, 20*time.Millisecond); err != nil {
				return err
			}
		}
		fmt.Printf("%-22s %5d requests, %3d retries; asked again %v after it was well\n", w.String()+":",
			s.crowd.requests.Load()-before, s.metric("upstream_retries_total")-retries, time.Since(since).Round(10*time.Millisecond))
	}
	return s.allGone(ctx)
}

// allGone has all servers be killed while what is stored is asked for.
func (s *stage) allGone(ctx context.Context) error {
	s.crowd.storedOnly.Store(true)
	if err := wait(ctx, time.Second); err != nil { // what was begun before
		return err
	}
	before, stale := s.crowd.requests.Load(), s.crowd.stale.Load()
	for _, one := range s.servers {
		if err := one.become(killed); err != nil {
			return err
		}
	}
	if err := wait(ctx, s.ill); err != nil {
		return err
	}
	fmt.Printf("%-22s %5d requests, %3d answered stale\n", "all three killed:", s.crowd.requests.Load()-before, s.crowd.stale.Load()-stale)
	for _, one := range s.servers {
		if err := one.become(well); err != nil {
			return err
		}
	}
	since := time.Now()
	for asked := s.servers[0].asked.Load(); s.servers[0].asked.Load() < asked+3; {
		if time.Since(since) > 15*time.Second {
			return errors.New("all well again, and the first not asked")
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// metric adds up the samples of one of the edge's metrics.
func (s *stage) metric(name string) (sum int64) {
	r, err := http.Get(s.url + "/oc-cgi/metrics")
	if err != nil {
		return -1
	}
	defer func() { _ = r.Body.Close() }()
	text, _ := io.ReadAll(r.Body)
	for _, found := range regexp.MustCompile(`(?m)^opencache_`+name+`(?:\{[^}]*\})? ([0-9.e+]+)$`).FindAllSubmatch(text, -1) {
		n, _ := strconv.ParseFloat(string(found[1]), 64)
		sum += int64(n)
	}
	return sum
}

// verdict prints what came of it all.
func (s *stage) verdict() error {
	c := &s.crowd
	retries := s.metric("upstream_retries_total")
	fmt.Printf("%d requests (%d HEAD): %d failed, %d cut in mid-body, %d wrong; %d retries, %d withheld by the budget, %d answers resumed, %d stale answers, %d times a server was left out\n",
		c.requests.Load(), c.heads.Load(), c.failed.Load(), c.cut.Load(), c.wrong.Load(), retries,
		s.metric("upstream_retries_withheld_total"), s.metric("answers_resumed_total"), c.stale.Load(), s.metric("upstream_ejections_total"))
	var err error
	for what, n := range map[string]int64{"failed": c.failed.Load(), "were cut": c.cut.Load(), "were wrong": c.wrong.Load()} {
		if n > 0 {
			err = errors.Join(err, fmt.Errorf("%d answers %s, the first: %v", n, what, c.first.Load()))
		}
	}
	if retries <= 0 || c.stale.Load() == 0 {
		err = errors.Join(err, fmt.Errorf("%d retries and %d stale answers: nothing was shown", retries, c.stale.Load()))
	}
	return err
}
