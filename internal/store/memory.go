package store

import (
	"fmt"
	"sync"
)

const (
	largeSlab = 2 << 20
	smallSlab = 512 << 10
	// largeVolume is the volume from which slabs are large: below it two
	// megabytes are too coarse for S3-FIFO.
	largeVolume = 256 << 20
	minSlabs    = 8

	defaultSize = 256 << 20
	// defaultMean is a disk's, where an index is a matter of gigabytes. In memory
	// it is less: an index too small lets most of the slabs lie idle, one too large
	// takes a few hundredths more.
	defaultMean = 8 << 10
	memoryMean  = 2 << 10

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
	// 2 KiB. It sizes the index, which takes a quarter more records than fit
	// at that mean. When records are smaller the index fills before the slabs.
	MeanObject int64
	// Heap puts the slabs on the Go heap, where the race detector sees them.
	Heap bool
	// Poison overwrites slabs as soon as they are free, so that whoever reads
	// without a pin is found out.
	Poison bool

	slab     int                            // slabs are at least so large
	remember struct{ bytes, records int64 } // by the ghost, beside what fits here
}

// A Memory is a volume in memory. Its methods may be called by any number of
// goroutines, until Close.
type Memory struct {
	*registry
	counts counts

	slabMemory memory
	tables     memory // index, ghosts, directories
	slabs      []slab
	space      space
	index      index
	ghost      ghost
	merit      merit
	accounts   *accounts

	listings []byte // all directories, one behind the other
	poison   bool
	offers   *offers // told what was copied forward; nil: there is no disk

	reclaiming sync.Mutex // held while slabs are emptied, above all other locks
	trimming   sync.Mutex // held while a site makes room for itself, above the index's
	wake       chan struct{}
	quit       chan struct{}
	stopped    chan struct{}
	closing    sync.Once
}

var _ tier = (*Memory)(nil)

// newMemory starts an empty volume, and makes it a tier of r. The caller
// closes it.
func newMemory(o *Options, r *registry) (*Memory, error) {
	if o.Size == 0 {
		o.Size = defaultSize
	}
	if o.MeanObject == 0 {
		o.MeanObject = memoryMean
	}
	size := max(slabOf(o.Size), int64(o.slab))
	if o.Size < minSlabs*size || o.MeanObject < 0 {
		return nil, fmt.Errorf("memory volume of %d bytes with objects of %d: at least %d bytes, objects not negative",
			o.Size, o.MeanObject, minSlabs*size)
	}
	m := &Memory{
		registry: r, poison: o.Poison, accounts: new(accounts),
		wake: make(chan struct{}, 1), quit: make(chan struct{}), stopped: make(chan struct{}),
	}
	if err := m.allocate(o, size); err != nil {
		return nil, err
	}
	r.tiers = append(r.tiers, m)
	go m.refill()
	return m, nil
}

// slabOf is the bytes of a slab in a volume of size bytes.
func slabOf(size int64) int64 {
	if size >= largeVolume {
		return largeSlab
	}
	return smallSlab
}

// allocate lays the volume out.
func (m *Memory) allocate(o *Options, size int64) (err error) {
	n := o.Size / size
	l := layoutOf(n, size, o.MeanObject)
	l.remembered = ghostTimes * n * size
	l.remember(o.remember.bytes, o.remember.records)
	if m.slabMemory, err = mapMemory("opencache-slabs", n*size, o.Heap); err != nil {
		return err
	}
	if m.tables, err = mapMemory("opencache-tables", l.bytes(), o.Heap); err != nil {
		m.slabMemory.close()
		return err
	}
	m.layOut(l)
	m.merit.start()
	m.slabs = make([]slab, n)
	m.space = space{
		size: int(size), listings: int(l.listings),
		smallMost: int(max(n/smallPart, openSlabs)), asideMost: int(max(n/10, 1)),
		wantedFree: int(min(reserve+1+n/256, 8)),
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

// SegmentSize is Zone.SegmentSize.
func (m *Memory) SegmentSize() int { return min(SegmentSize, m.space.size) }

func (m *Memory) capacity() int64 { return int64(len(m.slabMemory.b)) }

func (m *Memory) directory(slab int) directory {
	n := m.space.listings * directorySize
	return directory(m.listings[slab*n:][:n:n])
}
