package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/tailscale/hujson"
)

// A Kind is what a document describes; its key says which.
type Kind string

const (
	// SiteKind documents hold a Site.
	SiteKind Kind = "site"
	// DefaultsKind is the document of what all nodes share, a Node.
	DefaultsKind Kind = "nodeConfigDefaults"
	// NodeKind documents hold what one PoP's nodes say beyond it.
	NodeKind Kind = "nodeConfig"
)

const (
	sitePrefix  = "opencache:edgeResource:"
	nodePrefix  = "opencache:nodeConfig:"
	defaultsKey = "opencache:nodeConfigDefaults"
)

// A Document is one document that was read, with nothing but what it says.
type Document struct {
	Key  string
	Kind Kind
	// ID is the site's id or the PoP's; empty for the defaults.
	ID string
	// Site and Node: one of them, by Kind. Defaults are not filled in.
	Site *Site
	Node *Node
	// Warnings are what is probably not meant.
	Warnings []Fault
}

// Limits bound what a document may be. A field of 0 is its default.
type Limits struct {
	// MaxDocument is the longest text. Default 1M.
	MaxDocument Size
	// MaxDepth is how deep lists and objects stand in each other. Default 32.
	MaxDepth int
	// MaxList is how many elements a list or an object has. Default 65536.
	MaxList int
	// MaxFaults is how many faults of a document are told. Default 100.
	MaxFaults int
}

// Filled returns the limits with the defaults in place of 0.
func (l Limits) Filled() Limits {
	if l.MaxDocument == 0 {
		l.MaxDocument = 1 << 20
	}
	if l.MaxDepth == 0 {
		l.MaxDepth = 32
	}
	if l.MaxList == 0 {
		l.MaxList = 1 << 16
	}
	if l.MaxFaults == 0 {
		l.MaxFaults = 100
	}
	return l
}

// Parse reads the document of a key: JSON with comments and commas at the end
// of lists. It finds every fault at once; the document is good when there is none.
func Parse(key string, text []byte, l Limits) (Document, []Fault) {
	return (&desk{}).parse(key, text, l)
}

func (k *desk) parse(key string, text []byte, l Limits) (Document, []Fault) {
	k.clear()
	d := Document{Key: key}
	r := &reader{key: key, text: text, limits: l.Filled(), desk: k}
	d.Kind, d.ID = kindOf(r, key)
	if d.Kind == "" || !r.parse() {
		return d, r.faults
	}
	switch d.Kind {
	case SiteKind:
		d.Site = new(Site)
		r.read(&r.root, reflect.ValueOf(d.Site).Elem(), nil, &path{})
		checkSite(r, d.ID, d.Site)
	case DefaultsKind, NodeKind:
		d.Node = new(Node)
		r.read(&r.root, reflect.ValueOf(d.Node).Elem(), nil, &path{})
		checkNode(r, d.Node)
	}
	d.Warnings = r.warnings
	return d, r.finish()
}

// kindOf tells what a document is by its key.
func kindOf(r *reader, key string) (Kind, string) {
	for prefix, kind := range map[string]Kind{sitePrefix: SiteKind, nodePrefix: NodeKind} {
		id, ok := strings.CutPrefix(key, prefix)
		switch {
		case !ok:
		case !isName(id):
			r.faults = append(r.faults, Fault{Document: key, Found: "the id " + quoted(id) + " in the key", Expected: aName})
			return "", ""
		default:
			return kind, id
		}
	}
	if key == defaultsKey {
		return DefaultsKind, ""
	}
	f := Fault{Document: key, Expected: "a key like " + sitePrefix + "ID, " + defaultsKey + " or " + nodePrefix + "POP"}
	kind := key
	if i := strings.LastIndexByte(key, ':'); i > len("opencache:") {
		kind = key[:i+1]
	}
	f.Nearest = nearest(kind, []string{sitePrefix, nodePrefix, defaultsKey})
	r.faults = append(r.faults, f)
	return "", ""
}

// reread is a reader of a text that is good, or was once: nothing in it is
// bounded again, since the limits may have been others.
func reread(key string, text []byte) *reader {
	r := &reader{key: key, text: text, limits: Limits{MaxDocument: math.MaxInt64, MaxDepth: math.MaxInt, MaxList: math.MaxInt}.Filled()}
	r.parse()
	return r
}

// A reader reads one document and collects what is wrong with it.
type reader struct {
	key      string
	text     []byte
	limits   Limits
	desk     *desk // nil: values are the reader's own
	root     hujson.Value
	faults   []Fault
	warnings []Fault
	more     int // faults beyond the limit
}

// parse makes values of the text, and says whether there are any to look at.
func (r *reader) parse() bool {
	if len(r.text) > int(r.limits.MaxDocument) {
		r.add(-1, nil, Fault{Found: fmt.Sprintf("%d bytes", len(r.text)), Expected: fmt.Sprintf("at most %s", r.limits.MaxDocument)})
		return false
	}
	if !utf8.Valid(r.text) {
		r.add(invalidAt(r.text), nil, Fault{Found: "a byte that is not UTF-8", Expected: "text in UTF-8"})
		return false
	}
	if at := tooDeep(r.text, r.limits.MaxDepth); at >= 0 {
		r.add(at, nil, Fault{Expected: fmt.Sprintf("lists and objects at most %d deep", r.limits.MaxDepth)})
		return false
	}
	text := r.text
	if rest, ok := bytes.CutPrefix(text, []byte("\ufeff")); ok { // as some editors begin files; places stay what they are
		text = append([]byte("   "), rest...)
	}
	if n := len(text); n > 0 && text[n-1] != '\n' {
		// A comment on the last line ends there as well.
		text = append(text[:n:n], '\n')
	}
	values := r.desk
	if values == nil {
		values = &desk{}
	}
	if root, ok := values.valuesOf(text); ok {
		r.root = root
		return true
	}
	root, err := hujson.Parse(text)
	if err != nil {
		at, what := syntaxFault(text, err)
		r.add(min(at, len(r.text)), nil, Fault{Found: what, Expected: "JSON, with comments and commas at the end if you like"})
		return false
	}
	r.root = root
	return true
}

