package engine

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// A response with a usable No-Vary-Search is stored under its path, what the
// field says, and what the query comes to by that; so it is found for every URL
// that is equivalent (draft-ietf-httpbis-no-vary-search, Caching). A marker
// under the path names up to four such configurations, newest first, as a
// marker of variants names sets of fields. The exact URL is looked up first,
// the marker only when nothing is there, and not at all while no response has
// had the field. QUERYs are left out: their content is most of what they ask.

const (
	// searchMark goes between path and configuration in full keys; see queryMark.
	searchMark = "\x00NVS\x00"
	// searchBell is what a purge of a URL purges beside it, so that a response
	// that was asked for before gets no place there.
	searchBell = "\x00NVS!"
	// searchKept is how long a configuration is looked for after the last
	// response with it was stored.
	searchKept = 24 * time.Hour
)

// A search is what a call knows of places by No-Vary-Search.
type search struct {
	on      bool       // the call's key and primary are a place's
	exact   bool       // not any more: what came there was for another URL
	own     []byte     // the call's key, while on
	ownHash store.Hash // and its hash
	buf     []byte     // the place's key
	queries rfc9111.Search
}

// searches tells whether purges have to look for places.
type searches struct {
	seen  atomic.Bool // a response had the field
	first sync.Once
	from  store.Seq // fetches that began before may have missed purges
}

// begin notes that there is the field, and reports whether a fetch that began
// at born may use it.
func (s *searches) begin(z *store.Zone, born store.Seq) bool {
	s.first.Do(func() {
		s.seen.Store(true) // before Seq: a purge that has not seen it comes before from
		s.from = z.Seq()
	})
	return born >= s.from
}

// splitKey takes a key apart at its query.
func splitKey(key []byte) (path, query []byte) {
	path, query, _ = bytes.Cut(key, []byte{'?'})
	return path, query
}

// ownKey is the key of the request's own URL.
func (c *call) ownKey() []byte {
	if c.search.on {
		return c.search.own
	}
	return c.key
}

// leaveSearch has the call be at its own URL.
func (c *call) leaveSearch() {
	if s := &c.search; s.on {
		c.key, c.primary, s.on = s.own, s.ownHash, false
	}
}

// lookupSearch looks where the request's URL is found by the configurations of
// its path. When nothing is there, a fetch for the newest is everybody's whose
// URL is equivalent by that.
func (c *call) lookupSearch(now int64) store.Kind {
	s := &c.search
	if s.exact || c.query.asked || c.pol.IgnoreNoVarySearch {
		return store.Nothing
	}
	path, query := splitKey(c.key)
	s.buf = append(append(s.buf[:0], path...), searchMark...)
	base := c.e.store.Hash(s.buf)
	var marker store.Entry
	c.e.store.Lookup(base, s.buf, now, &marker)
	if marker.Kind != store.Variants {
		marker.Release()
		return store.Nothing
	}
	own, ownHash := c.key, c.primary
	for i := range marker.NumSets + 1 {
		n := i % marker.NumSets // the newest once more, when nothing was found
		c.leaveSearch()         // its key is about to be overwritten
		if !c.placeSearch(base, len(path), &marker, n, query) {
			continue
		}
		s.on, s.own, s.ownHash = true, own, ownHash
		c.at, c.atKey = c.primary, c.key
		if c.e.store.Lookup(c.at, c.atKey, now, &c.entry); c.entry.Kind == store.Nothing {
			continue
		}
		c.out.Forward = NotForwarded
		if c.entry.Kind == store.Variants {
			return c.lookupVariant(now)
		}
		return c.entry.Kind
	}
	c.at, c.atKey = c.primary, c.key
	return store.Nothing
}

// eachEquivalent is eachChosen where the URL is found by No-Vary-Search.
func (c *call) eachEquivalent(visit func(*store.Entry)) {
	if !c.e.searches.seen.Load() {
		return
	}
	s := &c.search
	own, ownHash := c.key, c.primary
	path, query := splitKey(own)
	s.buf = append(append(s.buf[:0], path...), searchMark...)
	base := c.e.store.Hash(s.buf)
	if marker, ok := c.e.marker(base, s.buf); ok {
		for n := range marker.NumSets {
			if c.placeSearch(base, len(path), &marker, n, query) {
				c.eachChosen(visit)
			}
		}
	}
	c.key, c.primary = own, ownHash
}

// placeSearch makes key and primary of the call those of set n of the marker.
func (c *call) placeSearch(base store.Hash, path int, marker *store.Entry, n int, query []byte) bool {
	s := &c.search
	var ok bool
	var canonical []byte
	config := c.e.store.Fields(marker.Sets[n])
	if s.buf, canonical, ok = appendPlace(s.buf[:path+len(searchMark)], config, query, &s.queries); !ok {
		return false
	}
	c.key, c.primary = s.buf, c.e.store.Variant(base, marker.Generation, marker.Sets[n], canonical)
	return true
}

// appendPlace appends to path and searchMark the rest of a place's key.
func appendPlace(key, config, query []byte, s *rfc9111.Search) (place, canonical []byte, ok bool) {
	place = binary.AppendUvarint(key, uint64(len(config)))
	place = append(place, config...)
	at := len(place)
	place, ok = s.Append(place, config, query)
	return place, place[at:], ok
}

