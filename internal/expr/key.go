package expr

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"slices"
	"strings"
)

const (
	// DefaultKey is the key where a document says nothing of it.
	DefaultKey = "$scheme$request_method$host$request_uri"
	// NormalizedKey is DefaultKey where queries are normalised.
	NormalizedKey = "$scheme$request_method$host$normalized_request_uri"
)

// What a stored key has beside its text. No value holds one of these bytes, or
// a zero byte, which is the engine's: escape says otherwise.
const (
	between = '\x01' // behind a value that could run into what follows
	escape  = '\x02' // before a byte below lowest, which is added to escaped
	tagMark = '\x03' // around what tells keys of other texts and accounts apart
	lowest  = 4
	escaped = '@'
)

// KeyOptions are what a Key has beside its text.
type KeyOptions struct {
	// Prefix is in front of the text and shown: "<resource-id>:" in shared zones.
	Prefix string
	// Account keeps keys apart and is not shown: which zone's they are, where
	// several zones lie on one volume. Empty: that of whoever says nothing.
	Account string
}

// A Key makes the key of requests. Two requests have the same one only if all
// that its text names is the same, however values run together in what is
// shown of it, and only if the text and the options are. It is never changed.
type Key struct {
	parts  []keyPart
	origin int // how many parts are the URL's origin, and what is between
	tagged bool
	shared bool          // the first part is KeyOptions.Prefix
	tag    [tagSize]byte // beside the rest: each key of many has another one
	source string
	said   []part // the text's
}

// tagSize is the length of tags.
const tagSize = 13

// A keyPart is a literal or a variable of a Key.
type keyPart struct {
	text string
	v    *Var // nil: text
	ask  bool // a question mark is in front, unless the value is empty
	sep  bool // between is behind
}

// ParseKey reads the text of a key. The error is an *Error.
func ParseKey(s string, o KeyOptions) (*Key, error) {
	t, err := ParseText(s, InKey)
	if err != nil {
		return nil, err
	}
	k := &Key{source: s, said: t.parts, parts: keyParts(t.parts)}
	if len(k.Vars()) == 0 {
		return nil, &Error{Source: s, Why: "expected a variable: all requests have this key", Found: firstWord(s)}
	}
	separate(k.parts)
	return k.With(o), nil
}

// With returns a key of the same text with other options. k was parsed without
// any. They share what was parsed.
func (k *Key) With(o KeyOptions) *Key {
	n := *k
	if n.tagged = o.Account != "" || k.source != DefaultKey && k.source != NormalizedKey; n.tagged {
		n.tag = tagOf(k.said, o.Account)
	}
	if n.shared = o.Prefix != ""; n.shared {
		n.parts = append([]keyPart{{text: o.Prefix}}, k.parts...)
	}
	n.origin = originParts(n.parts)
	return &n
}

// originParts is how many parts stand before the first that the target decides,
// when they name the host and nothing but the URL's origin; else 0. Where no
// part names a host, all hosts are one origin, and what stands there is its name.
func originParts(parts []keyPart) int {
	host, hosts := false, slices.ContainsFunc(parts, func(p keyPart) bool { return p.v != nil && p.v.ID == Host })
	for i := range parts {
		v := parts[i].v
		switch {
		case v == nil || v.ID == Scheme:
		case v.ID == Host:
			host = true
		case host == hosts && v.ID.Depends() == OnTarget:
			return i
		default:
			return 0
		}
	}
	return 0
}

// keyParts are the parts of a key: the method is always GET, and a question
// mark depends on what follows it.
func keyParts(parts []part) (out []keyPart) {
	for i := 0; i < len(parts); i++ {
		p := keyPart{text: parts[i].text, v: parts[i].v}
		switch {
		case p.v == nil:
		case p.v.ID == RequestMethod:
			p = keyPart{text: "GET"}
		case p.v.ID == IsArgs && i+1 < len(parts) && isQuery(parts[i+1].v):
			i++
			p = keyPart{v: parts[i].v, ask: true}
		}
		if n := len(out) - 1; p.v == nil && n >= 0 && out[n].v == nil {
			out[n].text += p.text
			continue
		}
		out = append(out, p)
	}
	return out
}

func isQuery(v *Var) bool { return v != nil && (v.ID == Args || v.ID == NormalizedArgs) }

