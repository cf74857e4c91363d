package store

import (
	"math/bits"
	"sync/atomic"
)

// merit decides which records are worth a place in the main queue: those that
// were asked for more often than what lately fell out of it. How often that was
// is counted for each record, to 15, in its entry of the index while it is
// stored and in the ghost when it has fallen. A hit only counts in the entry's
// frequency, as ever; the reclaimer adds that up when it comes by.
//
// What is large takes the place of many: each time that a record is twice as large
// as the mean counts as half a use less, and the other way round. By bytes that loses
// some tenths of a point, one of a loop that nearly fits; by requests it gains one to five.
//
// From time to time all counts are halved. Where popularity does not change,
// long memory is best; where it does, a short one. What tells is how records
// that were kept though nobody asked for them do afterwards: worse than those
// that are new in the main queue when popularity moves, better when not.
type merit struct {
	epoch     atomic.Uint32 // how often counts were halved
	asked     atomic.Int64  // requests that were counted since, and half of those before
	threshold atomic.Int64  // of a value; what is above it is worth a place
	mean      atomic.Int64  // logarithm of the bytes of those that are weighed

	// How many of those that were weighed for the first time, and of those that
	// had been kept without a hit, had one since. The reclaimer's.
	fresh, idle int64
}

const (
	usesMax  = 15
	usesAt   = 3 // in the state of an entry, behind soft
	epochAt  = usesAt + 4
	epochMax = 1<<8 - 1
	idleBit  = 1 << 15 // kept without a hit when it was weighed last
	knownBit = 1 << 16 // was weighed

	// heatMask is what the state of an entry has about hits.
	heatMask = 1<<32 - 1 - softBit

	// point is one use in a value, one in a logarithm to base 2, and all in a part.
	point = 1 << 16
	// sizeMost is how much size counts at most, and sizeFirst the mean to begin with.
	sizeMost  = 4 * point
	sizeFirst = 13 * point

	// ghostTimes is how many times what memory holds its ghost remembers: with
	// less, most of what is asked for seldom would always begin anew.
	ghostTimes = 4

	// Counts are halved after so many requests for each record that is stored.
	longMemory  = 30
	shortMemory = 10
	// moves is by how much those without a hit must do worse for that: where memory
	// is short they do a little worse by that alone.
	moves = point / 12
)

func (m *merit) start() {
	m.threshold.Store(point)
	m.mean.Store(sizeFirst)
	m.fresh, m.idle = point/2, point*3/4
}

// value is what so many uses of n bytes are worth.
func (m *merit) value(uses, n int) int64 {
	size := (logOf(n) - m.mean.Load()) / 2
	return int64(uses)*point - max(min(size, sizeMost), -sizeMost)
}

// logOf is the logarithm of n to base 2, in points; between powers it is straight.
func logOf(n int) int64 {
	n = max(n, 1)
	whole := bits.Len(uint(n)) - 1
	return int64(whole)*point + int64(n)<<16>>whole - point
}

// enough reports whether a record of n bytes is worth a place. What was asked for
// once is not, however small it is.
func (m *merit) enough(uses, n int) bool { return uses > 1 && m.value(uses, n) > m.threshold.Load() }

// heat is what the state of an entry has for so many uses.
func (m *merit) heat(uses int) uint64 {
	return uint64(min(uses, usesMax))<<usesAt | uint64(m.epoch.Load()&epochMax)<<epochAt
}

// uses returns how often the record of c was asked for.
func (m *merit) uses(c *cell) int {
	halvings := (m.epoch.Load() - uint32(c.state>>epochAt)) & epochMax
	return min(int(c.state>>usesAt&usesMax)>>halvings+c.freq(), usesMax)
}

// weigh decides whether the record of c, which has come to the end of the main
// queue, is worth another round, and returns the heat that it starts it with.
// When room for copies is tight, only what was hit in the last one is. Only the
// reclaimer weighs.
func (m *merit) weigh(c *cell, tight bool) (uses int, heat uint64, worth bool) {
	hit := int64(0)
	if c.freq() > 0 {
		hit = point
	}
	switch c.state & (knownBit | idleBit) {
	case 0:
		m.fresh += (hit - m.fresh) / 512
	case knownBit | idleBit:
		m.idle += (hit - m.idle) / 512
	}
	uses = m.uses(c)
	m.asked.Add(int64(c.freq()))
	n := c.length()
	m.mean.Add((logOf(n) - m.mean.Load()) / 512)
	worth = m.enough(uses, n) && (hit != 0 || !tight)
	m.learn(m.value(uses, n), worth, hit != 0)
	if hit != 0 {
		return uses, m.heat(uses) | knownBit, worth
	}
	if m.moving() {
		uses -= uses * 3 / 10
	}
	return uses, m.heat(uses) | knownBit | idleBit, worth
}

// learn moves the threshold: down to what falls, up when much is kept that had
// no hit. It is never under one use.
func (m *merit) learn(value int64, kept, hit bool) {
	t := m.threshold.Load()
	switch {
	case !kept:
		t += (value - t) / 100
	case !hit:
		t += point / 100
	}
	m.threshold.Store(max(t, point))
}

// moving reports whether popularity moves.
func (m *merit) moving() bool { return m.idle < m.fresh-moves }

// due halves what merit itself counts when it is time, and reports whether it was.
// The volume holds so many records.
func (m *merit) due(records int64) bool {
	memory := int64(longMemory)
	if m.moving() {
		memory = shortMemory
	}
	n := m.asked.Load()
	if n < memory*max(records, 1000) {
		return false
	}
	m.asked.Add(-n / 2)
	m.epoch.Add(1)
	m.threshold.Store(max(m.threshold.Load()/2, point))
	return true
}
