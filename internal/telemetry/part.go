package telemetry

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A Part is something that has metrics of its own: the store, the documents,
// the pools. It is how others than this package show theirs.
type Part struct {
	Families []Family
	// Samples emits the samples of all Families but the histograms, and is
	// called once for each exposition, from any goroutine. nil: there are none.
	Samples func(Emit)
}

// A Family is a metric of a Part. Its Labels take few values: never a path, a
// key or a client.
type Family struct {
	Name    string // without opencache_
	Help    string
	Counter bool // else a gauge
	Labels  []string
	// Histogram is shown by itself, without Labels; nil: Samples emits.
	Histogram *Histogram
}

// Emit takes a sample of the n-th of a Part's Families, with a value for each
// of its labels.
type Emit func(n int, value float64, labels ...string)

// A Histogram counts times by how long they were. The zero value has no
// bounds; set them before the first Observe. It does not allocate, and is for
// what happens less often than a hit: all processors count in one place.
type Histogram struct {
	Bounds []time.Duration // upper ones, ascending, at most histogramBounds

	buckets [histogramBounds + 1]atomic.Uint64
	nanos   atomic.Uint64
}

const histogramBounds = 24

// Observe counts a time.
func (h *Histogram) Observe(d time.Duration) {
	d = max(d, 0) // the wall clock was set back
	i := 0
	for i < len(h.Bounds) && i < histogramBounds && d > h.Bounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.nanos.Add(uint64(d))
}

// metric is the histogram as Prometheus takes it.
func (h *Histogram) metric(d *prometheus.Desc) prometheus.Metric {
	var count uint64
	buckets := make(map[float64]uint64, len(h.Bounds))
	for i, bound := range h.Bounds {
		count += h.buckets[i].Load()
		buckets[bound.Seconds()] = count
	}
	count += h.buckets[len(h.Bounds)].Load()
	return prometheus.MustNewConstHistogram(d, count, float64(h.nanos.Load())/1e9, buckets)
}

// partDescs are the descriptions of the families of parts.
func partDescs(parts []Part) (list [][]*prometheus.Desc) {
	for _, p := range parts {
		var descs []*prometheus.Desc
		for _, f := range p.Families {
			descs = append(descs, prometheus.NewDesc("opencache_"+f.Name, f.Help, f.Labels, nil))
		}
		list = append(list, descs)
	}
	return list
}

// collectParts shows what parts emit, and their histograms.
func (c collector) collectParts(to sink) {
	for i := range c.source.Parts {
		p, descs := &c.source.Parts[i], c.desc.parts[i]
		for n := range p.Families {
			if h := p.Families[n].Histogram; h != nil {
				to.out <- h.metric(descs[n])
			}
		}
		if p.Samples == nil {
			continue
		}
		p.Samples(func(n int, value float64, labels ...string) {
			kind := prometheus.GaugeValue
			if p.Families[n].Counter {
				kind = prometheus.CounterValue
			}
			to.out <- prometheus.MustNewConstMetric(descs[n], kind, value, labels...)
		})
	}
}
