package engine

import (
	"bytes"
	"math"
	"slices"
	"sync"
	"time"

	"opencache/internal/rfc9111"
	"opencache/internal/store"
)

// Content of more than one segment that can be asked for in pieces, since it has
// a strong validator, is spread: its record is there from the head of the first
// response on, and each of its segments is in the store or is not. What is not,
// a hole, is brought by a fetch of its own.
//
// A crew is the fetches that bring segments of one content. Each has a stretch
// [position, last] that no other has, so that nothing is asked for twice at a
// time. A reader joins the one that has what it needs, or will have it soon;
// else it hires another, and the one in whose stretch that begins ends there.
type crew struct {
	version uint64 // of the content
	users   int    // calls and fetches; guarded by crews.mu
	dropped bool   // its record is not to be put back; guarded by crews.mu

	mu      sync.Mutex // guards the fields below; taken before a fetch's
	fetches []*fetch
	plain   bool // the origin ignores ranges: its one stream is waited for
}

// maxCrew bounds the fetches of one content at a time. Who finds no place asks
// for itself, and what it gets is not stored.
const maxCrew = 16

// nearBy is how many segments a reader waits for a fetch that is on its way to
// what it needs, instead of having that asked for.
const nearBy = 2

// maxStretch is how many segments a fetch asks for at most: they are looked at
// one by one.
const maxStretch = 4096

// crews are those at work, by version.
type crews struct {
	mu sync.Mutex // guards the fields below
	m  map[uint64]*crew
}

// join returns the crew of a content. Each user leaves it.
func (t *crews) join(version uint64) *crew {
	t.mu.Lock()
	defer t.mu.Unlock()
	cr := t.m[version]
	if cr == nil {
		cr = &crew{version: version}
		if t.m == nil {
			t.m = map[uint64]*crew{}
		}
		t.m[version] = cr
	}
	cr.users++
	return cr
}

func (t *crews) leave(cr *crew) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if cr.users--; cr.users == 0 {
		delete(t.m, cr.version)
	}
}

// drop removes the record of a version because of what it is. A fetch of that
// content does not put it back.
func (e *Engine) drop(h store.Hash, key []byte, version uint64) {
	mu := e.combining.of(h)
	mu.Lock()
	defer mu.Unlock()
	e.crews.noteDropped(version)
	e.store.Remove(h, key)
}

func (t *crews) noteDropped(version uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if cr := t.m[version]; cr != nil {
		cr.dropped = true
	}
}

func (t *crews) wasDropped(cr *crew) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return cr.dropped
}

// enter adds f, whose head is here, and settles what each fetch brings: f ends
// where another begins, and who comes towards f's beginning ends there. When one
// has passed that meanwhile, f is not needed.
func (cr *crew) enter(f *fetch) {
	cr.mu.Lock()
	defer cr.mu.Unlock()
	for _, g := range cr.fetches {
		if g == f {
			continue
		}
		first, passed := g.makeWay(f.part.First)
		f.mu.Lock()
		switch {
		case passed:
			f.last = f.part.First - 1
		case first > f.part.First:
			f.last = min(f.last, first-1)
		}
		f.mu.Unlock()
	}
	if !slices.Contains(cr.fetches, f) {
		cr.fetches = append(cr.fetches, f)
	}
}

// drop removes f. It reports whether f was there.
func (cr *crew) drop(f *fetch) bool {
	cr.mu.Lock()
	defer cr.mu.Unlock()
	n := len(cr.fetches)
	cr.fetches = slices.DeleteFunc(cr.fetches, func(g *fetch) bool { return g == f })
	return len(cr.fetches) < n
}

// streams notes that the origin ignores ranges. It reports false when another
// fetch than f brings all of the content already.
func (cr *crew) streams(f *fetch) bool {
	cr.mu.Lock()
	defer cr.mu.Unlock()
	cr.plain = true
	return !slices.ContainsFunc(cr.fetches, func(g *fetch) bool { return g != f && g.streams(f.goal) })
}

// stretchLocked returns the end of the hole at start: where a segment is
// stored, where a fetch of the crew begins, at most last.
func (cr *crew) stretchLocked(e *Engine, start, last int64) int64 {
	for _, f := range cr.fetches {
		if first := f.begins(); first > start {
			last = min(last, first-1)
		}
	}
	for at, n := start, 0; at <= last-e.segment; n++ {
		if at += e.segment; n == maxStretch || e.store.Has(cr.version, int(at/e.segment)) {
			return at - 1
		}
	}
	return last
}

// begins returns from which byte on f has something for readers, 0 when it has
// ended.
func (f *fetch) begins() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.phase > growing || f.given {
		return 0
	}
	return f.part.First + f.base
}

// streams reports whether f brings all of the content, and has not passed the
// byte at pos.
func (f *fetch) streams(pos int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.phase == growing && !f.given && f.part.First == 0 && f.last == f.head.facts.Length-1 && f.base <= pos
}

