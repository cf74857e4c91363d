package store

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// ErrDown is the reason why an ejected volume takes nothing.
var ErrDown = errors.New("the volume is ejected")

// DiskOptions say what a volume on disk is. Dir and Size are needed, unless
// Heap is set; the zero value of all others is the default.
type DiskOptions struct {
	// Dir is the directory of the volume's files, for this volume alone.
	Dir string
	// Size is the bytes of the volume's file, preallocated: slabs of 2 MiB, or
	// 512 KiB when Size is below 256 MiB, and their directories.
	Size int64
	// Low is how many bytes stay in use, about, when the volume is full and room
	// is made; 0, or less than half of Size or more than Size: nearly all.
	Low int64
	// MeanObject is the mean bytes of a record: key, head and content; 0: 8 KiB.
	// It sizes the index, of about 45 bytes of memory a record, which takes a
	// quarter more records than fit at that mean.
	MeanObject int64
	// VerifyAlways compares checksums at each read of a segment, which then comes
	// as a copy, and not only at the first since it was written or since the start.
	VerifyAlways bool
	// ReadTimeout is how long a read waits for the device before it is a miss; 0: 1 s.
	ReadTimeout time.Duration
	// TokenTimeout is how long a read waits for one of the others to end when
	// Reads wait for the device; 0: 50 ms.
	TokenTimeout time.Duration
	// JournalTimeout is how long a change waits until the journal has it; then
	// the volume is ejected, for what must not come back could; 0: 5 s.
	JournalTimeout time.Duration
	// Reads is how many calls may wait for the device at a time; 0: 32.
	Reads int
	// Lend is how many bytes of read buffers may be lent at a time; 0: 64 MiB.
	Lend int64
	// Stages is how many slabs may be in memory, being filled or waiting to be
	// written; 0: 12. Less than 8 are 8.
	Stages int
	// Idle is how long nothing is put into a slab before it is brought to the
	// device as it is; 0: 10 s.
	Idle time.Duration
	// PutWait is how long a Put waits when all stages wait to be written, or no
	// slab is free; 0: it is ErrFull at once.
	PutWait time.Duration
	// Amplification is how many bytes may be written for each byte admitted:
	// above it hit records are not copied forward; 0: 1.5.
	Amplification float64
	// SweepRate is how many bytes a second are read to look for what was purged
	// by a tag, prefix, pattern or site, four times as many when half of the
	// purges that can be remembered are pending; 0: 32 MiB, less than 0: no bound.
	SweepRate int64
	// Errors is after how many errors of the device in a row the volume is
	// ejected: nothing is found in it, and nothing taken; 0: 16.
	Errors int
	// Ejected is called once, when the volume is ejected; may be nil.
	Ejected func(dir string, err error)
	// Heap puts the file on the Go heap, where the race detector sees it.
	Heap bool
	// Poison overwrites slabs and buffers as soon as they are free.
	Poison bool

	// Boot names this run of the machine: a volume that was in use in another one
	// has met a crash; empty: what the kernel says.
	Boot string

	folder folder // nil: the real one at Dir
}

const (
	defaultReads  = 32
	defaultLend   = 64 << 20
	defaultStages = 12
	// minStages: each queue has two open slabs, for a moment a third, and
	// something has to be on its way to the device meanwhile.
	minStages     = 8
	defaultErrors = 16
	defaultSweep  = 32 << 20
)

func (o *DiskOptions) defaults() {
	if o.Heap && o.folder == nil {
		o.folder = newHeapFolder()
	}
	for _, v := range []struct {
		at *time.Duration
		to time.Duration
	}{
		{&o.ReadTimeout, time.Second}, {&o.TokenTimeout, 50 * time.Millisecond},
		{&o.JournalTimeout, 5 * time.Second}, {&o.Idle, 10 * time.Second},
	} {
		if *v.at <= 0 {
			*v.at = v.to
		}
	}
	if o.MeanObject <= 0 {
		o.MeanObject = defaultMean
	}
	if o.Reads <= 0 {
		o.Reads = defaultReads
	}
	if o.Lend <= 0 {
		o.Lend = defaultLend
	}
	if o.Stages <= 0 {
		o.Stages = defaultStages
	}
	o.Stages = max(o.Stages, minStages)
	if o.Amplification <= 0 {
		o.Amplification = 1.5
	}
	if o.SweepRate == 0 {
		o.SweepRate = defaultSweep
	}
	if o.Errors <= 0 {
		o.Errors = defaultErrors
	}
}

