package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"opencache/test/bench/child"
	"opencache/test/bench/crowd"
)

// sample is one measurement. Times are in microseconds but where their names
// say ms.
type sample struct {
	Requests int     `json:"requests"`
	CPU      float64 `json:"cpu_us,omitempty"` // of the server's processes, per request
	Rate     float64 `json:"rps,omitempty"`
	P50      float64 `json:"p50_us,omitempty"`
	P99      float64 `json:"p99_us,omitempty"`
	Fetches  int     `json:"fetches"`           // requests that the origin got
	Peak     int64   `json:"peak_bytes"`        // most memory resident, of all processes
	Late     float64 `json:"late_us,omitempty"` // open: p99 of how late requests were sent

	Hits  float64 `json:"hit_percent,omitempty"`  // of skewed requests
	Held  int64   `json:"held_bytes,omitempty"`   // skewed: of memory and files, meanwhile, for what is stored; else all, behind the work
	Told  int     `json:"told_mib,omitempty"`     // skewed: memory to store in by the server's settings
	Quiet float64 `json:"quiet_p99_us,omitempty"` // cold: p99 when nothing is read from disk
	Disk  float64 `json:"disk_p99_us,omitempty"`  // cold: p99 of what is read from disk

	Bytes   float64 `json:"bytes,omitempty"`    // memory per object or connection
	AllMS   float64 `json:"all_ms,omitempty"`   // stampede: until the last client was done
	FirstMS float64 `json:"first_ms,omitempty"` // stampede: worst first byte of content

	// work is the requests that the processor time was spent on, where it is
	// not Requests: some were begun or not counted.
	work float64
}

// wrkReport is what report.lua prints.
type wrkReport struct {
	Requests int     `json:"requests"`
	Duration float64 `json:"duration"` // µs
	Bytes    int64   `json:"bytes"`
	Errors   int     `json:"errors"`
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
}

// fewest is the number of requests on a connection, on average, below which a
// measurement says nothing.
const fewest = 10

// closedLoop lets wrk ask again and again. The prefix is that of the paths of
// a workload with each.
func (b *bench) closedLoop(ctx context.Context, s *server, w workload, prefix string) (sample, error) {
	got, err := b.wrk(ctx, s, w, "BENCH_EACH="+prefix)
	if err != nil {
		return sample{}, err
	}
	if got.Requests < fewest*w.conns && w.size < 1<<20 {
		return sample{}, fmt.Errorf("%w: %d requests on %d connections: what opens them would be measured", errSpoiled, got.Requests, w.conns)
	}
	v := sample{Requests: got.Requests, Rate: float64(got.Requests) / got.Duration * 1e6, P50: got.P50, P99: got.P99}
	if w.size >= 1<<20 {
		// Few large answers end in the time there is, and as many are under way.
		v.work = float64(got.Bytes) / float64(w.size)
		v.Rate = v.work / got.Duration * 1e6
	}
	return v, nil
}

// wrk counts whole seconds only, but ends and reports on an interrupt. The
// variable says which URLs a workload with each asks for: see report.lua.
func (b *bench) wrk(ctx context.Context, s *server, w workload, variable string) (wrkReport, error) {
	ctx, cancel := context.WithTimeout(ctx, b.duration+startTime)
	defer cancel()
	args := []string{"wrk", "-t1", "-c" + strconv.Itoa(w.conns), "-d600s", "--timeout", "10s",
		"-s", filepath.Join(b.conf, "report.lua")}
	for name, values := range w.header {
		args = append(args, "-H", name+": "+values[0])
	}
	cmd := b.command(ctx, append(args, s.url(w.path)))
	if w.each {
		cmd.Env = append(os.Environ(), variable)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return wrkReport{}, fmt.Errorf("wrk: %w", err)
	}
	timer := time.AfterFunc(b.duration+wrkStart, func() {
		_ = cmd.Process.Signal(os.Interrupt) // gone already: Wait tells
	})
	defer timer.Stop()
	if err := cmd.Wait(); err != nil {
		return wrkReport{}, fmt.Errorf("wrk: %w: %s", err, out.Bytes())
	}
	return parseWrk(out.Bytes())
}

// wrkStart is what wrk takes before it listens to an interrupt.
const wrkStart = 50 * time.Millisecond

// command runs on the load's core.
func (b *bench) command(ctx context.Context, args []string) *exec.Cmd {
	if b.pinned {
		args = append([]string{"taskset", "-c", strconv.Itoa(loadCore)}, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGKILL) }
	return cmd
}

// errSpoiled is a measurement that says nothing, which happens where others
// use the machine. It is worth another try.
var errSpoiled = errors.New("spoiled")

// parseWrk takes the report from the last line of what wrk printed.
func parseWrk(out []byte) (wrkReport, error) {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	var got wrkReport
	switch err := json.Unmarshal(lines[len(lines)-1], &got); {
	case err != nil:
		return wrkReport{}, fmt.Errorf("wrk's report: %w: %s", err, out)
	case got.Errors == 0 && got.Requests == 0:
		return wrkReport{}, fmt.Errorf("wrk: no answer, and no error: %w: %s", errSpoiled, out)
	case got.Errors > 0 || got.Duration <= 0:
		return wrkReport{}, fmt.Errorf("wrk: %d errors in %d requests: %s", got.Errors, got.Requests, out)
	}
	return got, nil
}

// steadyReport is what bench-steady prints. Times are in microseconds from the
// moment a request was due.
type steadyReport struct {
	Requests int     `json:"requests"`
	Errors   int     `json:"errors"`
	Rate     float64 `json:"rate"`
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
	Late     float64 `json:"late"`
	Other    struct {
		Requests int     `json:"requests"`
		Errors   int     `json:"errors"`
		P99      float64 `json:"p99"`
	} `json:"other"`
}

// warmup is the longest time that an open loop runs before it counts.
const warmup = 300 * time.Millisecond

// openLoop has each request sent at its time, whether or not the one before is
// answered.
func (b *bench) openLoop(ctx context.Context, s *server, w workload) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, b.duration+startTime)
	defer cancel()
	got, err := b.offer(ctx, s, w, []string{"-rate", strconv.FormatFloat(w.share*b.baseRate, 'f', 0, 64), "-conns", strconv.Itoa(w.conns)})
	return sample{Requests: got.Requests, Rate: got.Rate, P50: got.P50, P99: got.P99, Late: got.Late,
		work: float64(got.Requests) * float64(b.duration+b.before()) / float64(b.duration)}, err
}

func parseSteady(out []byte) (steadyReport, error) {
	var got steadyReport
	switch err := json.Unmarshal(out, &got); {
	case err != nil:
		return steadyReport{}, fmt.Errorf("open loop's report: %w: %s", err, out)
	case got.Errors+got.Other.Errors > 0 || got.Requests == 0:
		return steadyReport{}, fmt.Errorf("open loop: %w: %d errors in %d requests: %s",
			errSpoiled, got.Errors+got.Other.Errors, got.Requests+got.Other.Requests, out)
	}
	return got, nil
}

// stampede lets a crowd ask for an object that nobody has asked for before.
func (b *bench) stampede(ctx context.Context, s *server, round int) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	path := fmt.Sprintf("/slow/%s-%d", s.name, round)
	seen, err := crowd.Crowd{Addr: child.Addr(s.site.Port), Size: b.clients}.Rush(ctx, path)
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
