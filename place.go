package opencache

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"opencache/internal/engine"
	"opencache/internal/wire"
)

// A place is where a Handler or a Transport keeps its responses.
type place struct {
	store  *Store
	prefix string        // of its keys
	policy engine.Policy // without Upstream, which is each request's own
	log    *slog.Logger
}

// place returns a place for what is kept by p.
func (p *Policy) place() place {
	at := place{store: p.Store, log: p.Log, policy: engine.Policy{Rules: p.rules(), Targets: slices.Clone(p.Targets), PassTags: true}}
	if at.store == nil {
		at.store = new(Store)
	}
	if at.log == nil {
		at.log = slog.Default()
	}
	at.prefix = at.store.prefix()
	at.policy.Site = []byte(at.prefix) // its tags are its own, whatever the host
	at.policy.KeyOf = (&place{prefix: at.prefix}).keyOf
	return at
}

// appendKey appends the key of r. Two URLs that upstream may tell apart have
// two.
func (p *place) appendKey(key []byte, r *http.Request) []byte {
	key = append(key, p.prefix...)
	if secure(r) {
		key = append(key, "https://"...)
	} else {
		key = append(key, "http://"...)
	}
	host := hostOf(r)
	key = appendLower(key, host)
	if r.URL.Host != "" && r.URL.Host != host { // another upstream was chosen for it
		key = append(key, '@')
		key = append(key, r.URL.Host...)
	}
	key = append(key, ' ')
	return append(key, r.URL.RequestURI()...)
}

// originOf returns how much of a key names the origin: all but the target.
func (p *place) originOf(key []byte) int {
	return len(p.prefix) + bytes.IndexByte(key[len(p.prefix):], ' ') + 1
}

func appendLower(dst []byte, s string) []byte {
	at := len(dst)
	dst = append(dst, s...)
	for i, c := range dst[at:] {
		if 'A' <= c && c <= 'Z' {
			dst[at+i] = c + 'a' - 'A'
		}
	}
	return dst
}

// keyOf appends the key of what ref names in a response to r; see
// engine.Policy.KeyOf.
func (p *place) keyOf(dst []byte, r *wire.Request, ref []byte) (key []byte, ok bool) {
	from, err := url.Parse(string(r.Target()))
	if err != nil {
		return dst, false
	}
	from.Scheme, from.Host = "http", string(r.Authority())
	if r.Secure {
		from.Scheme = "https"
	}
	u := sameOrigin(from, string(ref))
	if u == nil {
		return dst, false
	}
	return p.appendKey(dst, &http.Request{URL: u}), true
}

// sameOrigin resolves ref against from; nil when it is no URI-reference, or
// one to another origin.
func sameOrigin(from *url.URL, ref string) *url.URL {
	u, err := from.Parse(ref)
	if err != nil || u.Scheme != from.Scheme || !strings.EqualFold(u.Host, from.Host) {
		return nil
	}
	return u
}

// purge drops what is stored here for u, or has it validated first.
func (p *place) purge(u *url.URL, soft bool) bool {
	e := p.store.enter()
	if e == nil {
		return false
	}
	defer p.store.leave()
	return e.Purge(p.appendKey(nil, &http.Request{URL: u}), soft)
}
