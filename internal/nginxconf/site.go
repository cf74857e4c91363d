package nginxconf

import (
	"fmt"
	"slices"
	"strings"

	"opencache/internal/expr"
)

// A site is a server block as it becomes a document.
type site struct {
	*importing
	server     *server
	pools      []object
	poolNames  map[string]string // by what a pool is
	names      map[string]bool   // of pools
	routes     []*route
	locations  map[string]bool
	rules      []*rule
	zones      []*zone
	next       []*Directive // proxy_next_upstream and its like
	cookies    *Directive   // responses with Set-Cookie are stored
	cookieless bool         // but not by all rules
	rateLimits []object
	rateZones  []string // of nginx, of each
	rateNames  map[string]bool
}

// A route is a location as it becomes part of a document.
type route struct {
	location string
	from     []*Directive
	kind     string
	upstream string
	section  object // of the kind
	headers  []object

	compression object // nil: none
	access      object // who may ask, and for what
	body        member // a request's largest content; the zero value: its site's
}

// A rule is how responses of some routes are stored.
type rule struct {
	routes []string
	body   object
}

func (m *importing) makeSite(v *server) {
	var names []string
	for _, name := range v.names {
		if m.taken[name] {
			m.notes.add(v.block, Lost, name+" is a name of a site before", "one site for a name, on all addresses")
			continue
		}
		m.taken[name] = true
		names = append(names, name)
	}
	if v.standin {
		names = append(names, "_")
	}
	if len(names) == 0 {
		if !slices.ContainsFunc(m.servers, func(o *server) bool { return slices.Contains(o.merged, v) }) {
			m.notes.add(v.block, Lost, "no host leads here", "a server_name")
		}
		return
	}
	s := &site{importing: m, server: v, poolNames: map[string]string{}, names: map[string]bool{}, locations: map[string]bool{}, rateNames: map[string]bool{}}
	s.locate()
	id := m.idFor(v)
	o := object{{key: "id", value: id}, {key: "hostnames", value: names, from: v.own("server_name")}}
	s.tls(&o)
	if len(s.pools) > 0 {
		o.put("upstreams", s.pools)
	}
	s.writeRoutes(&o)
	if cache := s.cache(); len(cache) > 0 {
		o.put("cache", cache)
	}
	o = append(o, member{key: "speculationRules", value: "pass", say: "as nginx does"})
	for _, z := range s.zones {
		z.users++
	}
	m.drafts = append(m.drafts, draft{key: "opencache:edgeResource:" + id, body: o, zones: s.zones,
		head: "Made of " + v.block.place() + " by opencache import."})
}

// tls adds the section that waits for TLS, as a comment.
func (s *site) tls(o *object) {
	if !s.server.ssl {
		return
	}
	var t object
	one := func(key, name string, value func(*Directive) any) {
		if d := s.server.one(name); d != nil {
			s.notes.add(d, Lost, "not yet: TLS comes later", "the section tls, which stands in the document as a comment")
			t.put(key, value(d), d)
		}
	}
	first := func(d *Directive) any { return d.arg(0) }
	one("certificate", "ssl_certificate", first)
	one("key", "ssl_certificate_key", first)
	one("protocols", "ssl_protocols", func(d *Directive) any { return d.Args })
	one("ciphers", "ssl_ciphers", first)
	one("ocspStapling", "ssl_stapling", func(d *Directive) any { return d.arg(0) == "on" })
	for _, v := range s.server.merged {
		if v.forward {
			t.put("redirectHttp", true, v.block)
			break
		}
	}
	*o = append(*o, member{key: "tls", value: t, off: true, say: "Not yet: TLS comes later."})
}

