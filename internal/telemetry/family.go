package telemetry

import "github.com/prometheus/client_golang/prometheus"

// A Family is a metric of a part that has too many for a field of Source each.
type Family struct {
	Name    string // without opencache_
	Help    string
	Counter bool // else a gauge
	Labels  []string
}

// Emit takes a sample of the n-th family of Source.Families, with a value for
// each of its labels.
type Emit func(n int, value float64, labels ...string)

// familyDescs are the descriptions of families.
func familyDescs(families []Family) (list []*prometheus.Desc) {
	for _, f := range families {
		list = append(list, prometheus.NewDesc("opencache_"+f.Name, f.Help, f.Labels, nil))
	}
	return list
}

// collectFamilies shows what Source.Samples emits.
func (c collector) collectFamilies(to sink) {
	if c.source.Samples == nil {
		return
	}
	c.source.Samples(func(n int, value float64, labels ...string) {
		kind := prometheus.GaugeValue
		if c.source.Families[n].Counter {
			kind = prometheus.CounterValue
		}
		to.out <- prometheus.MustNewConstMetric(c.desc.families[n], kind, value, labels...)
	})
}
