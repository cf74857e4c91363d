package store

import (
	"errors"
	"io"
	"unsafe"
)

// blockSize is the unit of checksums on disk: a range verifies the blocks it
// touches.
const blockSize = 64 << 10

// pageSize is what direct writes are aligned to, in the file and in memory.
const pageSize = 4096

// errWait: readNow would have to wait for the device.
var errWait = errors.New("not in memory: the device has to be waited for")

// A file is the file of a disk volume as the volume uses it: real, on the
// heap, or in tests a failing one. Its calls may be concurrent. Nobody reads
// what is being written: pins see to that.
type file interface {
	// readNow reads at off what takes no device: all of p, less, or errWait.
	readNow(p []byte, off int64) (int, error)
	// read fills p from off, however long that takes. A file that ends before
	// is io.ErrUnexpectedEOF.
	read(p []byte, off int64) error
	// write writes p at off through the page cache.
	write(p []byte, off int64) error
	// writeSlab writes p at off around the page cache, or where that cannot be,
	// and sockets may hold its pages (exposed), into fresh pages. p begins at an
	// address, off at an offset, and both have a length of whole pages.
	writeSlab(p []byte, off int64, exposed bool) error
	// resident reports whether n bytes at off are in memory, as far as can be
	// known without waiting.
	resident(off, n int64) bool
	// size returns where the file ends.
	size() (int64, error)
	// sync brings everything written to the device.
	sync() error
	// descriptor returns what sendfile reads from, -1 when there is none.
	descriptor() int
	close() error
}

// A heapFile is a file of bytes on the heap. It takes no lock, so that the
// race detector sees who reads what is being written.
type heapFile struct{ b []byte }

func newHeapFile(size int64) *heapFile { return &heapFile{b: make([]byte, size)} }

var _ file = (*heapFile)(nil)

func (f *heapFile) readNow(p []byte, off int64) (int, error) { return len(p), f.read(p, off) }

func (f *heapFile) read(p []byte, off int64) error {
	if off > int64(len(f.b)) || copy(p, f.b[off:]) < len(p) {
		return io.ErrUnexpectedEOF
	}
	return nil
}

func (f *heapFile) write(p []byte, off int64) error {
	if off > int64(len(f.b)) || copy(f.b[off:], p) < len(p) {
		return io.ErrShortWrite
	}
	return nil
}

func (f *heapFile) writeSlab(p []byte, off int64, _ bool) error { return f.write(p, off) }
func (f *heapFile) resident(_, _ int64) bool                    { return true }
func (f *heapFile) size() (int64, error)                        { return int64(len(f.b)), nil }
func (f *heapFile) sync() error                                 { return nil }
func (f *heapFile) descriptor() int                             { return -1 }
func (f *heapFile) close() error                                { return nil }

// pages returns b from its first whole page on.
func pages(b []byte) []byte {
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) & (pageSize - 1)
	return b[skip:]
}
