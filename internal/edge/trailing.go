package edge

import (
	"opencache/internal/engine"
	"opencache/internal/wire"
)

// A trailing is content of a request whose trailer fields are held to what
// holds for its fields: some origins read both as one.
type trailing struct {
	wire.Body
	tells *upstreamFields // nil: nothing is the edge's alone
	pass  *engine.Passing // nil: all pass
}

var _ wire.Body = (*trailing)(nil)

// Trailer implements wire.Body.
func (b *trailing) Trailer() *wire.Head {
	h := b.Body.Trailer()
	if h != nil {
		h.Keep(b.passes)
	}
	return h
}

func (b *trailing) passes(id wire.Name, name []byte) bool {
	return (b.tells == nil || b.tells.passes(id, name)) && b.pass.Passes(string(name))
}

// Ready reports whether a Read would not have to wait; see wire.Ready.
func (b *trailing) Ready() bool { return wire.Ready(b.Body) }

// holdTrailer holds the trailer of the request to what holds for its fields.
func (v *visit) holdTrailer() {
	if v.r.Body != nil && v.r.Length == wire.Unknown && (v.plan.tells != nil || v.choice.pass != nil) {
		v.r.Body = &trailing{Body: v.r.Body, tells: v.plan.tells, pass: v.choice.pass}
	}
}