// tagOf tells texts and accounts apart. It is stored: it must not change.
func tagOf(parts []part, account string) (tag [tagSize]byte) {
	h := fnv.New64a()
	write := func(s string) {
		_, _ = h.Write(binary.AppendUvarint(nil, uint64(len(s))))
		_, _ = h.Write([]byte(s))
	}
	write(account)
	for i := range parts {
		if v := parts[i].v; v != nil {
			write("$" + v.ID.name())
			write(v.Name)
		} else {
			write(parts[i].text)
		}
	}
	base64.RawURLEncoding.Encode(tag[1:tagSize-1], h.Sum(nil))
	tag[0], tag[tagSize-1] = tagMark, tagMark
	return tag
}

// name is the first name of the table that means id.
func (id ID) name() string {
	for i := range variables {
		if variables[i].ID == id {
			return variables[i].Name
		}
	}
	return ""
}

// separate finds which values could run into what follows, so that another
// request's would look the same: those that may hold a byte that the rest may
// begin with.
func separate(parts []keyPart) {
	var follow byteSet // what the rest may begin with
	for i := len(parts) - 1; i >= 0; i-- {
		p := &parts[i]
		if p.v == nil {
			follow = setOf(p.text[:1])
			continue
		}
		holds, begins, empty := p.bytes()
		if i < len(parts)-1 && holds.meets(follow) {
			p.sep, follow = true, setOf(string(between))
		}
		if empty {
			begins = begins.or(follow)
		}
		follow = begins
	}
}

// bytes says which bytes the value may hold, which it may begin with, and
// whether it may be empty.
func (p *keyPart) bytes() (holds, begins byteSet, empty bool) {
	target := visible()
	path := target.without("?")
	switch {
	case p.ask:
		return target, setOf("?"), true
	case p.v.ID == Scheme:
		return setOf("https"), setOf("h"), false
	case p.v.ID == Host:
		host := path.without("/")
		return host, host, true
	case p.v.ID == URI:
		return path, setOf("/"), false
	case p.v.ID == RequestURI || p.v.ID == NormalizedURI:
		return target, setOf("/"), false
	case p.v.ID.Depends() == OnTarget:
		return target, target, true
	}
	all := byteSet{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}
	all[0] &^= 1<<lowest - 1
	all[0] |= 1 << escape
	return all, all, true
}

// Append appends the key as it is stored. origin is how many bytes at its
// beginning name the URL's origin, where there is nothing else before path and
// query; else 0.
func (k *Key) Append(dst []byte, v Values) (key []byte, origin int) {
	from := len(dst)
	if k.tagged {
		dst = append(dst, k.tag[:]...)
	}
	for i := range k.parts {
		if i == k.origin && i > 0 {
			origin = len(dst) - from
		}
		dst = k.parts[i].append(dst, v)
	}
	return dst, origin
}

func (p *keyPart) append(dst []byte, v Values) []byte {
	if p.v == nil {
		return append(dst, p.text...)
	}
	from := len(dst)
	if p.ask {
		dst = append(dst, '?')
		if dst = v.AppendValue(dst, p.v); len(dst) == from+1 {
			dst = dst[:from]
		}
	} else {
		dst = v.AppendValue(dst, p.v)
	}
	if hasLow(dst[from:]) {
		dst = escapeLow(dst, from)
	}
	if p.sep {
		dst = append(dst, between)
	}
	return dst
}

// hasLow reports a byte below lowest.
func hasLow(b []byte) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	for ; len(b) >= 8; b = b[8:] {
		if x := binary.LittleEndian.Uint64(b); (x-each*lowest)&^x&high != 0 {
			return true
		}
	}
	for _, c := range b {
		if c < lowest {
			return true
		}
	}
	return false
}

// escapeLow escapes the low bytes of dst[from:].
func escapeLow(dst []byte, from int) []byte {
	n := 0
	for _, c := range dst[from:] {
		if c < lowest {
			n++
		}
	}
	r := len(dst)
	for range n {
		dst = append(dst, 0)
	}
	for w := len(dst); r > from; {
		r--
		w--
		dst[w] = dst[r]
		if c := dst[r]; c < lowest {
			dst[w] = c + escaped
			w--
			dst[w] = escape
		}
	}
	return dst
}

