//go:build !linux

package store

import (
	"errors"
	"io/fs"
	"os"
)

// lockFile refuses: without a lock two processes could write one volume, so
// volumes on disk are for Linux.
func lockFile(f *os.File) error {
	return &fs.PathError{Op: "flock", Path: f.Name(), Err: errors.ErrUnsupported}
}

func allocate(f *os.File, size, _ int64) error { return f.Truncate(size) }
