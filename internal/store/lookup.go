package store

import "opencache/internal/wire"

// Lookup is Zone.Lookup. It does not allocate.
func (m *Memory) Lookup(h Hash, key []byte, now int64, e *Entry) {
	*e = Entry{}
	var c cell
	for range lookupTries {
		if !m.index.load(h, &c) {
			return
		}
		switch c.kind() {
		case Object:
			if m.object(h, key, &c, e) {
				return
			}
		case Variants, HitForMiss:
			e.marker(&c, now)
			m.index.stir(&c)
			return
		default:
			return
		}
	}
}

// object fills e from the record that c points to. It is false when the
// record was moved meanwhile: look again.
func (m *Memory) object(h Hash, key []byte, c *cell, e *Entry) bool {
	s := m.pin(c)
	if s == nil {
		return false
	}
	off := c.off()
	b := s.mem[off:]
	var r header
	if !r.decode(b) || string(r.keyOf(b)) != string(key) {
		s.Release()
		return true
	}
	soft := c.soft()
	if bans := m.bans.Load(); c.checked() != bans.newest {
		f := r.faceOf(b)
		hard, softer := bans.judge(f, c.checked(), c.checked())
		soft = soft || softer
		if m.checked(h, c, bans.newest, hard, soft) && (hard || softer) {
			bans.tell(f, c.checked(), c.checked())
		}
		if hard {
			s.Release()
			return true
		}
	}
	m.index.touch(c)
	e.Kind = Object
	e.Meta = r.metaOf(b)
	e.Size, e.Version, e.Born, e.Validated, e.Soft = r.size, r.version, r.born, r.validated, soft
	if r.body > 0 {
		e.Body = s.span(off+r.length()-r.body, r.body)
	}
	e.owner = s
	return true
}

// checked notes in the entry what the purges up to newest did to it. It reports
// false when that was done by another, who may know of purges that are forgotten.
func (m *Memory) checked(h Hash, was *cell, newest Seq, hard, soft bool) bool {
	var c cell
	mu := m.index.lock(h)
	defer mu.Unlock()
	if !m.index.findLocked(h, &c) || c.place != was.place || c.checked() != was.checked() {
		return false
	}
	if hard {
		m.dropLocked(&c, Purged)
		return true
	}
	c.state = c.restate(max(newest, c.checked()), soft || c.soft())
	m.index.setLocked(h, &c)
	return true
}

func (e *Entry) marker(c *cell, now int64) {
	if expires := c.expires(); expires != 0 && now >= expires {
		return
	}
	mk := c.unmarker()
	e.Kind, e.Sets, e.NumSets, e.Generation, e.Born = mk.Kind, mk.Sets, mk.NumSets, mk.Generation, mk.Born
}

// Release gives up an Object whose Body was not handed on. A second call, and
// one on an Entry without an Object, does nothing.
func (e *Entry) Release() {
	if e.owner != nil {
		e.owner.Release()
		*e = Entry{}
	}
}

// Segment is Zone.Segment.
func (m *Memory) Segment(version uint64, n, off, size int) (wire.Span, bool) {
	return m.relay(version, n, off, size, true)
}

func (m *Memory) relay(version uint64, n, off, size int, hit bool) (wire.Span, bool) {
	var l listing
	s, c := m.segment(version, n, &l)
	if s == nil {
		return wire.Span{}, false
	}
	if off < 0 || size <= 0 || off >= l.n {
		s.Release()
		return wire.Span{}, false
	}
	if hit {
		m.index.touch(&c)
	}
	return s.span(l.off+off, min(size, l.n-off)), true
}

// Has is Zone.Has.
func (m *Memory) Has(version uint64, n int) bool {
	var l listing
	s, _ := m.segment(version, n, &l)
	if s != nil {
		s.Release()
	}
	return s != nil
}

// segment fills l with where segment n is and pins that slab; nil: nowhere.
func (m *Memory) segment(version uint64, n int, l *listing) (s *slab, c cell) {
	h := m.segmentHash(version, n)
	for range lookupTries {
		if !m.index.load(h, &c) || c.kind() != kindSegment {
			return nil, c
		}
		if s = m.pin(&c); s == nil {
			continue
		}
		// The index knows 48 bits of the hash, the directory all of it.
		if l.decode(m.directory(s.n).at(c.listing()), m.space.size) && l.hash == h && l.off == c.off() {
			return s, c
		}
		s.Release()
		return nil, c
	}
	return nil, c
}
