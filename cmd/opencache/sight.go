package main

import (
	"slices"
	"time"

	"opencache/internal/telemetry"
)

// A glance is what a running cache said of itself at a time.
type glance struct {
	at    time.Time
	stats statsView
	zones zonesView
	top   topView
}

// A sight is what two glances tell together: rates are of the time between
// them, ratios too; nil where nothing happened in it.
type sight struct {
	Time      time.Time `json:"time"`
	Addr      string    `json:"address"`
	Version   string    `json:"version"`
	Started   time.Time `json:"started"`
	Restarted bool      `json:"restarted,omitempty"` // between the glances
	Draining  bool      `json:"draining,omitempty"`
	Fault     string    `json:"fault,omitempty"` // why there is nothing newer
	FaultFor  float64   `json:"fault_seconds,omitempty"`
	Seconds   float64   `json:"seconds"` // between the glances; 0: there was one
	Traffic   traffic   `json:"traffic"`
	Zones     []zoneNow `json:"zones"`
	By        string    `json:"by"`
	Every     int       `json:"every"`
	Keys      []keyNow  `json:"keys"`
}

// begins reports whether s has nothing to tell yet but how things stand.
func (s *sight) begins() bool { return s.Seconds == 0 && !s.Restarted && s.Fault == "" }

// traffic is what clients and the origin do.
type traffic struct {
	Requests       float64   `json:"requests_per_second"`
	HitRatio       *float64  `json:"hit_ratio"`
	ByteRatio      *float64  `json:"byte_hit_ratio"`
	Bytes          float64   `json:"bytes_per_second"`
	OriginRequests float64   `json:"origin_requests_per_second"`
	OriginBytes    float64   `json:"origin_bytes_per_second"`
	Connections    int       `json:"connections"`
	Waiting        int64     `json:"waiting"`
	Hits           latencies `json:"hits"`
	Misses         latencies `json:"misses"`
}

// latencies are upper bounds of how long requests took, in seconds: what the
// buckets of the histogram tell.
type latencies struct {
	Half *float64 `json:"p50"`
	Most *float64 `json:"p99"`
}

// A zoneNow is a zone with what changed in it.
type zoneNow struct {
	zoneView
	Tiers []tierNow `json:"tiers"`
}

// A tierNow is a volume with what changed in it.
type tierNow struct {
	tierView
	Rates map[string]float64 `json:"per_second"` // of counters, and of all that was lost
}

// A keyNow is a key that is asked for often, and how often now.
type keyNow struct {
	telemetry.TopKey
	HitRate  float64 `json:"hits_per_second"`
	ByteRate float64 `json:"bytes_per_second"`
}

// compare tells what changed between two glances of one cache; was may be nil.
func compare(was, is *glance) *sight {
	s := &sight{
		Time: is.at, Version: is.stats.Version, Started: is.stats.Started, Draining: is.stats.Draining,
		By: is.top.By, Every: is.top.Every,
	}
	if was != nil && !was.stats.Started.Equal(is.stats.Started) {
		s.Restarted, was = true, nil
	}
	d := difference{seconds: 0}
	if was != nil {
		d.seconds = is.at.Sub(was.at).Seconds()
		d.was = was
	}
	s.Seconds = d.seconds
	s.Traffic = d.traffic(&is.stats)
	for _, z := range is.zones.Zones {
		now := zoneNow{zoneView: z}
		for _, t := range z.Tiers {
			now.Tiers = append(now.Tiers, d.tier(z.Name, t))
		}
		s.Zones = append(s.Zones, now)
	}
	for _, k := range is.top.Keys {
		s.Keys = append(s.Keys, d.key(k))
	}
	return s
}

// A difference compares with an earlier glance.
type difference struct {
	was     *glance // nil: there is none
	seconds float64
}

// rate is how fast a count grew.
func (d *difference) rate(was, is uint64) float64 {
	if d.seconds <= 0 || is < was {
		return 0
	}
	return float64(is-was) / d.seconds
}

