package edge

import (
	"fmt"
	"slices"

	"opencache/internal/config"
	"opencache/internal/expr"
)

// Warnings are what is probably not meant: keys by which a purge by URL drops
// more than the URL, and scripts of any origin that may read with credentials.
func (p *Plan) Warnings() (warnings []config.Fault) {
	v, err := visitOf("http://h/")
	if err != nil {
		return nil // it is a URL
	}
	for _, s := range p.sites {
		warnings = append(warnings, sharedLogins(s.doc)...)
		warnings = append(warnings, p.blindSite(s.doc)...)
		v.site = s
		told := map[string]bool{}
		for i := range s.rules {
			r := &s.rules[i]
			path := s.keyPath(r)
			if path == "" || told[path] {
				continue
			}
			for n := range s.routes {
				d := s.decided(s.choice(n, i))
				if d == nil || told[path] {
					continue
				}
				v.choice, v.passes = &choice{decision: *d}, d.pass
				if _, reach := d.key.AppendURL(nil, &v.values); beyond[reach] != "" {
					told[path] = true
					warnings = append(warnings, config.Fault{Document: siteKey + s.doc.ID, Path: path, Expected: beyond[reach]})
				}
			}
		}
	}
	warnings = append(warnings, p.blind()...)
	slices.SortFunc(warnings, func(a, b config.Fault) int {
		return slices.Compare([]string{a.Document, a.Path}, []string{b.Document, b.Path})
	})
	return warnings
}

// blind is what the node denies by databases that it does not name.
func (p *Plan) blind() (warnings []config.Fault) {
	deny, g := &p.node.Filters.Deny, &p.node.Geo
	for path, lost := range map[string]bool{"filters.deny.countries": len(deny.Countries) > 0 && g.City == "", "filters.deny.asns": len(deny.ASNs) > 0 && g.ASN == ""} {
		if lost {
			warnings = append(warnings, config.Fault{Document: "node", Path: path, Expected: "a database in geo: nobody is denied without"})
		}
	}
	return warnings
}

// blindSite is whom a site denies, or lets in alone, by databases that the node
// does not name.
func (p *Plan) blindSite(doc *config.Site) (warnings []config.Fault) {
	g := &p.node.Geo
	look := func(path string, d *config.Clients, otherwise string) {
		if d == nil {
			return
		}
		for _, by := range [...]struct {
			list string
			lost bool
		}{{"countries", len(d.Countries) > 0 && g.City == ""}, {"asns", len(d.ASNs) > 0 && g.ASN == ""}} {
			if by.lost {
				warnings = append(warnings, config.Fault{Document: siteKey + doc.ID, Path: path + by.list, Expected: "a database in the node's geo: " + otherwise + " without"})
			}
		}
	}
	of := func(path string, a *config.Access) {
		if a != nil {
			look(path+"access.deny.", a.Deny, "nobody is denied")
			look(path+"access.allow.", a.Allow, "nobody is let in by it")
		}
	}
	of("", doc.Access)
	for i := range doc.Routes {
		of(fmt.Sprintf("routes[%d].", i), doc.Routes[i].Access)
	}
	return warnings
}

// beyond is what is expected of keys by which a purge by URL drops more.
var beyond = map[expr.Reach]string{
	expr.Wide:    "parts of the URL before all else: a purge by URL drops other URLs, too",
	expr.Nowhere: "parts of the URL first: a purge by URL drops all of the zone",
}

// keyPath is where a site's document says a rule's key; empty where it says none.
func (s *site) keyPath(r *rule) string {
	g := &s.doc.Cache.Global
	for i := range s.doc.Cache.Rules {
		if d := &s.doc.Cache.Rules[i]; d == r.doc && d.Cache.Key != g.Key {
			return fmt.Sprintf("cache.rules[%d].cache.key", i)
		}
	}
	if g.Key != "" && r.doc.Cache.Key == g.Key {
		return "cache.global.key"
	}
	return ""
}

// sharedLogins are the sections by which scripts of any origin read what their
// user may: * with credentials, which browsers refuse, becomes every Origin.
func sharedLogins(doc *config.Site) (warnings []config.Fault) {
	look := func(path string, c *config.CORS) {
		if c != nil && c.Enabled && c.AllowCredentials && (len(c.AllowOrigins) == 0 || slices.Contains(c.AllowOrigins, "*")) {
			warnings = append(warnings, config.Fault{Document: siteKey + doc.ID, Path: path + "cors.allowOrigins",
				Expected: "origins by name: with allowCredentials the scripts of any may read what their user may"})
		}
	}
	look("", doc.CORS)
	for i := range doc.Routes {
		look(fmt.Sprintf("routes[%d].", i), doc.Routes[i].CORS)
	}
	return warnings
}
