package engine

import (
	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// afterUnsafe drops what an unsafe request has put out of date (RFC 9111,
// 4.4): what is stored for its target, and for the URIs of the same origin
// that the answer names. A method that is not known is not known to be safe.
// It returns how many purges that were.
func (c *call) afterUnsafe(resp *wire.Response) (purges int) {
	if c.r.Method.Safe() || !rfc9111.Invalidates(rfc9111.Unsafe, resp.Status) {
		return 0
	}
	c.e.Purge(c.key, false)
	purges++
	if c.pol.KeyOf == nil {
		return purges
	}
	for _, name := range [...]wire.Name{wire.Location, wire.ContentLocation} {
		ref := resp.Get(name)
		if ref == nil {
			continue
		}
		if key, ok := c.pol.KeyOf(c.scratch[:0], c.r, ref); ok {
			c.scratch = key
			c.e.Purge(key, false)
			purges++
		}
	}
	return purges
}
