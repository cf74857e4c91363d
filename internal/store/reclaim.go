package store

// copyMost is how many slabs' worth of records is copied forward for one slab
// that becomes free. Beyond it records are dropped: writing is never held up by
// more copying than that.
const copyMost = 4

// refill keeps a few slabs free in the background, so that requests find room
// without evicting themselves.
func (m *Memory) refill() {
	defer close(m.stopped)
	for {
		select {
		case <-m.quit:
			return
		case <-m.wake:
			m.makeRoom(m.space.wantedFree)
		}
	}
}

// makeRoom evicts until so many slabs are free, or nothing more can be had.
func (m *Memory) makeRoom(free int) {
	for more := true; more && m.space.numFree() < free; {
		m.reclaiming.Lock()
		more = m.space.numFree() >= free || m.reclaimLocked()
		m.reclaiming.Unlock()
	}
}

// A round is the work for one more free slab.
type round struct {
	budget int // bytes that may still be copied
	net    int // slabs freed less slabs opened for copies
	chosen int // of a disk: bytes of this victim that are to be copied
}

// reclaimLocked makes one more slab free; false when there is none to be had.
// The caller holds m.reclaiming.
func (m *Memory) reclaimLocked() bool {
	if m.merit.due(m.counts.objects.Load() + m.counts.segments.Load()) {
		m.ghost.halve()
	}
	r := round{budget: copyMost * m.space.size}
	for r.net <= 0 {
		s := m.space.unpinned()
		if s == nil {
			if s = m.space.victim(); s == nil {
				return false
			}
			m.evacuateLocked(s, &r)
			s.seq.Add(1)
			if s.pins.Load() != 0 {
				m.space.setAside(s)
				continue
			}
		}
		if m.freeLocked(s) {
			r.net++
		}
	}
	return true
}

// freeLocked makes s free. No index entry points to it and nobody holds a
// pin. When its exposed pages cannot be punched it is lost to the volume
// (Stats.Retired): they must never be overwritten.
func (m *Memory) freeLocked(s *slab) bool {
	s.hole = false
	if s.exposed.Load() {
		size := int64(m.space.size)
		if err := m.slabMemory.punch(int64(s.n)*size, size); err != nil {
			m.counts.retired.Add(1)
			return false
		}
		s.exposed.Store(false)
		s.hole = true
		m.counts.punched.Add(1)
	}
	if m.poison {
		poison(s.mem)
	}
	m.space.put(s)
	return true
}

// evacuateLocked takes every record out of s: hit ones are copied forward
// while the budget lasts, the others dropped. Lookups go on meanwhile.
func (m *Memory) evacuateLocked(s *slab, r *round) {
	var l listing
	for i := range s.records {
		if !l.decode(m.directory(s.n).at(i), m.space.size) {
			m.counts.damaged.Add(1)
			continue // what it listed is swept below
		}
		m.evict(s, &l, r)
	}
	if s.live.Load() != 0 {
		m.sweep(s)
	}
}

// sweep drops every index entry that points to s. It is what is left to do
// when a directory turns out damaged.
func (m *Memory) sweep(s *slab) {
	m.index.each(func(c *cell) {
		if c.stored() && c.slab() == s.n {
			m.dropLocked(c, Damaged)
		}
	})
}

// evict drops or moves the record that l lists, if the index still points to it.
func (m *Memory) evict(s *slab, l *listing, r *round) {
	kind := Object
	if l.segment {
		kind = kindSegment
	}
	place := placeOf(kind, s.n, l.off, s.seq.Load())
	var c cell
	mu := m.index.lock(l.hash)
	if !m.index.findLocked(l.hash, &c) || c.place != place {
		mu.Unlock()
		return
	}
	v := m.appraise(s, &c, r.budget < copyMost*m.space.size/2)
	why := m.fateLocked(s, l, &c, v, r.budget)
	if why != kept {
		m.dropLocked(&c, why)
	}
	mu.Unlock()
	switch why {
	case kept:
		r.budget -= aligned(l.n)
		if m.forward(s, l, &c, v.heat) {
			r.net--
		}
	case Cold, Aged, Behind:
		m.ghost.add(l.hash, aligned(l.n), v.uses)
	}
}

