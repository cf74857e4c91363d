package edge

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"

	"opencache/internal/config"
	"opencache/internal/wire"
)

// files answer with what is in a folder. Nothing outside of it is reached, by
// dot segments or by links (os.Root).
type files struct {
	root  string
	index string
}

// newFiles compiles a folder, which need not be there yet.
func newFiles(d *config.Static) (*files, error) {
	if d.Root == "" {
		return nil, errors.New("a folder as root")
	}
	f := &files{root: d.Root, index: d.Index}
	if f.index == "" {
		f.index = "index.html"
	}
	return f, nil
}

// answer implements answerer.
func (f *files) answer(v *visit) {
	if !reads(v.r.Method) {
		v.p.Fields = wire.AppendField(v.p.Fields, wire.Allow, "GET, HEAD")
		v.refuse(405, "GET or HEAD is expected here\n")
		return
	}
	file, info, err := f.open(string(v.path()))
	switch {
	case errors.Is(err, errFolder): // what is in it has URLs below one with a slash
		path := v.r.Path()
		for len(path) > 1 && path[1] == '/' { // two in front would begin another host (RFC 3986, 4.2)
			path = path[1:]
		}
		v.text = append(append(v.text[:0], path...), '/')
		if query, ok := v.r.Query(); ok {
			v.text = append(append(v.text, '?'), query...)
		}
		v.p.Fields = wire.AppendField(v.p.Fields, wire.Location, v.text)
		v.refuse(301, "moved\n")
	case errors.Is(err, fs.ErrPermission):
		v.refuse(403, "this file may not be read\n")
	case err != nil: // links that lead out of the folder among them
		v.refuse(404, "no such file\n")
	default:
		defer func() { _ = file.Close() }()
		v.sendFile(file, info)
	}
}

// refuse answers with a line of text, and with what documents do to answers.
func (v *visit) refuse(status int, body string) {
	v.p.Status, v.p.Length = status, int64(len(body))
	v.p.Fields = wire.AppendField(v.p.Fields, wire.ContentType, plain)
	v.begin()
	if v.r.Method != wire.HEAD {
		_, _ = io.WriteString(v.p, body)
	}
	_ = v.p.End(nil)
}

// errFolder is of a path that names a folder and has no slash at its end.
var errFolder = errors.New("a folder")

// open opens the file that a path names, a folder's index for one with a slash
// at its end.
func (f *files) open(name string) (*os.File, fs.FileInfo, error) {
	root, err := os.OpenRoot(f.root)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = root.Close() }()
	folder := strings.HasSuffix(name, "/")
	if folder {
		name += f.index
	}
	if strings.ContainsRune(name, 0) {
		return nil, nil, fs.ErrNotExist
	}
	// A pipe or a device would block, or worse: looked at before it is opened.
	name = strings.TrimPrefix(name, "/")
	info, err := root.Stat(name)
	switch {
	case err != nil:
		return nil, nil, err
	case info.IsDir() && !folder:
		return nil, nil, errFolder
	case !info.Mode().IsRegular():
		return nil, nil, fs.ErrNotExist
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, nil, err
	}
	if info, err = file.Stat(); err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		_ = file.Close()
	}
	return file, info, err
}

// asked are the fields that say what of a file answers.
var asked = [...]wire.Name{wire.Range, wire.IfRange, wire.IfMatch, wire.IfNoneMatch, wire.IfModifiedSince, wire.IfUnmodifiedSince}

// sendFile answers with a file: net/http knows ranges, validators and types.
func (v *visit) sendFile(file *os.File, info fs.FileInfo) {
	r := &http.Request{Method: v.r.Method.String(), Header: http.Header{}}
	for _, name := range asked {
		if value := v.r.Get(name); value != nil {
			r.Header.Set(name.String(), string(value))
		}
	}
	w := &fileWriter{v: v, header: http.Header{"Etag": {fmt.Sprintf("%q", fmt.Sprintf("%x-%x", info.ModTime().UnixNano(), info.Size()))}}}
	http.ServeContent(w, r, info.Name(), info.ModTime(), file)
	w.end()
}

// A fileWriter is a Reply as an http.ResponseWriter.
type fileWriter struct {
	v      *visit
	header http.Header
	begun  bool
	left   int64 // of the file; below 0: not known
}

func (w *fileWriter) Header() http.Header { return w.header }

func (w *fileWriter) WriteHeader(status int) {
	p := w.v.p
	p.Status, p.Length = status, 0
	if n, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64); err == nil {
		p.Length = n
	}
	if status == 304 {
		p.Length = wire.Unknown
	}
	for _, name := range [...]string{"Content-Type", "Content-Range", "Accept-Ranges", "Last-Modified", "Etag"} {
		for _, value := range w.header[name] {
			p.Fields = wire.AppendNamed(p.Fields, strings.Replace(name, "Etag", "ETag", 1), value)
		}
	}
	if status >= 400 && p.Length == 0 { // net/http's words for 416 and 412 come without a length
		p.Length = wire.Unknown
	}
	w.begun, w.left = true, p.Length
	w.v.begin()
}

func (w *fileWriter) Write(b []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(200)
	}
	n, err := w.v.p.Write(b)
	w.left -= int64(n)
	return n, err
}

// end ends the answer: in order, or visibly cut when the file was shorter than
// it was said to be.
func (w *fileWriter) end() {
	p := w.v.p
	if !w.begun {
		w.WriteHeader(200)
	}
	if w.left > 0 && w.v.r.Method != wire.HEAD {
		p.Abort()
		return
	}
	_ = p.End(nil)
}