// syntaxFault tells where and what, without repeating what stands there: it
// could be part of a secret.
func syntaxFault(text []byte, err error) (at int, what string) {
	var line, column int
	if _, scan := fmt.Sscanf(err.Error(), "hujson: line %d, column %d:", &line, &column); scan != nil {
		return 0, "no JSON"
	}
	for ; line > 1; line-- {
		at += bytes.IndexByte(text[at:], '\n') + 1
	}
	inner := errors.Unwrap(err)
	if errors.Is(inner, io.ErrUnexpectedEOF) {
		return at + column - 1, "the end of the text"
	}
	if strings.HasPrefix(inner.Error(), "invalid literal") {
		return at + column - 1, "a word or string that is not JSON"
	}
	return at + column - 1, inner.Error()
}

// tooDeep returns where the text goes deeper than limit, or -1. Whoever parses
// by calling itself must not be led to call itself without end.
func tooDeep(text []byte, limit int) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			if depth++; depth > limit {
				return i
			}
		case '}', ']':
			depth--
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '/':
			switch {
			case bytes.HasPrefix(text[i:], []byte("//")):
				i += skipTo(text[i:], "\n")
			case bytes.HasPrefix(text[i:], []byte("/*")):
				i += 1 + skipTo(text[i+2:], "*/") + 1
			}
		}
	}
	return -1
}

// skipTo is how far the text goes to end or its own end.
func skipTo(text []byte, end string) int {
	if n := bytes.Index(text, []byte(end)); n >= 0 {
		return n
	}
	return len(text)
}

func invalidAt(text []byte) int {
	for i := 0; i < len(text); {
		c, n := utf8.DecodeRune(text[i:])
		if c == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(text)
}

// add notes a fault at an offset of the text; -1 is nowhere in it.
func (r *reader) add(at int, p *path, f Fault) {
	if r.full() {
		r.more++
		return
	}
	r.faults = append(r.faults, r.placed(at, p, f))
}

// full says that as many faults were noted as are told.
func (r *reader) full() bool { return len(r.faults) >= r.limits.MaxFaults }

// warn notes a warning.
func (r *reader) warn(p *path, f Fault) {
	if len(r.warnings) < r.limits.MaxFaults {
		r.warnings = append(r.warnings, r.placed(r.offset(p), p, f))
	}
}

// wrong notes what is wrong between fields: at a place that the document has,
// or of something that is missing there. It follows from a fault of the place
// itself or of one around it, when there is one.
func (r *reader) wrong(p *path, f Fault) {
	name := p.String()
	for _, o := range r.faults {
		if rest, ok := strings.CutPrefix(name, o.Path); ok && (rest == "" || o.Path == "" || rest[0] == '.' || rest[0] == '[') {
			return
		}
	}
	r.add(r.offset(p), p, f)
}

func (r *reader) placed(at int, p *path, f Fault) Fault {
	f.Document = r.key
	if p != nil {
		f.Path = p.String()
	}
	if at >= 0 {
		f.Line = 1 + bytes.Count(r.text[:at], []byte("\n"))
		f.Column = 1 + utf8.RuneCount(r.text[1+bytes.LastIndexByte(r.text[:at], '\n'):at])
	}
	return f
}

// offset is where the deepest part of the path begins that the document has.
func (r *reader) offset(p *path) int {
	v, _ := find(&r.root, p)
	return v.StartOffset
}

// find walks a path, and says whether the document has all of it; otherwise
// the value is the last that it has.
func find(v *hujson.Value, p *path) (*hujson.Value, bool) {
	for _, s := range p.steps() {
		var next *hujson.Value
		switch t := v.Value.(type) {
		case *hujson.Object:
			for i := range t.Members {
				if s.index < 0 && textOf(t.Members[i].Name.Value.(hujson.Literal)) == s.name {
					next = &t.Members[i].Value
					break
				}
			}
		case *hujson.Array:
			if s.index >= 0 && s.index < len(t.Elements) {
				next = &t.Elements[s.index]
			}
		}
		if next == nil {
			return v, false
		}
		v = next
	}
	return v, true
}

// finish returns the faults in the order of the text.
func (r *reader) finish() []Fault {
	sortFaults(r.faults)
	sortFaults(r.warnings)
	if r.more > 0 {
		r.faults = append(r.faults, Fault{Document: r.key, Found: fmt.Sprintf("%d more faults", r.more), Expected: "none"})
	}
	return r.faults
}

// Place returns a fault that says document and path with line and column, as
// far as the newest text of the document has the path: for whoever finds what
// only a compiler can.
func (s *Set) Place(f Fault) Fault {
	h := s.documents[f.Document]
	if h == nil || f.Line > 0 {
		return f
	}
	r := &reader{key: f.Document, text: h.text, limits: s.Limits.Filled()}
	if !r.parse() {
		return f
	}
	p := parsePath(f.Path)
	at := r.placed(r.offset(p), nil, Fault{})
	f.Line, f.Column = at.Line, at.Column
	return f
}