// AppendPlainKey appends the text of a stored key, as it is shown.
func AppendPlainKey(dst, stored []byte) []byte {
	if len(stored) > 0 && stored[0] == tagMark {
		if n := bytes.IndexByte(stored[1:], tagMark); n >= 0 {
			stored = stored[n+2:]
		}
	}
	if !hasLow(stored) {
		return append(dst, stored...)
	}
	for i := 0; i < len(stored); i++ {
		switch c := stored[i]; {
		case c == between:
		case c == escape && i+1 < len(stored):
			i++
			dst = append(dst, stored[i]-escaped)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// String returns what was parsed.
func (k *Key) String() string { return k.source }

// Vars returns the variables of k, for Var.Ref to be set.
func (k *Key) Vars() (vars []*Var) {
	for i := range k.parts {
		if v := k.parts[i].v; v != nil {
			vars = append(vars, v)
		}
	}
	return vars
}

// Depends returns what k depends on.
func (k *Key) Depends() Depends { return dependsOf(k.Vars()) }

// Searchable reports whether what k makes ends with the query, all of it, and
// has its first question mark there: No-Vary-Search can be had then.
func (k *Key) Searchable() bool {
	n := len(k.parts) - 1
	last := k.parts[n].v
	switch {
	case last == nil:
		return false
	case last.ID == RequestURI || last.ID == NormalizedURI:
	case k.parts[n].ask && n > 0 && k.parts[n-1].v != nil && k.parts[n-1].v.ID == URI:
	default:
		return false
	}
	for i := range k.parts[:n] {
		p := &k.parts[i]
		if p.v == nil && strings.Contains(p.text, "?") || p.v != nil && p.v.ID != Scheme && p.v.ID != Host && p.v.ID != URI {
			return false
		}
	}
	return true
}

// Reach is what begins with what AppendURL appended.
type Reach uint8

const (
	Nowhere Reach = iota // nothing of the URL is in it
	Exact                // it is the key of the URL
	Begins               // all keys of the URL begin so, and no others
	Wide                 // all keys of the URL begin so, and some of others
)

const onURL = OnTarget | OnHost | OnScheme | OnMethod

// AppendURL appends as much of the key as depends on nothing but the URL, for
// purges by URL. v needs to know no more than that.
func (k *Key) AppendURL(dst []byte, v Values) ([]byte, Reach) {
	if k.tagged {
		dst = append(dst, k.tag[:]...)
	}
	reach := Nowhere
	for i := range k.parts {
		p := &k.parts[i]
		if p.v != nil && p.v.ID.Depends()&^onURL != 0 {
			if reach == Begins && dependsOf((&Key{parts: k.parts[i:]}).Vars())&onURL != 0 {
				reach = Wide
			}
			return dst, reach
		}
		if p.v != nil && p.v.ID.Depends() != 0 {
			reach = Begins
		}
		dst = p.append(dst, v)
	}
	return dst, Exact
}

// AppendOwn appends what all keys of k begin with and no other Key's do: none
// where nothing but its text is.
func (k *Key) AppendOwn(dst []byte) []byte {
	if k.tagged {
		dst = append(dst, k.tag[:]...)
	}
	if k.shared {
		dst = append(dst, k.parts[0].text...)
	}
	return dst
}

// AppendPrefix appends what all keys begin with whose URL begins like v's, for
// purges by prefix; ok is false where the text of k allows none.
func (k *Key) AppendPrefix(dst []byte, v Values) (prefix []byte, ok bool) {
	if k.tagged {
		dst = append(dst, k.tag[:]...)
	}
	for i := range k.parts {
		p := &k.parts[i]
		switch {
		case p.v == nil || p.v.ID.Depends()&^(OnHost|OnScheme) == 0:
			dst = p.append(dst, v)
			continue
		case p.v.ID == URI:
			dst = v.AppendValue(dst, p.v)
			for n := len(dst) - 1; n >= max(len(dst)-2, 0); n-- {
				if dst[n] == '%' { // a triplet that goes on
					return dst[:n], true
				}
			}
			return dst, true
		case p.v.ID == RequestURI || p.v.ID == NormalizedURI:
			return v.AppendValue(dst, p.v), true
		}
		break
	}
	return dst, false
}

// A byteSet is a set of bytes.
type byteSet [4]uint64

func setOf(s string) (set byteSet) {
	for i := range len(s) {
		set[s[i]/64] |= 1 << (s[i] % 64)
	}
	return set
}

// visible are the bytes of a request's target.
func visible() (set byteSet) {
	for b := byte('!'); b <= '~'; b++ {
		set[b/64] |= 1 << (b % 64)
	}
	return set
}

func (s byteSet) without(bytes string) byteSet {
	for i, w := range setOf(bytes) {
		s[i] &^= w
	}
	return s
}

func (s byteSet) or(o byteSet) byteSet {
	for i, w := range o {
		s[i] |= w
	}
	return s
}

func (s byteSet) meets(o byteSet) bool {
	for i, w := range o {
		if s[i]&w != 0 {
			return true
		}
	}
	return false
}
