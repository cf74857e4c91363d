package store

import (
	"math/bits"
	"sync/atomic"
)

// ghost remembers fingerprints of what fell out of the small queue: as much
// of it, in bytes, as the main queue holds. It is a table of fixed size; a
// slot is 20 bits of fingerprint and 12 bits of age. A false yes only lets a
// newcomer into the main queue. Only the reclaimer adds; anybody asks.
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

func print20(h Hash) uint32 { return max(uint32(h[1])>>12, 1) << 12 }

// add remembers h, of n bytes. The oldest of its bucket makes room.
func (g *ghost) add(h Hash, n int) {
	g.fell.Add(int64(n))
	now, fp := g.now(), print20(h)
	b := g.bucket(h)
	oldest, most := 0, -1
	for i := range b {
		v := b[i].Load()
		if v == 0 || v&^ageMask == fp {
			oldest = i
			break
		}
		if a := int(g.age(now, v)); a > most {
			oldest, most = i, a
		}
	}
	b[oldest].Store(fp | now)
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

// take reports whether h is remembered, and forgets it.
func (g *ghost) take(h Hash) bool {
	now, fp := g.now(), print20(h)
	b := g.bucket(h)
	for i := range b {
		v := b[i].Load()
		if v&^ageMask == fp && g.age(now, v) <= ghostSpan {
			b[i].CompareAndSwap(v, 0)
			return true
		}
	}
	return false
}
