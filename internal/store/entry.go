package store

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// An entryKind is what an entry of the journal says.
type entryKind uint8

const (
	entryIntern entryKind = 1 + iota // a list of field names got a number
	entrySite                        // a site got an account
	entryBan                         // a purge that is remembered
	entrySeq                         // a purge that is not: only its sequence
	entryMark                        // the marker under a hash, or that there is none any more
	entryKill                        // listings of a slab that must not come back
	entrySoft                        // listings of a slab that a soft purge hit
	entryClear                       // no listing up to a stamp comes back, nor a mark before this
	entryFloor                       // the purges up to a sequence are forgotten: nothing that they hit is left
)

const (
	entryHeader = 8
	entryAlign  = 8
	entryMost   = 1<<24 - 1 // bytes behind the header
	// siteNameMost is how much of a site's name is kept.
	siteNameMost = 255
)

// An entry is one fact in the journal; which fields count is up to its kind.
// Facts about a listing name one life of its slab, and are void with it.
type entry struct {
	kind entryKind

	number uint16 // intern: the Set; site: the account
	hash   Hash   // mark; site: its first word
	text   []byte // intern: the list; site: its name, cut to siteNameMost
	ban    ban    // ban; seq, clear, floor: its seq
	// mark: the words of the index entry; place 0: no marker is there any more,
	// of any hash with the tag of this one
	place, state, extra uint64
	stamp               uint64 // mark, clear
	slab                int    // kill, soft
	generation          uint64
	listings            []uint16
}

// append appends the entry to b:
//
//	CRC-32C 4, begun with seed | bytes of content 3 | kind 1 | content | zeros up to a multiple of 8
func (e *entry) append(b []byte, seed uint32) []byte {
	le := binary.LittleEndian
	from := len(b)
	b = append(b, make([]byte, entryHeader)...)
	b = e.content(b)
	le.PutUint32(b[from+4:], uint32(len(b)-from-entryHeader)|uint32(e.kind)<<24)
	le.PutUint32(b[from:], crc32.Update(seed, castagnoli, b[from+4:]))
	for (len(b)-from)%entryAlign != 0 {
		b = append(b, 0)
	}
	return b
}

func (e *entry) content(b []byte) []byte {
	le := binary.LittleEndian
	switch e.kind {
	case entryIntern:
		b = append(le.AppendUint16(b, e.number), e.text...)
	case entrySite:
		b = le.AppendUint64(le.AppendUint16(b, e.number), e.hash[0])
		b = append(b, e.text[:min(len(e.text), siteNameMost)]...)
	case entryBan:
		b = e.ban.append(b)
	case entrySeq, entryFloor:
		b = le.AppendUint32(b, uint32(e.ban.seq))
	case entryMark:
		for _, w := range [...]uint64{e.hash[0], e.hash[1], e.stamp, e.place, e.state, e.extra} {
			b = le.AppendUint64(b, w)
		}
	case entryKill, entrySoft:
		b = le.AppendUint64(le.AppendUint32(b, uint32(e.slab)), e.generation)
		for _, n := range e.listings {
			b = le.AppendUint16(b, n)
		}
	case entryClear:
		b = le.AppendUint32(le.AppendUint64(b, e.stamp), uint32(e.ban.seq))
	}
	return b
}

func (d *ban) append(b []byte) []byte {
	le := binary.LittleEndian
	soft := byte(0)
	if d.soft {
		soft = 1
	}
	b = append(le.AppendUint32(b, uint32(d.seq)), soft, byte(d.kind))
	b = le.AppendUint64(b, d.site)
	b = append(le.AppendUint32(b, uint32(len(d.text))), d.text...)
	return appendTags(b, d.tags)
}

// decode reads the entry that begins b and returns its bytes, padding
// included; 0 when b begins with none.
func (e *entry) decode(b []byte, seed uint32) int {
	*e = entry{}
	if len(b) < entryHeader {
		return 0
	}
	le := binary.LittleEndian
	word := le.Uint32(b[4:])
	e.kind = entryKind(word >> 24)
	end := entryHeader + int(word&entryMost)
	padded, fits := entrySpan(b)
	if !fits || padded > len(b) || le.Uint32(b) != crc32.Update(seed, castagnoli, b[4:end]) || !zeros(b[end:padded]) {
		return 0
	}
	if !e.parse(b[entryHeader:end]) {
		return 0
	}
	return padded
}

