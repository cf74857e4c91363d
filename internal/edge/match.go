package edge

import (
	"bytes"

	"opencache/internal/expr"
)

// match returns the number of the choice for the request, below 0 when no
// route has its path. It is pure: what it depends on is the request, and what
// the memo may keep of it site.depends says.
func (v *visit) match() int {
	s := v.site
	if !s.patterns {
		return s.choice(0, 0)
	}
	path := v.path()
	route, by, length := s.at.find(path)
	if route < 0 {
		return -1
	}
	if s.kinds[route] != cacheProxy { // a fleet stores nothing that a site says is not to be stored
		return s.choice(route, len(s.rules))
	}
	if by != exactly {
		for i := s.own; i < s.fleet; i++ {
			// As a ^~ location of that prefix would: of two that are as long the
			// site's holds, unless it is a plain one.
			r := &s.rules[i]
			above := len(r.prefix) > length || len(r.prefix) == length && length > 0 && by != firstPrefix
			if above && v.matches(r, route, path) {
				return s.choice(route, i)
			}
		}
	}
	found := len(s.rules) - 1
	for i := range s.own {
		if v.matches(&s.rules[i], route, path) {
			found = i
			break
		}
	}
	if s.rules[found].narrow {
		return s.choice(route, found)
	}
	if by == longestPrefix {
		for i := s.own; i < s.fleet; i++ {
			if r := &s.rules[i]; r.prefix == "" && v.matches(r, route, path) {
				return s.choice(route, i)
			}
		}
	}
	if known := s.fleet; found == len(s.rules)-1 && known < found && v.matches(&s.rules[known], route, path) {
		found = known
	}
	return s.choice(route, found)
}

// choice is the number of a route with a rule; that of the rules' number is
// the one without.
func (s *site) choice(route, rule int) int { return route*(len(s.rules)+1) + rule }

// matches reports whether a rule is for the request.
func (v *visit) matches(r *rule, route int, path []byte) bool {
	if !r.narrow {
		return true
	}
	return (r.methods == nil || r.methods[string(v.r.MethodText())]) &&
		(r.routes == nil || contains(r.routes, v.site.routes[route].id)) &&
		(r.ext == nil || r.ext[string(v.extension(path))]) &&
		(r.uri == nil || r.uri.Match(path)) &&
		(r.target == nil || r.target.Match(v.matched())) &&
		(r.condition == nil || r.condition.True(&v.values, &v.scratch))
}

func contains(list []string, s string) bool {
	for _, one := range list {
		if one == s {
			return true
		}
	}
	return false
}

// path is $uri, as routes and rules see it.
func (v *visit) path() []byte {
	path := v.r.Path()
	if bytes.IndexByte(path, '%') < 0 && !bytes.Contains(path, []byte("//")) {
		return path // dot segments are gone already
	}
	v.uri = expr.AppendPath(v.uri[:0], path)
	return v.uri
}

// extension is what follows the last dot of the path's last segment, in lower
// case; empty: it has none.
func (v *visit) extension(path []byte) []byte {
	name := path[bytes.LastIndexByte(path, '/')+1:]
	dot := bytes.LastIndexByte(name, '.')
	if dot < 0 {
		return nil
	}
	v.ext = appendLower(v.ext[:0], name[dot+1:])
	return v.ext
}
