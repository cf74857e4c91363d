package nginxconf

import (
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"opencache/internal/expr"
)

// answer fills in what answers for a location; path is its prefix, or the
// whole of it, empty for regular expressions.
func (s *site) answer(in *scope, r *route, path string) {
	for i := range in.block.Block {
		d := &in.block.Block[i]
		if d.Name == "return" {
			s.returned(in, d, r)
			return
		}
		if d.Name == "rewrite" && redirects(d) && wholePattern(d.arg(0)) {
			s.returned(in, d, r)
			return
		}
	}
	if s.closed(in, r) {
		return
	}
	s.methods(in, r)
	s.rates(in, r)
	if list := in.own("proxy_pass"); len(list) > 0 {
		s.proxied(in, list[len(list)-1], r, path)
		return
	}
	for _, name := range unspoken {
		if list := in.own(name); len(list) > 0 {
			s.shut(list[0], r, strings.TrimSuffix(name, "_pass")+" is not spoken", "an HTTP server in front of it, and proxy_pass")
			return
		}
	}
	s.static(in, r, path)
}

// returned fills in what return, or a rewrite of everything, answers.
func (s *site) returned(in *scope, d *Directive, r *route) {
	r.from = append(r.from, d)
	status, text := 302, d.arg(0)
	if d.Name == "rewrite" {
		text, _ = wholeTarget(d)
		text = s.target(d, text)
		if d.arg(2) == "permanent" {
			status = 301
		}
		if strings.Contains(text, "$1") {
			s.shut(d, r, "groups of a rewrite of everything", "a return with $request_uri")
			return
		}
	} else if n, err := strconv.Atoi(d.arg(0)); err == nil {
		status, text = n, d.arg(1)
	}
	switch {
	case status == 444:
		s.notes.add(d, Changed, "connections are not closed without an answer", "an answer of 403")
		fixed(r, 403, "")
		return
	case status == 301, status == 302, status == 303, status == 307, status == 308:
		to, err := in.text(text, expr.InRedirect)
		if err != nil || text == "" {
			s.shut(d, r, "where it leads can not be told: "+errText(err), "")
			return
		}
		r.kind = "redirect"
		r.section = object{{key: "status", value: status}, {key: "to", value: to}}
		return
	case status < 200 || status > 599:
		s.shut(d, r, "no status", "")
		return
	}
	body, err := in.text(text, expr.InAnswer)
	if err != nil {
		s.notes.add(d, Lost, "the content of the answer: "+err.Error(), "the status alone")
	}
	if len(d.Args) < 2 && status != 204 && status != 304 {
		body = strconv.Itoa(status) + " " + http.StatusText(status) + "\n"
	}
	fixed(r, status, body)
	if t := in.one("default_type"); t != nil && len(d.Args) > 1 {
		r.section.put("contentType", t.arg(0), t)
	}
}

func errText(err error) string {
	if err == nil {
		return "nothing is said"
	}
	return err.Error()
}

// closes reports whether a location answers nobody.
func (s *site) closes(in *scope) bool {
	for _, d := range in.own("return") {
		if strings.HasPrefix(d.arg(0), "4") {
			return true
		}
	}
	if slices.ContainsFunc(unspoken, func(name string) bool { return len(in.own(name)) > 0 }) || len(in.own("internal")) > 0 {
		return true
	}
	_, all := denied(clientRules(in))
	return all
}

// unspoken are the directives of what answers locations in nginx and not here.
var unspoken = []string{"fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass", "memcached_pass", "stub_status", "empty_gif", "js_content", "perl", "proxy_store"}

// proxied fills in a location that an upstream answers for.
func (s *site) proxied(in *scope, d *Directive, r *route, path string) {
	for _, w := range in.own("rewrite") {
		if !redirects(w) {
			s.shut(w, r, "what goes upstream is not rewritten", "the path as the origin knows it")
			return
		}
	}
	pool, err := s.pool(in, d, path)
	if err != "" {
		s.shut(d, r, err, "")
		return
	}
	r.upstream = pool
	r.kind = "proxy"
	s.requestFields(in)
	cached := in.one("proxy_cache")
	switch {
	case cached == nil || cached.arg(0) == "off":
	case in.is("proxy_buffering", "off"):
		s.notes.add(in.one("proxy_buffering"), Changed, "nginx stores nothing without buffering", "a route that is not cached")
	default:
		r.kind = "cache_proxy"
		s.cached(in, cached, r)
	}
	for _, name := range []string{"proxy_next_upstream", "proxy_next_upstream_tries", "proxy_next_upstream_timeout"} {
		if d := in.one(name); d != nil {
			s.nextUpstream(d)
		}
	}
}

