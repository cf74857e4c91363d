package edge

import (
	"bytes"

	"opencache/internal/engine"
	"opencache/internal/wire"
)

// A guard keeps from the store what an attacker had somebody else ask for: a
// page of that person's under a path that looks like a file's (/account/x.css,
// which some origins answer as /account), where whoever asks next would find
// it. It is asked when something is to be stored, never for a hit.
//
// What comes is held against the path by its type. Where that does not say that
// it is what the path says, each reading of the path that origins are known to
// have must come to the same route and rule.
type guard struct {
	site  *site
	named bool // the rule is for extensions alone
}

// admit implements engine.Policy.Guard.
func (g *guard) admit(r *wire.Request, resp *wire.Response) engine.Reason {
	if resp.Status/100 != 2 || r.Path() == nil {
		return 0 // what is somebody's comes with success
	}
	var v visit
	v.r = r
	ext := bareExtension(v.extension(v.path()))
	types, typed := typesOf[string(ext)]
	fits := false
	for t := range resp.Values("content-type") {
		t = essence(t)
		switch {
		case typed && !types.has(t), !typed && g.named && isPage(t):
			return engine.TypeMismatch
		}
		fits = typed && !isBinary(t)
	}
	if !fits && g.ambiguous(r) {
		return engine.AmbiguousPath
	}
	return 0
}

// hides reports whether a path has something in it that origins read in more
// than one way.
func hides(path []byte) bool {
	return bytes.IndexByte(path, '%') >= 0 || bytes.IndexByte(path, ';') >= 0 || bytes.IndexByte(path, '\\') >= 0
}

// ambiguous reports whether a reading of the path comes to another route or
// rule than the one that is stored by.
func (g *guard) ambiguous(r *wire.Request) bool {
	path := r.Path()
	if !hides(path) {
		return false
	}
	var text []byte
	ours := g.choice(r, path)
	for _, read := range readings {
		text = read(text[:0], path)
		if !bytes.Equal(text, path) && g.choice(r, text) != ours {
			return true
		}
	}
	return false
}

// choice is the number of the choice for a request were its path another.
func (g *guard) choice(r *wire.Request, path []byte) int {
	var q wire.Request
	q.CopyFrom(r)
	target := bytes.Clone(path)
	if query, ok := r.Query(); ok {
		target = append(append(target, '?'), query...)
	}
	q.SetTarget(target)
	var v visit
	v.r, v.site, v.client = &q, g.site, whose(r)
	v.cleanTarget()
	return v.match()
}

// readings are how origins read paths that stand for another one here.
var readings = [...]func(dst, path []byte) []byte{
	// What follows a parameter, a query, a fragment, the end of a C string or
	// of a line, encoded or not, is no part of the path.
	func(dst, path []byte) []byte {
		for i := range path {
			if path[i] == ';' {
				return append(dst, path[:i]...)
			}
			if b, ok := tripletAt(path, i); ok && bytes.IndexByte([]byte(";?#\x00\r\n"), b) >= 0 {
				return append(dst, path[:i]...)
			}
		}
		return append(dst, path...)
	},
	// Parameters are those of a segment, each: what is without them may be dots.
	func(dst, path []byte) []byte {
		within := false
		for _, b := range path {
			if within = b == ';' || within && b != '/'; !within {
				dst = append(dst, b)
			}
		}
		return dst
	},
	// An encoded slash is a letter of a name.
	func(dst, path []byte) []byte { return replaceTriplets(dst, path, '/', "_") },
	// A backslash is a slash.
	func(dst, path []byte) []byte {
		return replaceTriplets(dst, bytes.ReplaceAll(path, []byte{'\\'}, []byte{'/'}), '\\', "/")
	},
	// What is encoded twice is decoded twice.
	func(dst, path []byte) []byte { return replaceTriplets(dst, path, '%', "%") },
}

// tripletAt decodes the triplet at i, if there is one.
func tripletAt(path []byte, i int) (b byte, ok bool) {
	if path[i] != '%' || i+2 >= len(path) {
		return 0, false
	}
	high, low := hexOf(path[i+1]), hexOf(path[i+2])
	return high<<4 | low, high < 16 && low < 16
}

// hexOf is what a hexadecimal digit says; 16 or more: it is none.
func hexOf(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 0xff
}

// replaceTriplets appends path with what a byte is encoded as replaced.
func replaceTriplets(dst, path []byte, what byte, by string) []byte {
	for i := 0; i < len(path); i++ {
		if b, ok := tripletAt(path, i); ok && b == what {
			dst = append(dst, by...)
			i += 2
			continue
		}
		dst = append(dst, path[i])
	}
	return dst
}

// bareExtension is an extension without what stands behind a byte that no
// extension has: of x.css;a and x.css%00 it is css.
func bareExtension(ext []byte) []byte {
	for i, c := range ext {
		if ('a' > c || c > 'z') && ('0' > c || c > '9') {
			return ext[:i]
		}
	}
	return ext
}
