//go:build !race

package telemetry

import (
	"io"
	"testing"
	"time"
)

// The race detector allocates on its own, so this runs without it.
func TestAllocsPerRecord(t *testing.T) {
	m, r := NewMetrics(Source{}), sample()
	l, err := OpenLog(LogOptions{Out: io.Discard, Flush: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for name, f := range map[string]func(){
		"Metrics.Observe": func() { m.Observe(r) },
		"AccessLog.Write": func() { l.Write(r) },
	} {
		if got := testing.AllocsPerRun(10000, f); got != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, got)
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	m, r := NewMetrics(Source{}), sample()
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			m.Observe(r)
		}
	})
}

func BenchmarkAccessLog(b *testing.B) {
	l, err := OpenLog(LogOptions{Out: io.Discard})
	if err != nil {
		b.Fatal(err)
	}
	r := sample()
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			l.Write(r)
		}
	})
	b.StopTimer()
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(l.Dropped())/float64(b.N), "dropped/op")
}

// BenchmarkAppendJSON is the line of a hit as browsers ask for one.
func BenchmarkAppendJSON(b *testing.B) {
	r := browsed()
	var p pen
	var line []byte
	b.ReportAllocs()
	for b.Loop() {
		line = p.json(line[:0], r)
	}
	b.ReportMetric(float64(len(line)), "bytes")
}
