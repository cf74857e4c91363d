package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A realFile is a file of a file system, opened twice: through the page cache
// and, where the file system can, around it.
type realFile struct {
	fd     int
	direct atomic.Int32 // a descriptor with O_DIRECT, or -1
	around bool         // what is written to it leaves the pages in the cache alone, says the kernel
	always atomic.Bool  // the file system knows no RWF_NOWAIT
}

var _ file = (*realFile)(nil)

// openFile opens what is there already.
func openFile(path string) (*realFile, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	r := &realFile{fd: fd}
	// What is read is read in one piece: reading ahead would fill the page
	// cache with strangers.
	_ = unix.Fadvise(fd, 0, 0, unix.FADV_RANDOM)
	if fd, err = unix.Open(path, unix.O_RDWR|unix.O_DIRECT|unix.O_CLOEXEC, 0); err != nil {
		fd = -1 // buffered, then
	}
	r.direct.Store(int32(fd))
	r.around = fd >= 0 && writesAround(r.fd)
	return r, nil
}

// writesAround reports whether direct writes to a file go around the page cache
// for certain. Some file systems (tmpfs) take the flag and write to the cached
// pages all the same, which sockets may hold. Kernels before 6.1 do not tell.
func writesAround(fd int) bool {
	var st unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &st)
	return err == nil && st.Mask&unix.STATX_DIOALIGN != 0 && st.Dio_offset_align > 0 && st.Dio_offset_align <= pageSize
}

func (r *realFile) descriptor() int { return r.fd }

func (r *realFile) readNow(p []byte, off int64) (int, error) {
	if r.always.Load() || len(p) == 0 {
		return 0, errWait
	}
	// The wrapper of x/sys allocates its vector.
	v := unix.Iovec{Base: unsafe.SliceData(p)}
	v.SetLen(len(p))
	for {
		n, _, e := syscall.Syscall6(unix.SYS_PREADV2, uintptr(r.fd), uintptr(unsafe.Pointer(&v)), 1,
			uintptr(off), uintptr(off>>32), unix.RWF_NOWAIT)
		switch {
		case e == unix.EINTR:
		case e == unix.EAGAIN:
			return 0, errWait
		case e == unix.EOPNOTSUPP || e == unix.ENOSYS:
			r.always.Store(true)
			return 0, errWait
		case e != 0:
			return 0, fmt.Errorf("volume at %d: %w", off, e)
		case n == 0:
			return 0, io.ErrUnexpectedEOF
		default:
			return int(n), nil
		}
	}
}

func (r *realFile) read(p []byte, off int64) error {
	for len(p) > 0 {
		n, err := unix.Pread(r.fd, p, off)
		if err == unix.EINTR {
			continue
		}
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("volume at %d: %w", off, err)
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

func (r *realFile) write(p []byte, off int64) error { return writeAll(r.fd, p, off) }

func (r *realFile) writeSlab(p []byte, off int64, exposed bool) error {
	fd := int(r.direct.Load())
	if exposed && (fd < 0 || !r.around) {
		if err := r.replacePages(off, int64(len(p))); err != nil {
			return err
		}
	}
	if fd < 0 {
		return r.write(p, off)
	}
	err := writeAll(fd, p, off)
	if !errors.Is(err, unix.EINVAL) {
		return err
	}
	// It took the flag and does not take the write: from now on buffered.
	r.direct.Store(-1)
	unix.Close(fd)
	return r.writeSlab(p, off, exposed)
}

// replacePages takes the pages of n bytes at off out of the page cache and
// leaves them to the sockets that hold them. Keeping the blocks is tried
// first: a hole has to be filled again, which a full disk cannot.
func (r *realFile) replacePages(off, n int64) error {
	err := unix.Fallocate(r.fd, unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	if err != nil {
		err = unix.Fallocate(r.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	}
	if err != nil {
		return fmt.Errorf("volume at %d: fresh pages: %w", off, err)
	}
	return nil
}

func writeAll(fd int, p []byte, off int64) error {
	for len(p) > 0 {
		n, err := unix.Pwrite(fd, p, off)
		if err == unix.EINTR {
			continue
		}
		if err == nil && n == 0 {
			err = io.ErrShortWrite
		}
		if err != nil {
			return fmt.Errorf("volume at %d: %w", off, err)
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

func (r *realFile) sync() error {
	if err := unix.Fdatasync(r.fd); err != nil {
		return fmt.Errorf("volume: fdatasync: %w", err)
	}
	return nil
}

func (r *realFile) close() error {
	if fd := int(r.direct.Swap(-1)); fd >= 0 {
		unix.Close(fd)
	}
	return unix.Close(r.fd)
}

func (r *realFile) size() (int64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(r.fd, &st); err != nil {
		return 0, fmt.Errorf("volume: stat: %w", err)
	}
	return st.Size, nil
}

// resident asks for the pages that are cached, or, where the kernel cannot
// tell (before 6.5), for a byte of each block.
func (r *realFile) resident(off, n int64) bool {
	var st unix.Cachestat_t
	page := int64(os.Getpagesize())
	from, to := off/page, (off+n+page-1)/page
	where := unix.CachestatRange{Off: uint64(from * page), Len: uint64((to - from) * page)}
	err := unix.Cachestat(uint(r.fd), &where, &st, 0)
	if err == nil {
		return st.Cache >= uint64(to-from)
	}
	var b [1]byte
	for at := off; at < off+n; at += blockSize {
		if _, err := r.readNow(b[:], at); err != nil {
			return false
		}
	}
	return true
}
