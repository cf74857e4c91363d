package store

import (
	"sync/atomic"
	"testing"
)

// cellOf is the entry of a record of the mean size.
func cellOf(state uint64) *cell { return &cell{state: state, extra: extraOf(0, 1<<(sizeFirst/point))} }

// meritOf starts a merit and returns with it the entry of a record that was
// asked for so often.
func meritOf(uses int) (*merit, *cell) {
	m := new(merit)
	m.start()
	return m, cellOf(m.heat(uses))
}

// Uses are counted over all rounds, to a cap, and halved for each epoch.
func TestMeritUses(t *testing.T) {
	for _, test := range []struct{ uses, hits, halvings, want int }{
		{1, 0, 0, 1},
		{1, 2, 0, 3},
		{14, 3, 0, 15},
		{40, 0, 0, 15},
		{12, 0, 1, 6},
		{12, 3, 2, 6},
		{15, 0, 4, 0},
		{15, 1, 70, 1},
	} {
		m, c := meritOf(test.uses)
		c.state |= uint64(test.hits)
		for range test.halvings {
			m.epoch.Add(1)
		}
		if got := m.uses(c); got != test.want {
			t.Errorf("%d uses, %d halvings, then %d hits: got %d, want %d", test.uses, test.halvings, test.hits, got, test.want)
		}
	}
}

// What has no hit does not stay for ever: the threshold rises to it. What is
// hit stays, and all of that when room is tight.
func TestMeritWeigh(t *testing.T) {
	m, c := meritOf(4)
	rounds := 0
	for worth := true; worth && rounds < 1000; rounds++ {
		_, c.state, worth = m.weigh(c, false)
	}
	if rounds == 1000 {
		t.Error("idle: got a place for 1000 rounds")
	}
	if _, heat, worth := m.weigh(cellOf(m.heat(12)|1), true); !worth || m.uses(cellOf(heat)) != 13 {
		t.Errorf("hit, tight: got worth %v, %d uses, want true and 13", worth, m.uses(cellOf(heat)))
	}
	if _, _, worth := m.weigh(cellOf(m.heat(15)), true); worth {
		t.Error("idle, tight: got worth true")
	}
	if m.threshold.Load() < point || m.enough(1, 1) {
		t.Errorf("got a threshold of %d, want one use or more", m.threshold.Load())
	}
}

// Twice as large is half a use less, to four uses.
func TestMeritValue(t *testing.T) {
	m, _ := meritOf(1)
	for _, test := range []struct {
		n    int
		want float64
	}{
		{0, 9}, {1, 9}, {16, 9}, {1 << 12, 5.5}, {1 << 13, 5}, {3 << 12, 4.75}, {1 << 14, 4.5}, {1 << 15, 4}, {1 << 21, 1}, {1 << 30, 1},
	} {
		if got := float64(m.value(5, test.n)) / point; got != test.want {
			t.Errorf("%d bytes: 5 uses are worth %g, want %g", test.n, got, test.want)
		}
	}
	m.threshold.Store(3 * point)
	for n, want := range map[int]bool{1 << 12: true, 1 << 13: false} {
		if got := m.enough(3, n); got != want {
			t.Errorf("3 uses of %d bytes: got enough %v, want %v", n, got, want)
		}
	}
}

// Memory is short while what was kept without a hit does worse than what is new.
func TestMeritMoving(t *testing.T) {
	for _, moving := range []bool{false, true} {
		m, _ := meritOf(1)
		for range 2000 {
			fresh, idle := cellOf(m.heat(3)), cellOf(m.heat(3)|knownBit|idleBit)
			if moving {
				fresh.state++
			} else {
				idle.state++
			}
			m.weigh(fresh, false)
			m.weigh(idle, false)
		}
		m.asked.Store(shortMemory * 1000)
		if got := m.due(1); got != moving {
			t.Errorf("moving %v: got halved %v after %d requests", moving, got, shortMemory*1000)
		}
	}
}

// A halving keeps who is remembered, with half of the uses.
func TestGhostHalve(t *testing.T) {
	g := newGhost(make([]atomic.Uint32, 64), 1<<20)
	for n := range 16 {
		g.add(Hash{uint64(n) << 60, uint64(n+1) << 16}, 1, n)
	}
	g.halve()
	for n := range 16 {
		if got, ok := g.take(Hash{uint64(n) << 60, uint64(n+1) << 16}); !ok || got != n/2 {
			t.Errorf("%d uses: got %d, %v, want %d, true", n, got, ok, n/2)
		}
	}
}
