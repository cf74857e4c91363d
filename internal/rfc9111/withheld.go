package rfc9111

import (
	"slices"
	"strings"
)

// The directives no-cache and private may name fields (RFC 9111, 5.2.2.4 and
// 5.2.2.7): the response is stored and reused without them. That is done only
// when a response without them is still what the origin meant; else the
// directive counts as if it named none, as both sections allow.

// Withholds reports whether fields are to be left out of what is stored: which,
// Withheld says.
func (f *Facts) Withholds(p *Policy) bool {
	return f.has(noCacheFields) && p.disregards()&dirNoCache == 0 || f.has(privateFields) && p.keepsPrivate()
}

// WithholdNone makes the directives that name fields count as if they did not:
// one of the fields is needed.
func (f *Facts) WithholdNone() {
	f.set(noCache, f.has(noCacheFields))
	f.set(private, f.has(privateFields))
	f.flags &^= noCacheFields | privateFields
}

// Withheld returns the names, in lower case, sorted, each once, of the fields
// to be left out. lines are those of the field that counted: the targeted one
// for which Target reported true, else Cache-Control.
func (f *Facts) Withheld(lines [][]byte, p *Policy) (names []string) {
	add := func(directive string, list []byte) {
		counts := directive == "no-cache" && p.disregards()&dirNoCache == 0 || directive == "private" && p.keepsPrivate()
		if counts && withholdable(list) {
			eachName(list, func(name []byte) { names = append(names, strings.ToLower(string(name))) })
		}
	}
	if f.has(targeted) {
		d, _ := dictionary(lines)
		for _, directive := range d.Names() {
			m, _ := d.Get(directive)
			s, _ := bareString(m)
			add(directive, []byte(s))
		}
	} else {
		for _, line := range lines {
			for d := (directives{rest: line}); d.next(); {
				add(strings.ToLower(string(d.name)), d.arg)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// keepsPrivate reports whether private counts.
func (p *Policy) keepsPrivate() bool { return !p.Private && p.disregards()&dirPrivate == 0 }

// Lost says that the field is withheld: what it said does not count. Only of
// Set-Cookie it may be said; others that the rules read are not withheld.
func (f *Facts) Lost(id Field) {
	if id == SetCookie {
		f.flags &^= sawSetCookie
	}
}

// withholdable reports whether list names fields, at least one, and all of
// them may be left out. A quoted-pair is a backslash here, and no name has one.
func withholdable(list []byte) bool {
	some, all := false, true
	ok := eachName(list, func(name []byte) { some, all = true, all && !needed(name) })
	return ok && some && all
}

// eachName yields the members of #field-name. It reports false when one of
// them is none.
func eachName(list []byte, yield func(name []byte)) bool {
	for list = skip(list, isListSpace); len(list) > 0; list = skip(list, isListSpace) {
		n := run(list, isToken)
		if n == 0 {
			return false
		}
		yield(list[:n])
		if list = skip(list[n:], isSpace); len(list) > 0 && list[0] != ',' {
			return false
		}
	}
	return true
}

// needed reports whether a response without that field may not be reused: it
// would be another response.
func needed(name []byte) bool {
	const suffix = "-cache-control" // by convention a targeted field's (RFC 9213, 2.4)
	if n := len(name) - len(suffix); n >= 0 && equalFold(name[n:], suffix) {
		return true
	}
	var buf [len("cross-origin-resource-policy")]byte
	if len(name) > len(buf) {
		return false
	}
	for i, c := range name {
		buf[i] = lower(c)
	}
	switch string(buf[:len(name)]) {
	// What caching goes by, here and further on.
	case "age", "cache-control", "cache-groups", "date", "expires", "no-vary-search", "pragma", "surrogate-control", "vary",
		// Validators.
		"etag", "last-modified",
		// What the content is.
		"content-encoding", "content-length", "content-range", "content-type",
		// What the status code needs.
		"allow", "content-location", "location", "www-authenticate",
		// What guards the content at the client.
		"content-disposition", "content-security-policy", "cross-origin-embedder-policy", "cross-origin-opener-policy",
		"cross-origin-resource-policy", "x-content-type-options", "x-frame-options":
		return true
	}
	return false
}
