package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

const (
	// superSize is the bytes of one copy of the superblock.
	superSize = 4096
	// superCopies lie one behind the other at the start of the file. Each change
	// is written to one after the other, so that one is always whole.
	superCopies = 2

	superMagic   = "opencache volume"
	superVersion = 1

	superClean = 1
	superEmpty = 2
)

// Why a superblock is none.
var (
	errNoVolume    = errors.New("it is no volume of opencache: its first bytes are not a volume's")
	errSuperDamage = errors.New("its superblock is damaged in both copies")
)

// A versionError is the format version of a volume that this program does not know.
type versionError uint32

func (v versionError) Error() string {
	return fmt.Sprintf("its format is version %d; this program knows version %d", uint32(v), superVersion)
}

// A superblock is the first bytes of a volume: what it is, and how it was left.
type superblock struct {
	writes uint64 // counts the changes; the copy with more is the newer one

	// Constant for the life of the volume.
	geometry
	secret         [2]uint64
	set            [16]byte // names the stripes that belong together
	stripe, number int      // this is stripe i of so many
	created        int64    // Unix seconds

	// How it was left.
	boot  [16]byte // of the machine's run in which it was written last
	clean bool     // closed in order, everything synced
	empty bool     // something that must not be lost was lost: nothing comes back
	opens uint32   // how often its set was opened to be written
	// cleared: no listing with a stamp up to it comes back. doubted: those with a
	// stamp up to it come back to be validated before use.
	cleared, doubted uint64
	journal          int64 // bytes of the journal when clean
	// sound: what was validated before it is in doubt, wherever it was moved.
	sound Seq
}

// words lists what the codec writes, in order.
func (s *superblock) words() []uint64 {
	flags := uint64(0)
	if s.clean {
		flags |= superClean
	}
	if s.empty {
		flags |= superEmpty
	}
	le := binary.LittleEndian
	return []uint64{
		s.writes, uint64(s.size), uint64(s.slab), uint64(s.slabs), uint64(s.listings), uint64(s.segment), uint64(s.mean),
		s.secret[0], s.secret[1], le.Uint64(s.set[:]), le.Uint64(s.set[8:]), uint64(s.stripe), uint64(s.number), uint64(s.created),
		le.Uint64(s.boot[:]), le.Uint64(s.boot[8:]), flags, uint64(s.opens), s.cleared, s.doubted, uint64(s.journal), uint64(s.sound),
	}
}

// superWords is how many words there are.
const superWords = 22

// superBody is where the words begin: behind magic and version.
const superBody = len(superMagic) + 8

// encode writes one copy into b, of superSize bytes.
func (s *superblock) encode(b []byte) {
	clear(b[:superSize])
	le := binary.LittleEndian
	copy(b, superMagic)
	le.PutUint32(b[len(superMagic):], superVersion)
	for i, w := range s.words() {
		le.PutUint64(b[superBody+8*i:], w)
	}
	le.PutUint32(b[superSize-4:], crc32.Checksum(b[:superSize-4], castagnoli))
}

// decode reads one copy. The magic is looked at first, then the checksum, then
// the version: a foreign file is not called damaged, nor a damaged one foreign.
func (s *superblock) decode(b []byte) error {
	le := binary.LittleEndian
	switch {
	case len(b) < superSize || string(b[:len(superMagic)]) != superMagic:
		return errNoVolume
	case le.Uint32(b[superSize-4:]) != crc32.Checksum(b[:superSize-4], castagnoli):
		return errSuperDamage
	case le.Uint32(b[len(superMagic):]) != superVersion:
		return versionError(le.Uint32(b[len(superMagic):]))
	}
	var w [superWords]uint64
	for i := range w {
		w[i] = le.Uint64(b[superBody+8*i:])
	}
	*s = superblock{
		writes: w[0],
		geometry: geometry{
			size: int64(w[1]), slab: int(w[2]), slabs: int(w[3]), listings: int(w[4]), segment: int(w[5]), mean: int64(w[6]),
		},
		secret: [2]uint64{w[7], w[8]}, stripe: int(w[11]), number: int(w[12]), created: int64(w[13]),
		clean: w[16]&superClean != 0, empty: w[16]&superEmpty != 0, opens: uint32(w[17]),
		cleared: w[18], doubted: w[19], journal: int64(w[20]), sound: Seq(w[21]),
	}
	copy(s.set[:], b[superBody+8*9:])
	copy(s.boot[:], b[superBody+8*14:])
	if !s.plausible() {
		return errSuperDamage
	}
	return nil
}

// plausible: numbers that this program could have written.
func (s *superblock) plausible() bool {
	return s.geometry.plausible() && s.number >= 1 && s.stripe >= 0 && s.stripe < s.number
}

// superOf returns the newer of the copies that b begins with; intact is how
// many of them are good.
func superOf(b []byte) (s superblock, intact int, err error) {
	for i := range superCopies {
		var c superblock
		e := c.decode(b[min(len(b), i*superSize):])
		switch {
		case e == nil:
			if intact == 0 || c.writes > s.writes {
				s = c
			}
			intact++
		case err == nil || err == errNoVolume: // a damaged copy says more than a lost magic
			err = e
		}
	}
	if intact > 0 {
		err = nil
	}
	return s, intact, err
}

// write writes both copies, with a sync behind each: what is lost at any moment
// leaves one whole.
func (s *superblock) write(f file) error {
	s.writes++
	b := make([]byte, superSize)
	s.encode(b)
	for i := range superCopies {
		if err := f.write(b, int64(i)*superSize); err != nil {
			return err
		}
		if err := f.sync(); err != nil {
			return err
		}
	}
	return nil
}
