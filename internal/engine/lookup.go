package engine

import (
	"bytes"
	"encoding/binary"
	"strings"

	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// lookup finds what is stored for the request. For an Object it leaves the
// pinned entry in c.entry; in any case c.at and c.atKey say where a response
// to this request belongs, and c.out.Forward why it would be fetched.
func (c *call) lookup() store.Kind {
	now := c.now.UnixMilli()
	c.leaveSearch()
	if c.query.asked {
		c.primary = c.queryHash(now)
	}
	c.at, c.atKey, c.generation = c.primary, c.key, 0
	c.out.Forward, c.out.Status = NotForwarded, NoStatus
	c.e.store.Lookup(c.primary, c.key, now, &c.entry)
	switch c.entry.Kind {
	case store.Nothing:
		c.out.Forward = ForURIMiss
		if c.e.searches.seen.Load() {
			return c.lookupSearch(now)
		}
		return store.Nothing
	case store.Variants:
		return c.lookupVariant(now)
	}
	return c.entry.Kind
}

// lookupVariant tries the field sets of a marker, newest first, and takes the
// most recent of the responses that fit (RFC 9111, 4 and 4.1). What is missing
// would be stored under the newest set.
func (c *call) lookupVariant(now int64) store.Kind {
	marker := c.entry
	var best store.Entry
	bestSet := -1
	for i := range marker.NumSets {
		c.place(&marker, i)
		c.e.store.Lookup(c.at, c.atKey, now, &c.entry)
		switch {
		case c.entry.Kind == store.HitForMiss && bestSet < 0:
			return store.HitForMiss
		case c.entry.Kind != store.Object:
		case bestSet < 0 || moreRecent(&c.entry, &best):
			best.Release()
			best, bestSet = c.entry, i
		default:
			c.entry.Release()
		}
	}
	if bestSet < 0 {
		c.place(&marker, 0)
		c.out.Forward = ForVaryMiss
		return store.Nothing
	}
	if bestSet < marker.NumSets-1 {
		c.place(&marker, bestSet)
	}
	c.entry = best
	return store.Object
}

// moreRecent reports whether the stored response a was generated after b.
func moreRecent(a, b *store.Entry) bool {
	var x, y storedHead
	return x.read(a.Meta) == nil && y.read(b.Meta) == nil && rfc9111.MoreRecent(&x.facts, &y.facts)
}

// place sets where this request's response belongs by the marker's set i.
func (c *call) place(marker *store.Entry, i int) {
	set := marker.Sets[i]
	c.generation = marker.Generation
	fields := c.e.store.Fields(set)
	values := appendVaried(c.scratch[:0], fields, c.chooser(fields))
	c.at = c.e.store.Variant(c.primary, marker.Generation, set, values)
	// The full key goes behind the values in the same scratch.
	c.scratch = appendVariantKey(values, c.key, fields, values)
	c.atKey = c.scratch[len(values):]
}

// variantKey is the full key of a variant: no primary key holds a NUL, and
// lengths keep the parts apart.
func variantKey(key, fields, values []byte) []byte {
	return appendVariantKey(nil, key, fields, values)
}

func appendVariantKey(dst, key, fields, values []byte) []byte {
	dst = append(dst, key...)
	dst = append(dst, 0)
	dst = binary.AppendUvarint(dst, uint64(len(fields)))
	dst = append(dst, fields...)
	return append(dst, values...)
}

// appendVaried appends the request's normalised values of fields, a list of
// lower-case names joined by commas.
func appendVaried(dst, fields []byte, r *wire.Request) []byte {
	var lines [8][]byte
	for len(fields) > 0 {
		name, rest, _ := bytes.Cut(fields, []byte{','})
		fields = rest
		values := lines[:0]
		id := wire.Lookup(name)
		for i := range r.Len() {
			if got, as, v, ok := r.At(i); ok && got == id && (id != wire.Other || wire.EqualFold(as, name)) {
				values = append(values, v)
			}
		}
		if id == wire.Host { // hidden in the head, and what the key has
			values = append(values, r.Authority())
		}
		dst = rfc9111.AppendVaried(dst, name, values)
	}
	return dst
}

func joinNames(names []string) []byte { return []byte(strings.Join(names, ",")) }

// mark writes the marker that responses under key vary by set, beside what
// they varied by before, and returns the generation in force.
func (e *Engine) mark(primary store.Hash, key []byte, set store.Set, born store.Seq) uint32 {
	if was, ok := e.marker(primary, key); ok && was.Sets[0] == set {
		return was.Generation
	}
	m := store.Marker{
		Kind: store.Variants, Born: born, // generation 0: that of a marker which is there, or a new one
		Expires: e.now().AddDate(10, 0, 0).UnixMilli(), // it goes when a response without Vary replaces it, or is evicted
		NumSets: 1,
	}
	m.Sets[0] = set
	_ = e.store.Mark(primary, m) // unmarked, the variant is just not found again
	if now, ok := e.marker(primary, key); ok {
		return now.Generation
	}
	return uint32(e.store.Version())
}

// marker returns the marker of variants under key.
func (e *Engine) marker(primary store.Hash, key []byte) (m store.Entry, ok bool) {
	e.store.Lookup(primary, key, e.now().UnixMilli(), &m)
	if m.Kind == store.Object {
		m.Release()
	}
	return m, m.Kind == store.Variants
}
