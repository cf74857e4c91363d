package engine

import (
	"bytes"
	"context"
	"slices"
	"sync/atomic"

	"opencache/internal/store"
)

// A PurgeKind is what a purge goes by.
type PurgeKind uint8

// The kinds of purges, in the order in which Stats.Purges counts them.
const (
	ByURL PurgeKind = iota
	ByTag
	ByPrefix
	ByPattern
	BySite
	ByZone            // everything
	ByRequest         // what an unsafe request has put out of date
	NumPurgeKinds int = iota
)

func (k PurgeKind) String() string {
	return [NumPurgeKinds]string{"url", "tag", "prefix", "pattern", "site", "zone", "request"}[k]
}

// purgeCounts are hard purges and soft ones, by kind.
type purgeCounts [NumPurgeKinds]struct{ Hard, Soft atomic.Int64 }

func (c *purgeCounts) add(k PurgeKind, soft bool) {
	if soft {
		c[k].Soft.Add(1)
	} else {
		c[k].Hard.Add(1)
	}
}

// A Ban says what to drop beside what a single URL names: what has one of the
// Tags, else what has the Prefix, else what the Pattern hits, else all of a
// site, else everything.
type Ban struct {
	// Site is what the site's keys begin with (Route.Origin), or Policy.Site;
	// empty: whatever the site. Tags need one.
	Site    []byte
	Owner   []byte // Policy.Owner, of tags
	Tags    []string
	Prefix  []byte         // of keys
	Pattern *store.Pattern // of keys
	Soft    bool           // what is hit stays, to be validated before it is used
}

// Kind is what b goes by.
func (b *Ban) Kind() PurgeKind {
	switch {
	case len(b.Tags) > 0:
		return ByTag
	case len(b.Prefix) > 0:
		return ByPrefix
	case b.Pattern != nil:
		return ByPattern
	case len(b.Site) > 0:
		return BySite
	}
	return ByZone
}

// A Banned is a purge that is in force.
type Banned struct {
	Seq    store.Seq
	counts []*store.Count
}

// Objects returns how many stored responses it has hit, variants one by one,
// and whether that is all: it is when all that was stored has been looked at.
func (b *Banned) Objects() (n int64, exact bool) {
	exact = true
	for _, c := range b.counts {
		hits, all := c.Hits()
		n, exact = n+hits, exact && all
	}
	return n, exact
}

// Wait waits until Objects grows no more, or ctx ends.
func (b *Banned) Wait(ctx context.Context) {
	for _, c := range b.counts {
		select {
		case <-c.Done():
		case <-ctx.Done():
			return
		}
	}
}

// Ban drops what b names, effective for the very next request. What is being
// fetched may be hit too: newcomers do not join it, and it is stored only when
// it is not.
func (e *Engine) Ban(b *Ban) Banned {
	kind := b.Kind()
	e.Stats.Purges.add(kind, b.Soft)
	p := store.Purge{Soft: b.Soft}
	if len(b.Site) > 0 {
		p.Site = e.store.Site(b.Site)
	}
	defer e.flights.retire(func(f *fetch) bool {
		return (p.Site == 0 || p.Site == f.siteOf()) && (kind != ByPrefix || f.mayBeginWith(b.Prefix))
	})
	var done Banned
	switch kind {
	case ByTag:
		for _, tag := range b.Tags {
			p.Tags = e.anyTag(p.Tags, e.ownerOf(p.Site, b.Owner), []byte(tag))
		}
		e.ban(&done, p)
	case ByPrefix:
		with := p
		with.Prefix = b.Prefix
		e.ban(&done, with)
		// What No-Vary-Search has stored has no query in its key. Asked
		// behind the purge: what is not seen here began after it, or does not
		// get such a place (searches.begin).
		if path, _, ok := bytes.Cut(b.Prefix, []byte{'?'}); ok && e.searches.seen.Load() {
			with.Prefix = append(slices.Clip(path), searchMark...)
			e.ban(&done, with)
		}
	case ByPattern:
		with := p
		with.Pattern = b.Pattern
		e.ban(&done, with)
		if e.searches.seen.Load() {
			p.Within = []byte(searchMark)
			e.ban(&done, p)
		}
	case ByZone:
		p.All = true
		e.ban(&done, p)
	default:
		e.ban(&done, p)
	}
	return done
}

// Seq is the newest purge's, or that of what came last.
func (e *Engine) Seq() store.Seq { return e.store.Seq() }

// ban has the store purge p, and done count it.
func (e *Engine) ban(done *Banned, p store.Purge) {
	p.Count = store.NewCount()
	done.counts = append(done.counts, p.Count)
	done.Seq, _ = e.store.Purge(p)
}

// anyTag appends the hashes that a site's tag has by whatever field it came.
func (e *Engine) anyTag(dst []uint64, site uint64, text []byte) []uint64 {
	return append(dst, e.tag(site, text, false), e.tag(site, text, true))
}

// mayBeginWith reports whether what f brings may be for a URL whose key begins
// with prefix.
func (f *fetch) mayBeginWith(prefix []byte) bool {
	if bytes.HasPrefix(f.key, prefix) {
		return true
	}
	path, _, query := bytes.Cut(prefix, []byte{'?'})
	mine, _ := splitKey(f.key)
	return query && bytes.Equal(mine, path)
}