// nextUpstream keeps the first directive of a kind: they are a site's.
func (s *site) nextUpstream(d *Directive) {
	for _, had := range s.next {
		if had.Name == d.Name {
			if had.String() != d.String() {
				s.notes.add(d, Changed, "it holds for a whole site", "what is said at "+had.place())
			}
			return
		}
	}
	s.next = append(s.next, d)
}

// static fills in a location that files answer for.
func (s *site) static(in *scope, r *route, path string) {
	if t := in.one("try_files"); t != nil && len(t.Args) > 0 {
		last := t.Args[len(t.Args)-1]
		if strings.HasPrefix(last, "@") && s.named(in, t, last[1:], r, path) {
			return
		}
		if last != "=404" && !(last == "$uri" || last == "$uri/") {
			s.notes.add(t, Lost, "files that are not there are not asked for elsewhere", "an answer of 404")
		}
		r.from = append(r.from, t)
	}
	d := in.one("root")
	if list := in.own("alias"); len(list) > 0 {
		d = list[0]
		root, ok := strings.CutSuffix(strings.TrimSuffix(d.arg(0), "/"), strings.TrimSuffix(path, "/"))
		if !ok || path == "" || strings.HasPrefix(r.location, "~") {
			s.shut(d, r, "the path of a file is the request's, below root", "root, and a folder of the location's name in it")
			return
		}
		s.folder(in, d, r, root)
		return
	}
	if d == nil {
		s.notes.add(in.block, Changed, "nothing answers but the folder html that nginx came with", "an answer of 404")
		fixed(r, 404, "")
		return
	}
	root, err := in.text(d.arg(0), expr.InAnswer)
	if err != nil || strings.Contains(root, "$") {
		s.shut(d, r, "a folder that depends on the request", "a site for each")
		return
	}
	s.folder(in, d, r, root)
}

func (s *site) folder(in *scope, d *Directive, r *route, root string) {
	if root == "" {
		root = "/"
	}
	if !filepath.IsAbs(root) {
		s.notes.add(d, Changed, "a folder below the one that nginx was built for", "/usr/share/nginx")
		root = filepath.Join("/usr/share/nginx", root)
	}
	r.kind = "static"
	r.section.put("root", root, d)
	if list := in.own("autoindex"); len(list) > 0 && list[0].arg(0) == "on" {
		s.notes.add(list[0], Lost, "folders are not listed", "")
	}
	if x := in.one("index"); x != nil && len(x.Args) > 0 && !strings.ContainsAny(x.Args[0], "$/") {
		if len(x.Args) > 1 {
			s.notes.add(x, Changed, "one file answers for a folder", x.Args[0])
		}
		if x.Args[0] != "index.html" {
			r.section.put("index", x.Args[0], x)
		}
	}
}

// named has the upstream of a named location answer for files, too.
func (s *site) named(in *scope, t *Directive, name string, r *route, path string) bool {
	for at := in; at != nil; at = at.around {
		for _, d := range at.own("location") {
			if mark, text := markOf(d); mark == "@" && text == name {
				to := at.within(d)
				to.run()
				if len(to.own("proxy_pass")) == 0 {
					return false
				}
				s.notes.add(t, Changed, "files do not go before an upstream", "all of it from the upstream of @"+name)
				r.from = append(r.from, t, d)
				first := r.access
				r.access = nil
				s.answer(to, r, path)
				switch {
				case len(first) == 0 || r.kind == "fixed" || r.access.same() == first.same():
				case len(r.access) == 0:
					r.access = first
				default:
					r.access = nil
					s.refuse(d, r, "one location says who may ask, not two after each other")
				}
				return true
			}
		}
	}
	return false
}
