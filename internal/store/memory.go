package store

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	mathrand "math/rand/v2"
	"sync"

	"github.com/dchest/siphash"
)

const (
	largeSlab = 2 << 20
	smallSlab = 512 << 10
	// largeVolume is the volume from which slabs are large: below it two
	// megabytes are too coarse for S3-FIFO.
	largeVolume = 256 << 20
	minSlabs    = 8

	defaultSize = 256 << 20
	defaultMean = 8 << 10

	// lookupTries bounds how often Lookup follows a record that is being moved.
	lookupTries = 8
)

// Options say how large a Memory is. The zero value is ready to use.
type Options struct {
	// Size is the bytes of slabs; 0: 256 MiB. It is rounded down to slabs, of
	// 2 MiB, or 512 KiB when Size is below 256 MiB; at least 4 MiB. Index and
	// directories come on top: about 80 bytes a record at MeanObject, and at
	// most what Stats.Overhead says.
	Size int64
	// MeanObject is the mean bytes of a record: key, head and content; 0:
	// 8 KiB. It sizes the index, which takes a quarter more records than fit
	// at that mean. When records are smaller the index fills before the slabs.
	MeanObject int64
	// Heap puts the slabs on the Go heap, where the race detector sees them.
	Heap bool
	// Poison overwrites slabs as soon as they are free, so that whoever reads
	// without a pin is found out.
	Poison bool
	// Seed makes hashes and versions the same in each run; zero: they are
	// random, as they must be where foreign requests come in.
	Seed [32]byte
}

// A Memory is a volume in memory. Its methods may be called by any number of
// goroutines, until Close.
type Memory struct {
	purges
	counts counts

	slabMemory memory
	tables     memory // index, ghosts, directories
	slabs      []slab
	space      space
	index      index
	ghost      ghost
	sites      *sites
	interned   interned

	listings []byte // all directories, one behind the other
	k0, k1   uint64 // the secret of Hash
	poison   bool

	reclaiming sync.Mutex // held while slabs are emptied, above all other locks
	wake       chan struct{}
	quit       chan struct{}
	stopped    chan struct{}
	closing    sync.Once

	chanceMu sync.Mutex // guards the field below
	chance   *mathrand.ChaCha8
}

// NewMemory starts an empty volume. The caller closes it.
func NewMemory(o Options) (*Memory, error) {
	if o.Size == 0 {
		o.Size = defaultSize
	}
	if o.MeanObject == 0 {
		o.MeanObject = defaultMean
	}
	size := int64(smallSlab)
	if o.Size >= largeVolume {
		size = largeSlab
	}
	if o.Size < minSlabs*smallSlab || o.MeanObject < 0 {
		return nil, fmt.Errorf("memory volume of %d bytes with objects of %d: at least %d bytes, objects not negative",
			o.Size, o.MeanObject, minSlabs*smallSlab)
	}
	m := &Memory{
		poison: o.Poison, sites: newSites(),
		wake: make(chan struct{}, 1), quit: make(chan struct{}), stopped: make(chan struct{}),
	}
	if o.Seed == ([32]byte{}) {
		rand.Read(o.Seed[:]) // never fails (crypto/rand)
	}
	m.chance = mathrand.NewChaCha8(o.Seed)
	m.k0, m.k1 = m.chance.Uint64(), m.chance.Uint64()
	m.bans.Store(&bans{})
	m.hard, m.soft = new(recent), new(recent)
	if err := m.allocate(&o, size); err != nil {
		return nil, err
	}
	go m.refill()
	return m, nil
}

// allocate lays the volume out.
func (m *Memory) allocate(o *Options, size int64) (err error) {
	n := o.Size / size
	l := layoutOf(n, size, o.MeanObject)
	if m.slabMemory, err = mapMemory("opencache-slabs", n*size, o.Heap); err != nil {
		return err
	}
	if m.tables, err = mapMemory("opencache-tables", l.bytes(), o.Heap); err != nil {
		m.slabMemory.close()
		return err
	}
	m.layOut(l)
	m.slabs = make([]slab, n)
	m.space = space{
		size: int(size), listings: int(l.listings),
		smallMost: int(max(n/10, openSlabs)), asideMost: int(max(n/10, 1)),
		wantedFree: int(min(reserve+1+n/128, 8)),
		free:       make([]*slab, 0, n),
	}
	for i := range m.slabs {
		s := &m.slabs[i]
		s.m, s.n = m, i
		s.mem = m.slabMemory.b[int64(i)*size:][:size:size]
		m.space.free = append(m.space.free, s)
	}
	return nil
}

// Close stops the volume. It is legal when no other call runs and none but
// Close and Release will follow. While pins are left the memory stays, and the
// error says how many; Close may then be called again.
func (m *Memory) Close() error {
	m.closing.Do(func() { close(m.quit) })
	<-m.stopped
	var pins int64
	for i := range m.slabs {
		pins += int64(m.slabs[i].pins.Load())
	}
	if pins != 0 {
		return fmt.Errorf("memory volume: %d spans are still lent", pins)
	}
	if err := m.slabMemory.close(); err != nil {
		return fmt.Errorf("memory volume: %w", err)
	}
	if err := m.tables.close(); err != nil {
		return fmt.Errorf("memory volume: %w", err)
	}
	return nil
}

// SegmentSize is the size of this volume's segments, all but the last of a
// large content: SegmentSize, or less where slabs are smaller.
func (m *Memory) SegmentSize() int { return min(SegmentSize, m.space.size) }

// Hash returns the hash of a full key.
func (m *Memory) Hash(key []byte) Hash {
	a, b := siphash.Hash128(m.k0, m.k1, key)
	return Hash{a, b}
}

// Variant returns the hash for the response to a primary key that was chosen
// by the normalised values of the fields in set.
func (m *Memory) Variant(primary Hash, generation uint32, set Set, values []byte) Hash {
	var b [22]byte
	binary.LittleEndian.PutUint64(b[0:], primary[0])
	binary.LittleEndian.PutUint64(b[8:], primary[1])
	binary.LittleEndian.PutUint32(b[16:], generation)
	binary.LittleEndian.PutUint16(b[20:], uint16(set))
	a, c := siphash.Hash128(m.k0, ^m.k1, values)
	k, l := siphash.Hash128(m.k0^a, m.k1^c, b[:])
	return Hash{k, l}
}

// Site returns the keyed hash of a site's name, never 0.
func (m *Memory) Site(name []byte) uint64 {
	a, _ := siphash.Hash128(^m.k0, m.k1, name)
	return max(a, 1)
}

// Version returns a fresh random version, never 0.
func (m *Memory) Version() uint64 {
	m.chanceMu.Lock()
	defer m.chanceMu.Unlock()
	return max(m.chance.Uint64(), 1)
}

func (m *Memory) segmentHash(version uint64, n int) Hash {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[0:], version)
	binary.LittleEndian.PutUint64(b[8:], uint64(n))
	a, c := siphash.Hash128(^m.k0, ^m.k1, b[:])
	return Hash{a, c}
}

func (m *Memory) directory(slab int) directory {
	n := m.space.listings * directorySize
	return directory(m.listings[slab*n:][:n:n])
}
