package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"opencache/test/bench/child"
	"opencache/test/bench/crowd"
)

// sample is one measurement. Times are in microseconds but where their names
// say ms.
type sample struct {
	Requests int     `json:"requests"`
	CPU      float64 `json:"cpu_us"` // of the server's processes, per request
	Rate     float64 `json:"rps"`
	P50      float64 `json:"p50_us"`
	P99      float64 `json:"p99_us"`

	Fetches int     `json:"fetches,omitempty"`  // stampede: requests the origin got
	AllMS   float64 `json:"all_ms,omitempty"`   // stampede: until the last client was done
	FirstMS float64 `json:"first_ms,omitempty"` // stampede: worst first byte of content
}

// check asks the server twice and compares the answers with the origin's own.
// Of a cached workload the origin must see at most one request.
func (b *bench) check(ctx context.Context, s *server, w workload) error {
	want, err := get(ctx, "http://"+child.Addr(b.origin.port)+w.path)
	if err != nil {
		return fmt.Errorf("origin: %w", err)
	}
	before, err := b.origin.count(ctx, w.path)
	if err != nil {
		return err
	}
	var last http.Header
	for range 2 {
		got, err := get(ctx, s.url(w.path))
		switch {
		case err != nil:
			return fmt.Errorf("GET %s: %w", w.path, err)
		case got.status != http.StatusOK || int64(len(got.body)) != w.size || !bytes.Equal(got.body, want.body):
			return fmt.Errorf("GET %s: got %d with %d bytes, want 200 with the origin's %d bytes", w.path, got.status, len(got.body), w.size)
		}
		last = got.header
	}
	after, err := b.origin.count(ctx, w.path)
	if err != nil {
		return err
	}
	fetched, status := after-before, last.Get("X-Cache-Status")
	switch {
	case w.cached && fetched > 1:
		return fmt.Errorf("GET %s twice: got %d fetches from the origin, want at most 1", w.path, fetched)
	case !w.cached && fetched != 2:
		return fmt.Errorf("GET %s twice: got %d fetches from the origin, want 2", w.path, fetched)
	case s.name == "opencache" && w.cached && status != "HIT":
		return fmt.Errorf("GET %s: got X-Cache-Status %q, want HIT", w.path, status)
	case s.name == "opencache" && !w.cached && status != "BYPASS":
		return fmt.Errorf("GET %s: got X-Cache-Status %q, want BYPASS", w.path, status)
	}
	return nil
}

// load lets wrk ask for the path again and again over kept connections.
func (b *bench) load(ctx context.Context, s *server, w workload) (sample, error) {
	before, err := b.origin.count(ctx, w.path)
	if err != nil {
		return sample{}, err
	}
	got, err := b.wrk(ctx, s.url(w.path), w.conns)
	if err != nil {
		return sample{}, err
	}
	after, err := b.origin.count(ctx, w.path)
	switch {
	case err != nil:
		return sample{}, err
	case w.cached && after != before:
		return sample{}, fmt.Errorf("%d requests reached the origin, want 0", after-before)
	case !w.cached && after-before < got.Requests:
		return sample{}, fmt.Errorf("%d of %d requests reached the origin, want all", after-before, got.Requests)
	}
	return sample{Requests: got.Requests, Rate: float64(got.Requests) / got.Duration * 1e6, P50: got.P50, P99: got.P99}, nil
}

// report is what report.lua prints.
type report struct {
	Requests int     `json:"requests"`
	Duration float64 `json:"duration"`
	Errors   int     `json:"errors"`
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
}

func (b *bench) wrk(ctx context.Context, url string, conns int) (report, error) {
	ctx, cancel := context.WithTimeout(ctx, b.duration+startTime)
	defer cancel()
	// wrk counts whole seconds only.
	seconds := strconv.Itoa(int(max(b.duration.Round(time.Second)/time.Second, 1)))
	cmd := exec.CommandContext(ctx, "taskset", "-c", strconv.Itoa(loadCore), "wrk", "-t1", "-c"+strconv.Itoa(conns),
		"-d"+seconds+"s", "-s", filepath.Join(b.conf, "report.lua"), url)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return report{}, fmt.Errorf("wrk: %w: %s", err, out)
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	var got report
	switch err := json.Unmarshal(lines[len(lines)-1], &got); {
	case err != nil:
		return report{}, fmt.Errorf("wrk's report: %w: %s", err, out)
	case got.Errors > 0 || got.Requests == 0:
		return report{}, fmt.Errorf("wrk: %d errors in %d requests: %s", got.Errors, got.Requests, out)
	}
	return got, nil
}

// stampede lets a crowd ask for an object that nobody has asked for before.
func (b *bench) stampede(ctx context.Context, s *server, round int) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	path := fmt.Sprintf("/slow/%s-%d", s.name, round)
	seen, err := crowd.Crowd{Addr: child.Addr(s.port), Size: b.clients}.Rush(ctx, path)
	if err != nil {
		return sample{}, err
	}
	begin, end, worst := seen[0].Start, seen[0].Done, time.Duration(0)
	for i, c := range seen {
		if c.Err != nil || c.Status != http.StatusOK || c.Size != 1<<20 || c.Sum != seen[0].Sum {
			return sample{}, fmt.Errorf("client %d: got %v, sum %x; want 200, 1 MiB, sum %x", i, c, c.Sum, seen[0].Sum)
		}
		worst = max(worst, c.First.Sub(c.Start))
		if c.Start.Before(begin) {
			begin = c.Start
		}
		if c.Done.After(end) {
			end = c.Done
		}
	}
	fetches, err := b.origin.count(ctx, path)
	if err == nil && fetches == 0 {
		err = errors.New("the origin was not asked")
	}
	return sample{Requests: b.clients, Fetches: fetches, AllMS: ms(end.Sub(begin)), FirstMS: ms(worst)}, err
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
