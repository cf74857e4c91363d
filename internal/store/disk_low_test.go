package store

import "testing"

// TestDiskLow: a volume that is full is freed down to its low mark, and not
// before; without one a few slabs are.
func TestDiskLow(t *testing.T) {
	for _, low := range []int64{0, diskVolume * 3 / 4, diskVolume / 4, diskVolume} {
		d := openTestDisk(t, func(o *DiskOptions) { o.Low = low })
		want := d.space.wantedFree
		if low == diskVolume*3/4 {
			want = int(diskVolume / 4 / int64(d.space.size))
		}
		if d.cleaned != want {
			t.Errorf("low mark %d: %d slabs are freed at a time, want %d", low, d.cleaned, want)
		}
		n := 0
		for ; d.space.numFree() > d.space.wantedFree; n++ {
			putDisk(t, d, n)
		}
		if st := d.counts.stats(); st.Objects != int64(n) {
			t.Errorf("low mark %d: %d of %d objects are there when it is full", low, st.Objects, n)
		}
		for range n / 8 { // over the mark
			putDisk(t, d, n)
			n++
		}
		eventually(t, "room", func() bool { return d.space.numFree() >= want-openSlabs })
	}
}
