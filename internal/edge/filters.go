package edge

import (
	"fmt"

	"opencache/internal/access"
	"opencache/internal/config"
	"opencache/internal/expr"
	"opencache/internal/wire"
)

// A filter is what of a request the node's document denies.
type filter uint8

const (
	noFilter filter = iota
	byNetwork
	byCountry
	byASN
	byUserAgent
	filterKinds
)

// String is what logs, metrics and explain call it.
func (f filter) String() string { return [...]string{"", "cidr", "country", "asn", "user_agent"}[f] }

// A denial is whom a node answers 403, whatever the site.
type denial struct {
	networks  *access.Networks
	countries map[string]bool
	asns      map[uint32]bool
	agents    []*expr.Pattern
}

// newDenial compiles what a document denies; nil: nobody.
func (c *compiling) newDenial(doc *config.Deny) *denial {
	if len(doc.CIDRs)+len(doc.Countries)+len(doc.ASNs)+len(doc.UserAgents) == 0 {
		return nil
	}
	d := &denial{networks: access.NewNetworks(c.networks(doc.CIDRs, "filters.deny.cidrs")), countries: map[string]bool{}, asns: map[uint32]bool{}}
	for _, code := range doc.Countries {
		d.countries[code] = true
	}
	for _, n := range doc.ASNs {
		d.asns[n] = true
	}
	for i, text := range doc.UserAgents {
		p, err := expr.ParsePattern(text, true)
		if !c.bad(fmt.Sprintf("filters.deny.userAgents[%d]", i), err) {
			d.agents = append(d.agents, p)
		}
	}
	return d
}

// of returns what of a request is denied. Whose place no database knows is not
// denied for it.
func (d *denial) of(v *visit) filter {
	if d.networks.Has(v.client) {
		return byNetwork
	}
	if len(d.countries) > 0 && d.countries[v.place().Country] {
		return byCountry
	}
	if len(d.asns) > 0 && v.place().ASN != 0 && d.asns[v.place().ASN] {
		return byASN
	}
	if len(d.agents) > 0 && d.agent(v.r) {
		return byUserAgent
	}
	return noFilter
}

// agent reports whether a User-Agent is denied: each line by itself, and none
// as an empty one.
func (d *denial) agent(r *wire.Request) bool {
	for _, p := range d.agents {
		if r.Count(wire.UserAgent) == 0 && p.Match(nil) {
			return true
		}
		for line := range r.Values("user-agent") {
			if p.Match(line) {
				return true
			}
		}
	}
	return false
}

// filter refuses whom the node's document denies. A check of this machine's own
// health, and who administers from here, is let through to the project's paths:
// a node that denies too much must not be taken for a dead one.
func (v *visit) filter() bool {
	d := v.plan.deny
	if d == nil {
		return false
	}
	if v.filtered = d.of(v); v.filtered == noFilter {
		return false
	}
	if health, other := v.ours(); (health || other) && v.direct() {
		v.filtered = noFilter
		return false
	}
	v.e.filtered[v.filtered].Add(1)
	return v.answer(403, plain, "denied\n")
}

// Filtered calls yield with each kind of what the node's document denies, and
// how many requests were refused for it.
func (e *Edge) Filtered(yield func(kind string, n uint64) bool) {
	for f := byNetwork; f < filterKinds; f++ {
		if !yield(f.String(), e.filtered[f].Load()) {
			return
		}
	}
}
