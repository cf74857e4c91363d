package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// The files of a volume.
const (
	volumeName  = "opencache.volume"
	journalName = "opencache.journal"
	// what is being made has this behind its name until it is whole
	newSuffix = ".new"
)

// errInUse: another process has the volume.
var errInUse = errors.New("it is in use by another process")

// A folder is where the files of one volume are: a real one, or one on the
// heap.
type folder interface {
	// lock keeps everybody else out, until close; errInUse when another is in.
	lock() error
	// open opens a file; fs.ErrNotExist when there is none.
	open(name string) (file, error)
	// create makes a file anew, size bytes long, with room for reserve bytes.
	create(name string, size, reserve int64) (file, error)
	rename(from, to string) error
	remove(name string) error
	close() error
}

// A realFolder is a folder of the file system.
type realFolder struct {
	path string
	dir  *os.File // that the lock is on: it covers files that are yet to be made
}

var _ folder = (*realFolder)(nil)

func (d *realFolder) lock() error {
	dir, err := os.Open(d.path)
	if err != nil {
		return err
	}
	if err := lockFile(dir); err != nil {
		dir.Close()
		return err
	}
	d.dir = dir
	return nil
}

func (d *realFolder) open(name string) (file, error) {
	f, err := openFile(filepath.Join(d.path, name))
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d *realFolder) create(name string, size, reserve int64) (file, error) {
	path := filepath.Join(d.path, name)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err == nil {
		err = allocate(f, size, reserve)
		f.Close()
	}
	if err != nil {
		os.Remove(path)
		return nil, err
	}
	return d.open(name)
}

func (d *realFolder) rename(from, to string) error {
	return os.Rename(filepath.Join(d.path, from), filepath.Join(d.path, to))
}

func (d *realFolder) remove(name string) error { return os.Remove(filepath.Join(d.path, name)) }

func (d *realFolder) close() error {
	if d.dir == nil {
		return nil
	}
	return d.dir.Close()
}

// A heapFolder keeps its files on the heap, for as long as it is kept itself.
type heapFolder struct {
	mu     sync.Mutex // guards the fields below
	locked bool
	files  map[string]file
}

var _ folder = (*heapFolder)(nil)

func newHeapFolder() *heapFolder { return &heapFolder{files: map[string]file{}} }

func (d *heapFolder) lock() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locked {
		return errInUse
	}
	d.locked = true
	return nil
}

func (d *heapFolder) open(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f, ok := d.files[name]; ok {
		return f, nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func (d *heapFolder) create(name string, size, _ int64) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var f file = newHeapFile(size)
	if size == 0 {
		f = new(growingFile)
	}
	d.files[name] = f
	return f, nil
}

func (d *heapFolder) rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[to] = d.files[from]
	delete(d.files, from)
	return nil
}

func (d *heapFolder) remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.files, name)
	return nil
}

func (d *heapFolder) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.locked = false
	return nil
}

// A growingFile is a file on the heap that becomes longer when it is written
// behind its end.
type growingFile struct {
	mu sync.Mutex // guards the field below
	heapFile
}

func (f *growingFile) read(p []byte, off int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.heapFile.read(p, off)
}

func (f *growingFile) write(p []byte, off int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := off + int64(len(p)) - int64(len(f.b)); n > 0 {
		f.b = append(f.b, make([]byte, n)...)
	}
	return f.heapFile.write(p, off)
}

func (f *growingFile) size() (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.heapFile.size()
}