// A verdict is what a record of a victim is worth.
type verdict struct {
	uses  int
	heat  uint64 // that it starts anew with
	worth bool
}

// appraise: what was hit while it stood in the small queue goes on to the main
// one, where merit decides.
func (m *Memory) appraise(s *slab, c *cell, tight bool) (v verdict) {
	if s.main.Load() {
		v.uses, v.heat, v.worth = m.merit.weigh(c, tight)
		return v
	}
	v.uses, v.worth = m.merit.uses(c), c.freq() > 0
	v.heat = m.merit.heat(v.uses)
	m.merit.asked.Add(int64(c.freq()))
	return v
}

// fateLocked decides what becomes of a live record of a victim.
func (m *Memory) fateLocked(s *slab, l *listing, c *cell, v verdict, budget int) Loss {
	switch {
	case !v.worth && s.main.Load():
		return Aged
	case !v.worth:
		return Cold
	case m.accounts.above(l.site):
		return OverShare
	case budget < aligned(l.n):
		return Behind
	case c.kind() == Object && m.purgedLocked(s, l, c):
		return Purged
	}
	return kept
}

// purgedLocked evaluates the purges since c was checked last.
func (m *Memory) purgedLocked(s *slab, l *listing, c *cell) bool {
	b := m.bans.Load()
	if c.checked() == b.newest {
		return false
	}
	var h header
	rec := s.mem[l.off : l.off+l.n]
	if !h.decode(rec) {
		return true
	}
	f := h.faceOf(rec)
	hard, soft := b.judge(f, c.checked(), c.checked())
	if hard || soft {
		b.tell(f, c.checked(), c.checked())
	}
	if !hard {
		c.state = c.restate(b.newest, c.soft() || soft)
	}
	return hard
}

// forward copies a record to the main queue and points the index there. Of hits
// it has those that came meanwhile. It reports whether a slab was opened for it.
func (m *Memory) forward(s *slab, l *listing, was *cell, heat uint64) (opened bool) {
	rec, account := s.mem[l.off:l.off+l.n], l.site
	var h header
	if account == 0 && !l.segment && h.decode(rec) {
		account = m.accountNow(account, &h)
	}
	to, _, ok := m.space.claim(true, l.n, 0)
	if ok {
		defer to.done()
		to.write(rec)
		to.list(l.hash, account, l.segment)
		ok = to.err == nil
	}
	var c cell
	mu := m.index.lock(l.hash)
	defer mu.Unlock()
	if !m.index.findLocked(l.hash, &c) || c.place != was.place {
		return to.fresh // superseded or dropped while it was copied
	}
	if !ok {
		m.dropLocked(&c, Behind)
		return to.fresh
	}
	freq := max(c.freq()-was.freq(), 0)
	checked, soft := c.checked(), c.soft()
	if was.checked() > checked {
		checked, soft = was.checked(), was.soft()
	}
	moved := to.cell(c.kind(), stateOf(checked, soft, freq)|heat)
	moved.at = c.at
	m.index.setLocked(l.hash, &moved)
	s.live.Add(-int64(aligned(l.n)))
	to.s.live.Add(int64(aligned(l.n)))
	m.accounts.move(l.site, account, aligned(l.n))
	m.counts.forwarded.Add(1)
	m.counts.forwardedBytes.Add(uint64(l.n))
	if m.offers != nil {
		m.offers.add(l.hash)
	}
	return to.fresh
}

// dropLocked takes the entry c out of the index, and what it counts for out
// of the counts.
func (m *Memory) dropLocked(c *cell, why Loss) {
	m.forgetLocked(c, why)
	m.index.clearLocked(c)
}

// forgetLocked counts the entry c as gone; the caller overwrites it.
func (m *Memory) forgetLocked(c *cell, why Loss) {
	if !c.stored() {
		m.counts.markers.Add(-1)
		return
	}
	n := aligned(c.length())
	m.slabs[c.slab()].live.Add(-int64(n))
	m.accounts.add(m.directory(c.slab()).site(c.listing()), -n)
	if c.kind() == Object {
		m.counts.objects.Add(-1)
	} else {
		m.counts.segments.Add(-1)
	}
	m.counts.lost[why].Add(1)
}
