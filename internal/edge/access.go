package edge

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"

	"opencache/internal/access"
	"opencache/internal/config"
	"opencache/internal/expr"
	"opencache/internal/wire"
)

// A gate is what the sections access of a route and its site come to.
type gate struct {
	deny, allow       *clients // nil: nobody, everybody
	methods           map[string]bool
	allowed           string // what Allow says of methods
	uri, header, body int64  // 0: any
	limits            []*limit
	basic             *basicAuth // nil: nobody is asked for a password
	signed            *signing   // nil: no signature is wanted
	of                map[string]string
}

// clients are whom one of allow and deny names.
type clients struct {
	networks  *access.Networks
	countries map[string]bool
	asns      map[uint32]bool
}

// A gateKey is the same for routes, of several sites perhaps, with one gate.
type gateKey struct {
	own, site *config.Access
	path      string
	of        *site // nil: any
}

// gate compiles what holds for a route; nil: anybody may do anything.
func (c *compiling) gate(s *site, d *config.Route, path string) *gate {
	own, of := d.Access, s.doc.Access
	all := own.Over(of)
	if all == nil {
		return nil
	}
	key := gateKey{own: own, site: of, path: path}
	if own == nil || own == of { // routes that say nothing have their site's
		key.own, key.path = of, ""
	}
	if len(all.RateLimits) > 0 || all.BasicAuth != nil || all.SignedURL != nil { // buckets, and files to be read again, are a site's
		key.of = s
	}
	if g := c.gates[key]; g != nil {
		return g
	}
	before := len(c.faults)
	g := &gate{uri: bytesOf(all.MaxURI), header: bytesOf(all.MaxHeader), body: bytesOf(all.MaxBody)}
	g.where(all, of, path)
	g.deny = c.clients(all.Deny, g.of["deny"]+".deny")
	if !all.Allow.Empty() {
		g.allow = c.clients(all.Allow, g.of["allow"]+".allow")
	}
	if len(all.Methods) > 0 && !slices.Contains(all.Methods, "*") {
		g.methods = methodsOf(all.Methods)
		g.allowed = strings.Join(all.Methods, ", ")
		if g.methods["HEAD"] && !slices.Contains(all.Methods, "HEAD") {
			g.allowed += ", HEAD"
		}
	}
	g.limits = s.limited(all.RateLimits)
	g.basic = c.basicAuth(s, all.BasicAuth, g.of["basicAuth"]+".basicAuth")
	g.signed = c.signing(s, all.SignedURL, g.of["signedUrl"]+".signedUrl")
	s.signs = s.signs || g.signed != nil
	if len(c.faults) > before { // the next site is to hear of them, too
		return g
	}
	if c.gates == nil {
		c.gates = map[gateKey]*gate{}
	}
	c.gates[key] = g
	return g
}

// where notes whose section each member is from, the route's or its site's.
func (g *gate) where(all, site *config.Access, path string) {
	g.of = map[string]string{}
	if site == nil {
		site = &config.Access{}
	}
	for member, same := range map[string]bool{
		"deny": all.Deny == site.Deny, "allow": all.Allow == site.Allow, "maxUri": all.MaxURI == site.MaxURI,
		"maxHeader": all.MaxHeader == site.MaxHeader, "maxBody": all.MaxBody == site.MaxBody,
		"methods": slices.Equal(all.Methods, site.Methods), "rateLimits": slices.Equal(all.RateLimits, site.RateLimits),
		"basicAuth": all.BasicAuth == site.BasicAuth, "signedUrl": all.SignedURL == site.SignedURL,
	} {
		if g.of[member] = path + ".access"; same {
			g.of[member] = "access"
		}
	}
}

// member is the place in the document of what refuses so.
func (g *gate) member(why refusal) string {
	if why == ambiguousPath {
		return "routes.location"
	}
	name := refusals[why].member
	first, _, _ := strings.Cut(name, ".")
	return g.of[first] + "." + name
}

// clients compiles a list of who is meant; nil: nobody.
func (c *compiling) clients(d *config.Clients, path string) *clients {
	if d.Empty() {
		return nil
	}
	l := &clients{countries: setOf(d.Countries, func(s string) string { return s })}
	l.networks = access.NewNetworks(c.networks(d.CIDRs, path+".cidrs"))
	for _, n := range d.ASNs {
		if l.asns == nil {
			l.asns = map[uint32]bool{}
		}
		l.asns[n] = true
	}
	return l
}

