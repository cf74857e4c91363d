package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A show is an edge whose documents change, and who asks it.
type show struct {
	random  *rand.Rand
	clients int

	edge     *edge
	origins  [2]*httptest.Server
	versions []atomic.Int64 // of sites: at least so new is what answers
	at       []int          // the origin of each

	requests, failed atomic.Int64
	mu               sync.Mutex // guards the field below
	why              []string   // the first failures
}

const (
	warm    = 20          // reloads before the first count
	soon    = time.Second // a change is in effect
	leakMiB = 8           // what the live heap may differ by
	strays  = 6           // goroutines and descriptors that come and go
)

// run starts the edge and changes its documents.
func (s *show) run(ctx context.Context, bin, dir string, sites, reloads int) error {
	for i := range s.origins {
		s.origins[i] = httptest.NewServer(http.HandlerFunc(originate))
		defer s.origins[i].Close()
	}
	s.versions, s.at = make([]atomic.Int64, sites), make([]int, sites)
	conf := filepath.Join(dir, "conf")
	if err := os.Mkdir(conf, 0o700); err != nil {
		return err
	}
	admin, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	_ = admin.Close()
	documents := &edge{dir: conf, admin: admin.Addr().String()}
	if err := documents.node("{}"); err != nil {
		return err
	}
	for i := range s.versions {
		if err := put(conf, siteKey+name(i), s.document(i, 0)); err != nil {
			return err
		}
	}
	if s.edge, err = startEdge(ctx, bin, conf); err != nil {
		return err
	}
	defer s.edge.Stop()
	s.edge.admin = documents.admin

	if _, err := s.reload(ctx, 1, warm); err != nil {
		return err
	}
	before, err := s.quiet(ctx)
	if err != nil {
		return err
	}
	slowest, err := s.reload(ctx, warm+1, reloads)
	if err != nil {
		return err
	}
	after, err := s.quiet(ctx)
	if err != nil {
		return err
	}
	return s.verdict(reloads, slowest, before, after)
}

// verdict prints the figures and says what was missed.
func (s *show) verdict(reloads int, slowest time.Duration, before, after holding) error {
	fmt.Printf("%d reloads under load, the slowest in effect after %d ms\n", reloads, slowest.Milliseconds())
	fmt.Printf("%d requests of %d clients, %d failed\n", s.requests.Load(), s.clients, s.failed.Load())
	fmt.Printf("held after %d reloads and after all, nobody asking: goroutines %d, %d; descriptors %d, %d; connections of clients %d, %d, to origins %d, %d; live heap %.1f, %.1f MiB\n",
		warm, before.goroutines, after.goroutines, before.files, after.files, before.clients, after.clients, before.upstreams, after.upstreams,
		float64(before.heap)/(1<<20), float64(after.heap)/(1<<20))
	var err error
	missed := func(when bool, format string, a ...any) {
		if when {
			err = errors.Join(err, fmt.Errorf(format, a...))
		}
	}
	missed(s.failed.Load() > 0, "requests failed: %q", s.why)
	missed(s.requests.Load() < 1000, "too few requests to show anything: %d", s.requests.Load())
	missed(slowest > soon, "a change took %s, longer than %s", slowest, soon)
	missed(after.goroutines > before.goroutines+strays, "goroutines leak")
	missed(after.files > before.files+strays, "descriptors leak")
	missed(after.clients > before.clients, "connections of clients leak")
	missed(after.upstreams > int64(2*s.clients)+strays, "connections to origins leak")
	missed(after.heap > before.heap+leakMiB<<20, "memory leaks")
	return err
}

// reload changes documents n times while clients ask, and returns how long
// the slowest change took to be in effect.
func (s *show) reload(ctx context.Context, from, n int) (slowest time.Duration, err error) {
	asking, stop := context.WithCancel(ctx)
	var done sync.WaitGroup
	transport := &http.Transport{MaxIdleConnsPerHost: s.clients}
	for i := range s.clients {
		r := rand.New(rand.NewPCG(s.random.Uint64(), uint64(i)))
		done.Go(func() {
			for asking.Err() == nil {
				s.ask(&http.Client{Transport: transport, Timeout: 20 * time.Second}, r)
			}
		})
	}
	defer func() {
		stop()
		done.Wait()
		transport.CloseIdleConnections()
	}()
	for v := from; v < from+n; v++ {
		took, err := s.change(ctx, v)
		if err != nil {
			return 0, fmt.Errorf("change %d: %w", v, err)
		}
		slowest = max(slowest, took)
	}
	return slowest, nil
}

