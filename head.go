package opencache

import (
	"net/http"
	"net/textproto"
	"strings"

	"opencache/internal/wire"
)

// hops are the fields that are for one connection only, or say where content
// ends: a wire.Head does not carry them (RFC 9110, 7.6.1).
var hops = wire.NamesOf(wire.Connection, wire.ContentLength, wire.Expect, wire.Host, wire.KeepAlive,
	wire.ProxyConnection, wire.TE, wire.Trailer, wire.TransferEncoding, wire.Upgrade)

// lasting are fields that stay though Connection lists them: otherwise
// "Connection: cache-control" would make a private response a public one.
var lasting = wire.NamesOf(wire.Age, wire.CacheControl, wire.CDNCacheControl, wire.ContentEncoding,
	wire.ContentRange, wire.ContentType, wire.Expires, wire.Pragma, wire.SurrogateControl, wire.Vary)

// addFields adds the end-to-end fields of from to h. Names that are none are
// left out, and what a value must not hold becomes a space, as net/http does.
func addFields(h *wire.Head, from http.Header) {
	options := from["Connection"]
	var scratch []byte
	for name, values := range from {
		id := wire.Lookup(name)
		if hops.Has(id) || !isToken(name) || len(options) > 0 && !lasting.Has(id) && hasToken(options, name) {
			continue
		}
		for _, v := range values {
			scratch = appendValue(scratch[:0], v)
			h.AddNamed(name, scratch)
		}
	}
}

// appendValue appends v as a field value (RFC 9110, 5.5).
func appendValue(dst []byte, v string) []byte {
	at := len(dst)
	dst = append(dst, textproto.TrimString(v)...)
	for i, c := range dst[at:] {
		if c < ' ' && c != '\t' || c == 0x7f {
			dst[at+i] = ' '
		}
	}
	return dst
}

// setFields adds field lines in wire form to h.
func setFields(h http.Header, block []byte) {
	for id, line := range wire.Lines(block) {
		h.Add(nameOf(id, line.Name), string(line.Value))
	}
}

func nameOf(id wire.Name, spelt []byte) string {
	if id != wire.Other {
		return id.String()
	}
	return string(spelt)
}

// headerOf returns the fields of h as net/http has them.
func headerOf(h *wire.Head) http.Header {
	to := make(http.Header, h.Len())
	for i := range h.Len() {
		if id, name, value, ok := h.At(i); ok {
			to.Add(nameOf(id, name), string(value))
		}
	}
	return to
}

// hasToken reports whether the lists in lines hold the token want, in any case.
func hasToken(lines []string, want string) bool {
	for _, list := range lines {
		for item := range strings.SplitSeq(list, ",") {
			if wire.EqualFold(textproto.TrimString(item), want) {
				return true
			}
		}
	}
	return false
}

// isToken reports whether s is a field name (RFC 9110, 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		if !alnum && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}