// writeRoutes adds the routes, and to the site the headers that all of them have.
func (s *site) writeRoutes(o *object) {
	var shared []object
	for _, h := range s.routes[0].headers {
		everywhere := func(r *route) bool {
			return slices.ContainsFunc(r.headers, func(x object) bool { return x.same() == h.same() })
		}
		if !slices.ContainsFunc(s.routes, func(r *route) bool { return !everywhere(r) }) {
			shared = append(shared, h)
		}
	}
	alike := !slices.ContainsFunc(s.routes, func(r *route) bool {
		return (r.compression == nil) != (s.routes[0].compression == nil) || r.compression.same() != s.routes[0].compression.same()
	})
	var list []object
	access := s.accessOf()
	for _, r := range s.routes {
		var one object
		one.put("location", r.location, r.from...)
		if r.kind != "cache_proxy" {
			one.put("kind", r.kind)
		}
		if r.upstream != "" {
			one.put("upstream", r.upstream)
		}
		if r.section != nil {
			one.put(r.kind, r.section)
		}
		own := slices.DeleteFunc(slices.Clone(r.headers), func(h object) bool {
			return slices.ContainsFunc(shared, func(x object) bool { return x.same() == h.same() })
		})
		if len(own) > 0 {
			one.put("headers", own)
		}
		if !alike && r.compression != nil {
			one.put("compression", r.compression)
		}
		if len(r.access) > 0 {
			one.put("access", r.access)
		}
		list = append(list, one)
	}
	o.put("routes", list)
	if len(s.rateLimits) > 0 {
		o.put("rateLimits", s.rateLimits)
	}
	if len(access) > 0 {
		o.put("access", access)
	}
	if len(shared) > 0 {
		o.put("headers", shared)
	}
	if alike && s.routes[0].compression != nil {
		o.put("compression", s.routes[0].compression)
	}
}

// locate makes the routes.
func (s *site) locate() {
	v := s.server
	if !v.forward {
		s.conditions(v.block)
	}
	if d := s.whole(); d != nil {
		s.add(v.scope, &route{location: "/", from: []*Directive{v.block, d}}, func(r *route) { s.returned(v.scope, d, r) })
		return
	}
	for _, d := range v.own("rewrite") {
		s.rewrite(v.scope, d, "/")
	}
	list := v.own("location")
	for _, d := range list {
		s.location(v.scope.within(d), d, "")
	}
	if !s.locations["/"] {
		s.add(v.scope, &route{location: "/", from: []*Directive{v.block}}, func(r *route) { s.answer(v.scope, r, "/") })
	}
}

// whole returns what a server answers to everything, if it does.
func (s *site) whole() *Directive {
	v := s.server
	for i := range v.block.Block {
		d := &v.block.Block[i]
		switch {
		case d.Name == "return" && v.forward && strings.HasPrefix(d.arg(0), "4"): // behind certbot's if
		case d.Name == "return":
			return d
		case d.Name == "rewrite" && redirects(d) && wholePattern(d.arg(0)):
			if _, ok := wholeTarget(d); ok {
				return d
			}
		case d.Name == "if" && v.forward && len(d.Block) == 1 && d.Block[0].Name == "return":
			return &d.Block[0]
		}
	}
	return nil
}

// conditions notes the ifs of a block that do more than set variables.
func (s *site) conditions(block *Directive) {
	for i := range block.Block {
		d := &block.Block[i]
		switch {
		case d.Name != "if" || onlySets(d) || methodsOf(d) != nil:
		case slices.ContainsFunc(d.Block, func(d Directive) bool { return d.Name == "return" && strings.HasPrefix(d.arg(0), "4") }):
			s.notes.add(d, Lost, "answers do not depend on an if: THIS OPENS WHAT IT CLOSED", "access, or filters.deny of the node document")
		default:
			s.notes.add(d, Lost, "answers do not depend on an if", "a rule with match.condition, or a location")
		}
	}
}

// add adds a route once it is filled in.
func (s *site) add(in *scope, r *route, fill func(*route)) {
	as := plain(r.location)
	if s.locations[as] {
		s.notes.add(in.block, Lost, "the location "+r.location+" is there before", "the one before")
		return
	}
	s.locations[as] = true
	fill(r)
	r.headers = s.headers(in, r)
	r.compression = s.compression(in)
	r.body = s.bodyOf(in)
	s.routes = append(s.routes, r)
}

