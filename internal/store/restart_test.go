package store

import (
	"fmt"
	"testing"
)

// TestRefusedStripe: a start that is refused because of one volume leaves the
// content of all others, and of that one, as it was.
func TestRefusedStripe(t *testing.T) {
	folders := []folder{newHeapFolder(), newHeapFolder()}
	open := func(sizes ...int64) (*Zone, error) {
		o := ZoneOptions{}
		for i, size := range sizes {
			o.Disks = append(o.Disks, DiskOptions{Dir: fmt.Sprint("d", i), Size: size, Heap: true, folder: folders[i]})
		}
		return Open(o)
	}
	start := func() *Zone {
		z, err := open(8<<20, 8<<20)
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	stop := func(z *Zone) {
		if err := z.Close(); err != nil {
			t.Error(err)
		}
	}
	z := start()
	for i := range 20 {
		z.store(t, fmt.Sprint("key", i), 100)
	}
	stop(z)
	for _, sizes := range [][]int64{{8 << 20, 9 << 20}, {9 << 20, 8 << 20}} {
		if z, err := open(sizes...); err == nil {
			stop(z)
			t.Errorf("sizes %d: got no error", sizes)
		}
	}
	z = start()
	defer stop(z)
	for i := range 20 {
		if !z.found(t, fmt.Sprint("key", i), 100) {
			t.Errorf("object %d is gone", i)
		}
	}
}

// TestShareOfReturningSite: the share and limit of sites without others are
// those of sites that came back, too.
func TestShareOfReturningSite(t *testing.T) {
	folder := newHeapFolder()
	for start := range 2 {
		z, err := Open(ZoneOptions{
			SiteShare: 1000, SiteLimit: 100000, Disks: []DiskOptions{{Dir: "heap", Size: 8 << 20, Heap: true, folder: folder}},
		})
		if err != nil {
			t.Fatal(err)
		}
		site := z.OpenSite([]byte("example"))
		if share, limit := z.shareOf(z.account(site)); share != 1000 || limit != 100000 {
			t.Errorf("start %d: got share %d, limit %d, want 1000, 100000", start+1, share, limit)
		}
		if err := z.Close(); err != nil {
			t.Error(err)
		}
	}
}
