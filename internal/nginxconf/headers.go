package nginxconf

import (
	"strings"

	"opencache/internal/config"
	"opencache/internal/expr"
)

// framing are fields that no document changes.
var framing = setOf("connection content-length content-range keep-alive proxy-connection te trailer transfer-encoding upgrade")

// headers are what a location does to the fields of answers.
func (s *site) headers(in *scope, r *route) []object {
	var list []object
	at := map[string]int{}
	add := func(name, value string, from ...*Directive) {
		one := object{{key: "name", value: name, from: from}, {key: "value", value: value}}
		if i, ok := at[strings.ToLower(name)]; ok {
			list[i] = one
			return
		}
		at[strings.ToLower(name)] = len(list)
		list = append(list, one)
	}
	control, from := "", []*Directive(nil)
	if r.kind != "cache_proxy" || hasControl(in) {
		control, from = s.expires(in)
	}
	for _, d := range in.all("add_header") {
		name := d.arg(0)
		value, err := in.text(d.arg(1), expr.InResponse)
		_, twice := at[strings.ToLower(name)]
		switch {
		case err != nil:
			s.notes.add(d, Lost, err.Error(), "")
			continue
		case framing[strings.ToLower(name)]:
			s.notes.add(d, Lost, "the field frames the message", "")
			continue
		case value == "":
			continue
		case d.arg(2) != "always":
			s.notes.add(d, Changed, "fields are set on every status, errors among them, and replace the origin's of that name", "")
		}
		if strings.EqualFold(name, "cache-control") && control != "" {
			value, from = control+", "+value, append(from, d)
			control = ""
			add("Cache-Control", value, from...)
			continue
		}
		if twice {
			s.notes.add(d, Changed, "a field is set once: the last replaces the others", "")
		}
		add(name, value, d)
	}
	if control != "" {
		add("Cache-Control", control, from...)
	}
	for _, d := range in.all("proxy_hide_header") {
		if _, ok := at[strings.ToLower(d.arg(0))]; ok || framing[strings.ToLower(d.arg(0))] {
			continue // what is added replaces what the origin says
		}
		at[strings.ToLower(d.arg(0))] = len(list)
		list = append(list, object{{key: "name", value: d.arg(0), from: []*Directive{d}}, {key: "action", value: "remove"}})
	}
	return list
}

// hasControl reports whether a location adds a Cache-Control of its own.
func hasControl(in *scope) bool {
	for _, d := range in.all("add_header") {
		if strings.EqualFold(d.arg(0), "cache-control") && d.arg(1) != "" {
			return true
		}
	}
	return false
}

// expiry is what expires says; ok is false where it says nothing that can be
// carried over.
func (s *site) expiry(in *scope) (d *Directive, age config.Duration, ok bool) {
	d = in.one("expires")
	if d == nil {
		return nil, 0, false
	}
	switch word := d.arg(0); word {
	case "off":
		return d, 0, false
	case "max":
		return d, config.Duration(315360000e9), true
	case "epoch":
		return d, -1, true
	default:
		if strings.HasPrefix(word, "-") {
			return d, -1, true
		}
		if age, err := duration(strings.TrimPrefix(word, "+")); err == nil && len(d.Args) == 1 {
			return d, age, true
		}
	}
	s.notes.add(d, Lost, "what is told of freshness does not depend on the request", "expiration of a rule")
	return d, 0, false
}

// expires is what Cache-Control says by expires, for what no rule is for.
func (s *site) expires(in *scope) (control string, from []*Directive) {
	d, age, ok := s.expiry(in)
	if !ok {
		return "", nil
	}
	s.notes.add(d, Changed, "Cache-Control is set on every status, and Expires is not", "")
	if age < 0 {
		return "no-cache", []*Directive{d}
	}
	return "max-age=" + seconds(age), []*Directive{d}
}
