package store

import (
	"sync"
	"sync/atomic"

	"opencache/internal/wire"
)

// A stage is the buffer in which an open slab of a disk is filled. Its life:
//
//	idle ──open──▶ attached ──written──▶ detached ──last Release──▶ idle
//
//	  - idle: in stages.free.
//	  - attached: a slab's stage points to it. Writers fill it, readers find
//	    their records in it from the moment they are published.
//	  - detached: its slab is on the device, or given up. Who borrowed it still
//	    reads it; nobody else comes. Pressure tells the borrowers.
//
// refs counts the slab and the borrowers. A borrower counts itself first and
// looks whether the stage is still its slab's after: the slab is pinned and of
// the sequence that it wants, so then the bytes are too.
type stage struct {
	all  *stages
	mem  []byte // of a slab, in whole pages
	slot []byte // the slot of its slab, as it will be written
	refs atomic.Int32
	late atomic.Bool // detached

	mu     sync.Mutex // guards the fields below, and slot
	begun  int        // listings that a slot on the device has, or will have in a moment
	base   uint64     // of the stamps in the listings
	newest Seq        // of the records in it
}

var _ wire.Owner = (*stage)(nil)

// borrow takes a loan; false when nobody holds the stage any more.
func (b *stage) borrow() bool {
	for {
		n := b.refs.Load()
		if n <= 0 {
			return false
		}
		if b.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Release ends one loan.
func (b *stage) Release() {
	switch n := b.refs.Add(-1); {
	case n == 0:
		b.all.put(b)
	case n < 0:
		panic("store: stage: released more often than lent")
	}
}

// Expose returns -1: a stage has no descriptor.
func (b *stage) Expose() int { return -1 }

// Pressure is Keep while the slab is being filled and written, then Leave, and
// Yield when no stage is idle.
func (b *stage) Pressure() wire.Pressure {
	switch {
	case !b.late.Load():
		return wire.Keep
	case b.all.idle.Load() == 0:
		return wire.Yield
	}
	return wire.Leave
}

func (b *stage) span(off, n int) wire.Span {
	return wire.Span{Mem: b.mem[off : off+n : off+n], N: n, Owner: b}
}

// list enters a record that is about to be published under its stamp.
func (b *stage) list(i int, l *diskListing, stamp uint64, seed uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.stamp = uint32(stamp - b.base)
	l.encode(b.slot[slotHeader+i*directorySize:], seed)
}

// strike takes a record out of the listings; false when it is too late: a slot
// on the device may have it.
func (b *stage) strike(i int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i < b.begun {
		return false
	}
	clear(b.slot[slotHeader+i*directorySize:][:directorySize])
	return true
}

// saw notes a sequence of a record in it.
func (b *stage) saw(s Seq) {
	b.mu.Lock()
	b.newest = max(b.newest, s)
	b.mu.Unlock()
}

// begin returns the first listings as they will be on the device, in dst.
func (b *stage) begin(dst []byte, records int) (base uint64, newest Seq) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begun = records
	copy(dst[slotHeader:], b.slot[slotHeader:slotHeader+records*directorySize])
	return b.base, b.newest
}

// stages are the stages of a volume: a fixed number.
type stages struct {
	bytes  memory
	idle   atomic.Int32
	poison bool
	freed  func() // called when one becomes idle

	every []*stage

	mu   sync.Mutex // guards the field below
	free []*stage
}

// newStages makes n stages for slabs of so many bytes and slots.
func newStages(n, slab, slot int, heap bool) (*stages, error) {
	p := &stages{}
	var err error
	// One page more: the heap aligns to less.
	if p.bytes, err = mapMemory("opencache-stages", int64(n*slab+pageSize), heap); err != nil {
		return nil, err
	}
	b := pages(p.bytes.b)
	for i := range n {
		p.every = append(p.every, &stage{all: p, mem: b[i*slab:][:slab:slab], slot: make([]byte, slot)})
	}
	p.free = append(p.free, p.every...)
	p.idle.Store(int32(n))
	return p, nil
}

// take returns an idle stage, nil when there are not more than keep. It belongs
// to a slab that opens: base is that of its stamps.
func (p *stages) take(base uint64, keep int) *stage {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) <= keep {
		return nil
	}
	b := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	p.idle.Add(-1)
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.slot)
	b.begun, b.newest, b.base = 0, 0, base
	b.late.Store(false)
	b.refs.Store(1)
	return b
}

func (p *stages) put(b *stage) {
	if p.poison {
		poison(b.mem)
	}
	p.mu.Lock()
	p.free = append(p.free, b)
	p.idle.Add(1)
	p.mu.Unlock()
	if p.freed != nil {
		p.freed()
	}
}

// loans is how many borrowers there are.
func (p *stages) loans() (n int64) {
	for _, b := range p.every {
		refs := int64(b.refs.Load())
		if !b.late.Load() {
			refs-- // its slab's
		}
		n += max(refs, 0)
	}
	return n
}

// poison fills b with what no record is made of.
func poison(b []byte) {
	if len(b) == 0 {
		return
	}
	b[0] = 0xdb
	for n := 1; n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}
