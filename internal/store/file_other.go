//go:build !linux

package store

import (
	"fmt"
	"io"
	"os"
)

// A realFile is a file of a file system, read and written through the page
// cache: here is nothing that tells what is in it, so each read may wait.
type realFile struct{ f *os.File }

var _ file = (*realFile)(nil)

// openFile opens what is there already.
func openFile(path string) (*realFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return &realFile{f}, nil
}

func (r *realFile) readNow(_ []byte, _ int64) (int, error) { return 0, errWait }

func (r *realFile) read(p []byte, off int64) error {
	_, err := r.f.ReadAt(p, off)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (r *realFile) write(p []byte, off int64) error {
	_, err := r.f.WriteAt(p, off)
	return err
}

func (r *realFile) writeSlab(p []byte, off int64, _ bool) error { return r.write(p, off) }

func (r *realFile) resident(_, _ int64) bool { return false }

func (r *realFile) size() (int64, error) {
	st, err := r.f.Stat()
	if err != nil {
		return 0, fmt.Errorf("volume: stat: %w", err)
	}
	return st.Size(), nil
}

func (r *realFile) sync() error  { return r.f.Sync() }
func (r *realFile) close() error { return r.f.Close() }

// descriptor is -1: what sendfile refers to could not be told from what is
// overwritten.
func (r *realFile) descriptor() int { return -1 }
