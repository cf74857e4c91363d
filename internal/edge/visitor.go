package edge

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"net/netip"
	"sync"

	"opencache/internal/wire"
)

// visitors tell clients apart by a number that says nothing of them: without
// the key nobody finds the address that is behind it, nor makes one.
type visitors struct {
	macs sync.Pool // of *mac
}

// A mac is a keyed hash, what goes in and comes out, and the ids that it made
// last: clients come again, and making one is a tenth of what a hit costs.
type mac struct {
	hash.Hash
	from [16]byte
	sum  [sha256.Size]byte
	made [64]made
}

// A made id is a client's, of whom no longer User-Agent than this is remembered.
type made struct {
	from  netip.Addr
	size  uint8
	agent [192]byte
	id    [2 * visitorSize]byte
}

// visitorSize is how much of the sum makes an id, in bytes.
const visitorSize = 16

func newVisitors(key []byte) *visitors {
	p := &visitors{}
	p.macs.New = func() any { return &mac{Hash: hmac.New(sha256.New, key)} }
	return p
}

// appendID appends the id of a client: 32 hexadecimal digits.
func (p *visitors) appendID(dst []byte, client netip.Addr, agent []byte) []byte {
	m := p.macs.Get().(*mac)
	dst = m.appendID(dst, client, agent)
	p.macs.Put(m)
	return dst
}

func (m *mac) appendID(dst []byte, client netip.Addr, agent []byte) []byte {
	m.from = client.As16()
	at := &m.made[(uint(m.from[15])+uint(m.from[14])*7+uint(len(agent)))%uint(len(m.made))]
	if at.from == client && client.IsValid() && string(at.agent[:at.size]) == string(agent) {
		return append(dst, at.id[:]...)
	}
	m.Reset()
	_, _ = m.Write(m.from[:]) // a hash takes all there is
	_, _ = m.Write(agent)
	begin := len(dst)
	dst = hex.AppendEncode(dst, m.Sum(m.sum[:0])[:visitorSize])
	if len(agent) <= len(at.agent) {
		at.from, at.size = client, uint8(copy(at.agent[:], agent))
		copy(at.id[:], dst[begin:])
	}
	return dst
}

// visitor returns what tells this client from others, made once a request,
// when it is asked for first; empty where nobody can tell. A request on its way
// upstream says it: of what it is made of not all need pass.
func (v *values) visitor() []byte {
	p := v.visitors
	switch {
	case len(v.visited) > 0 || v.r == nil || p == nil && v.site == nil:
		return v.visited
	case p == nil:
		if t := v.site.tells; t != nil && t.enriched {
			if said := firstOf(v.r, "OC-Visitor"); said != nil {
				return said
			}
		}
		p = v.site.visitors
	}
	if p != nil {
		v.visited = p.appendID(v.visited, v.client, v.r.Get(wire.UserAgent))
	}
	return v.visited
}

// firstOf returns the value of the first field of a name that is not interned, nil
// when there is none. It does not allocate, as an iterator does that does not
// come to its end.
func firstOf(r *wire.Request, name string) []byte {
	if !r.Has(wire.Other) {
		return nil
	}
	for i := range r.Len() {
		if id, n, value, ok := r.At(i); ok && id == wire.Other && wire.EqualFold(n, name) {
			return value
		}
	}
	return nil
}