// A Disk is a volume on disk: the slabs in a file, their index in memory. What
// is put into it is found at once and reaches the device in whole slabs
// (diskSlab). No lock of the index or of space is held while anything waits for
// the device. A device that is slow, fails or hangs makes misses, never wrong
// bytes. Its methods may be called by any number of goroutines, until Close.
type Disk struct {
	*registry
	o      DiskOptions
	v      *volume
	counts counts
	device deviceCounts

	cleaned  int    // how many slabs are freed when room is made
	tables   memory // index, ghosts
	slabs    []diskSlab
	space    space
	index    index
	ghost    ghost
	accounts *accounts
	stages   *stages
	buffers  readBuffers
	tokens   *tokens

	stamp  atomic.Uint64 // of the last publish
	unused atomic.Int64  // free slabs with nothing in them since the start
	coming atomic.Int64  // bytes claimed in slabs that are not on the device yet
	broken atomic.Bool   // ejected
	closed atomic.Bool

	ticks     chan struct{} // to the writer: something may be written
	wake      chan struct{} // to the reclaimer
	quit      chan struct{}
	reclaimed chan struct{} // closed when the reclaimer has stopped
	written   chan struct{} // closed when the writer has stopped
	gone      chan struct{} // closed when files and memory are given up
	verdict   error         // of that; constant from then on
	workers   sync.WaitGroup
	closing   sync.Once
	freed     notice // a stage is idle, or the reclaimer has looked for free slabs

	writer     writer
	reclaimer  reclaimer
	sweeping   diskSweep
	owed       owed
	slots      sync.Mutex // held while a victim's slot is invalidated; the sweep tries to get it, and reads one
	recovered  Recovery   // constant
	soundSince Seq        // what was validated before it is in doubt; constant
	trimming   sync.Mutex // held while a site makes room for itself, above the index's
}

var (
	_ tier   = (*Disk)(nil)
	_ keeper = (*Disk)(nil)
)

// newDisk lays a volume out in memory. Nothing is in it and nothing moves yet.
func newDisk(r *registry, o DiskOptions, v *volume) (*Disk, error) {
	d := &Disk{
		registry: r, o: o, v: v, accounts: new(accounts),
		ticks: make(chan struct{}, 1), wake: make(chan struct{}, 1), quit: make(chan struct{}),
		reclaimed: make(chan struct{}), written: make(chan struct{}), gone: make(chan struct{}),
		tokens: newTokens(o.Reads, o.TokenTimeout),
	}
	d.buffers.most, d.buffers.poison = o.Lend, o.Poison
	d.freed.init()
	l := layoutOf(int64(v.slabs), int64(v.slab), v.mean)
	l.listings = 0 // directories are on the device
	var err error
	if d.tables, err = mapMemory("opencache-index", l.bytes(), o.Heap); err != nil {
		return nil, err
	}
	if d.stages, err = newStages(o.Stages, v.slab, v.slotSize(), o.Heap); err != nil {
		d.tables.close()
		return nil, err
	}
	d.stages.poison, d.stages.freed = o.Poison, d.freed.tell
	d.index, d.ghost, _ = l.cut(d.tables.b)
	d.layOut()
	return d, nil
}

func (d *Disk) layOut() {
	n, size := d.v.slabs, d.v.slab
	d.slabs = make([]diskSlab, n)
	d.space = space{
		size: size, listings: d.v.listings,
		smallMost: max(n/10, openSlabs), asideMost: max(n/10, 1),
		wantedFree: max(min(reserve+2+n/64, 16), min(reserve+2, n/4)),
		free:       make([]*slab, 0, n),
		stage:      d.openStage,
	}
	d.cleaned = d.space.wantedFree
	if low := d.o.Low; low >= d.o.Size/2 && low < d.o.Size {
		d.cleaned = max(d.cleaned, int((d.o.Size-low)/int64(size)))
	}
	for i := range d.slabs {
		s := &d.slabs[i]
		s.d, s.n, s.virgin = d, i, true
	}
	d.writer.init(d.v.slotSize())
	d.reclaimer.init(size, d.v.slotSize())
}

