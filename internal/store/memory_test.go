package store_test

import (
	"testing"

	"opencache/internal/store"
	"opencache/internal/store/storetest"
)

func open(o store.ZoneOptions) func(t testing.TB) storetest.Volume {
	return func(t testing.TB) storetest.Volume {
		o.Memory, o.MeanObject = 8<<20, 2<<10
		z, err := store.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
}

// The contract in its three runs: on the mapping, where the race detector is
// blind; on the heap, for it; and with slabs overwritten as soon as they are
// free, so that a read without a pin is found out.
func TestMapping(t *testing.T) { storetest.Run(t, open(store.ZoneOptions{})) }
func TestHeap(t *testing.T)    { storetest.Run(t, open(store.ZoneOptions{Heap: true})) }
func TestPoison(t *testing.T)  { storetest.Run(t, open(store.ZoneOptions{Poison: true})) }
