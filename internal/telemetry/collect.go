package telemetry

import (
	"fmt"
	"io"
	"iter"
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"

	"opencache/internal/wire"
)

// A Source tells what is not counted by request. The functions are called for
// each exposition from any goroutine; what is nil is not shown.
type Source struct {
	Version  string // of the program
	Build    string // tells this build from others
	Revision string // of its sources, empty when not known

	Objects   func() int64              // stored responses
	Bytes     iter.Seq2[string, int64]  // bytes stored, by tier (memory, disk)
	Evictions iter.Seq2[string, uint64] // by reason
	Waiters   func() int64              // requests that wait for another one's fetch now

	Connections func() int64  // client connections open now
	Idle        func() int64  // of them, waiting for a request
	Accepted    func() uint64 // client connections taken so far
	Refused     func() uint64 // client connections closed for being too many
	LogDropped  func() uint64 // access log records lost

	UpstreamConns   iter.Seq2[string, int64] // connections to the upstream now, by state: in_use, kept
	UpstreamWaiting func() int64             // exchanges that wait for one of them now
	UpstreamQueued  func() uint64            // exchanges that had to wait for one
	UpstreamRefused func() uint64            // exchanges that got none

	Parts []Part // that have metrics of their own

	Sites int // how many sites have a label of their own

	Limited iter.Seq2[string, uint64] // how often clients reached a limit, by its name, each yielded once
}

// ContentType is the media type of what WriteText writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"

// Handler answers with the metrics in the form that the client asks for.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// WriteText writes the metrics in Prometheus' text format (ContentType).
func (m *Metrics) WriteText(w io.Writer) error {
	families, err := m.registry.Gather()
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(w, family); err != nil {
			return fmt.Errorf("metrics: %w", err)
		}
	}
	return nil
}

// descs are the names, helps and labels of what a collector shows.
type descs struct {
	build, requests, duration, bytes, upstream, upstreamBytes *prometheus.Desc
	objects, cacheBytes, evictions, waiters                   *prometheus.Desc
	connections, idle, accepted, refused, limited, logDropped *prometheus.Desc

	upstreamConns, upstreamWaiting, upstreamQueued, upstreamRefused *prometheus.Desc

	siteRequests, siteBytes, siteSeconds, download, upstreamHead *prometheus.Desc

	parts [][]*prometheus.Desc // of the families of each of Source.Parts
}

func newDescs() descs {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("opencache_"+name, help, labels, nil)
	}
	return descs{
		build:         desc("build_info", "What is running; always 1.", "version", "build", "revision", "goversion"),
		requests:      desc("http_requests_total", "Requests answered.", "method", "code_class", "cache_status", "proto"),
		duration:      desc("http_request_duration_seconds", "From the end of a request's head to the end of its answer.", "cache_status"),
		bytes:         desc("http_response_bytes_total", "Content bytes given to clients, by where they came from.", "source"),
		upstream:      desc("upstream_requests_total", "Requests to the upstream, by what became of them.", "outcome"),
		upstreamBytes: desc("upstream_response_bytes_total", "Content bytes taken from the upstream."),
		objects:       desc("cache_objects", "Stored responses."),
		cacheBytes:    desc("cache_bytes", "Bytes that stored responses take.", "tier"),
		evictions:     desc("cache_evictions_total", "Stored responses that were dropped.", "reason"),
		waiters:       desc("collapse_waiters", "Requests that wait for another request's fetch."),
		connections:   desc("connections", "Client connections open."),
		idle:          desc("connections_idle", "Client connections open that wait for a request."),
		accepted:      desc("connections_accepted_total", "Client connections taken."),
		refused:       desc("connections_refused_total", "Client connections closed because there were too many."),
		limited:       desc("limited_total", "Times that a client reached a limit.", "limit"),

		upstreamConns:   desc("upstream_connections", "Connections to the upstream.", "state"),
		upstreamWaiting: desc("upstream_waiters", "Requests that wait for a connection to the upstream."),
		upstreamQueued:  desc("upstream_queued_total", "Requests that had to wait for a connection to the upstream."),
		upstreamRefused: desc("upstream_refused_total", "Requests that got no connection to the upstream: the queue was full, or the wait too long."),

		siteRequests: desc("site_requests_total", "Requests answered, by site; those without a label of their own together.", "site", "code_class", "cache_status"),
		siteBytes:    desc("site_response_bytes_total", "Content bytes given to clients, by site and by where they came from.", "site", "source"),
		siteSeconds:  desc("site_request_seconds_total", "Time that requests took, by site, added up.", "site"),
		download:     desc("dl_bps", "Bits of content that clients took in a second, by answer."),
		upstreamHead: desc("upstream_ttfb_seconds", "From a request to the upstream to the head of its response."),

		logDropped: desc("access_log_dropped_total", "Access log records lost: the log could not be written, or not fast enough."),
	}
}

func newRegistry(m *Metrics) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{m}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// A collector shows Metrics to a registry; it is a type of its own so that
// Metrics have no method that names Prometheus' types.
type collector struct{ *Metrics }

var _ prometheus.Collector = collector{}

