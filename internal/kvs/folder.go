package kvs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A folder is a directory in which each file is a document: its name is the
// key and .json or .jsonc. Directories below it are not looked into.
//
// Files are read when their looks have changed since: at what the kernel tells
// of the directory, and every Net, which finds what the kernel tells nothing
// of (network file systems, links to files elsewhere).
type folder struct {
	dir   string
	o     Options
	known map[string]knownFile // by name, as of the last scan
}

// A knownFile is a file as it was read.
type knownFile struct {
	looks looks
	doc   Document
	fault error
}

// looks are what differs when a file was changed.
type looks struct {
	size         int64
	changed      int64 // ctime: no program sets it
	device, node uint64
	young        bool // changed so lately that it may change again in the same tick of the clock
}

func newFolder(dir string, o Options) *folder {
	return &folder{dir: filepath.Clean(dir), o: o, known: map[string]knownFile{}}
}

func (f *folder) String() string { return f.dir }

const (
	// settleFor is how long nothing must have happened before a folder is
	// read: who writes several files, or one in two steps, is then done.
	settleFor = 50 * time.Millisecond
	// settleMost bounds that for a folder that is written to without a pause.
	settleMost = 400 * time.Millisecond
	// blindNet takes Net's place when the kernel does not tell of changes.
	blindNet = 500 * time.Millisecond
	// young is how old a change must be for equal looks to mean equal bytes.
	youngFor = 2 * time.Second
)

// Watch is part of Source.
func (f *folder) Watch(ctx context.Context, again <-chan struct{}, tell func(Set, error)) {
	w := newDirWatch(f.dir)
	defer w.close()
	net := f.o.Net
	if w == nil {
		net = min(net, blindNet)
	}
	anyway := true // it is told though it be what was told before
	for ctx.Err() == nil {
		w.renew()
		changed, err := f.scan()
		set, tooMuch := f.set()
		switch err = errors.Join(err, tooMuch); {
		case err != nil:
			anyway = true
			tell(Set{}, err)
		case anyway || changed:
			anyway = false
			tell(set, nil)
		}
		anyway = f.rest(ctx, again, w, net) || anyway
	}
}

// rest waits until it is worth looking again, and reports whether somebody
// asked for that.
func (f *folder) rest(ctx context.Context, again <-chan struct{}, w *dirWatch, net time.Duration) (asked bool) {
	timer := time.NewTimer(net)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return false
	case <-again:
		return true
	case name := <-w.events():
		f.forget(name)
	}
	latest := time.Now().Add(settleMost)
	for {
		timer.Reset(min(settleFor, time.Until(latest)))
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return false
		case <-again:
			return true
		case name := <-w.events():
			f.forget(name)
		}
	}
}

// forget has a file read again whatever its looks are; all of them when the
// kernel lost count.
func (f *folder) forget(name string) {
	if name == "" {
		clear(f.known)
		return
	}
	if k, ok := f.known[name]; ok {
		k.looks.young = true
		f.known[name] = k
	}
}

// scan reads what has changed in the folder and reports whether something has.
func (f *folder) scan() (changed bool, err error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return false, err
	}
	if len(entries) > 2*f.o.MaxDocuments {
		return false, fmt.Errorf("%s: %d files: expected at most %d documents", f.dir, len(entries), f.o.MaxDocuments)
	}
	seen := make(map[string]knownFile, len(entries))
	for _, entry := range entries {
		name := entry.Name()
		if passedOver(name) {
			continue
		}
		before, was := f.known[name]
		now, gone := f.look(name, before, was)
		if gone {
			continue
		}
		seen[name] = now
		changed = changed || !was || !sameReading(before, now)
	}
	for name := range f.known {
		_, still := seen[name]
		changed = changed || !still
	}
	f.known = seen
	return changed, nil
}

// look returns what a file is, which is read unless it looks as it did.
func (f *folder) look(name string, before knownFile, was bool) (now knownFile, gone bool) {
	path := filepath.Join(f.dir, name)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err != nil {
			return knownFile{}, true // between two readings of the directory
		}
	}
	now = knownFile{doc: Document{Where: path}}
	now.doc.Key, err = f.key(name, err)
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = errors.New("no file: expected KEY.json or KEY.jsonc")
	case info.Size() > int64(f.o.MaxDocument):
		err = f.o.tooLong(info.Size())
	default:
		now.looks = looksOf(info)
		if was && before.fault == nil && now.looks == before.looks && !now.looks.young {
			return before, false
		}
		now.doc.Text, err = f.read(path)
		now.doc.Revision = digest(now.doc.Text)
		if was && before.fault == nil && now.doc.Revision == before.doc.Revision {
			now.doc = before.doc // others have its text by now
		}
	}
	now.fault = plain(err)
	return now, false
}

// key is the document's that is in a file of such a name, unless there was an
// error before.
func (f *folder) key(name string, before error) (string, error) {
	key, ok := strings.CutSuffix(name, ".jsonc")
	if !ok {
		key, ok = strings.CutSuffix(name, ".json")
	}
	switch {
	case !ok || !strings.HasPrefix(key, f.o.Prefix) || key == "":
		return "", fmt.Errorf("no document: expected %sNAME.json or .jsonc", f.o.Prefix)
	case before != nil:
		return key, before
	}
	return key, nil
}

// read returns a file's bytes. It does not wait on a pipe that took the
// file's place meanwhile.
func (f *folder) read(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, errors.New("no file: expected KEY.json or KEY.jsonc"))
	}
	text, err := readAtMost(file, f.o.MaxDocument)
	return slices.Clip(bytes.Clone(text)), err // many are kept: no more than is needed
}

// set is what the last scan found.
func (f *folder) set() (Set, error) {
	docs := make([]Document, 0, len(f.known))
	var faults []Fault
	for _, k := range f.known {
		if k.fault != nil {
			faults = append(faults, Fault{k.doc.Key, k.doc.Where, k.fault})
			continue
		}
		docs = append(docs, k.doc)
	}
	set, err := assemble(docs, faults, &f.o)
	if err != nil {
		err = fmt.Errorf("%s: %w", f.dir, err)
	}
	return set, err
}

// passedOver reports whether a name is one that editors, file systems and
// Kubernetes give to what is no document and will not stay.
func passedOver(name string) bool {
	return name[0] == '.' || name[0] == '#' || strings.HasSuffix(name, "~") || strings.HasSuffix(name, ".tmp") ||
		strings.HasSuffix(name, ".swp") || strings.Trim(name, "0123456789") == ""
}

// sameReading reports whether a file says what it said before.
func sameReading(a, b knownFile) bool {
	if (a.fault == nil) != (b.fault == nil) || a.fault != nil && a.fault.Error() != b.fault.Error() {
		return false
	}
	return a.doc.Revision == b.doc.Revision
}

func looksOf(info fs.FileInfo) looks {
	l := looks{size: info.Size(), changed: info.ModTime().UnixNano()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		l.changed, l.device, l.node = st.Ctim.Nano(), st.Dev, st.Ino
	}
	l.young = time.Since(time.Unix(0, l.changed)) < youngFor
	return l
}

// plain is an error of a file without the path, which its Fault names.
func plain(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// readAtMost reads all of r; more than most bytes are an error.
func readAtMost(r io.Reader, most int) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, int64(most)+1))
	if err == nil && len(text) > most {
		err = fmt.Errorf("more than %d bytes: expected at most that", most)
	}
	if err != nil {
		return nil, err
	}
	return text, nil
}
