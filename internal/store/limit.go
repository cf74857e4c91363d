package store

// A site at its limit makes room among its own records: were it only refused,
// what it stored first would stay for ever while the zone has room.

const (
	// trimCells bounds the index entries that one Put looks at for room.
	trimCells = 1 << 16
	// trimTurns is how often trim goes round the index at most: a record that
	// was hit is passed once for each hit that is remembered.
	trimTurns = freqMax + 1
	// trimPart is the part of a limit that is made room for at once, so that
	// not every Put has to.
	trimPart = 16
)

// fit takes n bytes on account a. When that goes above its limit, others of
// the account's records fall for it; false when too few could be found.
func (m *Memory) fit(a uint16, n int) bool {
	if m.accounts.admit(a, n) {
		return true
	}
	acc := &m.accounts[a]
	limit := acc.limit.Load()
	if int64(n) > limit {
		return false
	}
	m.trimming.Lock()
	defer m.trimming.Unlock()
	if m.accounts.admit(a, n) { // another one has made room
		return true
	}
	m.trim(a, limit-max(int64(n), limit/trimPart))
	return m.accounts.admit(a, n)
}

// trim drops records of account a until no more than most bytes are left: one
// after the other in the order of the index, which is none, but those that
// were hit since it last came by. The caller holds m.trimming.
func (m *Memory) trim(a uint16, most int64) {
	acc := &m.accounts[a]
	buckets := len(m.index.words) / bucketWords
	looks := min(trimCells/ways, trimTurns*buckets)
	for ; looks > 0 && acc.live.Load() > most; looks-- {
		m.index.bucket(acc.hand, func(c *cell) {
			switch {
			case !c.stored() || m.directory(c.slab()).site(c.listing()) != a || acc.live.Load() <= most:
			case c.freq() > 0:
				m.index.words[c.at+stateAt].CompareAndSwap(c.state, c.state-1)
			default:
				m.dropLocked(c, OverLimit)
			}
		})
		acc.hand = (acc.hand + 1) % buckets
	}
}
