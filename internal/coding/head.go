package coding

import (
	"bytes"

	"opencache/internal/wire"
)

// fits reports whether the response is one that is compressed for clients that
// take it: then it varies by Accept-Encoding, whoever it is for.
func (p *Policy) fits(status int, h *wire.Head, length int64) bool {
	switch status {
	case 200, 203, 403, 404, 410:
	default:
		return false
	}
	if h.Has(wire.ContentEncoding) || h.Has(wire.ContentRange) || !p.worth(length) || !p.gains(h.Get(wire.ContentType)) {
		return false
	}
	return !forbidden(h)
}

// forbidden reports whether the content is not to be transformed (RFC 9111,
// 5.2.2.6), as told to caches in general or to some (RFC 9213): who says it to
// one means the content.
func forbidden(h *wire.Head) bool {
	for i := range h.Len() {
		id, name, value, ok := h.At(i)
		if !ok || id != wire.CacheControl && !hasSuffixFold(name, "-Cache-Control") {
			continue
		}
		if hasMember(value, "no-transform") {
			return true
		}
	}
	return false
}

func hasSuffixFold(name []byte, suffix string) bool {
	return len(name) >= len(suffix) && wire.EqualFold(name[len(name)-len(suffix):], suffix)
}

// hasMember reports whether a list has a member of that name.
func hasMember(list []byte, name string) bool {
	for member := range bytes.SplitSeq(list, []byte{','}) {
		if wire.EqualFold(bytes.TrimSpace(member), name) {
			return true
		}
	}
	return false
}

// vary has h vary by Accept-Encoding.
func vary(h *wire.Head) {
	var all []byte
	for value := range h.Values("Vary") {
		if hasMember(value, "*") || hasMember(value, "Accept-Encoding") {
			return
		}
		if len(value) > 0 {
			all = append(append(all, value...), ", "...)
		}
	}
	h.Del(wire.Vary)
	h.Add(wire.Vary, append(all, "Accept-Encoding"...))
}

// code makes h the head of the same content in a coding. Validators are weak
// from then on, since one was of other bytes (RFC 9110, 8.8.3.3); digests and
// ranges were of those, too: who goes on behind what he has of a coding must
// not be told that he can.
func code(h *wire.Head, c Coding) {
	h.DelNamed("Content-Length")
	undigest(h)
	h.Add(wire.ContentEncoding, []byte(c.String()))
	h.Del(wire.AcceptRanges)
	h.Add(wire.AcceptRanges, []byte("none"))
	weaken(h)
}

// undigest takes out what is computed of the bytes before they were coded.
func undigest(h *wire.Head) {
	for _, name := range [...]string{"Content-MD5", "Digest", "Content-Digest", "Repr-Digest"} {
		h.DelNamed(name)
	}
}

// weaken makes the entity tag a weak one.
func weaken(h *wire.Head) {
	if tag := h.Get(wire.ETag); len(tag) > 0 && tag[0] == '"' {
		weak := append([]byte("W/"), tag...)
		h.Del(wire.ETag)
		h.Add(wire.ETag, weak)
	}
}

// confirm makes a 304 one of what is stored in a coding: the request named the
// weak tag that was made of the origin's own. Digests go in any case: whose
// they are is not known, and what is stored has its own if they are its. It
// reports whether the tag was changed.
func confirm(r *wire.Request, h *wire.Head) bool {
	undigest(h)
	tag := h.Get(wire.ETag)
	if len(tag) == 0 || tag[0] != '"' {
		return false
	}
	for value := range r.Values("If-None-Match") {
		// Nothing in a tag can end it, so that this one stands alone.
		if at := bytes.Index(value, tag); at >= 2 && string(value[at-2:at]) == "W/" {
			weaken(h)
			h.Del(wire.AcceptRanges)
			if h.Has(wire.Vary) {
				vary(h)
			}
			return true
		}
	}
	return false
}
