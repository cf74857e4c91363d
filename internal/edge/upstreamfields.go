package edge

import (
	"bytes"
	"strconv"

	"opencache/internal/config"
	"opencache/internal/expr"
	"opencache/internal/wire"
)

// upstreamFields are what a node tells upstreams of every request, whatever
// sites say. nil: nothing, and clients' own pass like any others.
type upstreamFields struct {
	enriched  bool // the OC- fields, too
	forwarded bool // Forwarded (RFC 7239), too
	sets      []string
}

// enrichment are the OC- fields in the order of the seed, each with what it
// says. They are sent with nothing in them where nothing is known.
var enrichment = [...]struct {
	name string
	text func(v *visit, dst []byte) []byte
}{
	{"OC-Connecting-IP", func(v *visit, dst []byte) []byte { return v.client.AppendTo(dst) }},
	{"OC-RID", func(v *visit, dst []byte) []byte { return append(dst, v.id...) }},
	{"OC-Visitor", func(v *visit, dst []byte) []byte { return append(dst, v.visitor()...) }},
	{"OC-IPCountry", func(v *visit, dst []byte) []byte { return append(dst, v.place().Country...) }},
	{"OC-IPCity", func(v *visit, dst []byte) []byte { return append(dst, v.place().City...) }},
	{"OC-IPContinent", func(v *visit, dst []byte) []byte { return append(dst, v.place().Continent...) }},
	{"OC-Region", func(v *visit, dst []byte) []byte { return append(dst, v.place().Region...) }},
	{"OC-Timezone", func(v *visit, dst []byte) []byte { return append(dst, v.place().Timezone...) }},
	{"OC-IPLatitude", func(v *visit, dst []byte) []byte { return append(dst, v.place().Latitude...) }},
	{"OC-IPLongitude", func(v *visit, dst []byte) []byte { return append(dst, v.place().Longitude...) }},
}

// saidOfClients are fields that say who a client is and what it asked for: the
// edge's to say, and nobody else's.
var saidOfClients = wire.NamesOf(wire.XRealIP, wire.XForwardedFor, wire.XForwardedProto, wire.XForwardedHost, wire.XForwardedPort, wire.Forwarded)

// fieldsTold compiles what the node's document says of them.
func fieldsTold(n *config.Network) *upstreamFields {
	if n.UpstreamFields == "none" {
		return nil
	}
	f := &upstreamFields{enriched: n.UpstreamFields != "forwarded", forwarded: n.Forwarded}
	for id := range wire.NumNames {
		if saidOfClients.Has(wire.Name(id)) {
			f.sets = append(f.sets, lowerOf(wire.Name(id).String()))
		}
	}
	if f.enriched {
		for i := range enrichment {
			f.sets = append(f.sets, lowerOf(enrichment[i].name))
		}
	}
	return f
}

// varies are the names of fields that what goes upstream has otherwise than
// the client's request, in lower case.
func (f *upstreamFields) varies() []string {
	if f == nil {
		return nil
	}
	return f.sets
}

// Upstream implements engine.Guide: it takes from a request what only the edge
// may say, and says it.
func (v *visit) Upstream(r *wire.Request) {
	v.guardKey(r)
	f := v.plan.tells
	if f == nil {
		return
	}
	if r.Names().Overlaps(saidOfClients) || r.Has(wire.Other) {
		r.Keep(f.passes)
	}
	b := &v.scrap // Add copies
	*b = v.client.AppendTo((*b)[:0])
	r.Add(wire.XRealIP, *b)
	*b = v.appendChain((*b)[:0])
	r.Add(wire.XForwardedFor, *b)
	*b = v.appendScheme((*b)[:0])
	r.Add(wire.XForwardedProto, *b)
	*b = expr.AppendHost((*b)[:0], v.r.Authority())
	r.Add(wire.XForwardedHost, *b)
	*b = v.appendPort((*b)[:0])
	r.Add(wire.XForwardedPort, *b)
	if f.forwarded {
		*b = v.appendForwarded((*b)[:0])
		r.Add(wire.Forwarded, *b)
	}
	if f.enriched {
		for i := range enrichment {
			*b = enrichment[i].text(v, (*b)[:0])
			r.AddNamed(enrichment[i].name, *b)
		}
	}
}

// passes reports whether a client's field may go upstream beside the edge's.
func (f *upstreamFields) passes(id wire.Name, name []byte) bool {
	if id != wire.Other {
		return !saidOfClients.Has(id)
	}
	var plain [32]byte // longer than any of ours
	if len(name) > len(plain) {
		return !f.enriched || !reserved(name)
	}
	underscores := false
	for i, b := range name {
		if b == '_' { // as CGI and its like read it, both are the same
			b, underscores = '-', true
		}
		plain[i] = b
	}
	if underscores && saidOfClients.Has(wire.Lookup(plain[:len(name)])) {
		return false
	}
	return !f.enriched || !reserved(plain[:len(name)])
}

// reserved reports whether a name is of those that the edge keeps to itself.
func reserved(name []byte) bool {
	return len(name) > 3 && name[0]|0x20 == 'o' && name[1]|0x20 == 'c' && (name[2] == '-' || name[2] == '_')
}

// appendChain appends X-Forwarded-For: who has sent the request, behind what a
// proxy of the node's says of those before.
func (v *visit) appendChain(dst []byte) []byte {
	if v.believed {
		begin := len(dst)
		if dst = v.appendLines(dst, "x-forwarded-for", ", "); len(dst) > begin {
			dst = append(dst, ", "...)
		}
	}
	return v.hop.AppendTo(dst)
}

func (v *visit) appendScheme(dst []byte) []byte {
	if v.r.Secure {
		return append(dst, "https"...)
	}
	return append(dst, "http"...)
}

// appendPort appends the port that the client came to: a proxy's word on it
// counts as the one on the scheme does.
func (v *visit) appendPort(dst []byte) []byte {
	if v.believed {
		said := v.r.Get(wire.XForwardedPort)
		if n, err := strconv.ParseUint(string(said), 10, 16); err == nil && n > 0 && v.r.Count(wire.XForwardedPort) == 1 {
			return strconv.AppendUint(dst, n, 10)
		}
	}
	port := v.r.Port
	if port == 0 || v.schemeSaid {
		port = 80
		if v.r.Secure {
			port = 443
		}
	}
	return strconv.AppendUint(dst, uint64(port), 10)
}

// appendForwarded appends Forwarded: an element of this hop, behind those of a
// proxy of the node's (RFC 7239, 4).
func (v *visit) appendForwarded(dst []byte) []byte {
	if v.believed {
		begin := len(dst)
		if dst = v.appendLines(dst, "forwarded", ", "); bytes.Count(dst[begin:], []byte{'"'})%2 != 0 {
			dst = dst[:begin] // a quote left open would take in what follows
		}
		if len(dst) > begin {
			dst = append(dst, ", "...)
		}
	}
	dst = append(dst, "for="...)
	switch {
	case !v.hop.IsValid():
		dst = append(dst, "unknown"...)
	case v.hop.Is4():
		dst = v.hop.AppendTo(dst)
	default: // RFC 7239, 6: in brackets, which no token has
		dst = append(v.hop.WithZone("").AppendTo(append(dst, `"[`...)), `]"`...)
	}
	if host := v.r.Authority(); len(host) > 0 {
		dst = append(append(append(dst, `;host="`...), host...), '"') // an authority has neither quote nor backslash
	}
	return v.appendScheme(append(dst, ";proto="...))
}
