package telemetry

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"opencache/internal/wire"
)

const (
	numMethods = int(wire.QUERY) + 1
	numClasses = 6 // 1xx to 5xx, and 0: no answer was given
	numCache   = len(cacheStatuses)
	numProtos  = len(protos)
	numCodes   = 600
	maxShards  = 64
)

// bounds are the upper bounds of the duration histogram's buckets. They begin
// where a hit on a fast machine ends.
var bounds = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
}

// A shard is one processor's share of the counts. All of it is added to
// atomically, by one processor nearly always, so that no cache line travels.
type shard struct {
	_        [128]byte
	requests [numMethods][numClasses][numCache][numProtos]atomic.Uint64
	codes    [numCodes]atomic.Uint64
	duration [numCache]histogram
	bytes    [3]atomic.Uint64 // by source
	download [len(rates) + 1]atomic.Uint64
	rates    atomic.Uint64 // of them, added up
	sites    []siteCells   // by seat
	_        [128]byte
}

// rates are the upper bounds of the histogram of throughput, in bits a second.
var rates = [...]float64{1e5, 2.5e5, 5e5, 1e6, 2.5e6, 5e6, 1e7, 2.5e7, 5e7, 1e8, 2.5e8, 5e8, 1e9, 2.5e9, 1e10}

type histogram struct {
	buckets [len(bounds) + 1]atomic.Uint64
	nanos   atomic.Uint64
}

// Where the content of an answer came from.
const (
	sourceCache  = iota // it was here, or another request's fetch brought it
	sourceOrigin        // fetched for this request
	sourceSelf          // made by this process: errors, administration
)

var sources = [...]string{"cache", "origin", "self"}

// Metrics count requests and show the counts to Prometheus, together with
// what a Source tells. Make them with NewMetrics. All methods may be called at
// any time from any goroutine.
type Metrics struct {
	shards   []*shard
	own      sync.Pool // of *shard: keeps one at hand per processor
	turn     atomic.Uint32
	upstream upstreamCounts
	sites    seating
	top      *top
	source   Source
	desc     descs
	registry *prometheus.Registry
}

// NewMetrics returns Metrics that read their gauges from s. The functions of s
// are called for each exposition, never before the first.
func NewMetrics(s Source) *Metrics {
	n := min(runtime.GOMAXPROCS(0), maxShards)
	m := &Metrics{shards: make([]*shard, n), source: s, desc: newDescs(), top: newTop(), sites: newSeating(s.Sites)}
	m.upstream.head.Bounds = bounds[:]
	m.desc.parts = partDescs(s.Parts)
	for i := range m.shards {
		m.shards[i] = &shard{sites: make([]siteCells, s.Sites+1)}
	}
	m.own.New = func() any { return m.shards[int(m.turn.Add(1))%n] }
	m.registry = newRegistry(m)
	return m
}

// Observe counts r. It does not allocate; nothing of r is kept.
func (m *Metrics) Observe(r *Record) {
	cell := cacheCell(r.CacheStatus)
	source := sourceSelf
	switch {
	case fromCache(cell, r.Collapsed):
		source = sourceCache
	case r.UpstreamStatus == 0 && r.Status >= 500: // an error of ours, whatever was asked
	case cell != cellNone || r.UpstreamStatus != 0:
		source = sourceOrigin
	}
	class := r.Status / 100
	if class < 0 || class >= numClasses {
		class = 0
	}
	method := int(r.Method)
	if method >= numMethods {
		method = int(wire.OtherMethod)
	}

	s := m.own.Get().(*shard)
	s.requests[method][class][cell][r.Proto&3].Add(1)
	if r.Status >= 0 && r.Status < numCodes {
		s.codes[r.Status].Add(1)
	}
	s.duration[cell].observe(r.Duration)
	if r.Bytes > 0 {
		s.bytes[source].Add(uint64(r.Bytes))
		s.observeRate(r.Throughput())
	}
	if r.Count != nil {
		s.observe(r, class, cell, source)
	}
	m.own.Put(s)
	if cell != cellNone {
		m.top.note(r, source == sourceCache)
	}
}

// Top returns the first n keys of a ranking. A key that is not followed can
// have had floor at most lately, in the ranking's unit; every says that one
// request in so many is counted now. Up to 512 keys are followed.
func (m *Metrics) Top(by TopBy, n int) (keys []TopKey, floor uint64, every int) {
	every = int(m.top.every.Load())
	keys, floor = m.top.list(by, n)
	return keys, floor, every
}

// TopOf returns what is known of a key; false when it is not among those that
// are followed.
func (m *Metrics) TopOf(key []byte) (TopKey, bool) { return m.top.find(key) }

// observeRate counts an answer by its throughput; 0: it is not known.
func (s *shard) observeRate(rate float64) {
	if rate <= 0 {
		return
	}
	i := 0
	for i < len(rates) && rate > rates[i] {
		i++
	}
	s.download[i].Add(1)
	s.rates.Add(uint64(rate))
}

func (h *histogram) observe(d time.Duration) {
	d = max(d, 0) // the wall clock was set back
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.nanos.Add(uint64(d))
}