// change makes one change, beside what it has in store for others, and waits
// until clients see it.
func (s *show) change(ctx context.Context, v int) (time.Duration, error) {
	i, other := s.random.IntN(len(s.versions)), fmt.Sprintf("visitor-%d", v/10)
	var err error
	switch v % 5 {
	case 1: // one that is wrong beside it
		err = put(s.edge.dir, siteKey+"wrong", fmt.Sprintf(`{"id": "wrong", "hostnames": [%d]}`, v))
	case 2: // another origin
		s.at[i] = 1 - s.at[i]
	case 3: // a site that comes, or goes
		text := ""
		if v%10 == 3 {
			text = fmt.Sprintf(`{"id": %q, "hostnames": [%q], "upstreams": [{"name": "o", "servers": [{"url": %q}]}]}`, other, other+".example", s.origins[0].URL)
		}
		if err = put(s.edge.dir, siteKey+other, text); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	case 4: // the policy, which concerns all sites
		err = s.edge.node(fmt.Sprintf(`{"rules": [{"id": "css", "match": {"uriPattern": "^/static/"}, "zone": "default", "ttl": "%dm"}]}`, v))
	}
	if err == nil {
		err = put(s.edge.dir, siteKey+name(i), s.document(i, int64(v)))
	}
	if err != nil {
		return 0, err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	took, err := until(ctx, 10*soon, func() (bool, error) {
		got, _, err := fetch(&http.Client{Transport: transport, Timeout: 20 * time.Second}, s.edge.listen, name(i), "/seen")
		return got >= int64(v), err
	})
	s.versions[i].Store(int64(v))
	return took, err
}

// name is a site's, and its host's first label.
func name(i int) string { return "site-" + strconv.Itoa(i) }

// document is a site's, whose answers tell their version.
func (s *show) document(i int, version int64) string {
	return fmt.Sprintf(`{ // version %[2]d
  "id": "%[1]s", "hostnames": ["%[1]s.example"],
  "upstreams": [{"name": "o", "servers": [{"url": %[3]q}]}],
  "headers": [{"name": "X-Version", "value": "%[2]d"}],
  "cache": {"zones": [{"name": "default", "maxSize": "8M"}], "rules": [{"id": "r", "cache": {"validResponses": {"200": "1m"}}}]},
}`, name(i), version, s.origins[s.at[i]].URL)
}

// originate answers with what it was asked for.
func originate(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/private" {
		w.Header().Set("Cache-Control", "no-store")
	}
	_, _ = io.WriteString(w, r.Host+r.URL.Path)
}

// ask asks for something of some site; the answer must be that site's, and not
// older than what was in effect when it was asked.
func (s *show) ask(client *http.Client, r *rand.Rand) {
	i := r.IntN(len(s.versions))
	path := []string{"/private", "/static/a.css", "/page-" + strconv.Itoa(r.IntN(50))}[r.IntN(3)]
	least := s.versions[i].Load()
	version, body, err := fetch(client, s.edge.listen, name(i), path)
	s.requests.Add(1)
	switch {
	case err == nil && body != name(i)+".example"+path:
		err = fmt.Errorf("got %q", body)
	case err == nil && version < least:
		err = fmt.Errorf("got version %d, %d is in effect", version, least)
	}
	if err != nil {
		s.failed.Add(1)
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.why) < 5 {
			s.why = append(s.why, fmt.Sprintf("%s%s: %v", name(i), path, err))
		}
	}
}

// fetch gets a path of a site.
func fetch(client *http.Client, addr, site, path string) (version int64, body string, err error) {
	request, err := http.NewRequest(http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		return 0, "", err
	}
	request.Host = site + ".example"
	r, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", r.StatusCode, text)
	}
	if err != nil {
		return 0, "", err
	}
	version, err = strconv.ParseInt(r.Header.Get("X-Version"), 10, 64)
	return version, string(text), err
}

// quiet waits until no client is connected, and counts.
func (s *show) quiet(ctx context.Context) (h holding, err error) {
	_, err = until(ctx, 20*time.Second, func() (bool, error) {
		h, err = s.edge.held()
		return err == nil && h.clients == 0, err
	})
	return h, err
}
