package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// figure is what a limit is held against.
type figure string

const (
	cpu     figure = "CPU"
	p99     figure = "p99"
	memory  figure = "bytes"
	fetches figure = "origin fetches"
	first   figure = "worst first byte, ms"
	done    figure = "all done, ms"
	misses  figure = "misses"
	harm    figure = "p99, of the quiet one"
)

// limit is what the project promises of a workload: at most so many times the
// other server's figure in the same run, or, where none is named, at most the
// figure itself.
type limit struct {
	workload string
	figure   figure
	whom     string
	most     float64
	beside   string // the workload of whom; empty: the same
}

// objectBytes is an object of mem-object: content, head and key.
const objectBytes = 1024 + 226 + 80

// lastPiece is when the origin sends the last piece of a stampede's object.
const lastPiece = 15 * 30

var limits = []limit{
	// DESIGN's figures of small answers were measured against nginx with one
	// setting for all sizes, those of new connections against nginx without
	// deferred accepts.
	{workload: "hit-1k", figure: cpu, whom: "nginx-plain", most: 0.65},
	{workload: "hit-1k", figure: cpu, whom: "varnish", most: 0.35},
	{workload: "hit-64k", figure: cpu, whom: "nginx", most: 0.65},
	{workload: "range-64k", figure: cpu, whom: "nginx", most: 1.0},
	{workload: "hit-10m", figure: cpu, whom: "nginx", most: 1.2},
	{workload: "hit-10m", figure: cpu, whom: "varnish", most: 0.55},
	{workload: "newconn", figure: cpu, whom: "nginx-plain", most: 1.1},
	{workload: "newconn-defer", figure: cpu, whom: "nginx-plain", most: 0.7, beside: "newconn"},
	{workload: "pass-1k", figure: cpu, whom: "nginx", most: 1.1},
	{workload: "pass-1k", figure: cpu, whom: "ats", most: 1.0},
	{workload: "miss-1k", figure: cpu, whom: "nginx", most: 1.1},
	{workload: "miss-1k", figure: cpu, whom: "ats", most: 1.0},
	{workload: "open-10", figure: cpu, whom: "nginx", most: 1.0},
	{workload: "open-10", figure: p99, whom: "nginx", most: 1.0},
	{workload: "open-30", figure: cpu, whom: "nginx", most: 1.0},
	{workload: "open-30", figure: p99, whom: "nginx", most: 1.0},
	{workload: "open-70", figure: cpu, whom: "nginx", most: 1.0},
	{workload: "open-70", figure: p99, whom: "nginx", most: 1.0},
	{workload: "tls-1k", figure: cpu, whom: "nginx", most: 0.65},
	{workload: "tls-handshake", figure: cpu, whom: "nginx", most: 0.7},
	{workload: "stampede", figure: fetches, most: 1},
	{workload: "stampede", figure: first, most: lastPiece},
	{workload: "stampede", figure: done, whom: "ats", most: 1.0},
	{workload: "disk-1m", figure: cpu, whom: "nginx", most: 1.0},
	{workload: "disk-cold", figure: harm, most: 2},
	// At equal memory: see equalize.
	{workload: "zipf-100k", figure: misses, whom: "nginx", most: 1.0},
	{workload: "zipf-100k", figure: misses, whom: "varnish", most: 1.0},
	{workload: "zipf-100k", figure: misses, whom: "haproxy", most: 1.0},
	{workload: "zipf-100k", figure: misses, whom: "ats", most: 1.0},
	{workload: "mem-object", figure: memory, most: 1.15 * objectBytes},
	{workload: "mem-idle", figure: memory, most: 4 << 10},
	{workload: "mem-idle-tls", figure: memory, most: 20 << 10},
}