func plain(location string) string { return strings.TrimPrefix(location, "^~ ") }

// location makes routes of a location and of those in it.
func (s *site) location(in *scope, d *Directive, around string) {
	mark, text := markOf(d)
	if mark == "@" {
		return // try_files looks for it
	}
	in.run()
	s.conditions(d)
	path := text
	if mark == "~" || mark == "~*" {
		path = ""
		var ok bool
		if text, ok = s.pattern(in, d, text, mark == "~*", around); !ok {
			return
		}
	}
	location := strings.TrimSpace(mark + " " + text)
	for _, inner := range in.own("location") {
		s.location(in.within(inner), inner, path)
	}
	for _, r := range in.own("rewrite") {
		s.rewrite(in, r, path)
	}
	s.add(in, &route{location: location, from: []*Directive{d}}, func(r *route) { s.answer(in, r, path) })
	last := len(s.routes) - 1
	if slash := strings.TrimSuffix(path, "/"); mark != "=" && slash != path && slash != "" && len(in.own("proxy_pass")) > 0 && last >= 0 && s.routes[last].upstream != "" &&
		!s.locations[slash] && !s.locations["= "+slash] && !s.declared(slash) {
		s.add(in, &route{location: "= " + slash, kind: "redirect", from: []*Directive{d}}, func(r *route) {
			r.section = object{{key: "status", value: 301, say: "as nginx does for a location that ends with a slash"}, {key: "to", value: strings.ReplaceAll(slash, "$", "$$") + "/$is_args$args"}}
		})
	}
}

// declared reports whether the server has a location of its own for a path.
func (s *site) declared(path string) bool {
	return slices.ContainsFunc(s.server.own("location"), func(d *Directive) bool {
		mark, text := markOf(d)
		return text == path && mark != "~" && mark != "~*"
	})
}

// markOf divides a location, whose mark may touch what follows.
func markOf(d *Directive) (mark, text string) {
	if len(d.Args) > 1 {
		return d.Args[0], d.Args[1]
	}
	text = d.arg(0)
	for _, mark := range []string{"^~", "~*", "~", "=", "@"} {
		if rest, ok := strings.CutPrefix(text, mark); ok {
			return mark, rest
		}
	}
	return "", text
}

// pattern is a location's regular expression as one of ours; around is the
// prefix of the location that it stands in.
func (s *site) pattern(in *scope, d *Directive, text string, fold bool, around string) (string, bool) {
	if around != "" && around != "/" && !strings.HasPrefix(text, "^"+around) {
		if strings.HasPrefix(text, "^") {
			s.notes.add(d, Lost, "a regular expression in a location that is not below its path", "a location by itself")
			return "", false
		}
		s.notes.add(d, Changed, "it is compared beside the other locations, not only where the one around it is the longest", "")
		text = "^" + quoteMeta(around) + ".*(?:" + text + ")"
	}
	_, err := expr.ParsePattern(text, fold)
	if err == nil {
		return text, true
	}
	if wider := withoutLooking(text); wider != text && s.closes(in) {
		if _, err := expr.ParsePattern(wider, fold); err == nil {
			s.notes.add(d, Changed, "there is no looking ahead: what it excepts is closed as well", "a location ^~ for what is excepted")
			return wider, true
		}
	}
	s.notes.add(d, Lost, "the regular expression can not be used here ("+whyOf(err).Error()+"): OTHER LOCATIONS ANSWER FOR ITS PATHS", "a location without it")
	return "", false
}

