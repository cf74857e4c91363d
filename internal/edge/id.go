package edge

import (
	"context"
	"encoding/binary"
	"encoding/hex"

	"opencache/internal/config"
	"opencache/internal/wire"
)

// A RequestID says what identifies a request: on its answer and towards the
// upstream in X-Request-ID, and in the access log.
type RequestID uint8

const (
	// NewID is 128 random bits for each request, in hexadecimal digits. What
	// the client says is dropped: anybody can say anything.
	NewID RequestID = iota
	// KeepID keeps what the client says when it looks like an id; for edges
	// that only proxies of the same house reach.
	KeepID
	// NoID leaves X-Request-ID to client and upstream. What the upstream
	// said is then stored and said again, like any other field.
	NoID
)

// identify gives the request its id and tells the client.
func (v *visit) identify() bool {
	v.r.ID, v.id = [16]byte{}, v.id[:0]
	switch v.plan.requestID {
	case NoID:
		if v.plan.tells != nil && v.plan.tells.enriched { // OC-RID is sent in any case
			v.id = v.newID(v.id)
			v.r.ID = [16]byte{}
		}
		return false
	case KeepID:
		if said := v.r.Get(wire.XRequestID); v.r.Count(wire.XRequestID) == 1 && isID(said) {
			v.id = append(v.id, said...)
		}
	}
	if len(v.id) == 0 {
		v.id = v.newID(v.id)
	}
	v.p.Fields = wire.AppendField(v.p.Fields, wire.XRequestID, v.id)
	return false
}

// newID makes the request's ID and appends it as text.
func (v *visit) newID(dst []byte) []byte {
	binary.BigEndian.PutUint64(v.r.ID[:], v.e.o.Random())
	binary.BigEndian.PutUint64(v.r.ID[8:], v.e.o.Random())
	return hex.AppendEncode(dst, v.r.ID[:])
}

// isID reports what is fit to be kept as an id: UUIDs, ULIDs, hashes and the
// trace ids of load balancers are.
func isID(s []byte) bool {
	for _, b := range s {
		if !unreserved(b) && b != '=' && b != ':' && b != '+' && b != '/' && b != '@' {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 128
}

// idOf is what a document says of X-Request-ID.
func idOf(text string) RequestID {
	return map[string]RequestID{"keep": KeepID, "off": NoID}[text]
}

// An identified upstream is a pool as the edge asks it: it is told the
// request's id, and loses the fields that the edge's own replace. It sees only
// what goes upstream, so that a hit pays nothing for it.
type identified struct {
	next wire.Exchanger
	drop []wire.Name // of responses
}

var _ wire.Exchanger = (*identified)(nil)

func newIdentified(next wire.Exchanger, m *config.Monitoring) *identified {
	u := &identified{next: next}
	if idOf(m.RequestID) != NoID {
		u.drop = append(u.drop, wire.XRequestID)
	}
	return u
}

// Exchange implements wire.Exchanger.
func (u *identified) Exchange(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	if r.ID != [16]byte{} {
		var text [32]byte
		r.Del(wire.XRequestID)
		r.Add(wire.XRequestID, hex.AppendEncode(text[:0], r.ID[:]))
	}
	resp, err := u.next.Exchange(ctx, r)
	if err != nil {
		return nil, err
	}
	for _, name := range u.drop {
		resp.Del(name)
	}
	return resp, nil
}
