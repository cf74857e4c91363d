package store

import (
	"encoding/binary"
	"hash/crc32"
)

// A diskCell is an index entry of a disk. Two of its words are packed more
// closely than a memory's, for neither directory nor record can be asked under
// a shard's lock:
//
//	state  checked 32 | low bits of born 29 | soft 1 | frequency 2
//	extra  place in the slot 16 | high bits of born 3 | print 11 | account 12 | bytes in the slab 22
//
// The print is of the full key. A segment has no key, born or checked: there,
// and in the print, is the rest of its hash, so that 123 bits of it are
// compared. Markers are as in memory.
type diskCell struct{ cell }

const (
	diskBytes  = 1<<22 - 1
	accountAt  = 22
	printAt    = accountAt + 12
	bornHighAt = printAt + 11
	listingAt  = 48

	bornLowAt   = 3
	bornLowBits = 29
	bornLow     = 1<<bornLowBits - 1
)

func (c *diskCell) length() int     { return int(c.extra & diskBytes) }
func (c *diskCell) account() uint16 { return uint16(c.extra>>accountAt) & (maxSites - 1) }
func (c *diskCell) print() uint16   { return uint16(c.extra>>printAt) & printMask }
func (c *diskCell) listing() int    { return int(c.extra >> listingAt) }

// born returns when the fetch of an object or a marker started; 0 for a segment.
func (c *diskCell) born() Seq {
	switch c.kind() {
	case Object:
		return c.packedBorn()
	case kindSegment:
		return 0
	}
	return c.unmarker().Born
}

func (c *diskCell) packedBorn() Seq {
	return Seq(c.state>>bornLowAt&bornLow | c.extra>>bornHighAt&7<<bornLowBits)
}

// note sets what the purges up to checked did to an object.
func (c *diskCell) note(checked Seq, soft bool) {
	c.state = c.state&(bornLow<<bornLowAt|freqMax) | uint64(checked)<<32
	if soft {
		c.state |= softBit
	}
}

// A diskEntry is what a diskCell of a record packs.
type diskEntry struct {
	hash           Hash
	kind           Kind // Object or kindSegment
	slab, off, n   int
	listing        int
	sequence       uint32 // the slab's
	account, print uint16
	born, checked  Seq
	soft           bool
	freq           int
}

func (e *diskEntry) cell() (c diskCell) {
	c.place = placeOf(e.kind, e.slab, e.off, e.sequence)
	born, checked, print := e.born, e.checked, e.print
	if e.kind == kindSegment {
		born, checked, print = restOf(e.hash)
	}
	c.state = stateOf(checked, e.soft, e.freq) | uint64(born)&bornLow<<bornLowAt
	c.extra = uint64(e.n) | uint64(e.account)<<accountAt | uint64(print)<<printAt |
		uint64(born)>>bornLowBits<<bornHighAt | uint64(e.listing)<<listingAt
	return c
}

// restOf is what a segment has in place of born, checked and print.
func restOf(h Hash) (born, checked Seq, print uint16) {
	return Seq(h[1] >> 32), Seq(h[1]), uint16(h[0]) & printMask
}

// names reports whether c is the segment with that hash.
func (c *diskCell) names(h Hash) bool {
	born, checked, print := restOf(h)
	return c.kind() == kindSegment && c.packedBorn() == born && c.checked() == checked && c.print() == print
}

// printOf is the print of a full key. It tells apart keys that share a hash,
// which none do but in tests; so it needs no secret.
func printOf(key []byte) uint16 { return uint16(crc32.Checksum(key, castagnoli)) & printMask }

// sumSize is the bytes behind a record on disk: a checksum of its own, so that
// reading a record reads no more than the record. Like those of listings it is
// begun with a seed (listingSeed): a record that an earlier life of its slab
// left there is none of this one.
const sumSize = 4

// intact reports whether rec, with its checksum, is what was written in that
// life of its slab.
func intact(rec []byte, seed uint32) bool {
	n := len(rec) - sumSize
	return n >= headerSize && binary.LittleEndian.Uint32(rec[n:]) == crc32.Update(seed, castagnoli, rec[:n])
}
