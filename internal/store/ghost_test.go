package store

import (
	"sync/atomic"
	"testing"
)

// What fell long ago stays forgotten, however few others use its part of the
// table.
func TestGhostForgets(t *testing.T) {
	const remembered = 1 << 20
	for fallen := int64(0); fallen < 10*remembered; fallen += remembered / 4 {
		g := newGhost(make([]atomic.Uint32, 1<<16), remembered)
		old := Hash{1, 2 << 40}
		g.add(old, 1, 1)
		for i := range uint64(fallen >> 12) {
			g.add(Hash{1 << 63, (i + 3) << 40}, 4096, 1) // all of one other bucket
		}
		want := fallen <= remembered
		if _, got := g.take(old); got != want {
			t.Errorf("after %d bytes of %d: got %v, want %v", fallen, remembered, got, want)
		}
	}
}
