package store

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// A memory is one run of bytes outside of the Go heap: a memfd and its
// mapping. Pages are 4 KiB and appear when they are first written.
type memory struct {
	b  []byte
	fd int // -1: on the heap
}

// mapMemory returns n zero bytes: a mapping, or a slice of the heap.
func mapMemory(name string, n int64, heap bool) (memory, error) {
	if heap {
		return memory{b: make([]byte, n), fd: -1}, nil
	}
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return memory{}, fmt.Errorf("memfd %s: %w", name, err)
	}
	b, err := sizeAndMap(fd, n)
	if err != nil {
		unix.Close(fd)
		return memory{}, fmt.Errorf("memfd %s of %d bytes: %w", name, n, err)
	}
	return memory{b: b, fd: fd}, nil
}

func sizeAndMap(fd int, n int64) ([]byte, error) {
	if err := unix.Ftruncate(fd, n); err != nil {
		return nil, err
	}
	// A mapping beyond the end of its file kills the process; so nobody may
	// move the end, a successor that inherits the descriptor included.
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW); err != nil {
		return nil, err
	}
	return unix.Mmap(fd, 0, int(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

// punch takes the pages of n bytes at off out of the file. Sockets that refer
// to them keep them.
func (m *memory) punch(off, n int64) error {
	return unix.Fallocate(m.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
}

// writeAt fills a hole: cheaper than faulting its pages in one by one.
func (m *memory) writeAt(p []byte, off int64) error {
	for len(p) > 0 {
		n, err := unix.Pwrite(m.fd, p, off)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("memfd at %d: %w", off, err)
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// resident returns how many bytes have pages.
func (m *memory) resident() int64 {
	if m.fd < 0 {
		return int64(len(m.b))
	}
	var st unix.Stat_t
	if err := unix.Fstat(m.fd, &st); err != nil {
		return int64(len(m.b))
	}
	return st.Blocks * 512
}

// close gives the memory back. A second call does nothing.
func (m *memory) close() error {
	if m.fd < 0 || m.b == nil {
		m.b = nil
		return nil
	}
	err := unix.Munmap(m.b)
	m.b = nil
	if cerr := unix.Close(m.fd); err == nil {
		err = cerr
	}
	return err
}
