package config

import (
	"slices"
	"strconv"
	"strings"

	"opencache/internal/expr"
)

// checkSite finds what is wrong between the fields of a site.
func checkSite(r *reader, id string, s *Site) {
	root := &path{}
	if s.ID != id && s.ID != "" {
		r.wrong(root.field("id"), Fault{Found: quoted(s.ID), Expected: "the id of the document's key, " + quoted(id)})
	}
	r.notEmpty(s.Hostnames == nil || len(s.Hostnames) > 0, root.field("hostnames"), "at least one host")
	seen := names{}
	for i, host := range s.Hostnames {
		if seen.twice(strings.ToLower(host), i) {
			r.warn(root.field("hostnames").item(i), Fault{Found: quoted(host) + " a second time", Expected: "each host once"})
		}
	}
	checkUpstreams(r, s, root.field("upstreams"))
	limits := checkRates(r, s.RateLimits, root.field("rateLimits"))
	checkRoutes(r, s, limits, root.field("routes"))
	checkHeaders(r, s.Headers, root.field("headers"))
	checkCORS(r, s.CORS, root.field("cors"), true)
	checkCompression(r, s.Compression, root.field("compression"))
	checkAccess(r, s.Access, limits, root.field("access"))
	if t := s.TLS; t != nil {
		if (t.Certificate == "") != (t.Key == "") {
			r.wrong(root.field("tls"), Fault{Expected: "certificate and key, or neither"})
		}
		r.notEmpty(t.Protocols == nil || len(t.Protocols) > 0, root.field("tls").field("protocols"), "at least one protocol")
	}
	checkSiteCache(r, s, root.field("cache"))
}

// names are what was met in a list, and where.
type names map[string]int

// twice says that a name was met before. An empty one is missing, which is
// another fault.
func (n names) twice(name string, at int) bool {
	if _, ok := n[name]; ok && name != "" {
		return true
	}
	n[name] = at
	return false
}