func (d *difference) traffic(is *statsView) traffic {
	var was statsView
	if d.was != nil {
		was = d.was.stats
	} else {
		was = *is // nothing is known to have happened since
	}
	out := is.BytesFromCache + is.BytesFromOrigin + is.BytesFromSelf - was.BytesFromCache - was.BytesFromOrigin - was.BytesFromSelf
	return traffic{
		Requests:  d.rate(was.Requests, is.Requests),
		HitRatio:  part(is.Hits-was.Hits, is.Misses-was.Misses),
		ByteRatio: part(is.BytesFromCache-was.BytesFromCache, is.BytesFromOrigin-was.BytesFromOrigin),
		Bytes:     d.rate(0, out), OriginRequests: d.rate(was.UpstreamRequests, is.UpstreamRequests),
		OriginBytes: d.rate(was.UpstreamBytes, is.UpstreamBytes),
		Connections: is.Open, Waiting: is.Waiting,
		Hits:   latency(was.Durations, is.Durations, "HIT"),
		Misses: latency(was.Durations, is.Durations, "MISS", "EXPIRED"),
	}
}

// part is a of a and b, nil when there is neither.
func part(a, b uint64) *float64 {
	if a+b == 0 {
		return nil
	}
	p := float64(a) / float64(a+b)
	return &p
}

// latency tells how long requests of some cache statuses took between was and is.
func latency(was, is telemetry.Durations, statuses ...string) (l latencies) {
	counts := make([]uint64, len(is.Bounds)+1)
	var all uint64
	for _, status := range statuses {
		for i, n := range is.Counts[status] {
			if old := was.Counts[status]; i < len(old) {
				n -= min(old[i], n)
			}
			if i < len(counts) {
				counts[i] += n
				all += n
			}
		}
	}
	return latencies{quantile(is.Bounds, counts, all, 0.5), quantile(is.Bounds, counts, all, 0.99)}
}

// quantile is the bound of the bucket in which the q-th part of all lies; nil
// when there is none, or it is the one without a bound.
func quantile(bounds []float64, counts []uint64, all uint64, q float64) *float64 {
	var sum uint64
	for i, n := range counts {
		if sum += n; i < len(bounds) && all > 0 && float64(sum) >= q*float64(all) {
			return &bounds[i]
		}
	}
	return nil
}

func (d *difference) tier(zone string, is tierView) tierNow {
	now := tierNow{tierView: is, Rates: map[string]float64{}}
	var was tierView
	if d.was != nil {
		for _, z := range d.was.zones.Zones {
			i := slices.IndexFunc(z.Tiers, func(t tierView) bool { return t.Tier == is.Tier && t.Volume == is.Volume })
			if z.Name == zone && i >= 0 {
				was = z.Tiers[i]
			}
		}
	}
	if was.Counters == nil {
		was = is // nothing is known to have happened since
	}
	for name, n := range is.Counters {
		now.Rates[name] = d.rate(was.Counters[name], n)
	}
	now.Rates["lost"] = d.rate(sumOf(was.Lost), sumOf(is.Lost))
	now.Rates["refused"] = d.rate(sumOf(was.Refused), sumOf(is.Refused))
	return now
}

func sumOf(counts map[string]uint64) (sum uint64) {
	for _, n := range counts {
		sum += n
	}
	return sum
}

func (d *difference) key(is telemetry.TopKey) keyNow {
	now := keyNow{TopKey: is}
	if d.was == nil {
		return now
	}
	was := telemetry.TopKey{} // one that was not in the list was followed for less than that, or in a lower place
	known := false
	for _, k := range d.was.top.Keys {
		if k.Key == is.Key && k.Since.Equal(is.Since) {
			was, known = k, true
		}
	}
	if known || is.Since.After(d.was.at) {
		now.HitRate, now.ByteRate = d.rate(was.Hits, is.Hits), d.rate(was.Bytes, is.Bytes)
	}
	return now
}
