package main

import (
	"regexp/syntax"
	"slices"
	"strings"

	"opencache/internal/config"
	"opencache/internal/edge"
	"opencache/internal/expr"
)

// Likely requests are those that documents tell apart: for each host, location,
// pattern, extension, method and condition of a site one that it is for.
type likely struct {
	list []edge.Question
	seen map[string]bool
}

// likelyRequests are made of the sites of several snapshots, each once.
func likelyRequests(shots ...*config.Snapshot) []edge.Question {
	l := &likely{seen: map[string]bool{}}
	for _, shot := range shots {
		for _, s := range shot.Sites {
			l.site(s)
		}
	}
	return l.list
}

func (l *likely) add(q edge.Question) {
	name := requestName(&q)
	if !l.seen[name] {
		l.seen[name] = true
		l.list = append(l.list, q)
	}
}

// requestName is a request in words.
func requestName(q *edge.Question) string {
	name := q.Method + " " + q.URL
	for _, f := range q.Fields {
		name += " -H '" + f + "'"
	}
	return name
}

func (l *likely) site(s *config.Site) {
	if len(s.Hostnames) == 0 {
		return
	}
	for _, h := range s.Hostnames {
		l.add(edge.Question{Method: "GET", URL: "https://" + hostLike(h) + "/"})
	}
	base := "http://" + hostLike(s.Hostnames[0])
	get := func(target string) {
		if strings.HasPrefix(target, "/") {
			l.add(edge.Question{Method: "GET", URL: base + target})
		}
	}
	for i := range s.Routes {
		for _, path := range pathsLike(s.Routes[i].Location) {
			get(path)
			get(path + "?b=2&a=1")
		}
	}
	c := &s.Cache
	extensions := []string{"html"}
	for i := range c.Rules {
		extensions = append(extensions, c.Rules[i].Match.Extensions...)
		l.rule(base, &c.Rules[i])
	}
	for i := range c.TierRules {
		for _, m := range append([]string{"GET"}, c.TierRules[i].Match.Methods...) {
			l.add(edge.Question{Method: m, URL: base + textLike(c.TierRules[i].Match.URIPattern)})
		}
	}
	if k := c.Global.KnownStaticFiles; k != nil {
		extensions = append(extensions, k.Extensions...)
	}
	for _, e := range extensions {
		get("/file." + e)
	}
	if q := c.Global.QueryNormalization; q != nil {
		for _, name := range q.DropParams {
			get("/?" + name + "=1&z=1&a=2&a=1")
		}
	}
}

// rule adds requests that a rule is for.
func (l *likely) rule(base string, r *config.CacheRule) {
	m := &r.Match
	path := "/"
	switch {
	case m.TargetPattern != "":
		path = textLike(m.TargetPattern)
	case m.URIPattern != "":
		path = textLike(m.URIPattern)
	case len(m.Extensions) > 0:
		path = "/file." + m.Extensions[0]
	}
	for _, method := range append([]string{"GET", "POST"}, m.Methods...) {
		l.add(edge.Question{Method: method, URL: base + path})
	}
	for _, text := range slices.Concat([]string{m.Condition, r.Cache.Bypass}, r.Cache.NoStoreConditions) {
		condition, err := expr.ParseCondition(text)
		if text == "" || err != nil {
			continue
		}
		for _, x := range condition.Vars() {
			q := edge.Question{Method: "GET", URL: base + path}
			switch x.ID {
			case expr.Cookie_:
				q.Fields = []string{"Cookie: " + x.Name + "=1"}
			case expr.HTTP_:
				q.Fields = []string{x.Name + ": 1"}
			case expr.Arg_:
				q.URL += "?" + x.Name + "=1"
			}
			l.add(q)
		}
	}
}

// hostLike is a host that a hostname is for.
func hostLike(name string) string {
	if name == "_" {
		return "any.invalid"
	}
	return strings.Replace(name, "*", "www", 1)
}

// pathsLike are paths that a location is for.
func pathsLike(location string) []string {
	l, err := config.ParseLocation(location)
	switch {
	case err != nil:
		return nil
	case l.Kind == config.Exact:
		return []string{l.Text}
	case l.Kind == config.Regexp || l.Kind == config.RegexpFold:
		return []string{textLike(l.Text)}
	}
	return []string{l.Text, l.Text + "x"}
}

// textLike is a short path that a regular expression matches, as far as that
// can be read from it. Look-ahead and the like it has none of.
func textLike(pattern string) string {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "/"
	}
	var b strings.Builder
	appendLike(&b, re.Simplify())
	if text := b.String(); strings.HasPrefix(text, "/") {
		return text
	}
	return "/" + b.String()
}

func appendLike(b *strings.Builder, re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			appendRune(b, r)
		}
	case syntax.OpCharClass:
		appendRune(b, inClass(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('x')
	case syntax.OpCapture, syntax.OpPlus, syntax.OpAlternate:
		appendLike(b, re.Sub[0])
	case syntax.OpRepeat:
		for range re.Min {
			appendLike(b, re.Sub[0])
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			appendLike(b, sub)
		}
	}
}

// inClass is a character of a class: a letter or digit, if there is one.
func inClass(ranges []rune) rune {
	for _, r := range "xa0-_.A/" {
		for i := 0; i+1 < len(ranges); i += 2 {
			if ranges[i] <= r && r <= ranges[i+1] {
				return r
			}
		}
	}
	if len(ranges) == 0 {
		return 'x'
	}
	return ranges[0]
}

// appendRune appends a character as a path has it.
func appendRune(b *strings.Builder, r rune) {
	const hex = "0123456789ABCDEF"
	for _, c := range []byte(string(r)) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"#%<>?[\]^{|}`+"`", c) >= 0 {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
			continue
		}
		b.WriteByte(c)
	}
}
