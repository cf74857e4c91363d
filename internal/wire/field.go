package wire

import (
	"bytes"
	"errors"
	"fmt"
)

// What a field section belongs to.
type kind uint8

const (
	ofRequest kind = iota
	ofResponse
	ofTrailer
)

// coding is what Transfer-Encoding said.
type coding uint8

const (
	noCoding coding = iota
	chunkedCoding
	unknownCoding // other codings, and chunked last: framed, but not for us to decode
	badCoding     // the end of the content can not be told
)

// A fault is why a head is refused; the zero fault is none.
type fault struct {
	status int // for a client; towards upstreams all are 502, but say which errors these wrap
	at     int // offset of the byte where it was found
	what   string
}

// What errors in a response wrap, for whoever tells clients of them (RFC 9209,
// 2.3).
var (
	ErrTooLarge = errors.New("over a limit")            // a response head larger than Limits
	ErrCoding   = errors.New("transfer coding refused") // one that is not chunked, or badly so
)

// marked is an error with a text of its own that is one of these.
type marked struct {
	text string
	is   error
}

func (m marked) Error() string { return m.text }
func (m marked) Unwrap() error { return m.is }

func (f fault) err(k kind) error {
	if f.status == 0 {
		return nil
	}
	switch {
	case k == ofResponse && f.status == 431:
		return &Error{Side: Upstream, Status: 502, Err: marked{fmt.Sprintf("response head, byte %d: %s", f.at, f.what), ErrTooLarge}}
	case k == ofResponse && f.status == 501:
		return &Error{Side: Upstream, Status: 502, Err: marked{fmt.Sprintf("response head, byte %d: %s", f.at, f.what), ErrCoding}}
	case k == ofResponse:
		return &Error{Side: Upstream, Status: 502, Err: fmt.Errorf("response head, byte %d: %s", f.at, f.what)}
	}
	return &Error{Side: Client, Status: f.status, Err: fmt.Errorf("request head, byte %d: %s", f.at, f.what)}
}

// A section is a field section being parsed, and what its fields for framing
// and for the connection say.
type section struct {
	kind kind
	max  int // number of field lines

	host      ref
	hosts     int
	length    int64 // Unknown: no Content-Length
	coding    coding
	nominated int // connection options that may name fields

	close, keepAlive, upgradeOption bool // Connection
	upgrade, trailers               bool // Upgrade, TE: trailers
	continues, unmet                bool // Expect: 100-continue, any other
}

// parse appends the field lines of buf from i on to h, up to the empty line.
// It returns the offset behind it, 0 when that has not come. References are
// into buf, which the caller makes h's buffer.
func (h *Head) parse(buf []byte, i int, s *section) (int, fault) {
	first := i
	for i < len(buf) {
		if buf[i] == '\r' {
			return h.finish(buf, i, s)
		}
		j := i
		for j < len(buf) && class[buf[j]]&tokenByte != 0 {
			j++
		}
		if j == len(buf) {
			return 0, fault{}
		}
		if buf[j] != ':' || j == i {
			return 0, badName(buf, i, j, first)
		}
		v := j + 1
		for v < len(buf) && isOWS(buf[v]) {
			v++
		}
		end := valueEnd(buf, v)
		if end+1 >= len(buf) && (end == len(buf) || buf[end] == '\r') {
			return 0, fault{}
		}
		if buf[end] != '\r' || buf[end+1] != '\n' {
			return 0, badByte(buf, end)
		}
		next := end + 2
		for end > v && isOWS(buf[end-1]) {
			end--
		}
		if len(h.fields) >= s.max {
			return 0, fault{431, i, "more field lines than allowed"}
		}
		f := field{ref{uint32(i), uint32(j - i)}, ref{uint32(v), uint32(end - v)}, Lookup(buf[i:j]), false}
		if digested.Has(f.id) && s.kind != ofTrailer {
			if bad := s.digest(buf, &f); bad.status != 0 {
				return 0, bad
			}
		}
		h.fields = append(h.fields, f)
		if !f.hop {
			h.set.Add(f.id)
		}
		i = next
	}
	return 0, fault{}
}

// finish takes the empty line at i and hides what Connection names.
func (h *Head) finish(buf []byte, i int, s *section) (int, fault) {
	if i+1 == len(buf) {
		return 0, fault{}
	}
	if buf[i+1] != '\n' {
		return 0, badByte(buf, i)
	}
	if s.nominated > s.max {
		return 0, fault{431, i, "more connection options than field lines allowed"}
	}
	if s.nominated > 0 {
		h.hideNominated(buf)
	}
	return i + 2, fault{}
}

// badName says what is wrong with the line at i, whose name ends at j.
func badName(buf []byte, i, j, first int) fault {
	switch {
	case isOWS(buf[i]) && i == first:
		return fault{400, i, "white space before the first field line"} // RFC 9112, 2.2
	case isOWS(buf[i]):
		return fault{400, i, "folded field line"} // RFC 9112, 5.2
	case isOWS(buf[j]):
		return fault{400, j, "white space in or behind a field name"} // RFC 9112, 5.1
	case buf[j] == ':':
		return fault{400, j, "empty field name"}
	}
	return badByte(buf, j)
}