// names says by which of its lists it means the client.
func (l *clients) names(v *values) refusal {
	switch {
	case l == nil:
		return notRefused
	case l.networks.Has(v.client):
		return deniedNetwork
	case len(l.countries) > 0 && l.countries[v.place().Country]:
		return deniedCountry
	case len(l.asns) > 0 && l.asns[v.place().ASN]:
		return deniedASN
	}
	return notRefused
}

// admits decides on who asks. It is pure.
func (g *gate) admits(v *values) refusal {
	if why := g.deny.names(v); why != notRefused {
		return why
	}
	if g.allow != nil && g.allow.names(v) == notRefused {
		return notAllowed
	}
	return notRefused
}

// fits decides on what is asked: method and sizes. It is pure.
func (g *gate) fits(r *wire.Request) refusal {
	switch {
	case g.methods != nil && !g.methods[string(r.MethodText())]:
		return wrongMethod
	case g.uri > 0 && int64(len(r.Target())) > g.uri:
		return longURI
	case g.header > 0 && fieldsSize(&r.Head) > g.header:
		return longHeader
	case g.body > 0 && r.Length > g.body:
		return longBody
	}
	return notRefused
}

// fieldsSize is what the fields of a head take: with their colon, blank and end of
// line.
func fieldsSize(h *wire.Head) (n int64) {
	for i := range h.Len() {
		if _, name, value, ok := h.At(i); ok {
			n += int64(len(name) + len(value) + 4)
		}
	}
	return n
}

// admit refuses clients whom the document does not let in.
func (v *visit) admit() bool {
	if v.site.gated && v.strays() {
		return v.deny(ambiguousPath)
	}
	g := v.choice.route.gate
	if g == nil {
		return false
	}
	if why := g.admits(&v.values); why != notRefused {
		return v.deny(why)
	}
	return false
}

// strays reports whether an origin could read the path as one of a route with
// another section access than the one that the request is judged by.
func (v *visit) strays() bool {
	path := v.r.Path()
	if !hides(path) {
		return false
	}
	var text, uri []byte
	for _, read := range readings {
		text = read(text[:0], path)
		uri = expr.AppendPath(uri[:0], wire.CleanPath(nil, text))
		n, _, _ := v.site.at.find(uri)
		if n < 0 {
			continue
		}
		if g := v.site.routes[n].gate; g != nil && g != v.choice.route.gate {
			return true
		}
	}
	return false
}

// access refuses requests that the document does not let through.
func (v *visit) access() bool {
	if v.choice.route.gate == nil {
		return false
	}
	// What costs least goes first; comparing a password costs most, and a rate
	// bounds how often it may be tried.
	return v.fit() || v.charge() || v.shows() || v.login()
}

// fit refuses what is asked in a way that the document has no room for.
func (v *visit) fit() bool {
	g := v.choice.route.gate
	if g == nil {
		return false
	}
	if why := g.fits(v.r); why != notRefused {
		if why == wrongMethod {
			v.p.Fields = wire.AppendField(v.p.Fields, wire.Allow, g.allowed)
		}
		return v.deny(why)
	}
	if g.body > 0 && v.r.Length == wire.Unknown && v.r.Body != nil {
		v.bounded = &boundedBody{Body: v.r.Body, left: g.body}
		v.r.Body = v.bounded
	}
	return false
}

// A boundedBody is content of which nobody knows beforehand how much it is. It
// ends in an error behind its bound, so that no upstream ever has a whole
// request.
type boundedBody struct {
	wire.Body
	left int64 // Read's
	over atomic.Bool
}

// Read implements wire.Body.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.over.Load() {
		return 0, errLargeBody
	}
	n, err := b.Body.Read(p)
	if b.left -= int64(n); b.left < 0 {
		b.over.Store(true)
		return 0, errLargeBody
	}
	return n, err
}

// Ready reports whether a Read would not have to wait; see wire.Ready.
func (b *boundedBody) Ready() bool { return b.over.Load() || wire.Ready(b.Body) }

var errLargeBody = &wire.Error{Side: wire.Client, Status: 413, Err: errors.New("content of the request above the route's maxBody")}

var _ wire.Body = (*boundedBody)(nil)

// bytesOf is a size, 0 where none is said.
func bytesOf(s *config.Size) int64 {
	if s == nil {
		return 0
	}
	return int64(*s)
}