// settleSearch gives what is about to be stored its place: by the response's
// No-Vary-Search, else under the URL itself.
func (f *fetch) settleSearch() {
	if f.query != nil || f.pol.IgnoreNoVarySearch {
		return
	}
	f.mu.Lock()
	f.config, f.canonical = nil, nil // of an answer before this one
	f.mu.Unlock()
	if f.head.names.Has(wire.NoVarySearch) && f.placeBySearch(rfc9111.NoVarySearch(f.head.values(wire.NoVarySearch))) {
		return
	}
	if !bytes.Equal(f.primary, f.key) { // it was asked for where others had the field
		f.moveTo(f.e.store.Hash(f.key), f.key)
	}
}

// placeBySearch moves f to its place under config. It reports false when there
// is none: config says nothing, or a purge may have missed it.
func (f *fetch) placeBySearch(config []byte) bool {
	e := f.e
	if config == nil || !e.searches.begin(e.store, f.seq) {
		return false
	}
	path, query := splitKey(f.key)
	mark := append(slices.Clip(path), searchMark...)
	var s rfc9111.Search
	key, canonical, ok := appendPlace(slices.Clip(mark), config, query, &s)
	if !ok {
		return false
	}
	set, ok := e.store.Intern(config)
	if !ok {
		return false
	}
	base := e.store.Hash(mark)
	m := store.Marker{
		Kind: store.Variants, Born: f.seq, Expires: e.now().Add(searchKept).UnixMilli(), Sets: [4]store.Set{set}, NumSets: 1,
	}
	_ = e.store.Mark(base, m) // what became of it is read
	marker, ok := e.marker(base, mark)
	if !ok || marker.Sets[0] != set {
		return false
	}
	// A purge of an equivalent URL that has not seen the marker has rung.
	if _, rung := e.store.Purged(append(slices.Clip(path), searchBell...), f.siteOf(), f.seq); rung {
		return false
	}
	f.mu.Lock()
	f.config, f.canonical = config, canonical
	f.mu.Unlock()
	f.moveTo(e.store.Variant(base, marker.Generation, set, canonical), key)
	return true
}

// moveTo has f store under another primary key, where newcomers then find it.
func (f *fetch) moveTo(h store.Hash, key []byte) {
	if h == f.hash {
		return
	}
	if f.want.kind == theWhole {
		f.e.flights.add(h, f) // else it is just not joined
		f.e.flights.remove(f.hash, f)
		f.e.flights.remove(f.at, f)
	}
	f.hash, f.at, f.primary, f.generation, f.moved = h, h, key, 0, true
}

// supersede drops what f's response has come in place of, when that was found
// elsewhere: under its URL, before it had the field, or by another value of it.
func (f *fetch) supersede() {
	if f.config != nil {
		f.e.store.Remove(f.e.store.Hash(f.key), f.key)
	}
	if f.old != nil && f.moved {
		f.e.store.Remove(f.old.hash, f.old.key)
	}
}

// forURL reports whether f's response is one for the URL of c. The caller
// holds f.mu.
func (f *fetch) forURL(c *call) bool {
	own := c.ownKey()
	if f.config == nil {
		return bytes.Equal(own, f.key)
	}
	mine, _ := splitKey(f.key)
	path, query := splitKey(own)
	canonical, ok := c.search.queries.Append(nil, f.config, query)
	return ok && bytes.Equal(path, mine) && bytes.Equal(canonical, f.canonical)
}

// purgeSearch drops what the URL with that key is found by, too.
func (e *Engine) purgeSearch(key []byte, soft bool) (found bool, purges int) {
	if !e.searches.seen.Load() {
		return false, 0
	}
	path, query := splitKey(key)
	e.store.Purge(store.Purge{Key: append(slices.Clip(path), searchBell...)})
	mark := append(slices.Clip(path), searchMark...)
	base := e.store.Hash(mark)
	marker, ok := e.marker(base, mark)
	if !ok || marker.NumSets == len(marker.Sets) {
		// One that has expired, or names as many as it can, may come to name
		// again what it does not now: then what is there must be gone.
		_, hit := e.store.Purge(store.Purge{Key: mark})
		return hit > 0, 2
	}
	var s rfc9111.Search
	for n := range marker.NumSets {
		set := marker.Sets[n]
		place, canonical, ok := appendPlace(slices.Clip(mark), e.store.Fields(set), query, &s)
		if !ok {
			continue
		}
		at := e.store.Variant(base, marker.Generation, set, canonical)
		_, hit := e.store.Purge(store.Purge{Key: place, Hash: at, Soft: soft})
		found = found || hit > 0
		purges++
	}
	return found, purges + 1
}

// mayBring reports whether what f brings may be for the URL with that key.
func (f *fetch) mayBring(key []byte) bool {
	if ofKey(f.key, key) {
		return true
	}
	if !f.e.searches.seen.Load() {
		return false
	}
	one, _ := splitKey(f.key)
	other, _ := splitKey(key)
	return bytes.Equal(one, other)
}