func (n names) sorted() []string {
	var all []string
	for name := range n {
		if name != "" {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// unique notes names that a list has before.
func (r *reader) unique(n names, name string, i int, p *path) {
	if n.twice(name, i) && !r.full() {
		r.wrong(p, Fault{Found: quoted(name) + ", as in [" + strconv.Itoa(n[name]) + "]", Expected: "a name that is not in use"})
	}
}

// refers notes a name that nothing has.
func (r *reader) refers(name string, known names, what string, p *path) {
	if _, ok := known[name]; ok || name == "" {
		return
	}
	f := Fault{Found: quoted(name), Expected: what + "; there is none"}
	switch {
	case r.full():
		r.more++
		return
	case len(known) > 256: // to sort them for each fault would be for nothing
		f.Expected = what + ", of " + strconv.Itoa(len(known))
	case len(known) > 0:
		all := known.sorted()
		f.Expected, f.Nearest = what+": "+oneOf(all), nearest(name, all)
	}
	r.wrong(p, f)
}

func (r *reader) notEmpty(ok bool, p *path, what string) {
	if !ok {
		r.wrong(p, Fault{Found: "an empty list", Expected: what})
	}
}

func checkUpstreams(r *reader, s *Site, p *path) {
	seen := names{}
	for i, u := range s.Upstreams {
		at := p.item(i)
		r.unique(seen, u.Name, i, at.field("name"))
		r.notEmpty(u.Servers == nil || len(u.Servers) > 0, at.field("servers"), "at least one server")
		if len(u.Servers) > 0 && !slices.ContainsFunc(u.Servers, func(v Server) bool { return !v.Backup }) {
			r.wrong(at.field("servers"), Fault{Found: "nothing but backups", Expected: "a server that is asked first"})
		}
		if u.HashKey != "" && u.Balance != "hash" {
			r.wrong(at.field("hashKey"), Fault{Found: quoted(u.HashKey), Expected: "none, unless balance is hash"})
		}
		if h := u.HealthCheck; h != nil {
			r.notEmpty(h.Statuses == nil || len(h.Statuses) > 0, at.field("healthCheck").field("statuses"), "at least one status")
		}
		urls := names{}
		for j, v := range u.Servers {
			r.unique(urls, v.URL, j, at.field("servers").item(j).field("url"))
		}
		checkUpstreamTLS(r, &u, at.field("tls"))
		checkProtocol(r, &u, at.field("protocol"))
	}
}

// checkProtocol compares a protocol with the servers that it is for.
func checkProtocol(r *reader, u *Upstream, p *path) {
	scheme := map[string]string{"h2": "https", "auto": "https", "h2c": "http"}[u.Protocol]
	for _, v := range u.Servers {
		if of, _, ok := strings.Cut(strings.ToLower(v.URL), ":"); ok && scheme != "" && of != scheme {
			r.wrong(p, Fault{Found: quoted(u.Protocol), Expected: "servers whose url is " + scheme + " all, or another protocol"})
			return
		}
	}
}

// checkUpstreamTLS compares what is said of TLS with where it is of use.
func checkUpstreamTLS(r *reader, u *Upstream, p *path) {
	t := u.TLS
	if t == nil {
		return
	}
	if !slices.ContainsFunc(u.Servers, func(v Server) bool { return strings.HasPrefix(strings.ToLower(v.URL), "https:") }) {
		r.wrong(p, Fault{Found: "a section", Expected: "none, since no server's url is https"})
	}
	if (t.ClientCert == "") != (t.ClientKey == "") {
		r.wrong(p, Fault{Expected: "clientCert and clientKey, both or neither"})
	}
	if t.Verify != nil && !*t.Verify {
		if t.CA != "" {
			r.wrong(p.field("ca"), Fault{Found: quoted(t.CA), Expected: "none, since verify is false"})
		}
		r.warn(p.field("verify"), Fault{Found: "false", Expected: "true; without it whoever is in between reads and changes all that passes"})
	}
}

func checkRoutes(r *reader, s *Site, limits names, p *path) {
	pools := names{}
	for i, u := range s.Upstreams {
		pools.twice(u.Name, i)
	}
	ids, locations := names{}, names{}
	for i := range s.Routes {
		t, at := &s.Routes[i], p.item(i)
		if t.ID != "" {
			r.unique(ids, t.ID, i, at.field("id"))
		}
		r.unique(locations, plainLocation(t.Location), i, at.field("location"))
		checkRoute(r, t, pools, at)
		checkHeaders(r, t.Headers, at.field("headers"))
		checkCORS(r, t.CORS, at.field("cors"), false)
		checkCompression(r, t.Compression, at.field("compression"))
		checkAccess(r, t.Access, limits, at.field("access"))
		checkCaptures(r, t, at)
	}
	if len(s.Routes) == 0 && len(s.Upstreams) == 0 {
		r.warn(&path{}, Fault{Found: "neither upstreams nor routes", Expected: "somewhere to get content from; all requests are answered 404"})
	}
}

// plainLocation is what tells locations apart: one blank behind the mark, and no
// mark of a prefix, which is the same with ^~ and without.
func plainLocation(s string) string {
	mark, rest, ok := strings.Cut(s, " ")
	switch {
	case !ok || strings.HasPrefix(s, "/"):
		return s
	case mark == "^~":
		return strings.TrimLeft(rest, " ")
	}
	return mark + " " + strings.TrimLeft(rest, " ")
}

// checkRoute compares a route's kind with its sections.
func checkRoute(r *reader, t *Route, pools names, p *path) {
	kind := t.Kind
	if kind == "" {
		kind = "cache_proxy"
	}
	for _, c := range []struct {
		name string
		has  bool
	}{{"static", t.Static != nil}, {"redirect", t.Redirect != nil}, {"fixed", t.Fixed != nil}} {
		switch {
		case c.name == kind && !c.has:
			r.wrong(p.field(c.name), Fault{Expected: "an object, since the route's kind is " + kind})
		case c.name != kind && c.has:
			r.wrong(p.field(c.name), Fault{Found: "a section of another kind", Expected: "none, since the route's kind is " + kind})
		}
	}
	switch kind {
	case "cache_proxy", "proxy":
		if len(pools) == 0 {
			r.wrong(p, Fault{Found: "a route of kind " + kind, Expected: "an upstream in the site's upstreams to ask"})
		} else {
			r.refers(t.Upstream, pools, "an upstream of the site", p.field("upstream"))
		}
	default:
		if t.Upstream != "" {
			r.wrong(p.field("upstream"), Fault{Found: quoted(t.Upstream), Expected: "none, since the route's kind is " + kind})
		}
	}
}

// checkCaptures warns of $1 and the like where no regular expression has such
// a group: they are empty.
func checkCaptures(r *reader, t *Route, p *path) {
	check := func(text string, at *path) {
		parsed, err := expr.ParseText(text, expr.InAnswer) // legal where it leads, too: both know the same variables
		if err != nil || parsed.Depends()&expr.OnCapture == 0 {
			return
		}
		groups := groupsOf(t.Location)
		for _, v := range parsed.Vars() {
			if v.ID == expr.Capture && v.Group > groups {
				r.warn(at, Fault{Found: "$" + strconv.Itoa(v.Group), Expected: "a group of the route's regular expression, which has " + strconv.Itoa(groups)})
			}
		}
	}
	if t.Redirect != nil {
		check(t.Redirect.To, p.field("redirect").field("to"))
	}
	if t.Fixed != nil {
		check(t.Fixed.Body, p.field("fixed").field("body"))
	}
}

// groupsOf is how many groups a location has.
func groupsOf(location string) int {
	l, err := ParseLocation(location)
	if err != nil || l.Kind != Regexp && l.Kind != RegexpFold {
		return 0
	}
	re, err := expr.ParsePattern(l.Text, false)
	if err != nil {
		return 0
	}
	return re.Groups()
}

func checkHeaders(r *reader, headers []Header, p *path) {
	type first struct {
		index  int
		remove bool
	}
	seen := map[string]first{}
	for i, h := range headers {
		at, remove := p.item(i), h.Action == "remove"
		name := strings.ToLower(h.Name)
		before, ok := seen[name]
		switch {
		case ok && before.remove != remove:
			r.wrong(at, Fault{Found: quoted(h.Name) + " with the opposite action of [" + strconv.Itoa(before.index) + "]", Expected: "one action for a name"})
		case ok && !remove:
			r.warn(at, Fault{Found: quoted(h.Name) + ", as in [" + strconv.Itoa(before.index) + "]", Expected: "a name once: the last replaces the others"})
		}
		seen[name] = first{i, remove}
		switch {
		case remove && h.Value != "":
			r.wrong(at.field("value"), Fault{Found: "a value", Expected: "none to remove a field"})
		case !remove && h.Value == "":
			r.wrong(at.field("value"), Fault{Expected: "a value to add"})
		}
	}
}

func checkCORS(r *reader, c *CORS, p *path, ofSite bool) {
	if c == nil {
		return
	}
	if !ofSite && c.ApplyToURIs != nil {
		r.wrong(p.field("applyToUris"), Fault{Found: "a list", Expected: "none: a route's CORS is for all of the route"})
	}
	r.notEmpty(c.AllowOrigins == nil || len(c.AllowOrigins) > 0, p.field("allowOrigins"), "at least one origin, or enabled: false")
	anyOrigin := c.AllowOrigins == nil || slices.Contains(c.AllowOrigins, "*")
	if c.Enabled && c.AllowCredentials && anyOrigin {
		r.warn(p.field("allowCredentials"), Fault{Found: "credentials and any origin", Expected: "origins by name: every site's scripts may read what users see; their Origin stands in for *"})
	}
}