// start lets the volume move. What was in it is in place.
func (d *Disk) start() {
	go d.write()
	go d.refill()
	d.nudge(d.wake)
}

// openStage gives a slab that is opened a stage and the next generation.
func (d *Disk) openStage(s *slab, keep int) bool {
	b := d.stages.take(d.stamp.Load(), keep)
	if b == nil {
		return false
	}
	ds := &d.slabs[s.n]
	ds.begin(d.v.generation())
	if ds.virgin {
		ds.virgin = false
		d.unused.Add(-1)
	}
	ds.onDisk, ds.seen = 0, 0
	ds.verified.Store(0)
	ds.fading.Store(false)
	s.writers.Add(1)
	ds.stage.Store(b)
	return true
}

// begin starts a life of the slab.
func (s *diskSlab) begin(generation uint64) {
	s.generation, s.seed = generation, listingSeed(s.n, generation)
}

// nudge wakes one of the volume's goroutines.
func (d *Disk) nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// down reports whether the volume is out of use.
func (d *Disk) down() bool { return d.broken.Load() }

// strain counts an error of the device. Too many in a row eject the volume.
func (d *Disk) strain(err error) {
	if int(d.device.row.Add(1)) >= d.o.Errors {
		d.eject(err)
	}
}

// eject takes the volume out of use for good.
func (d *Disk) eject(err error) {
	if d.broken.Swap(true) {
		return
	}
	d.device.fault.Store(&err)
	d.freed.tell()
	d.sweeps.news.tell() // nothing is pending in it any more
	if d.o.Ejected != nil {
		d.o.Ejected(d.o.Dir, err)
	}
}

// SegmentSize is the size of this volume's segments, all but the last of a
// large content.
func (d *Disk) SegmentSize() int { return d.v.segment }

// SetShare is Zone.SetShare.
func (d *Disk) SetShare(site uint64, share, limit int64) error {
	a, _, err := d.openAccount(site, nil)
	if err != nil {
		return err
	}
	d.accounts.set(a, share, limit)
	return nil
}

// closeWait bounds how long Close waits for the device.
const closeWait = 10 * time.Second

// Close brings everything to the device and stops the volume. It is legal when
// no other call runs and none but Close and Release will follow. While spans are
// lent, or the device does not answer, files and memory stay open, and the
// error says so; Close may then be called again.
func (d *Disk) Close() error {
	d.closing.Do(func() { close(d.quit) })
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	idle := make(chan struct{})
	go func() {
		<-d.reclaimed
		<-d.written
		d.workers.Wait()
		close(idle)
	}()
	select {
	case <-idle:
	case <-timer.C:
		return fmt.Errorf("volume %s: the device does not answer", d.o.Dir)
	}
	if n := d.pins(); n != 0 {
		return fmt.Errorf("volume %s: %d spans are still lent", d.o.Dir, n)
	}
	if !d.closed.Swap(true) {
		go func() {
			d.verdict = d.shut()
			close(d.gone)
		}()
	}
	select {
	case <-d.gone:
		return d.verdict
	case <-timer.C:
		return fmt.Errorf("volume %s: the device does not answer", d.o.Dir)
	}
}

// shut gives up files and memory.
func (d *Disk) shut() error {
	if err := errors.Join(d.v.shut(!d.down()), d.stages.bytes.close(), d.tables.close()); err != nil {
		return fmt.Errorf("volume %s: %w", d.o.Dir, err)
	}
	return nil
}

// pins is how many loans there are: of slabs, stages and buffers.
func (d *Disk) pins() (n int64) {
	for i := range d.slabs {
		n += int64(d.slabs[i].pins.Load())
	}
	return n + d.buffers.loans.Load() + d.stages.loans()
}

// A notice wakes all who wait for it.
type notice struct {
	mu sync.Mutex // guards the field below
	c  chan struct{}
}

func (n *notice) init() { n.c = make(chan struct{}) }

// next returns what is closed at the next tell.
func (n *notice) next() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.c
}

func (n *notice) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.c)
	n.c = make(chan struct{})
}
