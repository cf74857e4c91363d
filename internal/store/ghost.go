package store

import (
	"math/bits"
	"sync/atomic"
)

// ghost remembers fingerprints of what fell out of a volume, and how often each
// was asked for: for a disk what fell out of the small queue, as much of it, in
// bytes, as the main queue holds; for memory everything, four times as much as it
// holds. It is a table of fixed size; a slot is 16 bits of fingerprint, 4 of uses
// and 12 of age. A false yes only lets a newcomer into the main queue. Only the
// reclaimer adds; anybody asks.
//
// Ages go round: what nothing overwrites would be young again after 4,096
// steps, and a table with room for more than falls in that time is full of
// such. So adding sweeps the table, the whole of it in 2,048 steps.
type ghost struct {
	slots []atomic.Uint32
	unit  int64        // bytes that fell for one step of age
	fell  atomic.Int64 // bytes that ever fell
	swept int64        // steps that the sweep has done; the reclaimer's
}

const (
	ghostSpan  = 1024 // ages that count as remembered
	ghostSweep = 2048 // steps in which the table is swept
	ageMask    = 1<<12 - 1
	ghostUses  = 12 // where they are in a slot
	ghostPrint = 1<<32 - 1<<16
)

func newGhost(slots []atomic.Uint32, remembered int64) ghost {
	return ghost{slots: slots, unit: max(remembered/ghostSpan, 1)}
}

func (g *ghost) bucket(h Hash) []atomic.Uint32 {
	i, _ := bits.Mul64(h[0], uint64(len(g.slots)/ways))
	return g.slots[i*ways:][:ways]
}

func (g *ghost) age(now, slot uint32) uint32 { return (now - slot) & ageMask }

func (g *ghost) now() uint32 { return uint32(g.fell.Load()/g.unit) & ageMask }

func print16(h Hash) uint32 { return max(uint32(h[1])>>16, 1) << 16 }

// add remembers h, of n bytes, and how often it was asked for. The oldest of
// its bucket makes room.
func (g *ghost) add(h Hash, n, uses int) {
	g.fell.Add(int64(n))
	now, fp := g.now(), print16(h)
	b := g.bucket(h)
	oldest, most := 0, -1
	for i := range b {
		v := b[i].Load()
		if v == 0 || v&ghostPrint == fp {
			oldest = i
			break
		}
		if a := int(g.age(now, v)); a > most {
			oldest, most = i, a
		}
	}
	b[oldest].Store(fp | uint32(min(uses, usesMax))<<ghostUses | now)
	g.sweep()
}

// sweep forgets what is too old, in the part of the table that is due.
func (g *ghost) sweep() {
	step := g.fell.Load() / g.unit
	from := max(g.swept, step-ghostSweep)
	g.swept = step
	n, now := int64(len(g.slots)), g.now()
	for ; from < step; from++ {
		at := from % ghostSweep
		for i := at * n / ghostSweep; i < (at+1)*n/ghostSweep; i++ {
			if v := g.slots[i].Load(); v != 0 && g.age(now, v) > ghostSpan {
				g.slots[i].CompareAndSwap(v, 0)
			}
		}
	}
}

// halve halves how often everything was asked for.
func (g *ghost) halve() {
	for i := range g.slots {
		v := g.slots[i].Load()
		if uses := v >> ghostUses & usesMax; uses > 0 {
			g.slots[i].CompareAndSwap(v, v-(uses+1)/2<<ghostUses)
		}
	}
}

// take reports whether h is remembered and how often it was asked for, and
// forgets it.
func (g *ghost) take(h Hash) (uses int, ok bool) {
	now, fp := g.now(), print16(h)
	b := g.bucket(h)
	for i := range b {
		v := b[i].Load()
		if v&ghostPrint == fp && g.age(now, v) <= ghostSpan {
			b[i].CompareAndSwap(v, 0)
			return int(v >> ghostUses & usesMax), true
		}
	}
	return 0, false
}
