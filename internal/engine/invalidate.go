package engine

import (
	"bytes"
	"slices"

	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// afterUnsafe drops what an unsafe request has put out of date (RFC 9111,
// 4.4): what is stored for its target, for the URIs of the same origin that the
// answer names, and what shares a group with any of these, or is in one that
// the answer names (RFC 9875, 2.2.1 and 3). A method that is not known is not
// known to be safe. It returns how many of the store's purges that were.
func (c *call) afterUnsafe(resp *wire.Response) (purges int) {
	if c.r.Method.Safe() || !rfc9111.Invalidates(rfc9111.Unsafe, resp.Status) {
		return 0
	}
	c.e.Stats.Purges.add(ByRequest, false)
	if c.unsafe != nil {
		c.unsafe(resp)
	}
	groups, purges := c.invalidate(nil, c.key)
	if c.pol.KeyOf != nil {
		for _, name := range [...]wire.Name{wire.Location, wire.ContentLocation} {
			ref := resp.Get(name)
			if ref == nil {
				continue
			}
			if key, ok := c.pol.KeyOf(nil, c.r, ref); ok {
				var n int
				groups, n = c.invalidate(groups, key)
				purges += n
			}
		}
	}
	if resp.Has(wire.CacheGroupInvalidation) {
		lines := slices.Collect(resp.Values("Cache-Group-Invalidation"))
		groups = append(groups, c.e.groups(c.pol, c.key[:c.origin], lines)...)
	}
	if len(groups) > 0 {
		c.e.purgeTags(groups, c.siteOf(), c.key[:c.origin])
		purges++
	}
	return purges
}

// PurgeGroups drops what is in one of the groups that the lines of a
// Cache-Group-Invalidation field name (RFC 9875, 3). origin is what keys of the
// answer's origin begin with; see Route.Origin.
func (e *Engine) PurgeGroups(p *Policy, origin []byte, lines [][]byte) {
	if tags := e.groups(p, origin, lines); len(tags) > 0 {
		e.purgeTags(tags, e.siteOf(p, origin), origin)
	}
}

// groups are the tags of the groups that the lines of a field name.
func (e *Engine) groups(p *Policy, origin []byte, lines [][]byte) (tags []uint64) {
	site := e.site(p, origin)
	for _, group := range rfc9111.Groups(lines) {
		tags = append(tags, e.store.Tag(site, []byte(group))|groupBit)
	}
	return tags
}

// invalidate drops what is stored under key, appends the groups that it was in
// and tells how many of the store's purges that were. Of variants it knows
// only the groups of those that this request selects.
func (c *call) invalidate(groups []uint64, key []byte) (all []uint64, purges int) {
	var at call
	at.e, at.r, at.pol, at.key, at.primary, at.now = c.e, c.r, c.pol, key, c.e.store.Hash(key), c.e.now()
	tell := func(*store.Entry) { groups = groupsIn(c.e.store.AppendTags(groups, at.at, at.atKey)) }
	at.eachChosen(tell)
	at.eachEquivalent(tell)
	_, purges = c.e.purge(key, false)
	return groups, purges
}

// purgeTags drops what has one of the tags. What is being fetched from that
// origin may have them, too: newcomers do not join it.
func (e *Engine) purgeTags(tags []uint64, site uint64, origin []byte) {
	defer e.flights.retire(func(f *fetch) bool { return bytes.HasPrefix(f.key, origin) })
	e.store.Purge(store.Purge{Tags: tags, Site: site})
}

// site is what tells the tags of one origin from another's.
func (e *Engine) site(p *Policy, origin []byte) uint64 {
	if len(origin) == 0 {
		return e.ownerOf(e.siteOf(p, origin), p.Owner)
	}
	return e.store.Tag(e.siteOf(p, origin), origin)
}
