package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"opencache/internal/wire"
)

// onDevice returns a volume of files with a segment in it that is lent from its
// file, the segment's bytes, and the file.
func onDevice(t *testing.T) (d *Disk, version uint64, content []byte, f *os.File) {
	t.Helper()
	dir := t.TempDir()
	d = openTestDisk(t, func(o *DiskOptions) { o.Heap, o.Dir = false, dir })
	content = diskBody(7, d.SegmentSize()-1000)
	version = d.Version()
	if err := d.PutSegment(version, 0, 0, [][]byte{content}); err != nil {
		t.Fatal(err)
	}
	settle(t, d)
	settle(t, d)
	f, err := os.OpenFile(filepath.Join(dir, volumeName), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return d, version, content, f
}

// lend returns the bytes from off on of the segment, in the file.
func lend(t *testing.T, d *Disk, version uint64, off int) wire.Span {
	t.Helper()
	s, ok := d.Segment(version, 0, off, d.SegmentSize())
	if !ok || s.Mem != nil || s.Owner.Expose() < 0 {
		t.Fatalf("got %v, %t, want bytes in a file", s, ok)
	}
	return s
}

// forget has the page cache let go of f.
func forget(t *testing.T, d *Disk, f *os.File, s wire.Span) {
	t.Helper()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
	if d.v.f.resident(s.Off, int64(s.N)) {
		t.Skip("this file system keeps its pages: nothing can come from the device anew")
	}
}

// TestDiskSpan: a segment is lent from its file, sent from there only while it
// is in memory, and read with the same bytes at any offset when it is not.
func TestDiskSpan(t *testing.T) {
	d, version, content, f := onDevice(t)
	for _, off := range []int{0, 1, 4095, blockSize, 70_001, len(content) - 1} {
		s := lend(t, d, version, off)
		dev := s.Owner.(wire.Device)
		if n := dev.Enter(s.Off, s.N); n != s.N {
			t.Errorf("from %d: leave for %d bytes, want %d", off, n, s.N)
		}
		dev.Leave()
		for _, there := range []bool{true, false} {
			if !there {
				forget(t, d, f, s)
				if n := dev.Enter(s.Off, s.N); n != 0 {
					t.Errorf("from %d: leave for %d bytes that are not in memory", off, n)
				}
			}
			got := make([]byte, min(s.N, 100_001))
			if err := s.Copy(got); err != nil || !bytes.Equal(got, content[off:off+len(got)]) {
				t.Errorf("from %d, in memory %t: got %v, or other bytes", off, there, err)
			}
		}
		s.Release()
	}
	if got := len(d.tokens.free); got != cap(d.tokens.free) {
		t.Errorf("%d tokens are there, want %d", got, cap(d.tokens.free))
	}
}

// TestDiskSpanTokens: there is no more leave to send than there are tokens.
func TestDiskSpanTokens(t *testing.T) {
	d, version, _, _ := onDevice(t)
	s := lend(t, d, version, 0)
	defer s.Release()
	dev, n := s.Owner.(wire.Device), 0
	for dev.Enter(s.Off, s.N) > 0 {
		n++
	}
	if n != cap(d.tokens.free) {
		t.Errorf("leave for %d calls, want %d", n, cap(d.tokens.free))
	}
	for range n {
		dev.Leave()
	}
}

// TestDiskSpanFlipped: bytes that come from the device anew are compared anew,
// under a reader and before the next one.
func TestDiskSpanFlipped(t *testing.T) {
	for name, lookFirst := range map[string]bool{"under a reader": false, "before the next": true} {
		t.Run(name, func(t *testing.T) {
			d, version, content, f := onDevice(t)
			s := lend(t, d, version, 0)
			defer func() { s.Release() }()
			const at = 3*blockSize + 77
			if _, err := f.WriteAt([]byte{content[at] ^ 1}, s.Off+at); err != nil {
				t.Fatal(err)
			}
			forget(t, d, f, s)
			got := make([]byte, blockSize)
			if err := s.Copy(got); err != nil || !bytes.Equal(got, content[:blockSize]) {
				t.Errorf("the first block: got %v, or other bytes", err)
			}
			if !lookFirst {
				if err := s.Slice(at, 1).Copy(got[:1]); !errors.Is(err, wire.ErrLost) || !errors.Is(err, errDamage) {
					t.Errorf("the flipped byte: got %v, want damage", err)
				}
			}
			if next, ok := d.Segment(version, 0, 0, len(content)); ok {
				next.Release()
				t.Error("a segment with a flipped bit is lent")
			}
			if st := d.Stats(); d.Has(version, 0) || st.Damaged == 0 {
				t.Errorf("it is still there, or nothing counts it: %d damaged", st.Damaged)
			}
		})
	}
}
