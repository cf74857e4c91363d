package engine

import (
	"bytes"
	"slices"

	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// covers reports whether a response stored with the head h may take over the
// Vary of answer where it is: its place tells apart only what it was stored
// for, so that no request field may be nominated that was not before (RFC
// 9111, 4.1). Nor may it take over other groups, or another No-Vary-Search: its
// place does not change with them.
func (h *storedHead) covers(answer *storedHead) bool {
	for _, name := range [...]wire.Name{wire.CacheGroups, wire.NoVarySearch} {
		if answer.names.Has(name) && !slices.EqualFunc(h.values(name), answer.values(name), bytes.Equal) {
			return false
		}
	}
	if !answer.names.Has(wire.Vary) {
		return true // the old one stays
	}
	return rfc9111.VaryWithin(answer.values(wire.Vary), h.values(wire.Vary))
}

// values returns the values of a named field of the block, a line each.
func (h *storedHead) values(name wire.Name) (values [][]byte) {
	if !h.names.Has(name) {
		return nil
	}
	for id, line := range wire.Lines(h.block) {
		if id == name {
			values = append(values, line.Value)
		}
	}
	return values
}
