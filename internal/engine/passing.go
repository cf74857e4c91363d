package engine

import (
	"bytes"
	"slices"

	"opencache/internal/wire"
)

// A Passing is which of a client's fields reach the upstream. It does not
// change the client's request: the cache goes by that, but for Vary, where a
// field that the upstream does not see can have chosen nothing.
type Passing struct {
	set    wire.NameSet
	others []string // names that are not interned
}

// alwaysPass are the fields that HTTP needs between the two: what content is,
// conditions, ranges, negotiation that the cache keeps apart by Vary, what a
// proxy must hand on (RFC 9111, 5.2; RFC 8470, 5.1), and what it adds itself.
var alwaysPass = wire.NamesOf(wire.AcceptEncoding, wire.CacheControl, wire.CDNLoop, wire.Connection, wire.EarlyData, wire.Expect,
	wire.Host, wire.IfMatch, wire.IfModifiedSince, wire.IfNoneMatch, wire.IfRange, wire.IfUnmodifiedSince, wire.MaxForwards,
	wire.Pragma, wire.Range, wire.TE, wire.Trailer, wire.TransferEncoding, wire.Upgrade, wire.Via)

// NewPassing returns which fields pass when a document names these; a "*"
// among them is all, for which nil stands.
func NewPassing(names []string) *Passing {
	p := &Passing{set: alwaysPass}
	for _, name := range names {
		if name == "*" {
			return nil
		}
		if id := wire.Lookup(name); id != wire.Other {
			p.set.Add(id)
		} else {
			p.others = append(p.others, name)
		}
	}
	return p
}

// Passes reports whether the field of that name, in any case, passes.
func (p *Passing) Passes(name string) bool { return p.passes(wire.Lookup(name), []byte(name)) }

func (p *Passing) passes(id wire.Name, name []byte) bool {
	switch {
	case p == nil:
		return true
	case id != wire.Other && p.set.Has(id), hasPrefixFold(name, "content-"), hasPrefixFold(name, "sec-websocket-"):
		return true
	case id != wire.Other:
		return false
	}
	return slices.ContainsFunc(p.others, func(other string) bool { return wire.EqualFold(name, other) })
}

// names reports whether an interned name passes.
func (p *Passing) names(id wire.Name) bool { return p == nil || p.set.Has(id) }

// strip takes from r what does not pass.
func (p *Passing) strip(r *wire.Request) {
	if p != nil {
		r.Keep(p.passes)
	}
}

func hasPrefixFold(name []byte, prefix string) bool {
	return len(name) >= len(prefix) && wire.EqualFold(name[:len(prefix)], prefix)
}

// outfit makes of r, a copy of the client's request, what the upstream sees.
func (c *call) outfit(r *wire.Request) {
	c.pol.Pass.strip(r)
	c.sign(r)
}

// sign adds to a request that goes upstream what is not the client's.
func (c *call) sign(r *wire.Request) {
	c.e.countHop(r)
	if c.guide != nil {
		c.guide.Upstream(r)
	}
}

// chooser returns the request whose fields choose among responses that vary by
// fields, a list of lower-case names: the client's, or where one of them would
// reach the upstream otherwise than it came, what that would see.
func (c *call) chooser(fields []byte) *wire.Request {
	if c.pol.Pass == nil && c.pol.Sets == nil || !c.differs(fields) {
		return c.r
	}
	if !c.dressed {
		c.dressed = true
		c.seen.CopyFrom(c.r)
		c.pol.Pass.strip(&c.seen)
		if c.guide != nil {
			c.guide.Upstream(&c.seen)
		}
	}
	return &c.seen
}

func (c *call) differs(fields []byte) bool {
	for name := range bytes.SplitSeq(fields, []byte{','}) {
		if !c.pol.Pass.passes(wire.Lookup(name), name) || slices.Contains(c.pol.Sets, string(name)) {
			return true
		}
	}
	return false
}
