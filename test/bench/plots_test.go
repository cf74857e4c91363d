package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPlot(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plots")
	r := &result{}
	for _, load := range []string{"hit-1k", "open-10", "open-30"} {
		for i, server := range []string{"opencache", "nginx", "varnish"} {
			v := sample{CPU: float64(5 + i), P99: float64(100 * (i + 1)), Rate: 1000}
			r.Rows = append(r.Rows, row{Workload: load, Server: server, sample: v, Samples: []sample{v}})
		}
	}
	r.Rows = append(r.Rows, row{Workload: "tls-1k", Server: "nginx"})
	if got := r.costs(); len(got) != 3 || len(got[0].Bars) != 3 || got[0].Bars[2].Value != 7.0/6 {
		t.Errorf("costs: got %v, want three groups of three, Varnish at 7/6", got)
	}
	if got := r.lines(); len(got) != 3 || len(got[1].Points) != 2 || got[1].Points[0] != [2]float64{1000, 200} {
		t.Errorf("lines: got %v, want three of two points, nginx at 200", got)
	}
	if err := r.plot(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cost.svg", "load.svg"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.Contains(string(text), "varnish") {
			t.Errorf("%s: got %q, %v, want a picture with Varnish in it", name, text, err)
		}
	}
}
