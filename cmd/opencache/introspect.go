package main

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"opencache/internal/engine"
	"opencache/internal/expr"
	"opencache/internal/store"
	"opencache/internal/telemetry"
)

// Bounds of what is told at once.
const (
	mostListed = 1000 // entries of a page
	mostTop    = 512
	mostSites  = 4096
)

// A zonesView is what /v1/zones tells.
type zonesView struct {
	Zones []zoneView `json:"zones"`
}

// A zoneView is a zone of the store.
type zoneView struct {
	Name   string `json:"name"`
	Purges uint64 `json:"purges"`
	Bans   int    `json:"bans"` // purges that are remembered and that what is met is compared with
	// Pending are those of the bans that may still hit what was not compared with them.
	Pending int        `json:"pending"`
	Tiers   []tierView `json:"tiers"`
	// Between memory and disk: what was copied up, what the disk took of what
	// it was offered and did not take, and what too many were waiting for.
	Promoted      uint64     `json:"promoted"`
	Offered       uint64     `json:"offered"`
	OffersRefused uint64     `json:"offers_refused"`
	OffersDropped uint64     `json:"offers_dropped"`
	Sites         []siteView `json:"sites"` // those that have most, the most first
	Others        int        `json:"sites_left_out"`
}

// A tierView is a volume of a zone. Counters are since the start.
type tierView struct {
	Tier     string             `json:"tier"`
	Volume   string             `json:"volume,omitempty"` // its directory
	Objects  int64              `json:"objects"`
	Segments int64              `json:"segments"`
	Markers  int64              `json:"markers"`
	Bytes    int64              `json:"bytes"`    // of what is stored
	Capacity int64              `json:"capacity"` // bytes that it may take
	Gauges   map[string]float64 `json:"gauges"`
	Counters map[string]uint64  `json:"counters"`
	Lost     map[string]uint64  `json:"lost"`
	Refused  map[string]uint64  `json:"refused"`
	Reads    map[string]uint64  `json:"reads,omitempty"` // of a volume on disk, by way
	Fault    string             `json:"fault,omitempty"` // why it was ejected
	Empty    string             `json:"empty,omitempty"` // why the last start brought nothing back
}

// A siteView is what a site has in a zone.
type siteView struct {
	Site   string `json:"site"`
	Bytes  int64  `json:"bytes"`
	Memory int64  `json:"memory"`
	Disk   int64  `json:"disk"`
	Share  int64  `json:"share"` // 0: none
	Limit  int64  `json:"limit"` // 0: none
}

// zones answers GET /v1/zones.
func (a *admin) zones(w http.ResponseWriter, r *http.Request) {
	values, ok := params(w, r, "sites")
	if !ok {
		return
	}
	most, ok := number(w, values, "sites", 100, mostSites)
	if ok {
		v := zonesView{[]zoneView{}}
		for i := range a.stack.volumes {
			v.Zones = append(v.Zones, zoneViewOf(a.stack.volumes[i].Store, most))
		}
		tell(w, http.StatusOK, v)
	}
}

// zoneViewOf looks at a zone; most bounds its sites.
func zoneViewOf(z *store.Zone, most int) zoneView {
	st := z.Stats()
	v := zoneView{Name: z.Name(), Purges: st.Purges, Bans: st.Bans, Pending: st.Pending, Promoted: st.Promoted,
		Offered: st.Offered, OffersRefused: st.Unwanted, OffersDropped: st.Unasked}
	for _, vol := range volumesOf(v.Name, &st) {
		v.Tiers = append(v.Tiers, vol.view())
	}
	for n, site := range z.Sites() {
		one := siteView{
			Site: cmp.Or(plainKey(site.Name), "unnamed"), Memory: site.Memory, Disk: site.Disk, Bytes: site.Memory + site.Disk, Share: site.Share, Limit: site.Limit,
		}
		if n == 0 {
			one.Site = "other"
		}
		if n > 0 || one.Bytes > 0 {
			v.Sites = append(v.Sites, one)
		}
	}
	slices.SortStableFunc(v.Sites, func(a, b siteView) int { return cmp.Compare(b.Bytes, a.Bytes) })
	if over := len(v.Sites) - most; over > 0 {
		v.Sites, v.Others = v.Sites[:most], over
	}
	return v
}

// view is what is told of a volume: all that the metrics have of it, too.
func (v *volumeStats) view() tierView {
	t := tierView{
		Tier: v.tier.String(), Volume: v.name, Objects: v.stats.Objects, Segments: v.stats.Segments, Markers: v.stats.Markers,
		Bytes: v.stats.Live, Capacity: v.stats.Capacity,
		Gauges: map[string]float64{}, Counters: map[string]uint64{}, Lost: map[string]uint64{}, Refused: map[string]uint64{},
	}
	for i := range storeMetrics {
		switch value, ok := storeMetrics[i].of(v); {
		case !ok:
		case storeMetrics[i].counts():
			t.Counters[storeMetrics[i].name] = uint64(value)
		default:
			t.Gauges[storeMetrics[i].name] = value
		}
	}
	for reason, n := range lost(v) {
		t.Lost[reason] = n
	}
	for reason, n := range refusals(v) {
		t.Refused[reason] = n
	}
	for way, n := range reads(v) {
		if t.Reads == nil {
			t.Reads = map[string]uint64{}
		}
		t.Reads[way] = n
	}
	if v.disk != nil {
		t.Fault, t.Empty = v.disk.Fault, v.disk.Recovered.Empty
	}
	return t
}

