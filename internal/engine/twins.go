package engine

import (
	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// freshenTwins updates what is stored beside the response that the 304 resp,
// digested into answer, has made fresh: each other one that could have been
// chosen for the request and has the same strong tag (RFC 9111, 4.3.4). There
// is one only where responses of a URL vary by different fields.
func (f *fetch) freshenTwins(resp *wire.Response, answer *storedHead) {
	tag := &answer.facts.ETag
	if !tag.Present || tag.Weak || f.old.hash == f.hash {
		return
	}
	var marker store.Entry
	now := f.e.now().UnixMilli()
	f.e.store.Lookup(f.hash, f.primary, now, &marker)
	defer marker.Release()
	if marker.Kind != store.Variants || marker.NumSets < 2 {
		return
	}
	for _, set := range marker.Sets[:marker.NumSets] {
		fields := f.e.store.Fields(set)
		values := appendVaried(nil, fields, &f.req)
		at := f.e.store.Variant(f.hash, marker.Generation, set, values)
		if at != f.old.hash {
			f.freshenTwin(at, variantKey(f.primary, fields, values), resp, answer)
		}
	}
}

func (f *fetch) freshenTwin(at store.Hash, key []byte, resp *wire.Response, answer *storedHead) {
	var twin store.Entry
	f.e.store.Lookup(at, key, f.e.now().UnixMilli(), &twin)
	defer twin.Release()
	var h storedHead
	if twin.Kind != store.Object || h.read(twin.Meta) != nil || !h.facts.ETag.Strong(&answer.facts.ETag) || !h.covers(answer) {
		return
	}
	h.sized(twin.Size)
	if !f.tagged.within(f.e.store.AppendTags(nil, at, key)) {
		return
	}
	fresh, _ := h.freshened(resp, answer, f.pol)
	if rfc9111.Storable(&fresh.facts, &f.ask, &f.pol.Rules) == rfc9111.OK {
		_ = f.e.store.Freshen(at, key, twin.Version, fresh.appendMeta(nil), f.seq) // one that is gone by now is not missed
	}
}
