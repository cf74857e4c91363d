package engine

import (
	"bytes"
	"strings"
	"time"

	"opencache/internal/expr"
	"opencache/internal/rfc9111"
	"opencache/internal/store"
)

// mostEntries bounds a page of Entries.
const mostEntries = 1000

// keyTop is how much of a key an Item tells.
const keyTop = 2048

// A Filter says which stored responses Entries tells.
type Filter struct {
	Prefix []byte     // of the key, as Item tells it
	Site   string     // likewise; "": all
	Tier   store.Tier // with OneTier
	// OneTier leaves out what is in another tier than Tier.
	OneTier bool
	// Rules are those that a key is judged by; nil: the zero Policy's.
	Rules func(key []byte) *rfc9111.Policy
	Limit int // entries of a page, up to 1,000; 0: 100
}

// An Item is a stored response as Entries tells it.
type Item struct {
	Key     string `json:"key"`
	Cut     bool   `json:"cut,omitempty"`     // Key is the beginning of it
	Variant bool   `json:"variant,omitempty"` // one of several that Vary or No-Vary-Search tells apart
	Query   bool   `json:"query,omitempty"`   // of a QUERY
	Site    string `json:"site"`
	Tier    string `json:"tier"`
	Status  int    `json:"status"`
	Size    int64  `json:"size"`   // of the content
	Stored  int64  `json:"stored"` // bytes that are in this tier, segments included
	Partial bool   `json:"partial,omitempty"`
	Age     int64  `json:"age"` // seconds
	TTL     int64  `json:"ttl"` // seconds of freshness left; not above 0: stale
	Soft    bool   `json:"soft,omitempty"`
	Tags    int    `json:"tags,omitempty"`
	// Heat is how often it was hit not long ago, 0 to 3: what the store
	// itself goes by.
	Heat int `json:"heat"`

	FullKey []byte `json:"-"` // the primary key
}

// Entries tells a page of what is stored: those from a place on that pass the
// filter, where to go on, and whether there is more. A page may be empty
// although there is: no page looks at more than a bounded part of the store.
// What is listed may be gone by the time that it is read.
func (e *Engine) Entries(from store.Cursor, f *Filter) (page []Item, next store.Cursor, more bool) {
	limit := min(orInt(f.Limit, 100), mostEntries)
	now := e.now()
	site := uint64(0)
	if f.Site != "" {
		site = e.siteNamed(f.Site)
	}
	look := store.Look{Site: site, OneTier: f.OneTier, Tier: f.Tier}
	var plain []byte
	next, more = e.store.Walk(from, look, func(l *store.Listed) bool {
		if plain = expr.AppendPlainKey(plain[:0], l.Key); !bytes.HasPrefix(plain, f.Prefix) {
			return true
		}
		if it, ok := e.item(l, f, now); ok {
			page = append(page, it)
		}
		return len(page) < limit
	})
	return page, next, more
}

// siteNamed is the store's number for a site as Item tells it.
func (e *Engine) siteNamed(name string) uint64 {
	for _, s := range e.store.Sites() {
		if s.Site != 0 && string(expr.AppendPlainKey(nil, []byte(s.Name))) == name {
			return s.Site
		}
	}
	return e.store.Site([]byte(name))
}

// item is what l is; false when it is none of an origin's responses, but what
// the engine notes for itself.
func (e *Engine) item(l *store.Listed, f *Filter, now time.Time) (it Item, ok bool) {
	var h storedHead
	if h.read(l.Meta) != nil {
		return it, false
	}
	primary, rest, variant := bytes.Cut(l.Key, []byte{0})
	query := variant && bytes.HasPrefix(rest, []byte(queryMark[1:]))
	var rules *rfc9111.Policy
	if f.Rules != nil {
		rules = f.Rules(primary)
	}
	if rules == nil {
		rules = &rfc9111.Policy{}
	}
	h.facts.Length = l.Size
	plain := expr.AppendPlainKey(nil, primary)
	age := rfc9111.CurrentAge(&h.facts, now.UnixMilli())
	lifetime, _ := rfc9111.Lifetime(&h.facts, rules)
	it = Item{
		Key: strings.ToValidUTF8(string(plain[:min(len(plain), keyTop)]), "\uFFFD"), Cut: len(plain) > keyTop, Variant: variant && !query, Query: query,
		Site: string(expr.AppendPlainKey(nil, []byte(e.store.SiteName(l.Site)))), Tier: l.Tier.String(), Status: h.facts.Status, Size: l.Size, Stored: int64(l.Stored) + e.inSegments(l, &h),
		Partial: h.facts.Partial(), Age: age, TTL: lifetime - age, Soft: l.Soft, Tags: l.Tags, Heat: l.Heat,
		FullKey: bytes.Clone(primary),
	}
	return it, true
}

// mostCounted bounds the segments of one content that are looked for. Of more
// each so many are, and stand for those beside them.
const mostCounted = 1024

// inSegments returns how many bytes of l's content are in segments of its tier.
func (e *Engine) inSegments(l *store.Listed, h *storedHead) (sum int64) {
	if !h.facts.Partial() {
		if l.Size <= store.WholeMax {
			return 0
		}
		return e.segmentsOf(l.Tier, l.Version, l.Size)
	}
	for _, r := range h.runs {
		sum += e.segmentsOf(l.Tier, r.version, r.Last-r.base+1)
	}
	return sum
}

func (e *Engine) segmentsOf(t store.Tier, version uint64, size int64) (sum int64) {
	n := (size + e.segment - 1) / e.segment
	step := (n + mostCounted - 1) / mostCounted
	for i := int64(0); i < n; i += step {
		if e.store.HasIn(t, version, int(i)) {
			sum += min(e.segment*step, size-i*e.segment)
		}
	}
	return sum
}