// parseLimits reads limits as "WORKLOAD [SERVER] MOST; ..." of processor time,
// or of bytes for memory. No text is the project's own limits.
func parseLimits(text string) ([]limit, error) {
	if strings.TrimSpace(text) == "" {
		return limits, nil
	}
	var list []limit
	for part := range strings.SplitSeq(text, ";") {
		f := strings.Fields(part)
		if len(f) == 0 {
			continue
		}
		if len(f) < 2 || len(f) > 3 {
			return nil, fmt.Errorf(`limit %q: expected "WORKLOAD [SERVER] MOST"`, part)
		}
		loads, err := chosen(f[:1])
		if err != nil {
			return nil, fmt.Errorf("limit %q: %w", part, err)
		}
		l := limit{workload: f[0], figure: cpu}
		if loads[0].memory() {
			l.figure = memory
		}
		if len(f) == 3 {
			l.whom = f[1]
		}
		if l.most, err = strconv.ParseFloat(f[len(f)-1], 64); err != nil || !(l.most > 0) {
			return nil, fmt.Errorf("limit %q: %q is no number above 0", part, f[len(f)-1])
		}
		list = append(list, l)
	}
	return list, nil
}

// of is the row's figure; 0 is none.
func (f figure) of(r row) float64 {
	if len(r.Samples) == 0 {
		return 0
	}
	switch f {
	case p99:
		return r.P99
	case memory:
		return r.Bytes
	case fetches:
		return float64(r.Fetches)
	case first:
		return r.FirstMS
	case done:
		return r.AllMS
	case misses:
		return 100 - r.Hits
	case harm:
		return r.P99 / max(r.Quiet, 1)
	default:
		return r.CPU
	}
}

// verdict is a limit beside what was measured. A got of 0 is: not measured.
type verdict struct {
	limit

	got  float64
	note string
}

func (v verdict) word() string {
	switch {
	case v.got == 0:
		return "not measured"
	case v.got > v.most:
		return "missed"
	default:
		return "kept"
	}
}

// judge compares the result with the limits.
func (r *result) judge(list []limit) []verdict {
	var verdicts []verdict
	for _, l := range list {
		v := verdict{limit: l, got: r.against(l)}
		if l.whom == "nginx-plain" {
			v.note = "held against nginx-plain, because that is what DESIGN's figures were measured against"
			if l.beside != "" {
				v.note += ", and its " + l.beside
			}
			if tuned := r.against(limit{workload: l.workload, figure: l.figure, whom: "nginx"}); tuned > 0 {
				v.note += fmt.Sprintf("; of nginx tuned for this alone: %.2f", tuned)
			}
		}
		verdicts = append(verdicts, v)
	}
	return verdicts
}

// against is opencache's figure, divided by the other server's where one is
// named; 0 when one of them was not measured.
func (r *result) against(l limit) float64 {
	own := l.figure.of(r.row(l.workload, "opencache"))
	if l.whom == "" {
		return own
	}
	if other := l.figure.of(r.row(cmp.Or(l.beside, l.workload), l.whom)); other > 0 {
		return own / other
	}
	return 0
}

// row is what was measured; the zero row when nothing was.
func (r *result) row(workload, server string) row {
	for _, row := range r.Rows {
		if row.Workload == workload && row.Server == server {
			return row
		}
	}
	return row{}
}

var errMissed = errors.New("a limit was missed")

// assert prints the verdicts. One that is missed is errMissed; that none could
// be passed is an error too.
func assert(w io.Writer, verdicts []verdict) error {
	var err error
	tried := 0
	_, _ = fmt.Fprintf(w, "%-14s %-22s %-12s %10s %10s  %s\n", "limit", "figure", "of whom", "at most", "got", "")
	for _, v := range verdicts {
		got, whom := "-", v.whom
		if whom == "" {
			whom = "(itself)"
		}
		if v.got != 0 {
			tried++
			got = decimals(v.got)
		}
		if v.word() == "missed" {
			err = errMissed
		}
		line := fmt.Sprintf("%-14s %-22s %-12s %10s %10s  %s", v.workload, v.figure, whom, decimals(v.most), got, v.word())
		if v.note != "" {
			line += " (" + v.note + ")"
		}
		_, _ = fmt.Fprintln(w, line)
	}
	if tried == 0 {
		return errors.New("no limit could be tried: opencache and the server it is compared with must both run")
	}
	return err
}

// decimals is a number with as many as it needs.
func decimals(v float64) string {
	if v >= 10 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