// makeWay has f end before the byte at pos, unless it has passed that already
// and goes on behind it. It returns from where on f brings something.
func (f *fetch) makeWay(pos int64) (first int64, passed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.phase > growing || f.given:
		return 0, false
	case f.part.First >= pos || pos > f.last:
		return f.part.First + f.base, false
	case f.part.First+f.length > pos:
		return f.part.First + f.base, true
	}
	f.last = pos - 1
	f.quicken()
	f.publishLocked() // who waits for more goes to the other
	return f.part.First + f.base, false
}

// brings reports whether f has the byte at pos, or will when it has come at
// most near further. One that has no head for so long as age does not count.
func (f *fetch) brings(pos, near int64, now time.Time, age time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.phase > growing || f.given || f.phase == asking && now.Sub(f.progressed) >= age {
		return false
	}
	at := pos - f.part.First
	return at >= f.base && pos <= f.last && at-f.length <= near
}

// hire returns a fetch that brings the byte at from, attached to it: one that
// is at work, or a new one, which goes on to the byte at to when nobody else
// brings what comes before. nil: that has been stored meanwhile (there), or
// there are too many.
func (c *call) hire(from, to int64, leader *call) (f *fetch, mine, there bool) {
	e, sp := c.e, &c.spread
	cr, now := sp.crew, e.now()
	cr.mu.Lock()
	defer cr.mu.Unlock()
	near := nearBy * e.segment
	if cr.plain {
		near = math.MaxInt64
	}
	for _, f := range cr.fetches {
		if f.brings(from, near, now, c.pol.lockAge()) && f.attach() {
			return f, false, false
		}
	}
	if there = e.store.Has(cr.version, int(from/e.segment)); there || len(cr.fetches) >= maxCrew {
		return nil, false, there
	}
	p := rfc9111.Part{Last: sp.length - 1}
	if !cr.plain {
		p.First = from - from%e.segment
		p.Last = cr.stretchLocked(e, p.First, e.segmentEnd(to, sp.length))
	}
	f = c.startHole(p, from, leader)
	cr.fetches = append(cr.fetches, f)
	return f, true, false
}

// startHole makes the fetch of p, which is missing and has the byte at from,
// and runs it.
func (c *call) startHole(p rfc9111.Part, from int64, leader *call) *fetch {
	e, sp, was := c.e, &c.spread, c.want
	c.want = want{kind: theHole, span: p}
	f := c.start(sp.old, leader)
	c.want = was
	f.progressed = e.now()
	f.part, f.last, f.version = p, p.Last, sp.version
	f.crew = e.crews.join(sp.version)
	f.window, f.goal = c.window(), e.segmentEnd(from, sp.length)
	e.work.Add(1)
	go f.run()
	return f
}

// segmentEnd returns the last byte of the segment that has the one at pos, of
// content with length bytes.
func (e *Engine) segmentEnd(pos, length int64) int64 {
	return min(pos-pos%e.segment+e.segment, length) - 1
}

// ahead is how far is read ahead of who reads on, in bytes; 0: not at all.
func (p *Policy) ahead(e *Engine) int64 {
	n := p.ReadAhead
	switch {
	case n < 0:
		return 0
	case n == 0:
		n = readAhead
	}
	return min((n+e.segment-1)/e.segment*e.segment, e.maxAhead)
}

// window is how far a fetch is ahead of its fastest reader at most.
func (c *call) window() int64 { return max(c.pol.ahead(c.e), c.e.segment) }

// readAhead is what Policy.ReadAhead is by default.
const readAhead = 8 << 20

// strides remember where answers ended that had a range of spread content, so
// that who goes on there is known to read on. Old ones are overwritten.
type strides struct {
	mu   sync.Mutex // guards the fields below
	ends [1024]stride
}

type stride struct {
	version uint64
	next    int64
}

func (s stride) slot() uint64 {
	return (s.version ^ uint64(s.next)) * 0x9E3779B97F4A7C15 >> 54
}

func (t *strides) note(s stride) {
	t.mu.Lock()
	t.ends[s.slot()] = s
	t.mu.Unlock()
}

func (t *strides) has(s stride) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ends[s.slot()] == s
}

// storedUnder returns the head of what is under a key when it is that version.
func (e *Engine) storedUnder(o *old, now *store.Entry) bool {
	e.store.Lookup(o.hash, o.key, e.now().UnixMilli(), now)
	return now.Kind == store.Object && now.Version == o.version
}

// current returns o with the head that is stored by now: another fetch may have
// updated it since o was read (RFC 9111, 3.2).
func (e *Engine) current(o *old) *old {
	var now store.Entry
	defer now.Release()
	var h storedHead
	if o.head.facts.Partial() || !e.storedUnder(o, &now) || h.read(now.Meta) != nil || h.facts.Partial() {
		return o
	}
	h.sized(now.Size)
	h.block = bytes.Clone(h.block)
	updated := *o
	updated.head, updated.validated = h, now.Validated
	return &updated
}
