package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile keeps other processes, and other opens in this one, out until f is
// closed.
func lockFile(f *os.File) error {
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err {
	case nil:
		return nil
	case unix.EWOULDBLOCK:
		return errInUse
	default:
		return &fs.PathError{Op: "flock", Path: f.Name(), Err: err}
	}
}

// allocate gives f reserve bytes of the device, and makes it size bytes long:
// what is allocated now cannot be missing later. What does not fit is not
// tried: it would take the room of all others on the way.
func allocate(f *os.File, size, reserve int64) error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err == nil {
		free := int64(st.Bavail) * int64(st.Bsize) //nolint:unconvert // Bsize is an int32 on some machines
		if free < reserve {
			return fmt.Errorf("%w: %d bytes are free, %d are needed", unix.ENOSPC, free, reserve)
		}
	}
	mode := uint32(0)
	if size < reserve {
		mode = unix.FALLOC_FL_KEEP_SIZE
	}
	for {
		err := unix.Fallocate(int(f.Fd()), mode, 0, reserve)
		switch {
		case err == unix.EINTR:
			continue
		case errors.Is(err, unix.EOPNOTSUPP) && size == reserve:
			return fill(f, size)
		case errors.Is(err, unix.EOPNOTSUPP):
			return nil
		case err != nil:
			return &fs.PathError{Op: "fallocate", Path: f.Name(), Err: err}
		}
		return nil
	}
}

// fill writes zeros where the file system cannot allocate.
func fill(f *os.File, size int64) error {
	b := make([]byte, 1<<20)
	for off := int64(0); off < size; off += int64(len(b)) {
		if _, err := f.WriteAt(b[:min(int64(len(b)), size-off)], off); err != nil {
			return err
		}
	}
	return nil
}
