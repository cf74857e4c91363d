package edge

import (
	"bytes"
	"hash/maphash"
	"strings"
)

// A hostTable says which site answers for a host. Looking costs the same
// however many there are, and allocates nothing. It is made once and only read
// afterwards.
type hostTable struct {
	exact hostNames
	wild  hostNames // by what follows "*."
	deep  int       // labels of the longest of these
	other *site     // of "_": for every host that nobody names; nil: none
}

// anyHost is the hostname of the site that answers for every other one.
const anyHost = "_"

// add names s for a hostname, in lower case. It returns the site that has it
// already, and then changes nothing.
func (t *hostTable) add(name string, s *site) (taken *site) {
	suffix, wild := strings.CutPrefix(name, "*.")
	switch {
	case name == anyHost:
		if t.other == nil {
			t.other = s
		}
		taken = t.other
	case wild:
		if taken = t.wild.add(suffix, s); taken == s {
			t.deep = max(t.deep, 1+strings.Count(suffix, "."))
		}
	default:
		taken = t.exact.add(name, s)
	}
	if taken == s {
		return nil
	}
	return taken
}

// named reports whether a site names a host: otherwise none has to be looked for.
func (t *hostTable) named() bool { return t.exact.count+t.wild.count > 0 }

// find returns the site for a host as hostOf gives it: the one that names it,
// else the wildcard with the most labels, else the one for all others; nil:
// there is none.
func (t *hostTable) find(host []byte) *site {
	if s := t.exact.find(host); s != nil {
		return s
	}
	if t.wild.count == 0 {
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
		if s := t.wild.find(rest); s != nil {
			return s
		}
	}
	return t.other
}

// hostNames are the sites of names: a table in which a name is where its hash
// says, or soon behind. Name and site are in the same line of a processor's
// cache: a node of many sites finds none of them there, and each line more
// that a request needs is a wait for memory.
type hostNames struct {
	seed  maphash.Seed
	slots []hostSlot       // a power of two, a quarter of them empty
	long  map[string]*site // of names that fit in no slot
	count int
}

// A hostSlot is one name, or empty: no site.
type hostSlot struct {
	site *site
	size uint8
	text [hostText]byte
}

const (
	hostText  = 55 // what fits into a line beside the rest
	leastHost = 4  // slots
)

// add puts a name in, and returns the site that has it now: s, or the one that
// has had it.
func (t *hostNames) add(name string, s *site) *site {
	if had := t.find([]byte(name)); had != nil {
		return had
	}
	t.count++
	if len(name) > hostText {
		if t.long == nil {
			t.long = map[string]*site{}
		}
		t.long[name] = s
		return s
	}
	if len(t.slots) == 0 {
		t.seed = maphash.MakeSeed()
	}
	if 4*t.count > 3*len(t.slots) {
		was := t.slots
		t.slots = make([]hostSlot, max(2*len(was), leastHost))
		for i := range was {
			if h := &was[i]; h.site != nil {
				*t.empty(h.text[:h.size]) = *h
			}
		}
	}
	h := t.empty([]byte(name))
	h.site, h.size = s, uint8(copy(h.text[:], name))
	return s
}

// empty is the slot for a name that is not in the table.
func (t *hostNames) empty(name []byte) *hostSlot {
	last := uint64(len(t.slots) - 1)
	for i := maphash.Bytes(t.seed, name) & last; ; i = (i + 1) & last {
		if t.slots[i].site == nil {
			return &t.slots[i]
		}
	}
}

// find returns the site of a name, nil when there is none.
func (t *hostNames) find(name []byte) *site {
	switch {
	case len(name) > hostText:
		return t.long[string(name)]
	case len(t.slots) == 0:
		return nil
	}
	last := uint64(len(t.slots) - 1)
	for i := maphash.Bytes(t.seed, name) & last; ; i = (i + 1) & last {
		h := &t.slots[i]
		if h.site == nil {
			return nil
		}
		if string(h.text[:h.size]) == string(name) {
			return h.site
		}
	}
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
