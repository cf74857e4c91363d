package store_test

import (
	"fmt"
	"testing"
	"time"

	"opencache/internal/store"
	"opencache/internal/store/storetest"
)

// The contract for zones of disks and of memory over disks, in its three runs.
func zoneOf(memory int64, disks int, o store.ZoneOptions) func(t testing.TB) storetest.Volume {
	return func(t testing.TB) storetest.Volume {
		o := o
		wait := time.Duration(0) // memory takes what the disk has no room for
		if memory == 0 {
			wait = 5 * time.Millisecond
		}
		o.Memory, o.MeanObject, o.Disks = memory, 2<<10, nil
		for n := range disks {
			d := store.DiskOptions{Dir: fmt.Sprint("heap", n), Size: 16 << 20 / int64(disks), MeanObject: 2 << 10, Heap: o.Heap, Poison: o.Poison, PutWait: wait}
			if !o.Heap {
				d.Dir = t.TempDir()
			}
			o.Disks = append(o.Disks, d)
		}
		z, err := store.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
}

func TestDiskFile(t *testing.T)   { storetest.Run(t, zoneOf(0, 1, store.ZoneOptions{})) }
func TestDiskHeap(t *testing.T)   { storetest.Run(t, zoneOf(0, 1, store.ZoneOptions{Heap: true})) }
func TestDiskPoison(t *testing.T) { storetest.Run(t, zoneOf(0, 1, store.ZoneOptions{Poison: true})) }

func TestTiersFile(t *testing.T) { storetest.Run(t, zoneOf(8<<20, 1, store.ZoneOptions{})) }
func TestTiersHeap(t *testing.T) { storetest.Run(t, zoneOf(8<<20, 2, store.ZoneOptions{Heap: true})) }
func TestTiersPoison(t *testing.T) {
	storetest.Run(t, zoneOf(8<<20, 1, store.ZoneOptions{Poison: true}))
}
