package edge

import (
	"bytes"
	"strings"
)

// A hostTable says which site answers for a host. Looking costs the same
// however many there are, and allocates nothing. It is made once and only read
// afterwards.
type hostTable struct {
	exact map[string]*site
	wild  map[string]*site // by what follows "*."
	deep  int              // labels of the longest of these
	other *site            // of "_": for every host that nobody names; nil: none
}

// anyHost is the hostname of the site that answers for every other one.
const anyHost = "_"

// add names s for a hostname, in lower case. It returns the site that has it
// already, and then changes nothing.
func (t *hostTable) add(name string, s *site) (taken *site) {
	if t.exact == nil {
		t.exact, t.wild = map[string]*site{}, map[string]*site{}
	}
	suffix, wild := strings.CutPrefix(name, "*.")
	switch {
	case name == anyHost:
		if t.other == nil {
			t.other = s
		}
		taken = t.other
	case wild:
		if taken = t.wild[suffix]; taken == nil {
			t.wild[suffix], taken = s, s
			t.deep = max(t.deep, 1+strings.Count(suffix, "."))
		}
	default:
		if taken = t.exact[name]; taken == nil {
			t.exact[name], taken = s, s
		}
	}
	if taken == s {
		return nil
	}
	return taken
}

// find returns the site for a host as hostOf gives it: the one that names it,
// else the wildcard with the most labels, else the one for all others; nil:
// there is none.
func (t *hostTable) find(host []byte) *site {
	if s := t.exact[string(host)]; s != nil {
		return s
	}
	if len(t.wild) == 0 {
		return t.other
	}
	// A client may send any number of labels; no more are looked at than a
	// wildcard has.
	labels := bytes.Count(host, []byte{'.'}) // behind the first label
	for rest := host; labels > 0; labels-- {
		_, rest, _ = bytes.Cut(rest, []byte{'.'})
		if labels > t.deep {
			continue
		}
		if s := t.wild[string(rest)]; s != nil {
			return s
		}
	}
	return t.other
}

// hostOf returns the host in an authority as sites are named: in lower case,
// without port and without the dot of a complete name at its end. What has to
// be changed is written to scratch, which is returned for the next time.
func hostOf(authority, scratch []byte) (host, used []byte) {
	host = authority
	if i := bytes.LastIndexByte(host, ':'); i >= 0 && bytes.IndexByte(host[i:], ']') < 0 {
		host = host[:i]
	}
	if n := len(host); n > 1 && host[n-1] == '.' {
		host = host[:n-1]
	}
	for _, b := range host {
		if 'A' <= b && b <= 'Z' {
			scratch = appendLower(scratch[:0], host)
			return scratch, scratch
		}
	}
	return host, scratch
}
