package store

import (
	"errors"
	"fmt"
	"slices"
)

// errKind: Mark was given something else than a marker.
var errKind = errors.New("marker: its kind is neither Variants nor HitForMiss")

// Mark is Zone.Mark.
func (m *Memory) Mark(h Hash, mk Marker) error { return m.mark(h, &mk) }

// mark is Mark; without an error mk is what is under h now.
func (m *Memory) mark(h Hash, mk *Marker) error {
	if err := mk.check(); err != nil {
		return err
	}
	mu := m.index.lock(h)
	defer mu.Unlock()
	if m.hard.since(h, mk.Born) || mk.Born > m.Seq() {
		return m.counts.refused(ErrPurged)
	}
	var old cell
	found := m.index.findLocked(h, &old)
	switch {
	case found && mk.joins(&old):
	case found && m.bornLocked(&old, nil) > mk.Born:
		return m.counts.refused(ErrOlder)
	case mk.Generation == 0:
		mk.Generation = max(uint32(m.Version()), 1)
	}
	e := mk.cell()
	m.enterLocked(h, &e, &old, found)
	return nil
}

// marker returns the marker of variants that is under h.
func (m *Memory) marker(h Hash) (k Marker, ok bool) {
	var c cell
	if !m.index.load(h, &c) || c.kind() != Variants {
		return k, false
	}
	return c.unmarker(), true
}

// check reports what is wrong with k, of whose sets there are four at most.
func (k *Marker) check() error {
	if k.Kind != Variants && k.Kind != HitForMiss {
		return errKind
	}
	k.NumSets = min(max(k.NumSets, 0), len(k.Sets))
	for _, s := range k.Sets[:k.NumSets] {
		if s >= maxSets {
			return fmt.Errorf("marker: set %d was not interned", s)
		}
	}
	return nil
}

// Tally is Zone.Tally.
func (m *Memory) Tally(h Hash, generation uint32) int {
	mu := m.index.lock(h)
	defer mu.Unlock()
	var c cell
	if !m.index.findLocked(h, &c) || c.kind() != Variants {
		return 0
	}
	k := c.unmarker()
	if k.Generation != generation {
		return 0
	}
	if k.tally < tallyMax {
		k.tally++
		e := k.cell()
		e.at = c.at
		m.index.setLocked(h, &e)
	}
	return k.tally
}

// joins takes over the sets and the tally of the marker c, if that is of the same generation.
func (k *Marker) joins(c *cell) bool {
	if c.kind() != Variants {
		return false
	}
	old := c.unmarker()
	return k.join(&old)
}

func (k *Marker) join(old *Marker) bool {
	if k.Kind != Variants || old.Kind != Variants {
		return false
	}
	if k.Generation != 0 && k.Generation != old.Generation {
		return false
	}
	k.Generation, k.Born, k.tally = old.Generation, max(k.Born, old.Born), old.tally
	for _, s := range old.Sets[:old.NumSets] {
		if !k.has(s) && k.NumSets < len(k.Sets) {
			k.Sets[k.NumSets] = s
			k.NumSets++
		}
	}
	return true
}

func (k *Marker) has(s Set) bool { return slices.Contains(k.Sets[:k.NumSets], s) }

// cell is the index entry for k.
func (k *Marker) cell() cell {
	place := uint64(k.Kind)<<kindShift | uint64(k.NumSets)<<48 | uint64(k.tally)<<51
	for i, s := range k.Sets[:k.NumSets] {
		place |= uint64(s) << (12 * i)
	}
	expires := uint64(min(k.Expires, 1<<heatShift-1))
	if k.Expires < 0 {
		expires = 1 // long ago; 0 is never
	}
	return cell{place: place, state: uint64(k.Generation)<<32 | uint64(k.Born), extra: 1<<heatShift | expires}
}

// unmarker is the marker that c is.
func (c *cell) unmarker() (k Marker) {
	k.Kind, k.NumSets = c.kind(), int(c.place>>48&7)
	for i := range k.Sets[:k.NumSets] {
		k.Sets[i] = Set(c.place >> (12 * i) & (maxSets - 1))
	}
	k.tally = int(c.place >> 51 & tallyMax)
	k.Generation, k.Born, k.Expires = uint32(c.state>>32), Seq(c.state), c.expires()
	return k
}
