package engine

import (
	"encoding/binary"
	"fmt"
	"slices"

	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// fieldOf maps the names of wire to the fields that the rules read.
var fieldOf = [wire.NumNames]rfc9111.Field{
	wire.CacheControl:      rfc9111.CacheControl,
	wire.Age:               rfc9111.Age,
	wire.Date:              rfc9111.Date,
	wire.Expires:           rfc9111.Expires,
	wire.ETag:              rfc9111.ETag,
	wire.LastModified:      rfc9111.LastModified,
	wire.Vary:              rfc9111.Vary,
	wire.SetCookie:         rfc9111.SetCookie,
	wire.ContentRange:      rfc9111.ContentRange,
	wire.Pragma:            rfc9111.Pragma,
	wire.Authorization:     rfc9111.Authorization,
	wire.Range:             rfc9111.Range,
	wire.IfRange:           rfc9111.IfRange,
	wire.IfMatch:           rfc9111.IfMatch,
	wire.IfNoneMatch:       rfc9111.IfNoneMatch,
	wire.IfModifiedSince:   rfc9111.IfModifiedSince,
	wire.IfUnmodifiedSince: rfc9111.IfUnmodifiedSince,
}

// ruled are the names of the fields that the rules read.
var ruled = ruledNames()

func ruledNames() (s wire.NameSet) {
	for name, field := range fieldOf {
		if field != rfc9111.None {
			s.Add(wire.Name(name))
		}
	}
	return s
}

// Sets of names that heads lose on their way.
var (
	// notStored: Age is computed anew for each answer, ours replace the
	// upstream's, and Proxy-* are for one hop (RFC 9111, 3.1).
	notStored = wire.NamesOf(wire.Age, wire.XCache, wire.XCacheStatus, wire.ProxyAuthenticate,
		wire.ProxyAuthenticationInfo, wire.ProxyAuthorization)
	// notIn206 is what an answer with a range, or several, has its own of.
	notIn206   = wire.NamesOf(wire.ContentRange)
	notInMulti = wire.NamesOf(wire.ContentRange, wire.ContentType)
	// notPassed is what a response that is handed through loses.
	notPassed = wire.NamesOf(wire.XCache, wire.XCacheStatus)
	// notIn304 describes content that a 304 does not carry (RFC 9110, 15.4.5).
	notIn304 = wire.NamesOf(wire.ContentType, wire.ContentEncoding, wire.ContentLanguage, wire.AcceptRanges, wire.ContentRange)
	// notUpdated is what a 304 does not change in a stored response: without
	// it the stored bytes could not be read (RFC 9111, 3.2). How they are to
	// be understood, a Content-Type, may change.
	notUpdated = wire.NamesOf(wire.ContentEncoding, wire.ContentRange, wire.ContentLength)
	// conditions are taken from a request whose answer is for everybody.
	conditions = []wire.Name{wire.IfMatch, wire.IfNoneMatch, wire.IfModifiedSince,
		wire.IfUnmodifiedSince, wire.IfRange, wire.Range}
)

// A stored head is what a record's Meta holds: the digest for the rules, the
// set of names in the block, the ranges that are stored when only a part is, the
// field lines in wire form.
type storedHead struct {
	facts rfc9111.Facts
	names wire.NameSet
	block []byte
	runs  runs // of the content that is stored, when that is a part; else nil
}

const namesSize = 16

// usualHead is what the field lines of most responses fit into.
const usualHead = 512

// appendMeta appends h as a record's Meta.
func (h *storedHead) appendMeta(dst []byte) []byte {
	dst = slices.Grow(dst, rfc9111.FactsSize+namesSize+len(h.block))
	at := len(dst)
	dst = append(dst, make([]byte, rfc9111.FactsSize+namesSize)...)
	h.facts.Put(dst[at:])
	binary.LittleEndian.PutUint64(dst[at+rfc9111.FactsSize:], h.names[0])
	binary.LittleEndian.PutUint64(dst[at+rfc9111.FactsSize+8:], h.names[1])
	if h.facts.Partial() {
		dst = h.runs.append(dst)
	}
	return append(dst, h.block...)
}

// read makes h what meta holds; h.block points into it.
func (h *storedHead) read(meta []byte) error {
	if len(meta) < rfc9111.FactsSize+namesSize {
		return fmt.Errorf("stored head: %d bytes, at least %d expected", len(meta), rfc9111.FactsSize+namesSize)
	}
	h.names[0] = binary.LittleEndian.Uint64(meta[rfc9111.FactsSize:])
	h.names[1] = binary.LittleEndian.Uint64(meta[rfc9111.FactsSize+8:])
	h.block, h.runs = meta[rfc9111.FactsSize+namesSize:], nil
	err := h.facts.Get(meta[:rfc9111.FactsSize])
	if err == nil && h.facts.Partial() {
		h.runs, h.block, err = readRuns(h.block, h.facts.Length)
	}
	return err
}

// strongValidator returns the field value under which bytes of two fetches
// may be joined (RFC 9110, 13.1.5): a strong entity tag, or a Last-Modified
// that is strong by its age; nil when there is neither. All codings of a
// resource have the same date, and whoever codes may do so differently the next
// time: of content in a coding it says nothing about the bytes.
func (h *storedHead) strongValidator() []byte {
	if tag := &h.facts.ETag; tag.Present && !tag.Weak {
		return h.value(wire.ETag)
	}
	if h.facts.StrongLastModified() && !h.names.Has(wire.ETag) && !h.names.Has(wire.ContentEncoding) {
		return h.value(wire.LastModified)
	}
	return nil
}

// value returns the first value of a named field of the block, nil when it
// has none.
func (h *storedHead) value(name wire.Name) []byte {
	if !h.names.Has(name) {
		return nil
	}
	for id, line := range wire.Lines(h.block) {
		if id == name {
			return line.Value
		}
	}
	return nil
}

// appendBlock appends the field lines without those named in drop.
func (h *storedHead) appendBlock(dst []byte, drop wire.NameSet) []byte {
	if !h.names.Overlaps(drop) {
		return append(dst, h.block...)
	}
	for id, line := range wire.Lines(h.block) {
		if !drop.Has(id) {
			dst = wire.AppendNamed(dst, line.Name, line.Value)
		}
	}
	return dst
}
