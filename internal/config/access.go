package config

import "slices"

// Access is who may ask, and for what. What a route says of a member goes
// before what its site says of it.
type Access struct {
	// Allow is who alone may ask; others are answered 403. {}: everybody.
	Allow *Clients `json:"allow,omitzero"`
	// Deny is who is answered 403, also where Allow names them. {}: nobody.
	Deny *Clients `json:"deny,omitzero"`
	// Methods are those that may be used; others are answered 405. GET stands
	// for HEAD, too; * for any. Default any.
	Methods []string `json:"methods,omitzero" is:"method"`
	// MaxURI is the longest path and query; more is answered 414. 0: as long as
	// a request line may be (default).
	MaxURI *Size `json:"maxUri,omitzero"`
	// MaxHeader is the size of all fields of a request, with four bytes beside
	// each; more is answered 431. 0: as much as a head may be (default).
	MaxHeader *Size `json:"maxHeader,omitzero"`
	// MaxBody is a request's largest content; more is answered 413. The smaller of
	// this and the node's network.maxBody holds. 0: any (default).
	MaxBody *Size `json:"maxBody,omitzero"`
}

// Clients are whoever any of it names.
type Clients struct {
	// CIDRs are networks or addresses.
	CIDRs []string `json:"cidrs,omitzero" is:"network"`
	// Countries are two letters, like DE.
	Countries []string `json:"countries,omitzero" is:"country"`
	// ASNs are numbers of autonomous systems.
	ASNs []uint32 `json:"asns,omitzero"`
}

// Over is what holds where a says something and site says the rest; nil: neither
// says anything. Neither is changed.
func (a *Access) Over(site *Access) *Access {
	switch {
	case site == nil || a == site:
		return a
	case a == nil:
		return site
	}
	all := *a
	inherit(&all.Allow, site.Allow)
	inherit(&all.Deny, site.Deny)
	inherit(&all.MaxURI, site.MaxURI)
	inherit(&all.MaxHeader, site.MaxHeader)
	inherit(&all.MaxBody, site.MaxBody)
	if all.Methods == nil {
		all.Methods = slices.Clone(site.Methods)
	}
	return &all
}

// Empty reports whether nobody is named.
func (c *Clients) Empty() bool {
	return c == nil || len(c.CIDRs)+len(c.Countries)+len(c.ASNs) == 0
}

// checkAccess finds what is wrong between the fields of a section.
func checkAccess(r *reader, a *Access, p *path) {
	if a == nil {
		return
	}
	r.notEmpty(a.Methods == nil || len(a.Methods) > 0, p.field("methods"), "at least one method, or * for any")
}
