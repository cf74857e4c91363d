package store

import "errors"

// errSize: a Record whose Body is not what its Size says.
var errSize = errors.New("record: Body is not Size bytes (none above WholeMax)")

// roomTries bounds how often a writer looks for room that others take away.
const roomTries = 64

// Put is Zone.Put.
func (m *Memory) Put(r *Record) error {
	h, err := r.header()
	if err != nil {
		return m.counts.refused(err)
	}
	return m.put(r, m.welcome(r.Hash, m.account(r.Site), h.length()))
}

// put is Put of a newcomer that is received so.
func (m *Memory) put(r *Record, w welcome) error {
	h, err := r.header()
	if err != nil {
		return m.counts.refused(err)
	}
	if h.version == 0 {
		h.version = m.Version()
	}
	account := m.account(r.Site)
	n := aligned(h.length())
	if !m.fit(account, n) {
		return m.counts.refused(ErrQuota)
	}
	c, err := m.room(w.main, n)
	if err != nil {
		m.accounts.add(account, -n)
		return m.counts.refused(err)
	}
	defer c.done()
	m.write(&c, r, &h)
	c.list(r.Hash, account, false)
	if err = c.err; err == nil {
		err = m.publish(r, &h, &c, w.heat)
	}
	if err != nil {
		m.accounts.add(account, -n)
	}
	return m.counts.refused(err)
}

func (m *Memory) write(c *claim, r *Record, h *header) {
	var fixed [headerSize]byte
	h.encode(&fixed)
	c.write(fixed[:])
	c.write(r.Key)
	c.write(r.Meta)
	c.write(appendTags(nil, r.Tags))
	for _, p := range r.Body {
		c.write(p)
	}
}

// A welcome is how a newcomer is received.
type welcome struct {
	main  bool   // it goes into the main queue
	known bool   // it was asked for not long ago, or replaces what is in the main queue
	heat  uint64 // that it starts with, when it replaces nothing
}

// welcome receives a newcomer of n bytes. It goes into the main queue when it is worth that,
// or was asked for before and the main queue is short, or replaces something there.
func (m *Memory) welcome(h Hash, account uint16, n int) (w welcome) {
	var c cell
	m.merit.asked.Add(1)
	w.heat = m.merit.heat(1)
	switch {
	case m.accounts.above(account):
		return w
	case m.index.load(h, &c) && c.stored():
		w.main = m.slabs[c.slab()].main.Load()
		w.known = w.main
		return w
	}
	uses, known := m.ghost.take(h)
	if known {
		m.counts.ghostHits.Add(1)
	}
	uses++
	main := m.merit.enough(uses, n) || known && m.space.mainShort()
	return welcome{main: main, known: known, heat: m.merit.heat(uses)}
}

// room claims n bytes of a queue, and evicts when the background is behind.
func (m *Memory) room(main bool, n int) (claim, error) {
	for range roomTries {
		c, low, ok := m.space.claim(main, n, reserve)
		if low {
			select {
			case m.wake <- struct{}{}:
			default:
			}
		}
		if ok {
			return c, nil
		}
		m.reclaiming.Lock()
		ok = m.space.numFree() > reserve || m.reclaimLocked()
		m.reclaiming.Unlock()
		if !ok {
			break
		}
	}
	return claim{}, ErrFull
}

// publish lets the index point to what was written into c.
func (m *Memory) publish(r *Record, h *header, c *claim, heat uint64) error {
	mu := m.index.lock(r.Hash)
	defer mu.Unlock()
	b := m.bans.Load()
	hard, soft := b.judge(h.face(r.Key, appendTags(nil, r.Tags)), 0, 0)
	if hard || m.hard.since(r.Hash, r.Born) || r.Born > m.Seq() {
		return ErrPurged
	}
	soft = soft || m.soft.since(r.Hash, r.Validated)
	var old cell
	found := m.index.findLocked(r.Hash, &old)
	if found {
		if m.bornLocked(&old, r.Key) > r.Born {
			return ErrOlder
		}
		if old.stored() {
			heat = old.state & heatMask
		}
	}
	e := c.cell(Object, stateOf(b.newest, soft, 0)|heat)
	m.enterLocked(r.Hash, &e, &old, found)
	return nil
}

// bornLocked returns when the fetch of what c is started, 0 for an object
// under another key.
func (m *Memory) bornLocked(c *cell, key []byte) Seq {
	if c.kind() != Object {
		return c.unmarker().Born
	}
	var h header
	b := m.slabs[c.slab()].mem[c.off():]
	if h.decode(b) && (key == nil || string(h.keyOf(b)) == string(key)) {
		return h.born
	}
	return 0
}

// enterLocked puts e into the index: in place of old when that was found,
// else where there is room.
func (m *Memory) enterLocked(h Hash, e, old *cell, found bool) {
	why := Superseded
	if !found {
		m.index.roomLocked(h, old)
		found, why = old.tag&^versionMask != 0, Crowded
	}
	if found {
		m.forgetLocked(old, why)
	}
	e.at = old.at
	m.index.setLocked(h, e)
	if !e.stored() {
		m.counts.markers.Add(1)
		return
	}
	n := aligned(e.length())
	m.slabs[e.slab()].live.Add(int64(n))
	m.counts.admitted.Add(1)
	m.counts.admittedBytes.Add(uint64(n))
	if e.kind() == Object {
		m.counts.objects.Add(1)
	} else {
		m.counts.segments.Add(1)
	}
}