// An entriesView is a page of what is stored.
type entriesView struct {
	Entries []entryView `json:"entries"`
	Cursor  string      `json:"cursor,omitempty"` // of the next page; none: this is the last
}

// An entryView is a stored response. Requests and Hits are there when its key
// is one of those that are followed because they are asked for often.
type entryView struct {
	engine.Item
	Requests *uint64    `json:"requests,omitempty"`
	Hits     *uint64    `json:"hits,omitempty"`
	Since    *time.Time `json:"hits_since,omitempty"`
}

// entries answers GET /v1/entries.
func (a *admin) entries(w http.ResponseWriter, r *http.Request) {
	values, ok := params(w, r, "prefix", "site", "tier", "limit", "cursor")
	if !ok {
		return
	}
	f := engine.Filter{Prefix: []byte(values.Get("prefix")), Site: values.Get("site"), Rules: a.stack.edge.RulesOf}
	switch tier := values.Get("tier"); tier {
	case store.InMemory.String():
		f.OneTier, f.Tier = true, store.InMemory
	case store.OnDisk.String():
		f.OneTier, f.Tier = true, store.OnDisk
	case "":
	default:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("query: tier: %q: expected memory or disk", tier))
		return
	}
	if f.Limit, ok = number(w, values, "limit", 100, mostListed); !ok {
		return
	}
	from, err := cursorOf(values.Get("cursor"))
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	page, next, more := a.stack.entries(from, &f)
	v := entriesView{Entries: make([]entryView, 0, len(page))}
	for _, it := range page {
		one := entryView{Item: it}
		if top, ok := a.stack.metrics.TopOf(it.FullKey); ok {
			one.Requests, one.Hits, one.Since = &top.Requests, &top.Hits, &top.Since
		}
		v.Entries = append(v.Entries, one)
	}
	if more {
		v.Cursor = strconv.FormatUint(uint64(next), 36)
	}
	tell(w, http.StatusOK, v)
}

// plainKey is a key, or how one begins, as operators are to see it.
func plainKey(key string) string { return string(expr.AppendPlainKey(nil, []byte(key))) }

// entries is engine.Entries over all volumes, one after the other: a cursor's
// upper bits say which.
func (s *stack) entries(from store.Cursor, f *engine.Filter) (page []engine.Item, next store.Cursor, more bool) {
	const bits = 56
	n := int(from >> bits)
	if n >= len(s.volumes) {
		return nil, 0, false
	}
	page, next, more = s.volumes[n].Engine.Entries(from&(1<<bits-1), f)
	if !more {
		n, next = n+1, 0
	}
	return page, store.Cursor(n)<<bits | next, n < len(s.volumes)
}

// cursorOf is the place that a cursor names, the beginning for none.
func cursorOf(text string) (store.Cursor, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 36, 64)
	if err != nil {
		return 0, fmt.Errorf("query: cursor: %q: expected one that an answer gave", text)
	}
	return store.Cursor(n), nil
}

// A topView is what is asked for most.
type topView struct {
	By string `json:"by"`
	// Every says that one request in so many is counted now, for as many.
	Every int `json:"every"`
	// Floor is what a key that is not in the list can have had lately.
	Floor uint64             `json:"floor"`
	Keys  []telemetry.TopKey `json:"keys"`
}

// top answers GET /v1/top.
func (a *admin) top(w http.ResponseWriter, r *http.Request) {
	values, ok := params(w, r, "by", "limit")
	if !ok {
		return
	}
	v := topView{By: cmp.Or(values.Get("by"), "hits")}
	var by telemetry.TopBy
	switch v.By {
	case "hits":
	case "bytes":
		by = telemetry.ByBytes
	default:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("query: by: %q: expected hits or bytes", v.By))
		return
	}
	n, ok := number(w, values, "limit", 20, mostTop)
	if !ok {
		return
	}
	v.Keys, v.Floor, v.Every = a.stack.metrics.Top(by, n)
	if v.Keys == nil {
		v.Keys = []telemetry.TopKey{}
	}
	for i := range v.Keys {
		v.Keys[i].Key, v.Keys[i].Site = plainKey(v.Keys[i].Key), plainKey(v.Keys[i].Site)
	}
	tell(w, http.StatusOK, v)
}

// A statsView is what /v1/stats tells.
type statsView struct {
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	Now      time.Time `json:"now"`
	Draining bool      `json:"draining"`
	stats
	Durations telemetry.Durations `json:"durations"`
}

// stats answers GET /v1/stats.
func (a *admin) stats(w http.ResponseWriter, r *http.Request) {
	if _, ok := params(w, r); !ok {
		return
	}
	s := a.stack
	tell(w, http.StatusOK, statsView{
		Version: version, Started: s.started, Now: time.Now(), Draining: s.draining.Load(),
		stats: s.Stats(), Durations: s.metrics.Durations(),
	})
}
