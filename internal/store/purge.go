package store

import (
	"bytes"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// maxBans bounds the purges that are remembered one by one.
const maxBans = 1000

// Unknown is Purge's count where counting would cost a walk over the volume.
const Unknown = -1

// A Purge says what to drop: All of it, one Key, the keys with a Prefix, those
// that hold Within, those that a Pattern hits, what has one of the Tags, or a
// Site; all but a Key together with a Site are those in that site.
type Purge struct {
	All    bool
	Key    []byte // a primary key; its variants go with it
	Hash   Hash   // of Key; zero: computed
	Prefix []byte // of full keys
	Within []byte // a part of full keys
	// Pattern is on primary keys.
	Pattern *Pattern
	Tags    []uint64
	Site    uint64 // Zone.Site; 0: whatever the site. Worth giving with all but All
	// Count, of NewCount, tells how many objects it hits; nil: nobody asks.
	Count *Count
	// Soft keeps what is hit, to be validated before it is used.
	Soft bool
}

// A ban is a purge that is evaluated when a record is met the next time.
// Hard ones hit records born before it, soft ones those validated before it.
type ban struct {
	seq  Seq
	soft bool
	kind banKind
	site uint64 // 0: any
	text []byte
	tags []uint64

	pattern *Pattern // of banPattern: what text means
	count   *Count   // nil: nobody asks
}

type banKind uint8

const (
	banAll     banKind = iota // everything, or everything of a site
	banPrefix                 // keys that begin with text
	banKey                    // the key text and its variants
	banTag                    // what has one of tags
	banPattern                // primary keys that the pattern text hits
	banWithin                 // keys that text is a part of
)

// A face is what purges see of a record.
type face struct {
	site            uint64
	born, validated Seq
	key, tags       []byte
}

func (h *header) face(key, tags []byte) face {
	return face{site: h.site, born: h.born, validated: h.validated, key: key, tags: tags}
}

// faceOf is the face of the record that begins b.
func (h *header) faceOf(b []byte) face { return h.face(h.keyOf(b), h.tagsOf(b)) }

// bans are the purges in force, oldest first. A list is never changed, it is
// replaced.
type bans struct {
	newest Seq
	// floor: the purges up to it are forgotten. All that is stored was checked
	// against them, and what comes must have been since, or be younger.
	floor Seq
	list  []ban
}

// judge evaluates the bans after the given sequences on a record: hard ones
// since hardFrom, soft ones since softFrom. What one of those that are forgotten
// might have hit counts as hit.
func (b *bans) judge(f face, hardFrom, softFrom Seq) (hard, soft bool) {
	hardFrom, softFrom = max(hardFrom, f.born), max(softFrom, f.validated)
	if hardFrom < b.floor {
		return true, false
	}
	soft = max(softFrom, f.born) < b.floor
	from := min(hardFrom, softFrom)
	for i := len(b.list) - 1; i >= 0 && b.list[i].seq > from; i-- {
		d := &b.list[i]
		switch {
		case !d.hits(&f):
		case !d.soft && d.seq > hardFrom:
			return true, soft
		case d.soft && d.seq > softFrom:
			soft = true
		}
	}
	return false, soft
}

// upTo returns how many of the bans are of a sequence up to s.
func (b *bans) upTo(s Seq) int {
	n, _ := slices.BinarySearchFunc(b.list, s, func(d ban, s Seq) int {
		if d.seq <= s {
			return -1
		}
		return 1
	})
	return n
}

// forget drops the bans up to s.
func (b *bans) forget(s Seq) {
	b.list = b.list[b.upTo(s):]
	b.floor, b.newest = max(b.floor, s), max(b.newest, s)
}

func (d *ban) hits(f *face) bool {
	if d.site != 0 && d.site != f.site {
		return false
	}
	switch d.kind {
	case banPrefix:
		return bytes.HasPrefix(f.key, d.text)
	case banKey:
		return ofKey(f.key, d.text)
	case banTag:
		return hasTag(f.tags, d.tags)
	case banPattern:
		return d.pattern.hits(f.key)
	case banWithin:
		return bytes.Contains(f.key, d.text)
	}
	return true
}

// ofKey reports whether key is the primary key itself or, behind a zero byte,
// that of one of its variants.
func ofKey(key, primary []byte) bool {
	return bytes.HasPrefix(key, primary) && (len(key) == len(primary) || key[len(primary)] == 0)
}

// covers reports whether whatever old hits is hit by d as well, and as hard.
func (d *ban) covers(old *ban) bool {
	switch {
	case d.soft && !old.soft, d.seq < old.seq:
		return false
	case d.site != 0 && d.site != old.site:
		return false
	case d.kind == banAll:
		return true
	}
	return d.kind == old.kind && bytes.Equal(d.text, old.text) && slices.Equal(d.tags, old.tags)
}

// with returns b with d added. When the list gets too long its oldest entries
// become purges of their whole site, and these in the end of everything. They
// keep their sequence: records checked since are not touched, and none that
// was purged comes back.
func (b *bans) with(d ban) *bans {
	n := &bans{floor: b.floor, list: append(slices.Clone(b.list), d)}
	n.settle()
	return n
}

// settle makes the list short again behind a new youngest ban.
func (b *bans) settle() {
	b.newest = b.list[len(b.list)-1].seq
	b.merge(len(b.list) - 1)
	for len(b.list) > maxBans {
		b.widen()
	}
}

// merge drops the bans that number i covers.
func (b *bans) merge(i int) {
	d := b.list[i]
	b.list = slices.DeleteFunc(b.list, func(old ban) bool {
		return old.seq != d.seq && d.covers(&old)
	})
}

// widen makes the oldest ban one of its site; when all are, the oldest one of
// everything. It drops what that covers, itself when a younger one covers it.
func (b *bans) widen() {
	i := slices.IndexFunc(b.list, func(d ban) bool { return d.kind != banAll })
	if i >= 0 {
		b.list[i].widen()
	} else {
		i = slices.IndexFunc(b.list, func(d ban) bool { return d.site != 0 })
		b.list[i].site = 0
	}
	d := b.list[i]
	if slices.ContainsFunc(b.list[i+1:], func(young ban) bool { return young.covers(&d) }) {
		b.list = slices.Delete(b.list, i, i+1)
		return
	}
	b.merge(i)
}

// widen makes d a purge of its whole site. What it hits now it was not asked to.
func (d *ban) widen() {
	if d.count != nil {
		d.count.partial.Store(true)
	}
	d.kind, d.text, d.tags, d.pattern, d.count = banAll, nil, nil, nil, nil
}

// recent remembers the newest purges of single keys by a part of their hash.
// When keys that share a slot are purged one after the other, no more than
// the newest is told apart: two such purges beside a fetch make its response
// not be stored, or be validated once more, as if they were its own key's.
type recent [1 << 14]struct {
	last  atomic.Uint64 // the newest: its sequence, above it a part of its hash
	older atomic.Uint32 // the newest before it of another hash
}

// note remembers a purge. The caller holds purges.mu: sequences come in order.
func (r *recent) note(h Hash, s Seq) {
	p := &r[h[0]>>50]
	// Whoever reads between the two stores still finds the old one in last.
	if was := p.last.Load(); uint32(was>>32) != uint32(h[0]) {
		p.older.Store(uint32(was))
	}
	p.last.Store(h[0]<<32 | uint64(s))
}

// since reports whether a purge after s was noted.
func (r *recent) since(h Hash, s Seq) bool {
	p := &r[h[0]>>50]
	if last := p.last.Load(); uint32(last>>32) == uint32(h[0]) {
		return Seq(uint32(last)) > s
	}
	return Seq(p.older.Load()) > s
}

func (r *recent) reset() {
	for i := range r {
		r[i].last.Store(0)
		r[i].older.Store(0)
	}
}

// purges is the order of purges and what is remembered of them.
type purges struct {
	seq  atomic.Uint32
	bans atomic.Pointer[bans]
	hard *recent // of single keys
	soft *recent

	purged atomic.Uint64 // how many there were
	done   atomic.Uint32 // the newest of them that had its whole effect
	sweeps sweeps

	mu sync.Mutex // serialises purges
}

// Seq returns the newest sequence. Note it when a fetch starts, and before
// the Lookup that led to it: then whatever a purge in between has dropped
// cannot come back with what that Lookup returned.
func (r *registry) Seq() Seq { return Seq(r.seq.Load()) }

// keyed reports whether p is about one key, or nothing: no ban is made of it
// at once.
func (p *Purge) keyed() bool {
	return !p.All && (len(p.Key) > 0 || len(p.Prefix) == 0 && len(p.Within) == 0 && p.Pattern == nil && len(p.Tags) == 0 && p.Site == 0)
}

// Purge drops what p names from every tier, effective for the very next
// Lookup. It returns its sequence, and how many objects it hit: 0 or 1 for a
// key (a marker counts), the live objects for All, Unknown otherwise.
func (r *registry) Purge(p Purge) (Seq, int) {
	r.purges.mu.Lock()
	defer r.purges.mu.Unlock()
	r.purged.Add(1)
	seq := r.nextSeqLocked()
	defer r.done.Store(uint32(seq))
	if p.keyed() { // else the ban that is kept says it
		r.tellKeepers(func(k keeper) { k.keepSeq(seq) })
	}
	n := r.purgeLocked(&p, seq)
	if n != Unknown {
		p.Count.end(n)
	}
	return seq, n
}

func (r *registry) purgeLocked(p *Purge, seq Seq) int {
	d := ban{seq: seq, soft: p.Soft, site: p.Site, count: p.Count}
	switch {
	case p.All:
		// Counted first: from the ban on a sweep may drop some.
		d.site, d.count = 0, nil
		n := r.objectsLocked()
		if r.doubles != nil {
			n -= r.doubles()
		}
		r.banLocked(d)
		if !p.Soft {
			r.clearLocked()
		}
		return max(n, 0)
	case len(p.Key) > 0:
		return r.purgeKeyLocked(p, seq)
	case len(p.Prefix) > 0:
		d.kind, d.text = banPrefix, bytes.Clone(p.Prefix)
	case len(p.Within) > 0:
		d.kind, d.text = banWithin, bytes.Clone(p.Within)
	case p.Pattern != nil:
		d.kind, d.text, d.pattern = banPattern, p.Pattern.text, p.Pattern
	case len(p.Tags) > 0:
		d.kind, d.tags = banTag, slices.Clone(p.Tags)
	case p.Site == 0:
		return 0
	}
	if r.doubles != nil {
		p.Count.tellApart()
	}
	r.banLocked(d)
	r.sweeps.ask(seq, p.Count)
	return Unknown
}

// Purged returns the newest sequence, and whether a purge after since, hard or
// soft, hit what is or would be stored under a primary key of a site. Purges
// under way have ended when it returns.
func (r *registry) Purged(key []byte, site uint64, since Seq) (Seq, bool) {
	r.purges.mu.Lock()
	defer r.purges.mu.Unlock()
	h := r.Hash(key)
	hard, soft := r.bans.Load().judge(face{site: site, born: since, validated: since, key: key}, 0, 0)
	return r.Seq(), hard || soft || r.hard.since(h, since) || r.soft.since(h, since)
}

// nextSeqLocked takes the next sequence. After four billion of them the order
// starts again: on empty tiers, with everything on its way refused.
func (r *registry) nextSeqLocked() Seq {
	if r.seq.Load() < math.MaxUint32 {
		return Seq(r.seq.Add(1))
	}
	r.seq.Store(1)
	r.done.Store(1)
	r.sweeps.startAgain()
	r.bans.Store(&bans{newest: 1, list: []ban{{seq: 1}}})
	r.clearLocked()
	r.hard.reset()
	r.soft.reset()
	return Seq(r.seq.Add(1))
}

// settled returns the newest purge up to which all had their whole effect.
func (r *registry) settled() Seq { return Seq(r.done.Load()) }

func (r *registry) banLocked(d ban) {
	r.tellKeepers(func(k keeper) { k.keepBan(&d) })
	r.bans.Store(r.bans.Load().with(d))
}

func (r *registry) objectsLocked() (objects int) {
	for _, t := range r.tiers {
		objects += int(t.objects())
	}
	return objects
}

func (r *registry) clearLocked() { together(r.tiers, tier.clear) }

// purgeKeyLocked first lets racing writers know, then looks what is there: a
// writer holds the shard's lock while it asks for purges and publishes, so it
// either is refused or has its record dropped here.
func (r *registry) purgeKeyLocked(p *Purge, seq Seq) int {
	if p.Hash == (Hash{}) {
		p.Hash = r.Hash(p.Key)
	}
	recents := r.hard
	if p.Soft {
		recents = r.soft
	}
	recents.note(p.Hash, seq)
	hit, variants := 0, false
	for _, t := range r.tiers {
		switch t.purgeKey(p) {
		case Nothing:
			continue
		case Variants:
			variants = true
		}
		hit = 1
	}
	if variants && p.Soft {
		r.banLocked(ban{seq: seq, soft: true, kind: banKey, site: p.Site, text: bytes.Clone(p.Key)})
	}
	return hit
}

func (m *Memory) objects() int64 { return m.counts.objects.Load() }

func (m *Memory) clear() {
	m.index.each(func(c *cell) { m.dropLocked(c, Purged) })
}

func (m *Memory) purgeKey(p *Purge) Kind {
	mu := m.index.lock(p.Hash)
	defer mu.Unlock()
	var c cell
	if !m.index.findLocked(p.Hash, &c) || c.kind() == Object && !m.holdsLocked(&c, p.Key) {
		return Nothing
	}
	switch {
	case !p.Soft:
		m.dropLocked(&c, Purged)
	case c.kind() == Object:
		c.state |= softBit
		m.index.setLocked(p.Hash, &c)
	}
	return c.kind()
}

// holdsLocked reports whether the object c is stored under key.
func (m *Memory) holdsLocked(c *cell, key []byte) bool {
	var h header
	b := m.slabs[c.slab()].mem[c.off():]
	return h.decode(b) && string(h.keyOf(b)) == string(key)
}
