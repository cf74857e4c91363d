package telemetry

import "sync/atomic"

// Totals are sums since the start.
type Totals struct {
	Requests uint64 `json:"requests"`
	// Hits are answers whose content was stored here already: HIT, STALE,
	// UPDATING, REVALIDATED. Misses are MISS and EXPIRED. What was handed
	// through (BYPASS) or asked no cache is neither.
	Hits   uint64 `json:"hits"`
	Misses uint64 `json:"misses"`
	// Ratio is Hits of Hits and Misses, between 0 and 1; 0 before the first.
	Ratio float64 `json:"ratio"`
	// Cache counts requests by X-Cache-Status (NONE: no cache was asked),
	// Status by the answer's status code (0: the client was gone before).
	// What never happened is not in them.
	Cache  map[string]uint64 `json:"cache_status"`
	Status map[int]uint64    `json:"status"`
	// Content bytes given to clients, by where they came from; an answer that
	// another request's fetch brought counts as from the cache.
	BytesFromCache  uint64 `json:"bytes_from_cache"`
	BytesFromOrigin uint64 `json:"bytes_from_origin"`
	BytesFromSelf   uint64 `json:"bytes_from_self"`
	// What the upstream was asked and sent, background fetches included.
	UpstreamRequests uint64 `json:"upstream_requests"`
	UpstreamBytes    uint64 `json:"upstream_bytes"`
}

// Saved is how many content bytes the upstream did not have to send; 0 when it
// sent more than clients took.
func (t *Totals) Saved() uint64 {
	out := t.BytesFromCache + t.BytesFromOrigin
	return out - min(out, t.UpstreamBytes)
}

// Totals sums up the counts. Requests under way while it runs may be in some
// of the sums only.
func (m *Metrics) Totals() Totals {
	t := Totals{Cache: map[string]uint64{}, Status: map[int]uint64{}}
	byCache := [numCache]uint64{}
	for _, s := range m.shards {
		for i := range s.codes {
			if n := s.codes[i].Load(); n != 0 {
				t.Status[i] += n
			}
		}
		for i := range byCache {
			byCache[i] += s.duration[i].count()
		}
		t.BytesFromCache += s.bytes[sourceCache].Load()
		t.BytesFromOrigin += s.bytes[sourceOrigin].Load()
		t.BytesFromSelf += s.bytes[sourceSelf].Load()
	}
	for i, n := range byCache {
		if n != 0 {
			t.Cache[cacheStatuses[i]] = n
		}
		t.Requests += n
	}
	t.Hits = byCache[cellHit] + byCache[cellStale] + byCache[cellUpdating] + byCache[cellRevalidated]
	t.Misses = byCache[cellMiss] + byCache[cellExpired]
	if asked := t.Hits + t.Misses; asked > 0 {
		t.Ratio = float64(t.Hits) / float64(asked)
	}
	t.UpstreamRequests, t.UpstreamBytes = m.upstream.requests(), m.upstream.bytes.Load()
	return t
}

// Durations are how long requests took.
type Durations struct {
	// Bounds are the upper bounds of the buckets in seconds; one more bucket
	// has what took longer.
	Bounds []float64 `json:"bounds"`
	// Counts are requests by X-Cache-Status (NONE: no cache was asked) and
	// bucket. What never happened is not in them.
	Counts map[string][]uint64 `json:"counts"`
}

// Durations sums up how long requests took since the start.
func (m *Metrics) Durations() Durations {
	d := Durations{Counts: map[string][]uint64{}}
	for _, b := range bounds {
		d.Bounds = append(d.Bounds, b.Seconds())
	}
	for cell, name := range cacheStatuses {
		counts := make([]uint64, len(bounds)+1)
		var all uint64
		for _, s := range m.shards {
			for i := range counts {
				n := s.duration[cell].buckets[i].Load()
				counts[i] += n
				all += n
			}
		}
		if all > 0 {
			d.Counts[name] = counts
		}
	}
	return d
}

func (h *histogram) count() (n uint64) { return sum(h.buckets[:]) }

func sum(cells []atomic.Uint64) (n uint64) {
	for i := range cells {
		n += cells[i].Load()
	}
	return n
}
