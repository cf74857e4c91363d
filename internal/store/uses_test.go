package store

import (
	"sync"
	"testing"
)

func TestUses(t *testing.T) {
	z := newTest(t, Options{Size: 4 << 20, Heap: true})
	a, b := z.Hash([]byte("a")), z.Hash([]byte("b"))
	for n := range 20 {
		if got, want := z.Uses(a), min(n+1, MaxUses); got != want {
			t.Fatalf("request %d: got %d, want %d", n+1, got, want)
		}
	}
	if got := z.Uses(b); got != 1 {
		t.Errorf("another key: got %d, want 1", got)
	}
}

// A key is forgotten when as many others have come as there are slots, and
// does not come back when ages go round.
func TestUsesForgotten(t *testing.T) {
	for _, others := range []int64{0, useSlots / 2, 2 * useSlots, 4 * useSlots, 5 * useSlots} {
		var u uses
		old := Hash{1, 1 << 40}
		u.count(old)
		for key := uint64(2); u.keys <= others; key++ {
			u.keys += useUnit - 1 // as if so many more had come
			u.count(Hash{2, key << 40})
		}
		if got, want := u.count(old) == 2, others < useSlots; got != want {
			t.Errorf("after %d others: got %v, want %v", others, got, want)
		}
	}
}

// No request is lost, however many come at once.
func TestUsesConcurrent(t *testing.T) {
	var u uses
	var done sync.WaitGroup
	for range 10 {
		done.Go(func() { u.count(Hash{5, 5}) })
	}
	done.Wait()
	if got := u.count(Hash{5, 5}); got != 11 {
		t.Errorf("got %d, want 11", got)
	}
}
