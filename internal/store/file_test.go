package store

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// A faultyFile is a file some of whose calls go wrong. A hook that is set is
// asked first: what it returns is what happens.
type faultyFile struct {
	file
	onRead  atomic.Pointer[func(p []byte, off int64) error] // before each read; readNow too
	onWrite atomic.Pointer[func(p []byte, off int64) error]
	noNow   atomic.Bool // readNow always waits
	short   atomic.Bool // readNow gives the half
	cut     atomic.Int64
}

func (f *faultyFile) setRead(hook func(p []byte, off int64) error)  { f.onRead.Store(&hook) }
func (f *faultyFile) setWrite(hook func(p []byte, off int64) error) { f.onWrite.Store(&hook) }

func ask(hook *func(p []byte, off int64) error, p []byte, off int64) error {
	if hook == nil || *hook == nil {
		return nil
	}
	return (*hook)(p, off)
}

func (f *faultyFile) end() int64 {
	n, err := f.file.size()
	if cut := f.cut.Load(); err == nil && cut > 0 {
		n = min(n, cut)
	}
	return n
}

func (f *faultyFile) size() (int64, error) { return f.end(), nil }

func (f *faultyFile) readNow(p []byte, off int64) (int, error) {
	if f.noNow.Load() {
		return 0, errWait
	}
	if err := ask(f.onRead.Load(), p, off); err != nil {
		return 0, err
	}
	if f.short.Load() {
		p = p[:(len(p)+1)/2]
	}
	if n := f.end() - off; int64(len(p)) > n {
		if n <= 0 {
			return 0, io.ErrUnexpectedEOF
		}
		p = p[:n]
	}
	return f.file.readNow(p, off)
}

func (f *faultyFile) read(p []byte, off int64) error {
	if err := ask(f.onRead.Load(), p, off); err != nil {
		return err
	}
	if off+int64(len(p)) > f.end() {
		return io.ErrUnexpectedEOF
	}
	return f.file.read(p, off)
}

func (f *faultyFile) write(p []byte, off int64) error {
	if err := ask(f.onWrite.Load(), p, off); err != nil {
		return err
	}
	return f.file.write(p, off)
}

func (f *faultyFile) writeSlab(p []byte, off int64, exposed bool) error {
	if err := ask(f.onWrite.Load(), p, off); err != nil {
		return err
	}
	return f.file.writeSlab(p, off, exposed)
}

func (f *faultyFile) resident(off, n int64) bool { return !f.noNow.Load() && f.file.resident(off, n) }

func realFileOf(t testing.TB, size int64) *realFile {
	t.Helper()
	path := filepath.Join(t.TempDir(), "volume")
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.close() })
	return f
}

func TestFiles(t *testing.T) {
	const size = 8 * blockSize
	for name, f := range map[string]file{"real": realFileOf(t, size), "heap": newHeapFile(size)} {
		slab := mapped(t, 2*blockSize)
		for i := range slab {
			slab[i] = byte(i * 7)
		}
		if err := f.writeSlab(slab, 2*blockSize, true); err != nil {
			t.Fatalf("%s: writeSlab: %v", name, err)
		}
		if err := f.write([]byte("tail"), size-4); err != nil {
			t.Fatalf("%s: write: %v", name, err)
		}
		if err := f.sync(); err != nil {
			t.Errorf("%s: sync: %v", name, err)
		}
		got := make([]byte, len(slab))
		if err := f.read(got, 2*blockSize); err != nil || !bytes.Equal(got, slab) {
			t.Errorf("%s: read: got error %v, equal %v, want what was written", name, err, bytes.Equal(got, slab))
		}
		if err := f.read(got, size-4); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: read over the end: got %v, want ErrUnexpectedEOF", name, err)
		}
		if n, err := f.size(); n != size || err != nil {
			t.Errorf("%s: got size %d and %v, want %d", name, n, err, size)
		}
		if n, err := f.readNow(got[:1000], 2*blockSize+5); err == nil && !bytes.Equal(got[:n], slab[5:5+n]) {
			t.Errorf("%s: readNow: got other bytes than were written", name)
		}
	}
}

// mapped returns n bytes that a direct write takes.
func mapped(t testing.TB, n int64) []byte {
	t.Helper()
	m, err := mapMemory("test", n, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.close() })
	return m.b
}