// PutSegment is Zone.PutSegment.
func (m *Memory) PutSegment(version uint64, n int, site uint64, pieces [][]byte) error {
	size := total(pieces)
	if size == 0 || size > m.SegmentSize() || n < 0 {
		return m.counts.refused(ErrTooLarge)
	}
	h := m.segmentHash(version, n)
	account := m.account(site)
	return m.putSegment(h, account, pieces, m.welcome(h, account, total(pieces)))
}

// putSegment stores a segment in one of the queues.
func (m *Memory) putSegment(h Hash, account uint16, pieces [][]byte, w welcome) error {
	var old cell
	if m.index.load(h, &old) {
		return nil
	}
	size := total(pieces)
	if !m.fit(account, aligned(size)) {
		return m.counts.refused(ErrQuota)
	}
	c, err := m.room(w.main, size)
	if err != nil {
		m.accounts.add(account, -aligned(size))
		return m.counts.refused(err)
	}
	defer c.done()
	for _, p := range pieces {
		c.write(p)
	}
	c.list(h, account, true)
	if c.err != nil {
		m.accounts.add(account, -aligned(size))
		return c.err
	}
	mu := m.index.lock(h)
	defer mu.Unlock()
	e := c.cell(kindSegment, w.heat)
	m.enterLocked(h, &e, &old, m.index.findLocked(h, &old))
	return nil
}

// Freshen is Zone.Freshen.
func (m *Memory) Freshen(h Hash, key []byte, version uint64, meta []byte, validated Seq) error {
	r := Record{Hash: h, Key: key, Version: version, Meta: meta, Validated: validated}
	var e Entry
	hd, err := m.renewed(&r, &e)
	defer e.Release()
	if err == nil {
		err = m.replace(&r, &hd)
	}
	return m.counts.refused(err)
}

// renewed completes r, which names a record and says what its validation has
// changed, with the rest of that record, and returns its header. e, which the
// caller releases, holds the content.
func (m *Memory) renewed(r *Record, e *Entry) (h header, err error) {
	site, tags, ok := m.pinned(r.Hash, r.Key, e)
	switch {
	case !ok || e.Version != r.Version:
		return h, ErrGone
	case e.Validated > r.Validated || r.Validated > m.Seq():
		return h, ErrOlder
	}
	r.Site, r.Tags, r.Born, r.Size = site, tags, e.Born, e.Size
	if e.Body.N > 0 {
		r.Body = [][]byte{e.Body.Mem}
	}
	return r.header()
}

// pinned fills e with the object under key, and returns its site and tags.
func (m *Memory) pinned(h Hash, key []byte, e *Entry) (site uint64, tags []uint64, ok bool) {
	var c cell
	for range lookupTries {
		if !m.index.load(h, &c) || c.kind() != Object {
			return 0, nil, false
		}
		if !m.object(h, key, &c, e) {
			continue
		}
		var r header
		b := m.slabs[c.slab()].mem[c.off():]
		if e.Kind != Object || !r.decode(b) {
			return 0, nil, false
		}
		return r.site, parseTags(r.tagsOf(b)), true
	}
	return 0, nil, false
}

// replace writes r where a record with the same key and version is. The hard
// limit of the site does not count: as much as comes goes.
func (m *Memory) replace(r *Record, h *header) error {
	account := m.account(r.Site)
	c, err := m.room(m.welcome(r.Hash, account, h.length()).main, h.length())
	if err != nil {
		return err
	}
	defer c.done()
	m.write(&c, r, h)
	c.list(r.Hash, account, false)
	if c.err != nil {
		return c.err
	}
	mu := m.index.lock(r.Hash)
	defer mu.Unlock()
	var old cell
	var was header
	if !m.index.findLocked(r.Hash, &old) || old.kind() != Object {
		return ErrGone
	}
	rec := m.slabs[old.slab()].mem[old.off():]
	if !was.decode(rec) || was.version != r.Version || string(was.keyOf(rec)) != string(r.Key) {
		return ErrGone
	}
	if was.validated > r.Validated || r.Validated > m.Seq() {
		return ErrOlder
	}
	b := m.bans.Load()
	hard, soft := b.judge(h.face(r.Key, appendTags(nil, r.Tags)), old.checked(), 0)
	if hard {
		m.dropLocked(&old, Purged)
		return ErrPurged
	}
	soft = soft || m.soft.since(r.Hash, r.Validated)
	e := c.cell(Object, old.restate(b.newest, soft))
	m.accounts.add(account, aligned(h.length()))
	m.enterLocked(r.Hash, &e, &old, true)
	return nil
}

// Remove is Zone.Remove.
func (m *Memory) Remove(h Hash, key []byte) {
	var c cell
	mu := m.index.lock(h)
	defer mu.Unlock()
	if m.index.findLocked(h, &c) && (key == nil || c.kind() != Object || m.holdsLocked(&c, key)) {
		m.dropLocked(&c, Removed)
	}
}
