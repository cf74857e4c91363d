package h1

import "opencache/internal/wire"

// Splices reports whether Spans of a Pipe can be sent; see wire.Splices.
// Chunks are not, since their lines would have to go between.
func (r *reply) Splices() bool {
	return canSplice && r.c.raw != nil && r.stage == stageOpen && r.frame == frameLength
}

// piped reports whether s lies in a pipe: such bytes are read once, in order.
func piped(s wire.Span) bool {
	_, ok := s.Owner.(*wire.Pipe)
	return ok
}
