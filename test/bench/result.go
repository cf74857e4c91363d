package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
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
	Noise   float64            `json:"noise"`             // half the spread of CPU, as a part of its median
	Ratio   map[string]float64 `json:"ratio,omitempty"`   // CPU, or memory, divided by that of the server named
	Samples []sample           `json:"samples,omitempty"` // none: the server cannot do this
}

// sum fills in the medians, if there are samples.
func (r *row) sum() {
	if len(r.Samples) == 0 {
		return
	}
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
		Peak:     int64(of(func(s sample) float64 { return float64(s.Peak) })),
		Hits:     of(func(s sample) float64 { return s.Hits }),
		Held:     int64(of(func(s sample) float64 { return float64(s.Held) })),
		Told:     int(of(func(s sample) float64 { return float64(s.Told) })),
		Quiet:    of(func(s sample) float64 { return s.Quiet }),
		Disk:     of(func(s sample) float64 { return s.Disk }),
		Bytes:    of(func(s sample) float64 { return s.Bytes }),
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
	cost := func(r row) float64 { return max(r.CPU, r.Bytes) } // a row has one of them
	for i := range rows {
		rows[i].Ratio = map[string]float64{}
		for _, other := range rows {
			if other.Server != rows[i].Server && cost(other) > 0 && cost(rows[i]) > 0 {
				rows[i].Ratio[other.Server] = cost(rows[i]) / cost(other)
			}
		}
	}
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
	Pinned   bool              `json:"pinned"` // servers on one core, load on another
	Rows     []row             `json:"rows"`
}

func newResult(o options, servers []kind) *result {
	r := &result{
		Date: time.Now().UTC().Format(time.RFC3339), Commit: o.commit, Machine: machine(), Kernel: kernel(),
		Versions: map[string]string{"go": runtime.Version()}, Rounds: o.rounds, Duration: o.duration.String(), Pinned: o.pinned,
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		r.Load = strings.TrimSpace(string(text))
	}
	if busy(r.Load) {
		fmt.Printf("others use this machine (load %s): even ratios may be off\n", r.Load)
	}
	for _, s := range servers {
		r.Versions[s.name] = firstLine(s.version)
	}
	return r
}

// busy reports whether others use the machine, by the text of /proc/loadavg.
func busy(load string) bool {
	minute, _, _ := strings.Cut(load, " ")
	v, err := strconv.ParseFloat(minute, 64)
	return err == nil && v > 1
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
