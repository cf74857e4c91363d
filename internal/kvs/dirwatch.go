package kvs

import (
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// A dirWatch hears of changes in a directory, and beside it: the directory
// itself may be a link that is swapped for another, or come only later. nil
// hears of nothing.
type dirWatch struct {
	dir     string
	watcher *fsnotify.Watcher
	names   chan string // of files; empty: any
	at      os.FileInfo // the directory that is watched; nil: none
	ended   chan struct{}
}

// newDirWatch returns nil where the kernel does not tell.
func newDirWatch(dir string) *dirWatch {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil
	}
	w := &dirWatch{dir: dir, watcher: watcher, names: make(chan string), ended: make(chan struct{})}
	if full, err := filepath.Abs(dir); err == nil && filepath.Dir(full) != full {
		// A parent that cannot be watched leaves the poll.
		_ = watcher.Add(filepath.Dir(full))
	}
	go w.run()
	return w
}

// events yields the names of files that something happened to.
func (w *dirWatch) events() <-chan string {
	if w == nil {
		return nil
	}
	return w.names
}

// renew has the directory watched that is there now.
func (w *dirWatch) renew() {
	if w == nil {
		return
	}
	now, err := os.Stat(w.dir)
	if err == nil && w.at != nil && os.SameFile(w.at, now) {
		return
	}
	if w.at != nil {
		_ = w.watcher.Remove(w.dir) // a directory that is gone is watched no more by itself
		w.at = nil
	}
	if err == nil && w.watcher.Add(w.dir) == nil {
		w.at = now
	}
}

// run hands on what happens, without saying what: a scan finds out.
func (w *dirWatch) run() {
	defer close(w.ended)
	for {
		name := ""
		select {
		case e, ok := <-w.watcher.Events:
			if !ok {
				return
			}
			if e.Op == fsnotify.Chmod && passedOver(filepath.Base(e.Name)) {
				continue
			}
			if name = filepath.Base(e.Name); filepath.Clean(filepath.Dir(e.Name)) != w.dir {
				if name != filepath.Base(w.dir) {
					continue // a neighbour of the directory
				}
			}
		case _, ok := <-w.watcher.Errors: // events were lost: all is looked at
			if !ok {
				return
			}
		}
		select {
		case w.names <- name:
		case <-w.ended:
			return
		}
	}
}

func (w *dirWatch) close() {
	if w == nil {
		return
	}
	_ = w.watcher.Close() // ends run, whose channels it closes
	for {
		select {
		case <-w.names:
		case <-w.ended:
			return
		}
	}
}
