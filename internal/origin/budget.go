package origin

import (
	"sync"
	"time"
)

// A Budget caps how many requests of a Group are sent once more, so that
// servers that can no more are not asked twice as often for it. First attempts
// are never refused. The zero value allows none but Least; nil allows all.
type Budget struct {
	Share float64 // of the requests of the last 10 s, how many may be tried again
	Least int     // how many may be, however few requests there were; 0: 10, below 0: none

	mu    sync.Mutex // guards the fields below
	slots [budgetSlots]budgetSlot
	now   int64 // number of the newest slot
}

// A budgetSlot counts a second.
type budgetSlot struct{ requests, retries int }

const (
	budgetSlots = 10
	budgetSlice = time.Second
	leastBudget = 10
)

// move makes the newest slot that of the time.
func (b *Budget) move(now time.Time) *budgetSlot {
	n := now.UnixNano() / int64(budgetSlice)
	if n-b.now >= budgetSlots || b.now-n >= budgetSlots { // or the clock was set back
		b.slots, b.now = [budgetSlots]budgetSlot{}, n
	}
	for ; b.now < n; b.now++ {
		b.slots[(b.now+1)%budgetSlots] = budgetSlot{}
	}
	return &b.slots[b.now%budgetSlots]
}

// request notes a request.
func (b *Budget) request(now time.Time) {
	if b == nil {
		return
	}
	b.mu.Lock()
	b.move(now).requests++
	b.mu.Unlock()
}

// spend reports whether one more may be tried again, and notes that it is.
func (b *Budget) spend(now time.Time) bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	slot, requests, retries := b.move(now), 0, 0
	for i := range b.slots {
		requests += b.slots[i].requests
		retries += b.slots[i].retries
	}
	least := b.Least
	if least == 0 {
		least = leastBudget
	}
	if retries >= max(least, int(b.Share*float64(requests))) {
		return false
	}
	slot.retries++
	return true
}
