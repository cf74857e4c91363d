package nginxconf

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Bounds of what is read: a configuration above them is not one.
const (
	maxDepth      = 64       // of blocks and of files that include files
	maxFiles      = 4096     // that are read
	maxBytes      = 64 << 20 // of all files
	maxDirectives = 1 << 20
)

// Files are where files come from. The zero value is the machine's.
type Files struct {
	// Open returns a file; nil: os.Open.
	Open func(name string) (io.ReadCloser, error)
	// Glob returns the names that a pattern matches; nil: filepath.Glob.
	Glob func(pattern string) ([]string, error)
}

// Read reads a file and those it includes: names that are not absolute are from
// the folder of the first file on, as for nginx. The error is an *Error where
// a place can be told.
func Read(name string, f Files) ([]Directive, error) {
	if f.Open == nil {
		f.Open = func(name string) (io.ReadCloser, error) { return os.Open(name) }
	}
	if f.Glob == nil {
		f.Glob = filepath.Glob
	}
	r := &reader{files: f, root: filepath.Dir(name)}
	return r.file(name, 0)
}

// A reader reads all files of a configuration.
type reader struct {
	files      Files
	root       string
	read       int // files
	bytes      int64
	directives int
	open       []string // those that are being read
}

// file reads one file; depth is how many blocks and files it stands in.
func (r *reader) file(name string, depth int) ([]Directive, error) {
	told := name
	if rel, err := filepath.Rel(r.root, name); err == nil && !strings.HasPrefix(rel, "..") {
		told = rel
	}
	if slices.Contains(r.open, name) {
		return nil, fmt.Errorf("%s: a file that includes itself", told)
	}
	if r.read++; r.read > maxFiles {
		return nil, fmt.Errorf("%s: more than %d files", told, maxFiles)
	}
	f, err := r.files.Open(name)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxBytes-r.bytes+1))
	_ = f.Close() // it was read
	if err != nil {
		return nil, err
	}
	if r.bytes += int64(len(text)); r.bytes > maxBytes {
		return nil, fmt.Errorf("%s: more than %d MiB of configuration", told, maxBytes>>20)
	}
	r.open = append(r.open, name)
	defer func() { r.open = r.open[:len(r.open)-1] }()
	l := &lexer{file: told, text: strings.TrimPrefix(string(text), "\ufeff"), line: 1}
	return r.block(l, nil, depth)
}

// block reads directives up to the end of the file, or of the block that open
// begins.
func (r *reader) block(l *lexer, open *token, depth int) ([]Directive, error) {
	var list []Directive
	for {
		t, err := l.next()
		switch {
		case err != nil:
			return nil, err
		case t.kind == ending && open != nil:
			return nil, l.fault(open.line, open.column, "a { without its }")
		case t.kind == ending:
			return list, nil
		case t.kind == '}' && open == nil:
			return nil, l.fault(t.line, t.column, "a } without its {")
		case t.kind == '}':
			return list, nil
		case t.kind != word:
			return nil, l.fault(t.line, t.column, fmt.Sprintf("%q where a directive is expected", rune(t.kind)))
		}
		if r.directives++; r.directives > maxDirectives {
			return nil, l.fault(t.line, t.column, fmt.Sprintf("more than %d directives", maxDirectives))
		}
		d, err := r.directive(l, t, depth)
		if err != nil {
			return nil, err
		}
		if d.Name != "include" || d.Braces {
			list = append(list, d)
			continue
		}
		included, err := r.include(&d, depth)
		if err != nil {
			return nil, err
		}
		list = append(list, included...)
	}
}

// directive reads one whose name was read.
func (r *reader) directive(l *lexer, name token, depth int) (Directive, error) {
	d := Directive{Name: name.text, File: l.file, Line: name.line, Column: name.column}
	if depth >= maxDepth {
		return d, l.fault(name.line, name.column, fmt.Sprintf("more than %d blocks and files within each other", maxDepth))
	}
	for {
		t, err := l.next()
		switch {
		case err != nil:
			return d, err
		case t.kind == word:
			d.Args = append(d.Args, t.text)
		case t.kind == ';':
			return d, nil
		case t.kind == '{':
			d.Braces = true
			d.Block, err = r.block(l, &t, depth+1)
			return d, err
		default:
			return d, l.fault(name.line, name.column, fmt.Sprintf("%s without a ; or a block", d.Name))
		}
	}
}

// include reads the files that a directive names.
func (r *reader) include(d *Directive, depth int) ([]Directive, error) {
	at := func(err error) error {
		return &Error{File: d.File, Line: d.Line, Column: d.Column, Why: err.Error()}
	}
	if len(d.Args) != 1 || d.Args[0] == "" {
		return nil, at(fmt.Errorf("include of %d names; expected one file or pattern", len(d.Args)))
	}
	name := d.Args[0]
	if !filepath.IsAbs(name) {
		name = filepath.Join(r.root, name)
	}
	names := []string{name}
	if strings.ContainsAny(name, "*?[") {
		var err error
		if names, err = r.files.Glob(name); err != nil {
			return nil, at(err)
		}
		slices.Sort(names)
	}
	var list []Directive
	for _, name := range names {
		sub, err := r.file(name, depth+1)
		if err != nil && !errors.As(err, new(*Error)) {
			err = at(err)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, sub...)
	}
	return list, nil
}
