package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"opencache/internal/plot"
)

// plot writes the result's pictures into the folder: cost.svg, and load.svg
// when open loops were measured.
func (r *result) plot(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("plots: %w", err)
	}
	if groups := r.costs(); len(groups) > 0 {
		err := draw(filepath.Join(dir, "cost.svg"), func(w io.Writer) error {
			return plot.Bars(w, "Processor time per request, as a part of nginx's", "", groups)
		})
		if err != nil {
			return err
		}
	}
	lines := r.lines()
	if len(lines) == 0 {
		return nil
	}
	return draw(filepath.Join(dir, "load.svg"), func(w io.Writer) error {
		return plot.Lines(w, "p99 by load (open loop)", "requests per second", "µs", lines)
	})
}

func draw(path string, picture func(io.Writer) error) error {
	var b bytes.Buffer
	if err := picture(&b); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// costs are each server's processor time of each workload that the referee
// did, relative to its. Those that a server cannot do have no bar.
func (r *result) costs() []plot.Group {
	var groups []plot.Group
	for _, load := range r.loads() {
		base := r.row(load, referee).CPU
		if base == 0 {
			continue
		}
		g := plot.Group{Label: load}
		for _, s := range r.servers() {
			if cost := r.row(load, s).CPU; cost > 0 {
				g.Bars = append(g.Bars, plot.Bar{Name: s, Value: cost / base})
			}
		}
		groups = append(groups, g)
	}
	return groups
}

// lines are each server's p99 over the rate of the open loops.
func (r *result) lines() []plot.Line {
	var lines []plot.Line
	for _, s := range r.servers() {
		l := plot.Line{Name: s}
		for _, load := range r.loads() {
			if v := r.row(load, s); strings.HasPrefix(load, "open-") && v.P99 > 0 {
				l.Points = append(l.Points, [2]float64{v.Rate, v.P99})
			}
		}
		if len(l.Points) > 0 {
			lines = append(lines, l)
		}
	}
	return lines
}
