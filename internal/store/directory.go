package store

import (
	"encoding/binary"
	"hash/crc32"
)

// directorySize is the bytes of one directory entry.
const directorySize = 32

// castagnoli is the polynomial of all checksums here: CRC-32C.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A listing is one entry of a slab's directory: what the slab holds, kept
// outside of it, so that evicting a slab need not read it, and a segment
// needs no header inside.
type listing struct {
	hash    Hash
	off, n  int    // where in the slab, and how many bytes before alignment
	site    uint16 // the account (sites) that its bytes are on
	segment bool
}

func (l *listing) encode(b []byte) {
	le := binary.LittleEndian
	le.PutUint64(b[0:], l.hash[0])
	le.PutUint64(b[8:], l.hash[1])
	le.PutUint32(b[16:], uint32(l.off))
	le.PutUint32(b[20:], uint32(l.n))
	le.PutUint16(b[24:], l.site)
	b[26], b[27] = 0, 0
	if l.segment {
		b[26] = 1
	}
	le.PutUint32(b[28:], crc32.Checksum(b[:28], castagnoli))
}

// decode reads the entry in b; false when its checksum is wrong or it points
// out of a slab of the given size.
func (l *listing) decode(b []byte, slab int) bool {
	le := binary.LittleEndian
	if len(b) < directorySize || le.Uint32(b[28:]) != crc32.Checksum(b[:28], castagnoli) {
		return false
	}
	l.hash = Hash{le.Uint64(b[0:]), le.Uint64(b[8:])}
	l.off, l.n = int(le.Uint32(b[16:])), int(le.Uint32(b[20:]))
	l.site, l.segment = le.Uint16(b[24:]), b[26] == 1
	return l.off%unit == 0 && l.n > 0 && l.off+l.n <= slab
}

// A directory is the listings of one slab, in the order of its records. The
// writer of a record writes its listing before it publishes the record; whoever
// holds a pin, or the lock of an entry's shard, may read it.
type directory []byte

func (d directory) at(i int) []byte { return d[i*directorySize:][:directorySize:directorySize] }

// site returns the account of entry i.
func (d directory) site(i int) uint16 { return binary.LittleEndian.Uint16(d.at(i)[24:]) }
