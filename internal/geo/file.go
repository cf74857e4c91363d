package geo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
)

// A kind of database.
type kind uint8

const (
	city kind = iota
	asn
	kinds
)

func (k kind) String() string { return [...]string{"city", "asn"}[k] }

// A file is a database's, and what of it is in use. It begins with nothing in
// use; each look at the file that finds it changed and whole puts that to use.
// What is missing or damaged changes nothing but fault.
type file struct {
	kind   kind
	path   string            // empty: there is none
	reader *maxminddb.Reader // nil: none is in use
	seen   fs.FileInfo       // as it was tried last; nil: it was not there
	fault  error             // of the last try
	tried  bool

	bytes         int64
	loaded        time.Time
	loads, failed uint64
}

// look reports whether what is in use has changed, and tells the log of what
// was found, once.
func (f *file) look(most int64, now func() time.Time, log *slog.Logger) (changed bool) {
	if f.path == "" {
		return false
	}
	info, err := os.Stat(f.path)
	switch {
	case err != nil:
		f.seen = nil
	case f.seen != nil && same(f.seen, info):
		return false
	default:
		begun := now()
		var r *maxminddb.Reader
		if r, f.seen, err = open(f.path, f.kind, most); err == nil {
			f.reader, f.bytes, f.loaded = r, f.seen.Size(), now()
			f.loads++
			f.settle(nil, log)
			if log != nil {
				log.Info("geoip database is in use", "database", f.kind.String(), "path", f.path, "type", r.Metadata.DatabaseType,
					"built", r.Metadata.BuildTime().UTC(), "took", now().Sub(begun))
			}
			return true
		}
		f.failed++
	}
	f.settle(err, log)
	return false
}

// settle notes the outcome of a look, and tells the log of one that is another
// than before.
func (f *file) settle(err error, log *slog.Logger) {
	before := f.fault
	was := f.tried && before != nil && err != nil && before.Error() == err.Error()
	f.fault, f.tried = err, true
	if err == nil || was || log == nil {
		return
	}
	so := "what it would say is empty"
	if f.reader != nil {
		so = "the one before goes on"
	}
	line := []any{"database", f.kind.String(), "path", f.path, "error", err}
	if errors.Is(err, fs.ErrNotExist) {
		log.Warn("geoip database is missing: "+so, line...)
		return
	}
	log.Error("geoip database is refused: "+so, line...)
}

func (f *file) status() Status {
	s := Status{Database: f.kind.String(), Path: f.path, Loaded: f.loaded, Bytes: f.bytes, Loads: f.loads, Failed: f.failed}
	if f.fault != nil {
		s.Error = f.fault.Error()
	}
	if f.reader != nil {
		s.Type, s.Built = f.reader.Metadata.DatabaseType, f.reader.Metadata.BuildTime().UTC()
	}
	return s
}

// same reports whether a file is as it was.
func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// open reads and checks a database. The FileInfo is of what was read, nil when
// that is not known or when it changed meanwhile, so that the next look tries
// again.
func open(path string, k kind, most int64) (*maxminddb.Reader, fs.FileInfo, error) {
	text, info, err := read(path, most)
	if err != nil {
		return nil, info, err
	}
	r, err := maxminddb.OpenBytes(text)
	if err == nil {
		err = check(r, k)
	}
	if err != nil {
		return nil, info, err
	}
	return r, info, nil
}

// read reads a file that nobody writes meanwhile.
func read(path string, most int64) ([]byte, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // of a pipe, nobody may ever open the other end
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, nil, err
	case !info.Mode().IsRegular():
		return nil, info, errors.New("no regular file")
	case info.Size() > most:
		return nil, info, fmt.Errorf("larger than geo.maxSize (%d bytes)", most)
	}
	text := make([]byte, info.Size())
	if _, err := io.ReadFull(f, text); err != nil {
		return nil, nil, errChanging
	}
	if now, err := f.Stat(); err != nil || !same(info, now) {
		return nil, nil, errChanging
	}
	return text, info, nil
}

var errChanging = errors.New("it is being written")

// check reports what is wrong with a database, so that no look-up has to: it
// reads each record that an address may lead to. How many networks there are is
// bounded by the tree's nodes, however a damaged tree runs into itself.
func check(r *maxminddb.Reader, k kind) error {
	if other := r.Metadata.DatabaseType; isASN(other) != (k == asn) {
		return fmt.Errorf("it is a database of another kind: %q", other)
	}
	left := 4 * (uint64(r.Metadata.NodeCount) + 1)
	checked := make(map[uintptr]struct{})
	var rec record
	for n := range r.Networks(maxminddb.IncludeNetworksWithoutData()) {
		if err := n.Err(); err != nil {
			return err
		}
		if left--; left == 0 {
			return errors.New("its search tree runs into itself")
		}
		if !n.Found() {
			continue
		}
		if _, ok := checked[n.Offset()]; ok {
			continue
		}
		checked[n.Offset()] = struct{}{}
		if err := rec.read(n, k); err != nil {
			return fmt.Errorf("%s: %w", n.Prefix(), err)
		}
	}
	return nil
}

// isASN reports whether a database is of networks: GeoLite2-ASN, GeoIP2-ISP and
// those of others that are called alike.
func isASN(name string) bool {
	return strings.Contains(name, "ASN") || strings.HasSuffix(name, "ISP") || strings.HasSuffix(name, "ISP-Lite")
}