func badByte(buf []byte, i int) fault {
	switch buf[i] {
	case '\n':
		return fault{400, i, "line feed without carriage return"} // RFC 9112, 2.2
	case '\r':
		return fault{400, i, "carriage return without line feed"} // RFC 9112, 2.2
	}
	return fault{400, i, fmt.Sprintf("byte %#02x that is not allowed there", buf[i])}
}

// digested are the fields that parse looks into.
var digested = NamesOf(Host, ContentLength, TransferEncoding, Connection, KeepAlive,
	ProxyConnection, TE, Upgrade, Expect)

// digest takes from f what it says of the connection and hides it.
func (s *section) digest(buf []byte, f *field) fault {
	value, at := buf[f.value.off:f.value.off+f.value.n], int(f.value.off)
	f.hop = true
	switch f.id {
	case Host:
		if s.kind == ofResponse {
			f.hop = false
			break
		}
		// RFC 9112, 3.2
		if s.hosts++; s.hosts > 1 {
			return fault{400, at, "more than one Host"}
		}
		if s.host = f.value; !validAuthority(value) {
			return fault{400, at, "Host is not host[:port]"}
		}
	case ContentLength:
		n, ok := parseLength(value)
		if !ok || s.length != Unknown { // RFC 9112, 6.3, item 5, without its lenience
			return fault{400, at, "Content-Length repeated or not one number"}
		}
		s.length = n
	case TransferEncoding:
		if s.coding != noCoding {
			return fault{400, at, "more than one Transfer-Encoding"}
		}
		s.coding = codingOf(value)
	case Connection:
		s.options(value)
	case TE:
		s.trailers = s.trailers || hasItem(value, "trailers") // RFC 9110, 10.1.4
	case Upgrade:
		s.upgrade = s.upgrade || len(value) > 0
	case Expect:
		f.hop = s.kind == ofRequest
		ok := EqualFold(value, "100-continue") // RFC 9110, 10.1.1
		s.continues, s.unmet = s.continues || ok, s.unmet || !ok
	}
	return fault{}
}

// options reads connection options (RFC 9110, 7.6.1).
func (s *section) options(list []byte) {
	for len(list) > 0 {
		var o []byte
		o, list = nextItem(list)
		switch {
		case len(o) == 0:
		case EqualFold(o, "keep-alive"):
			s.keepAlive = true
		case EqualFold(o, "close"):
			s.close = true
		case EqualFold(o, "upgrade"):
			s.upgradeOption = true
		default:
			s.nominated++
		}
	}
}

// persists reports whether the connection goes on behind the message
// (RFC 9112, 9.3).
func (s *section) persists(minor uint8) bool {
	return !s.close && (minor > 0 || s.keepAlive)
}

// codingOf reads the one Transfer-Encoding of a message (RFC 9112, 6.1).
func codingOf(list []byte) coding {
	if EqualFold(list, "chunked") {
		return chunkedCoding
	}
	for len(list) > 0 {
		var item []byte
		item, list = nextItem(list)
		last := list == nil
		if chunked := EqualFold(item, "chunked"); chunked != last {
			return badCoding
		}
		if name, _, _ := bytes.Cut(item, []byte(";")); !isToken(trim(name)) {
			return badCoding
		}
		if last {
			return unknownCoding
		}
	}
	return badCoding
}

func hasItem(list []byte, want string) bool {
	for len(list) > 0 {
		var item []byte
		if item, list = nextItem(list); EqualFold(item, want) {
			return true
		}
	}
	return false
}

// bedrock are end-to-end fields that storing, selecting and decoding rest on:
// they stay though Connection lists them, which no sender may do (RFC 9110,
// 7.6.1). Otherwise "Connection: cache-control" would make a private response
// a public one, "Connection: x-forwarded-for" a proxied request a direct one,
// and "Connection: cache-tag" a purge by tag one that misses.
// And no customer may take away CDN-Loop (RFC 8586, 2).
var bedrock = NamesOf(Age, CacheControl, CacheGroups, CacheTag, CDNCacheControl, CDNLoop, ContentEncoding, ContentRange,
	ContentType, EdgeCacheTag, Expires, Forwarded, Origin, Pragma, SurrogateControl, SurrogateKey, Vary, Via, XForwardedFor, XKey,
	XRealIP)

// hideNominated hides the fields that Connection lists.
func (h *Head) hideNominated(buf []byte) { h.hideListed(buf, h, buf) }

// hideListed hides the fields of h that Connection in the head of, which is in
// list, lists.
func (h *Head) hideListed(buf []byte, of *Head, list []byte) {
	for i := range of.fields {
		if of.fields[i].id != Connection {
			continue
		}
		v := of.fields[i].value
		options := list[v.off : v.off+v.n]
		for len(options) > 0 {
			var option []byte
			option, options = nextItem(options)
			if id := Lookup(option); !bedrock.Has(id) {
				h.hide(buf, id, option)
			}
		}
	}
	h.set = NameSet{}
	for i := range h.fields {
		if !h.fields[i].hop {
			h.set.Add(h.fields[i].id)
		}
	}
}

func (h *Head) hide(buf []byte, id Name, name []byte) {
	for i := range h.fields {
		f := &h.fields[i]
		if f.id == id && !f.hop && (id != Other || EqualFold(buf[f.name.off:f.name.off+f.name.n], name)) {
			f.hop = true
		}
	}
}
