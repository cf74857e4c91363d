package store

// A carry is a record or a segment on its way from one tier to another, as it
// lies in a slab. It holds no pin.
type carry struct {
	hash    Hash
	rec     []byte // header, key, Meta, tags and content; of a segment the content
	account uint16
	segment bool
	soft    bool
	// checked: all purges up to here, those by key too, had their effect on it.
	// Those by key are told apart from here on, not from its birth: which of
	// the older ones hit whom is forgotten (recent), and it would not do to
	// refuse an old record for ever.
	checked Seq
}

// face is what purges see of c. h is its header.
func (c *carry) face(h *header) face { return h.faceOf(c.rec) }

// admit takes c in as a newcomer, unless something is under its hash.
func (m *Memory) admit(c *carry) error {
	var h header
	if !h.decode(c.rec) {
		return ErrTooLarge
	}
	c.account = m.accountNow(c.account, &h)
	n := aligned(h.length())
	if !m.fit(c.account, n) {
		return ErrQuota
	}
	w := m.welcome(c.hash, c.account, n)
	to, err := m.room(w.main, n)
	if err != nil {
		m.accounts.add(c.account, -n)
		return err
	}
	defer to.done()
	to.write(c.rec[:h.length()])
	to.list(c.hash, c.account, false)
	if err = to.err; err == nil {
		err = m.publishCarry(c, &h, &to, w.heat)
	}
	if err != nil {
		m.accounts.add(c.account, -n)
	}
	return err
}

func (m *Memory) publishCarry(c *carry, h *header, to *claim, heat uint64) error {
	mu := m.index.lock(c.hash)
	defer mu.Unlock()
	b := m.bans.Load()
	hard, soft := b.judge(c.face(h), c.checked, c.checked)
	if hard || m.hard.since(c.hash, c.checked) || c.checked > m.Seq() {
		return ErrPurged
	}
	soft = soft || c.soft || m.soft.since(c.hash, c.checked)
	var old cell
	if m.index.findLocked(c.hash, &old) {
		return ErrOlder
	}
	e := to.cell(Object, stateOf(b.newest, soft, 0)|heat)
	m.enterLocked(c.hash, &e, &old, false)
	return nil
}

// admitMarker puts a marker of variants, which was under h when the purges up
// to checked had had their effect, where nothing is.
func (m *Memory) admitMarker(h Hash, k *Marker, checked Seq) {
	mu := m.index.lock(h)
	defer mu.Unlock()
	var old cell
	if m.hard.since(h, checked) || checked > m.Seq() || m.index.findLocked(h, &old) {
		return
	}
	e := k.cell()
	m.enterLocked(h, &e, &old, false)
}

// peek fills c with what is under h, and returns the slab that it has pinned;
// nil when no record is there. It is no hit.
func (m *Memory) peek(h Hash, c *carry) *slab {
	checked := m.settled()
	var e cell
	var l listing
	for range lookupTries {
		if !m.index.load(h, &e) || !e.stored() {
			return nil
		}
		s := m.pin(&e)
		if s == nil {
			continue
		}
		*c = carry{hash: h, segment: e.kind() == kindSegment, soft: e.soft(), checked: checked}
		if !l.decode(m.directory(s.n).at(e.listing()), m.space.size) || l.hash != h || l.off != e.off() || !m.carried(s, &e, &l, c) {
			s.Release()
			return nil
		}
		return s
	}
	return nil
}

// carried fills in the record that e and l point to; false when it was purged.
func (m *Memory) carried(s *slab, e *cell, l *listing, c *carry) bool {
	c.rec, c.account = s.mem[l.off:l.off+l.n], l.site
	if c.segment {
		return true
	}
	var h header
	if !h.decode(c.rec) {
		return false
	}
	hard, soft := m.bans.Load().judge(c.face(&h), e.checked(), e.checked())
	c.soft = c.soft || soft
	return !hard
}

// younger reports whether what is under h, an object under another key left
// aside, was fetched after born. Without a key any object counts.
func (m *Memory) younger(h Hash, key []byte, born Seq) bool {
	mu := m.index.lock(h)
	defer mu.Unlock()
	var c cell
	return m.index.findLocked(h, &c) && c.kind() != kindSegment && m.bornLocked(&c, key) > born
}

// contains reports whether a record or a segment is under h.
func (m *Memory) contains(h Hash) bool {
	var c cell
	return m.index.load(h, &c) && c.stored()
}

// drop takes whatever is under h out of the index.
func (m *Memory) drop(h Hash, why Loss) {
	mu := m.index.lock(h)
	defer mu.Unlock()
	var c cell
	if m.index.findLocked(h, &c) {
		m.dropLocked(&c, why)
	}
}
