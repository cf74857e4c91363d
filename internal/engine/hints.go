package engine

import (
	"bytes"

	"opencache/internal/wire"
)

// What one 103 carries at most.
const (
	maxHints     = 16
	maxHintBytes = 4 << 10
)

// hint tells the client at once what the stored response, which has to be
// validated or fetched anew before it may answer, had it load: so RFC 8297, 2
// has it of caches. Clients that sent conditions or a range have the content
// already, and a HEAD is for none: they get nothing. HTTP/1.0 has no interim
// responses; the Reply sees to that.
//
// Neither no-cache nor must-revalidate stand against it: a hint answers
// nothing (RFC 9111, 4), and what comes behind it counts. A soft purge does, by
// which an operator says that the response is wrong.
func (c *call) hint() {
	if c.hinted || c.r.Method != wire.GET || c.r.Names().Overlaps(conditional) {
		return
	}
	c.hinted = true // whatever becomes of the other turns
	if fields := appendHints(nil, &c.head); fields != nil {
		_ = c.p.Interim(103, fields) // a client that is gone shows at Start
	}
}

// conditional are the fields of requests whose client has some of the content.
var conditional = wire.NamesOf(conditions...)

// appendHints appends the links of h that a client could follow before it has
// the content, one a field line.
func appendHints(dst []byte, h *storedHead) []byte {
	if !h.names.Has(wire.Link) {
		return dst
	}
	n, size := 0, 0
	for id, line := range wire.Lines(h.block) {
		if id != wire.Link {
			continue
		}
		l, rest, ok := nextLink(line.Value)
		for ; ok; l, rest, ok = nextLink(rest) {
			if l.anchored || !hints(l.rel) {
				continue
			}
			n, size = n+1, size+len(l.text)
			if n > maxHints || size > maxHintBytes {
				return dst
			}
			dst = wire.AppendField(dst, wire.Link, l.text)
		}
	}
	return dst
}

// hints reports whether one of the relation types is worth a hint.
func hints(rel []byte) bool {
	for one := range bytes.FieldsSeq(rel) {
		for _, name := range [...]string{"preload", "preconnect", "dns-prefetch", "modulepreload"} {
			if wire.EqualFold(one, name) {
				return true
			}
		}
	}
	return false
}