// Describe implements prometheus.Collector.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	d := &c.desc
	for _, one := range []*prometheus.Desc{
		d.build, d.requests, d.duration, d.bytes, d.upstream, d.upstreamBytes, d.objects,
		d.cacheBytes, d.evictions, d.waiters, d.connections, d.idle, d.accepted, d.refused, d.limited, d.logDropped,
		d.upstreamConns, d.upstreamWaiting, d.upstreamQueued, d.upstreamRefused,
	} {
		out <- one
	}
	for _, one := range []*prometheus.Desc{d.siteRequests, d.siteBytes, d.siteSeconds, d.download, d.upstreamHead} {
		out <- one
	}
	for _, part := range d.parts {
		for _, one := range part {
			out <- one
		}
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	to := sink{out}
	to.gauge(c.desc.build, 1, c.source.Version, c.source.Build, c.source.Revision, runtime.Version())
	c.collectRequests(to)
	c.collectDurations(to)
	for i, name := range sources {
		var n uint64
		for _, s := range c.shards {
			n += s.bytes[i].Load()
		}
		to.counter(c.desc.bytes, n, name)
	}
	for i, name := range outcomes {
		to.counter(c.desc.upstream, c.upstream.outcomes[i].Load(), name)
	}
	to.counter(c.desc.upstreamBytes, c.upstream.bytes.Load())
	to.out <- c.upstream.head.metric(c.desc.upstreamHead)
	c.collectDownload(to)
	c.collectSites(to)
	c.collectSource(to)
	c.collectParts(to)
}

// collectRequests leaves out the combinations that never happened.
func (c collector) collectRequests(to sink) {
	for cell := range numMethods * numClasses * numCache * numProtos {
		proto, rest := cell%numProtos, cell/numProtos
		cache, rest := rest%numCache, rest/numCache
		class, method := rest%numClasses, rest/numClasses
		var n uint64
		for _, s := range c.shards {
			n += s.requests[method][class][cache][proto].Load()
		}
		if n != 0 {
			to.counter(c.desc.requests, n, methodLabel(method), classes[class], cacheStatuses[cache], protos[proto])
		}
	}
}

var classes = [numClasses]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

// methodLabel keeps the label's values few: methods are the client's to invent.
func methodLabel(method int) string {
	if name := wire.Method(method).String(); name != "" {
		return name
	}
	return "other"
}

func (c collector) collectDurations(to sink) {
	for cache, label := range cacheStatuses {
		var count, nanos uint64
		buckets := make(map[float64]uint64, len(bounds))
		for i := range len(bounds) + 1 {
			for _, s := range c.shards {
				count += s.duration[cache].buckets[i].Load()
			}
			if i < len(bounds) {
				buckets[bounds[i].Seconds()] = count
			}
		}
		for _, s := range c.shards {
			nanos += s.duration[cache].nanos.Load()
		}
		if count != 0 {
			to.out <- prometheus.MustNewConstHistogram(c.desc.duration, count, float64(nanos)/1e9, buckets, label)
		}
	}
}

func (c collector) collectDownload(to sink) {
	var count, added uint64
	buckets := make(map[float64]uint64, len(rates))
	for i := range len(rates) + 1 {
		for _, s := range c.shards {
			count += s.download[i].Load()
		}
		if i < len(rates) {
			buckets[rates[i]] = count
		}
	}
	for _, s := range c.shards {
		added += s.rates.Load()
	}
	to.out <- prometheus.MustNewConstHistogram(c.desc.download, count, float64(added), buckets)
}

func (c collector) collectSource(to sink) {
	s, d := &c.source, &c.desc
	if s.Bytes != nil {
		for tier, n := range s.Bytes {
			to.gauge(d.cacheBytes, float64(n), tier)
		}
	}
	if s.Evictions != nil {
		for reason, n := range s.Evictions {
			to.counter(d.evictions, n, reason)
		}
	}
	if s.UpstreamConns != nil {
		for state, n := range s.UpstreamConns {
			to.gauge(d.upstreamConns, float64(n), state)
		}
	}
	if s.Limited != nil {
		for limit, n := range s.Limited {
			to.counter(d.limited, n, limit)
		}
	}
	for _, g := range []struct {
		desc *prometheus.Desc
		read func() int64
	}{{d.objects, s.Objects}, {d.waiters, s.Waiters}, {d.connections, s.Connections}, {d.idle, s.Idle}, {d.upstreamWaiting, s.UpstreamWaiting}} {
		if g.read != nil {
			to.gauge(g.desc, float64(g.read()))
		}
	}
	for _, n := range []struct {
		desc *prometheus.Desc
		read func() uint64
	}{
		{d.accepted, s.Accepted}, {d.refused, s.Refused}, {d.logDropped, s.LogDropped},
		{d.upstreamQueued, s.UpstreamQueued}, {d.upstreamRefused, s.UpstreamRefused},
	} {
		if n.read != nil {
			to.counter(n.desc, n.read())
		}
	}
}

// A sink takes samples.
type sink struct{ out chan<- prometheus.Metric }

func (s sink) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (s sink) counter(d *prometheus.Desc, n uint64, labels ...string) {
	s.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

func (s sink) seconds(d *prometheus.Desc, nanos uint64, labels ...string) {
	s.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(nanos)/1e9, labels...)
}