// quoteMeta quotes what a regular expression minds in a path.
func quoteMeta(path string) string {
	var b strings.Builder
	for i := range len(path) {
		if strings.IndexByte(`\.+*?()|[]{}^$`, path[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(path[i])
	}
	return b.String()
}

// withoutLooking takes lookarounds without groups in them out.
func withoutLooking(pattern string) string {
	for _, open := range []string{"(?!", "(?<!"} {
		for {
			before, rest, ok := strings.Cut(pattern, open)
			inner, after, end := strings.Cut(rest, ")")
			if !ok || !end || strings.ContainsAny(inner, `(\[`) {
				break
			}
			pattern = before + after
		}
	}
	return pattern
}

// redirects reports whether a rewrite answers the client.
func redirects(d *Directive) bool {
	flag, to := d.arg(2), d.arg(1)
	return flag == "permanent" || flag == "redirect" || strings.HasPrefix(to, "http://") || strings.HasPrefix(to, "https://") || strings.HasPrefix(to, "$scheme")
}

// wholePatterns are what rewrite everything, and how they begin what the first
// group has.
var wholePatterns = map[string]string{"^": "", "^/": "", ".*": "", "^.*$": "", "^.*": "", "^/.*$": "", "^(.*)$": "$1", "^(.*)": "$1", "(.*)": "$1",
	"^/(.*)$": "/$1", "^/(.*)": "/$1", "^/?(.*)$": "/$1", "^(/.*)$": "$1"}

func wholePattern(pattern string) bool { _, ok := wholePatterns[pattern]; return ok }

// wholeTarget is where a rewrite of everything leads, without groups.
func wholeTarget(d *Directive) (string, bool) {
	to := d.arg(1)
	if group := wholePatterns[d.arg(0)]; group != "" {
		to = strings.ReplaceAll(to, group, "$uri")
	}
	return to, !strings.Contains(to, "$1")
}

// target is where a rewrite leads: nginx adds the query, unless it ends with ?.
func (s *site) target(d *Directive, to string) string {
	if bare, ok := strings.CutSuffix(to, "?"); ok {
		return bare
	}
	if strings.Contains(to, "?") {
		s.notes.add(d, Changed, "the request's query is not added to one that is there", "")
		return to
	}
	if strings.HasSuffix(to, "$request_uri") {
		return to
	}
	return to + "$is_args$args"
}

// rewrite makes a route of a rewrite that answers the client.
func (s *site) rewrite(in *scope, d *Directive, path string) {
	if !redirects(d) {
		s.notes.add(d, Lost, "paths are not rewritten", "the origin's own rewriting, or a redirect")
		return
	}
	if wholePattern(d.arg(0)) {
		return // the location's answer
	}
	p, err := expr.ParsePattern(d.arg(0), false)
	if err != nil || path != "/" && (path == "" || !strings.HasPrefix(p.LiteralPrefix(), path)) {
		s.notes.add(d, Lost, "a rewrite that is not for the whole of its location, nor for paths below it alone", "a location with a redirect")
		return
	}
	location := "~ " + d.arg(0)
	r := &route{location: location, from: []*Directive{d}, kind: "redirect"}
	text, err := in.text(s.target(d, d.arg(1)), expr.InRedirect)
	if err != nil {
		s.notes.add(d, Lost, err.Error(), "")
		return
	}
	s.add(in, r, func(r *route) {
		status := 302
		if d.arg(2) == "permanent" {
			status = 301
		}
		r.section = object{{key: "status", value: status}, {key: "to", value: text}}
	})
}

// fixed has a route give one answer.
func fixed(r *route, status int, body string) {
	r.kind, r.upstream = "fixed", ""
	r.section = object{{key: "status", value: status}}
	if body != "" {
		r.section.put("body", body)
	}
}

// shut has a route answer 501: it was one that can not be, and leaving it out
// would have others answer for its paths.
func (s *site) shut(d *Directive, r *route, why, nearest string) {
	if nearest != "" {
		nearest += "; "
	}
	s.notes.add(d, Lost, why, nearest+"an answer of 501 stands in its place")
	r.from = append(r.from, d)
	fixed(r, 501, fmt.Sprintf("not carried over from nginx: %s\n", strings.ReplaceAll(d.place(), "$", "$$")))
}
