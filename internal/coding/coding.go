// Package coding compresses content: it picks a content coding that a client
// takes (RFC 9110, 12.5.3) and applies it to responses on their way from an
// upstream to the store, so that each coding is stored once, or to answers on
// their way to a client.
//
// It decides what may be compressed and what has to change in the head of what
// is. It knows no cache: a request comes here with the one coding that was
// picked in Accept-Encoding (Policy.Settle), which Vary then keeps apart.
//
//	p := coding.Policy{Types: []string{"text/*"}, Encoders: coding.NewEncoders(64)}
//	p.Settle(r)                  // before the cache
//	up := p.Over(upstream)       // below it
package coding

import (
	"bytes"
	"slices"
	"strings"

	"opencache/internal/wire"
)

// A Coding is a content coding (RFC 9110, 8.4.1).
type Coding uint8

// The codings that are known.
const (
	Identity Coding = iota // none
	Gzip                   // RFC 1952
	Brotli                 // RFC 7932
	Zstd                   // RFC 8878, with windows of at most 8 MiB (RFC 9659)
	numCodings
)

var names = [numCodings]string{"identity", "gzip", "br", "zstd"}

// alone are the values of Accept-Encoding that Settle leaves.
var alone = [numCodings][]byte{[]byte("identity"), []byte("gzip"), []byte("br"), []byte("zstd")}

// String returns the name that fields call it by.
func (c Coding) String() string { return names[c] }

// Parse returns the coding of a name, in any case.
func Parse[T ~string | ~[]byte](name T) (c Coding, ok bool) {
	for c, known := range names {
		if wire.EqualFold(name, known) {
			return Coding(c), true
		}
	}
	return Gzip, wire.EqualFold(name, "x-gzip") // RFC 9110, 8.4.1.3
}

// A Policy is what is compressed, and how. It is not changed after its first
// use. Encoders are needed.
type Policy struct {
	// Codings are which are applied; of those that a client likes alike the
	// first is. None: Zstd, Brotli, Gzip.
	Codings []Coding
	// Types are the media types whose content gains by it, in lower case and
	// without parameters: "text/html", "text/*". None: those of text.
	Types []string
	// MinSize is the least content that is worth it, in bytes; 0: 1 KiB.
	MinSize int64
	// MaxSize is the most, where the length is known: what is longer is asked
	// for in ranges, which compressed content has none of. 0: 16 MiB.
	MaxSize int64
	// Level is how hard it is tried.
	Level Level
	// Encoders are what it is done with.
	Encoders *Encoders
}

// textTypes are what Policy.Types are by default.
var textTypes = []string{"text/css", "text/csv", "text/html", "text/javascript", "text/markdown", "text/plain", "text/vtt", "text/xml",
	"application/atom+xml", "application/geo+json", "application/javascript", "application/json", "application/ld+json",
	"application/manifest+json", "application/rss+xml", "application/vnd.api+json", "application/wasm", "application/xhtml+xml",
	"application/xml", "application/x-javascript", "font/otf", "font/ttf", "image/bmp", "image/svg+xml", "image/vnd.microsoft.icon", "image/x-icon"}

var preferred = [...]Coding{Zstd, Brotli, Gzip}

func (p *Policy) codings() []Coding {
	if len(p.Codings) == 0 {
		return preferred[:]
	}
	return p.Codings
}

// Settle picks the coding for the answer to r and leaves it alone in
// Accept-Encoding, so that responses that vary by that field have one variant
// for each coding, whatever clients list. A range is one of what is not coded.
// A client that takes nothing we could give is left as it is.
func (p *Policy) Settle(r *wire.Request) {
	c, ok := p.Choose(r)
	if !ok {
		return
	}
	r.Del(wire.AcceptEncoding)
	r.Add(wire.AcceptEncoding, alone[c])
}

