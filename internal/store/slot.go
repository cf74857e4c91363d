package store

import (
	"encoding/binary"
	"hash/crc32"
)

const (
	// slotHeader is the bytes in front of a slot's listings: a page, so that
	// what invalidates a slot is written whole or not at all.
	slotHeader = 4096

	slotMagic    = 0x746f6c73636f // "ocslot"
	slotSums     = 64             // where the checksums of the blocks begin
	slotMaxSums  = largeSlab / blockSize
	slotMain     = 1
	slotUnused   = 2
	listingSpare = 0x8000000000000000 // the one bit of a listing's packed word that nothing uses
)

// A slot is the directory of one slab on disk: this header, and behind it a
// listing for each record. It is written after the slab's bytes, and
// invalidated (encodeInvalid) before its records leave the index: what stands
// in a valid slot may be found again.
type slot struct {
	slab       int    // its number
	generation uint64 // of the slab: never the same for two lives of it
	base       uint64 // what the stamps of its listings are counted from
	main       bool   // of the main queue
	records    int    // listings
	used       int    // bytes of the slab
	newest     Seq    // the highest sequence in its records
	sums       []uint32
}

// blocks is how many blocks of a slab n bytes touch.
func blocks(n int) int { return (n + blockSize - 1) / blockSize }

// encode writes the header into b, of slotHeader bytes.
func (s *slot) encode(b []byte) {
	s.put(b, 0)
	for i, sum := range s.sums {
		binary.LittleEndian.PutUint32(b[slotSums+4*i:], sum)
	}
	s.seal(b)
}

// encodeInvalid writes a header that lists nothing and keeps the generation.
func (s *slot) encodeInvalid(b []byte) {
	empty := slot{slab: s.slab, generation: s.generation}
	empty.put(b, slotUnused)
	empty.seal(b)
}

func (s *slot) put(b []byte, flags uint32) {
	clear(b[:slotHeader])
	le := binary.LittleEndian
	if s.main {
		flags |= slotMain
	}
	le.PutUint64(b[0:], slotMagic)
	le.PutUint32(b[8:], uint32(s.slab))
	le.PutUint32(b[12:], flags)
	le.PutUint64(b[16:], s.generation)
	le.PutUint64(b[24:], s.base)
	le.PutUint32(b[32:], uint32(s.records))
	le.PutUint32(b[36:], uint32(s.used))
	le.PutUint32(b[40:], uint32(s.newest))
	le.PutUint32(b[44:], uint32(len(s.sums)))
}

func (s *slot) seal(b []byte) {
	binary.LittleEndian.PutUint32(b[slotHeader-4:], crc32.Checksum(b[:slotHeader-4], castagnoli))
}

// A slotState is what the bytes of a slot's header are.
type slotState uint8

const (
	slotDamaged slotState = iota // not what was written
	slotEmpty                    // never used, or invalidated
	slotValid
)

// decode reads the header of slot number n; its slab has so many bytes, and
// room for so many listings. Of an empty slot only the generation counts.
func (s *slot) decode(b []byte, n, slab, listings int) slotState {
	*s = slot{slab: n}
	if len(b) < slotHeader {
		return slotDamaged
	}
	le := binary.LittleEndian
	if le.Uint64(b) != slotMagic {
		if zeros(b[:slotHeader]) {
			return slotEmpty
		}
		return slotDamaged
	}
	if le.Uint32(b[slotHeader-4:]) != crc32.Checksum(b[:slotHeader-4], castagnoli) || int(le.Uint32(b[8:])) != n {
		return slotDamaged
	}
	flags := le.Uint32(b[12:])
	s.generation = le.Uint64(b[16:])
	if flags&slotUnused != 0 {
		return slotEmpty
	}
	s.main = flags&slotMain != 0
	s.base = le.Uint64(b[24:])
	s.records, s.used = int(le.Uint32(b[32:])), int(le.Uint32(b[36:]))
	s.newest = Seq(le.Uint32(b[40:]))
	sums := int(le.Uint32(b[44:]))
	if s.records > listings || s.used > slab || sums != blocks(s.used) || sums > slotMaxSums {
		return slotDamaged
	}
	s.sums = make([]uint32, sums)
	for i := range s.sums {
		s.sums[i] = le.Uint32(b[slotSums+4*i:])
	}
	return slotValid
}

// zeros reports whether b holds nothing.
func zeros(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// A diskListing is one entry of a slot: what lies in the slab, under which
// hash. A segment needs no header inside the slab.
type diskListing struct {
	hash   Hash
	off, n int    // where in the slab, and how many bytes before alignment
	kind   Kind   // Object or kindSegment
	site   uint16 // the account that its bytes are on, 12 bits
	print  uint16 // of the full key, 11 bits
	stamp  uint32 // above the slot's base
}

const (
	packedN       = 17
	packedSegment = packedN + 22
	packedSite    = packedSegment + 1
	packedPrint   = packedSite + 12
	printMask     = 1<<11 - 1
)

// listingSeed begins the checksums of the listings of one life of a slab.
// After a crash of the machine a slot may hold pages of a former life: they
// would lead into the middle of other records, or of other segments.
func listingSeed(slab int, generation uint64) uint32 {
	var b [12]byte
	binary.LittleEndian.PutUint32(b[0:], uint32(slab))
	binary.LittleEndian.PutUint64(b[4:], generation)
	return crc32.Checksum(b[:], castagnoli)
}

// encode writes the listing into b, of directorySize bytes.
func (l *diskListing) encode(b []byte, seed uint32) {
	le := binary.LittleEndian
	packed := uint64(l.off/unit) | uint64(l.n)<<packedN | uint64(l.site)<<packedSite | uint64(l.print&printMask)<<packedPrint
	if l.kind == kindSegment {
		packed |= 1 << packedSegment
	}
	le.PutUint64(b[0:], l.hash[0])
	le.PutUint64(b[8:], l.hash[1])
	le.PutUint64(b[16:], packed)
	le.PutUint32(b[24:], l.stamp)
	le.PutUint32(b[28:], crc32.Update(seed, castagnoli, b[:28]))
}

// decode reads the listing in b; false when its checksum is wrong or it points
// out of a slab of the given size.
func (l *diskListing) decode(b []byte, seed uint32, slab int) bool {
	le := binary.LittleEndian
	if len(b) < directorySize || le.Uint32(b[28:]) != crc32.Update(seed, castagnoli, b[:28]) {
		return false
	}
	packed := le.Uint64(b[16:])
	*l = diskListing{
		hash: Hash{le.Uint64(b[0:]), le.Uint64(b[8:])},
		off:  int(packed&(1<<packedN-1)) * unit,
		n:    int(packed >> packedN & (1<<22 - 1)),
		kind: Object,
		site: uint16(packed>>packedSite) & (maxSites - 1), print: uint16(packed>>packedPrint) & printMask,
		stamp: le.Uint32(b[24:]),
	}
	if packed>>packedSegment&1 != 0 {
		l.kind = kindSegment
	}
	return packed&listingSpare == 0 && l.n > 0 && l.off+l.n <= slab
}
