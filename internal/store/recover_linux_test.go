package store

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A sparseFolder makes files without room: of a volume of ten gigabytes only
// the directory area is ever written here.
type sparseFolder struct{ realFolder }

func (d *sparseFolder) create(name string, size, _ int64) (file, error) {
	f, err := os.Create(filepath.Join(d.path, name))
	if err == nil {
		err = f.Truncate(size)
		f.Close()
	}
	if err != nil {
		return nil, err
	}
	return d.open(name)
}

// fillDirectories lists records of mean bytes wherever they fit, some of them
// killed, and returns how many there are.
func fillDirectories(b *testing.B, v *volume) (records int) {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	buf := make([]byte, v.slotSize())
	for i := range v.slabs {
		clear(buf)
		s := slot{slab: i, generation: v.generation(), base: uint64(records), newest: 1, main: i%10 != 0}
		seed := listingSeed(i, s.generation)
		for s.used+int(v.mean) <= v.slab && s.records < v.listings {
			n := min(aligned(int(v.mean)/2+r.IntN(int(v.mean))), v.slab-s.used)
			l := diskListing{hash: Hash{r.Uint64(), r.Uint64()}, off: s.used, n: n, kind: Object, stamp: uint32(s.records)}
			l.encode(buf[slotHeader+s.records*directorySize:], seed)
			s.used += n
			s.records++
		}
		s.sums = make([]uint32, blocks(s.used))
		s.encode(buf)
		if err := v.f.write(buf, v.slotAt(i)); err != nil {
			b.Fatal(err)
		}
		if err := v.journal.append(entry{kind: entryKill, slab: i, generation: s.generation, listings: []uint16{0}}); err != nil {
			b.Fatal(err)
		}
		records += s.records
	}
	return records
}

// BenchmarkRecovery opens volumes of ten gigabytes whose directories are full:
// from the device, that is without anything of them in memory, and warm.
func BenchmarkRecovery(b *testing.B) {
	const size = 10 << 30
	for _, mean := range []int64{1 << 10, 64 << 10} {
		for _, cold := range []bool{true, false} {
			b.Run(fmt.Sprintf("10GiB/mean=%dKiB/cold=%v", mean>>10, cold), func(b *testing.B) {
				dir := b.TempDir()
				folder := func() folder { return &sparseFolder{realFolder{path: dir}} }
				v, err := openVolume(volumeOptions{dir: dir, size: size, mean: mean, folder: folder()})
				if err == nil {
					err = v.slots(func(*slot, []foundListing) {})
				}
				if err == nil {
					err = v.begin()
				}
				if err != nil {
					b.Fatal(err)
				}
				records := fillDirectories(b, v)
				if err := v.f.sync(); err != nil {
					b.Fatal(err)
				}
				if err := v.shut(false); err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					if cold {
						b.StopTimer()
						uncache(b, filepath.Join(dir, volumeName))
						b.StartTimer()
					}
					at := time.Now()
					d, err := openDisk(newRegistry([32]byte{1}), DiskOptions{Dir: dir, Size: size, MeanObject: mean, folder: folder()})
					if err != nil {
						b.Fatal(err)
					}
					took := time.Since(at)
					st := d.Stats()
					b.ReportMetric(took.Seconds(), "s/recovery")
					b.ReportMetric(float64(st.Objects), "records")
					b.ReportMetric(float64(records-v.slabs), "listed")
					b.ReportMetric(float64(v.slotAt(v.slabs))/(1<<20), "MiB/directories")
					b.StopTimer()
					if err := d.Close(); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
			})
		}
	}
}

// uncache drops what the page cache has of a file that is synced.
func uncache(b *testing.B, name string) {
	b.Helper()
	f, err := os.Open(name)
	if err == nil {
		err = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
		f.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
}