// entrySpan returns how many bytes the entry has that begins b, padding
// included. It is false when no entry has that kind and length: then there is
// nothing to make a checksum of.
func entrySpan(b []byte) (padded int, fits bool) {
	word := binary.LittleEndian.Uint32(b[4:])
	n := int(word & entryMost)
	switch entryKind(word >> 24) {
	case entryIntern:
		fits = n >= 2 && n <= 2+maxFields
	case entrySite:
		fits = n >= 10 && n <= 10+siteNameMost
	case entryBan:
		fits = n >= 18
	case entrySeq, entryFloor:
		fits = n == 4
	case entryMark:
		fits = n == 48
	case entryKill, entrySoft:
		fits = n >= 14 && n%2 == 0
	case entryClear:
		fits = n == 12
	}
	return (entryHeader + n + entryAlign - 1) &^ (entryAlign - 1), fits
}

// parse reads the content of an entry of kind e.kind, whose length fits.
func (e *entry) parse(c []byte) bool {
	le := binary.LittleEndian
	switch e.kind {
	case entryIntern:
		e.number, e.text = le.Uint16(c), c[2:]
		return e.number > 0 && e.number < maxSets
	case entrySite:
		e.number, e.hash[0], e.text = le.Uint16(c), le.Uint64(c[2:]), c[10:]
		return e.number > 0 && e.number < maxSites
	case entryBan:
		return e.ban.parse(c)
	case entrySeq, entryFloor:
		e.ban.seq = Seq(le.Uint32(c))
		return true
	case entryMark:
		return e.parseMark(c)
	case entryKill, entrySoft:
		return e.parseListings(c)
	case entryClear:
		e.stamp, e.ban.seq = le.Uint64(c), Seq(le.Uint32(c[8:]))
		return true
	}
	return false
}

func (e *entry) parseMark(c []byte) bool {
	le := binary.LittleEndian
	e.hash = Hash{le.Uint64(c), le.Uint64(c[8:])}
	e.stamp, e.place, e.state, e.extra = le.Uint64(c[16:]), le.Uint64(c[24:]), le.Uint64(c[32:]), le.Uint64(c[40:])
	k := Kind(e.place >> kindShift)
	return e.place == 0 && e.state == 0 && e.extra == 0 ||
		(k == Variants || k == HitForMiss) && e.place>>48&7 <= uint64(len(Marker{}.Sets))
}

func (e *entry) parseListings(c []byte) bool {
	le := binary.LittleEndian
	e.slab, e.generation = int(le.Uint32(c)), le.Uint64(c[4:])
	e.listings = make([]uint16, 0, (len(c)-12)/2)
	for c = c[12:]; len(c) > 0; c = c[2:] {
		e.listings = append(e.listings, le.Uint16(c))
	}
	return e.slab <= slabMask
}

// banKinds is how many kinds of ban this program knows.
const banKinds = banWithin + 1

func (d *ban) parse(c []byte) bool {
	le := binary.LittleEndian
	if c[4] > 1 || banKind(c[5]) >= banKinds {
		return false
	}
	d.seq, d.soft, d.kind, d.site = Seq(le.Uint32(c)), c[4] == 1, banKind(c[5]), le.Uint64(c[6:])
	n := uint64(le.Uint32(c[14:]))
	c = c[18:]
	if n > uint64(len(c)) || (uint64(len(c))-n)%tagSize != 0 {
		return false
	}
	if n > 0 {
		d.text = c[:n]
	}
	d.tags = parseTags(c[n:])
	if d.kind == banPattern {
		d.pattern = parsePattern(d.text)
	}
	return d.whole()
}

// whole reports whether d has what its kind needs, and nothing else.
func (d *ban) whole() bool {
	switch d.kind {
	case banAll:
		return len(d.text) == 0 && len(d.tags) == 0
	case banTag:
		return len(d.text) == 0 && len(d.tags) > 0
	case banPattern:
		return d.pattern != nil && len(d.tags) == 0
	}
	return len(d.text) > 0 && len(d.tags) == 0
}

// own makes the entry independent of the bytes it was read from.
func (e *entry) own() {
	e.text, e.ban.text = bytes.Clone(e.text), bytes.Clone(e.ban.text)
}

// equal is for tests and for what is said twice.
func (d *ban) equal(o *ban) bool {
	return d.seq == o.seq && d.soft == o.soft && d.kind == o.kind && d.site == o.site &&
		bytes.Equal(d.text, o.text) && slices.Equal(d.tags, o.tags)
}
