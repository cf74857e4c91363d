package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// row is what one server did under one workload. The sample in it holds the
// medians, each taken by itself.
type row struct {
	Workload string `json:"workload"`
	Server   string `json:"server"`
	sample
	Noise   float64            `json:"noise"`           // half the spread of CPU, as a part of its median
	Ratio   map[string]float64 `json:"ratio,omitempty"` // CPU divided by that of the server named
	Samples []sample           `json:"samples"`
}

// sum fills in the medians.
func (r *row) sum() {
	of := func(f func(sample) float64) float64 {
		var v []float64
		for _, s := range r.Samples {
			v = append(v, f(s))
		}
		slices.Sort(v)
		return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
	}
	r.sample = sample{
		Requests: int(of(func(s sample) float64 { return float64(s.Requests) })),
		CPU:      of(func(s sample) float64 { return s.CPU }),
		Rate:     of(func(s sample) float64 { return s.Rate }),
		P50:      of(func(s sample) float64 { return s.P50 }),
		P99:      of(func(s sample) float64 { return s.P99 }),
		Fetches:  int(of(func(s sample) float64 { return float64(s.Fetches) })),
		AllMS:    of(func(s sample) float64 { return s.AllMS }),
		FirstMS:  of(func(s sample) float64 { return s.FirstMS }),
	}
	low, high := r.Samples[0].CPU, r.Samples[0].CPU
	for _, s := range r.Samples {
		low, high = min(low, s.CPU), max(high, s.CPU)
	}
	r.Noise = (high - low) / 2 / max(r.CPU, 1e-9)
}

// relate fills in each row's ratios to the others of its workload.
func relate(rows []row) {
	for i := range rows {
		rows[i].Ratio = map[string]float64{}
		for _, other := range rows {
			if other.Server != rows[i].Server && other.CPU > 0 {
				rows[i].Ratio[other.Server] = rows[i].CPU / other.CPU
			}
		}
	}
}

func printRows(w io.Writer, load workload, rows []row) {
	if load.path == "" {
		_, _ = fmt.Fprintf(w, "%-10s %-10s %9s %7s %8s %8s %12s\n", load.name, "server", "CPU µs", "noise", "fetches", "all ms", "worst 1st ms")
	} else {
		_, _ = fmt.Fprintf(w, "%-10s %-10s %9s %7s %8s %8s %8s  %s\n", load.name, "server", "CPU µs", "noise", "req/s", "p50 µs", "p99 µs", "CPU against")
	}
	for _, r := range rows {
		_, _ = fmt.Fprintf(w, "%-10s %-10s %9.1f %6.0f%% ", "", r.Server, r.CPU, 100*r.Noise)
		if load.path == "" {
			_, _ = fmt.Fprintf(w, "%8d %8.0f %12.0f\n", r.Fetches, r.AllMS, r.FirstMS)
			continue
		}
		_, _ = fmt.Fprintf(w, "%8.0f %8.0f %8.0f  %s\n", r.Rate, r.P50, r.P99, ratios(r))
	}
}

func ratios(r row) string {
	var list []string
	for name, v := range r.Ratio {
		list = append(list, fmt.Sprintf("%s %.2f", name, v))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// result is a run as it is kept.
type result struct {
	Date     string            `json:"date"`
	Commit   string            `json:"commit"`
	Machine  string            `json:"machine"`
	Kernel   string            `json:"kernel"`
	Load     string            `json:"load"` // of the machine when the run began: /proc/loadavg
	Versions map[string]string `json:"versions"`
	Rounds   int               `json:"rounds"`
	Duration string            `json:"duration"`
	Rows     []row             `json:"rows"`
}

func newResult(o options, servers []*server) *result {
	r := &result{
		Date: time.Now().UTC().Format(time.RFC3339), Commit: o.commit, Machine: machine(), Kernel: kernel(),
		Versions: map[string]string{"go": runtime.Version()}, Rounds: o.rounds, Duration: o.duration.String(),
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		r.Load = strings.TrimSpace(string(text))
	}
	for _, s := range servers {
		r.Versions[s.name] = s.version
	}
	return r
}

// machine counts processors itself: this process is pinned to one of them.
func machine() string {
	n, model := 0, runtime.GOARCH
	text, _ := os.ReadFile("/proc/cpuinfo") // not everywhere: the architecture must do then
	for line := range strings.Lines(string(text)) {
		name, v, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(name) {
		case "processor":
			n++
		case "model name":
			model = strings.TrimSpace(v)
		}
	}
	return fmt.Sprintf("%d × %s", n, model)
}

func kernel() string {
	var u syscall.Utsname
	if syscall.Uname(&u) != nil {
		return runtime.GOOS
	}
	var b []byte
	for _, c := range u.Release {
		if c == 0 {
			break
		}
		b = append(b, byte(c))
	}
	return "Linux " + string(b)
}

// save writes the result under its date, and as latest.json.
func (r *result) save(dir string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("result: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("result: %w", err)
	}
	for _, name := range []string{strings.ReplaceAll(r.Date, ":", "") + ".json", "latest.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), append(text, '\n'), 0o644); err != nil {
			return fmt.Errorf("result: %w", err)
		}
	}
	return nil
}

// limits are what the project promises: opencache's CPU per request divided
// by another server's of the same run.
var limits = []struct {
	workload, against string
	most              float64
}{
	{"hit-1k", "nginx", 0.8},
}

var errMissed = errors.New("a limit was missed")

// assert compares the result with the limits of the workloads that ran.
func (r *result) assert(w io.Writer) error {
	var err error
	tried := 0
	for _, l := range limits {
		for _, row := range r.Rows {
			got, ok := row.Ratio[l.against]
			if row.Workload != l.workload || row.Server != "opencache" || !ok {
				continue
			}
			tried++
			word := "kept"
			if got > l.most {
				word, err = "MISSED", errMissed
			}
			_, _ = fmt.Fprintf(w, "limit %s: %s, CPU %.2f of %s's, at most %.2f\n", word, l.workload, got, l.against, l.most)
		}
	}
	if tried == 0 {
		return errors.New("no limit could be tried: opencache and the server it is compared with must both run")
	}
	return err
}