// Choose returns the coding that the answer to r is best in: that of the
// highest weight, of several the first of the policy's. It is not ok where the
// client refuses them all, Identity too.
func (p *Policy) Choose(r *wire.Request) (c Coding, ok bool) {
	if !r.Has(wire.AcceptEncoding) {
		return Identity, true // it takes anything, but has not asked for it
	}
	w := weigh(r)
	if r.Has(wire.Range) {
		return Identity, w[Identity].at > 0
	}
	best := weight{at: 0}
	for _, one := range p.codings() {
		if w[one].at > best.at {
			c, best = one, w[one]
		}
	}
	if id := w[Identity]; id.at > best.at || id.at == best.at && id.said && id.at > 0 && !best.said {
		return Identity, true
	}
	return c, best.at > 0
}

// A weight is how much a coding is liked, in thousandths, and whether that was
// said of it by name.
type weight struct {
	at   int
	said bool
}

// unsaid is the weight of Identity where nothing is said of it: acceptable,
// and below all that a client names.
const unsaid = 1

// weigh reads Accept-Encoding: of members that are not well formed nothing is
// believed.
func weigh(r *wire.Request) (w [numCodings]weight) {
	w[Identity].at = unsaid
	var others weight
	for i := range r.Len() {
		id, _, line, ok := r.At(i)
		if !ok || id != wire.AcceptEncoding {
			continue
		}
		for len(line) > 0 {
			member, rest, _ := bytes.Cut(line, []byte{','})
			weighMember(member, &w, &others)
			line = rest
		}
	}
	for c := range w {
		if others.said && !w[c].said && (Coding(c) != Identity || others.at == 0) {
			w[c].at = others.at
		}
	}
	return w
}

// weighMember reads one member, others being what is not named.
func weighMember(member []byte, w *[numCodings]weight, others *weight) {
	name, params, has := bytes.Cut(member, []byte{';'})
	name = bytes.TrimSpace(name)
	at, ok := 1000, true
	if has {
		at, ok = parseWeight(bytes.TrimSpace(params))
	}
	if !ok {
		return
	}
	if string(name) == "*" {
		*others = weight{at, true}
	} else if c, ok := Parse(name); ok && (!w[c].said || w[c].at < at) {
		w[c] = weight{at, true}
	}
}

// parseWeight reads "q=0.5", in thousandths.
func parseWeight(s []byte) (n int, ok bool) {
	if len(s) < 3 || s[0]|0x20 != 'q' || s[1] != '=' || s[2] != '0' && s[2] != '1' {
		return 0, false
	}
	n, s = int(s[2]-'0')*1000, s[3:]
	if len(s) == 0 {
		return n, true
	}
	if s[0] != '.' || len(s) > 4 {
		return 0, false
	}
	for i, unit := 1, 100; i < len(s); i, unit = i+1, unit/10 {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n += int(s[i]-'0') * unit
	}
	return n, n <= 1000
}

// asked returns the coding that Settle left in r, Identity where there is
// none or r asks for a part.
func (p *Policy) asked(r *wire.Request) Coding {
	if r.Has(wire.Range) || r.Count(wire.AcceptEncoding) != 1 {
		return Identity
	}
	c, ok := Parse(r.Get(wire.AcceptEncoding))
	if !ok || !slices.Contains(p.codings(), c) {
		return Identity
	}
	return c
}

// gains reports whether content of that type, a value of Content-Type, gets
// smaller.
func (p *Policy) gains(contentType []byte) bool {
	kind, _, _ := bytes.Cut(contentType, []byte{';'})
	kind = bytes.ToLower(bytes.TrimSpace(kind))
	types := p.Types
	if len(types) == 0 {
		types = textTypes
	}
	return slices.ContainsFunc(types, func(t string) bool {
		if group, ok := strings.CutSuffix(t, "*"); ok {
			return bytes.HasPrefix(kind, []byte(group))
		}
		return string(kind) == t
	})
}

// worth reports whether content of that length is within the policy's bounds.
func (p *Policy) worth(length int64) bool {
	least, most := p.MinSize, p.MaxSize
	if least == 0 {
		least = 1 << 10
	}
	if most == 0 {
		most = 16 << 20
	}
	return length == wire.Unknown || length >= least && length <= most
}
