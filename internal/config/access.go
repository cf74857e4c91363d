package config

import (
	"cmp"
	"strconv"
	"strings"
)

// Access is who may ask, and for what. What a route says of a member goes
// before what its site says of it.
type Access struct {
	// Allow is who alone may ask; others are answered 403. {}: everybody.
	Allow *Clients `json:"allow,omitzero"`
	// Deny is who is answered 403, also where Allow names them. {}: nobody.
	Deny *Clients `json:"deny,omitzero"`
	// Methods are those that may be used; others are answered 405. GET stands
	// for HEAD, too; * for any. Default any.
	Methods []string `json:"methods,omitzero" is:"method"`
	// MaxURI is the longest path and query; more is answered 414. 0: as long as
	// a request line may be (default).
	MaxURI *Size `json:"maxUri,omitzero"`
	// MaxHeader is the size of all fields of a request, with four bytes beside
	// each; more is answered 431. 0: as much as a head may be (default).
	MaxHeader *Size `json:"maxHeader,omitzero"`
	// MaxBody is a request's largest content; more is answered 413. The smaller of
	// this and the node's network.maxBody holds. 0: any (default).
	MaxBody *Size `json:"maxBody,omitzero"`
	// RateLimits are the site's rateLimits that hold, by name; who asks more
	// often is answered 429. []: none.
	RateLimits []string `json:"rateLimits,omitzero" is:"name"`
	// BasicAuth asks for a name and a password; without them the answer is 401.
	BasicAuth *BasicAuth `json:"basicAuth,omitzero"`
	// SignedURL wants URLs that somebody has signed; others are answered 403.
	SignedURL *SignedURL `json:"signedUrl,omitzero"`
}

// A RateLimit is how often each client may ask. Routes that name the same one
// share it.
type RateLimit struct {
	// Name is what sections access call it.
	Name string `json:"name" is:"name"`
	// Key tells clients apart: an expression. An IPv6 address counts as its /64,
	// and requests for which it is empty do not count. Default $remote_addr.
	Key string `json:"key,omitzero" is:"request text" default:"$remote_addr"`
	// Rate is so many requests a second (10/s), minute, hour or day.
	Rate string `json:"rate" is:"rate"`
	// Burst is how many may come at once. Default those of one second, minute,
	// hour or day, whichever the rate names.
	Burst *int `json:"burst,omitzero" is:"1..10000000"`
	// Clients is how many are told apart, for 18 bytes each; above it some are
	// held to what others have left. Default 16384.
	Clients *int `json:"clients,omitzero" is:"64..16777216" default:"16384"`
	// DryRun lets everybody pass, and counts and logs who would not.
	DryRun bool `json:"dryRun,omitzero"`
	// Fields tells in RateLimit and RateLimit-Policy how many requests are left.
	Fields bool `json:"fields,omitzero"`
}

// BasicAuth asks for names and passwords (RFC 7617).
type BasicAuth struct {
	// Enabled false asks for none, where the site does. Default true.
	Enabled *bool `json:"enabled,omitzero" default:"true"`
	// Users is where name:hash stands, a line each, as htpasswd -B writes it.
	Users *Secret `json:"users,omitzero"`
	// Realm is what browsers show. Default restricted.
	Realm string `json:"realm,omitzero" is:"realm" default:"restricted"`
	// Forward leaves Authorization in the request, for passThroughRequest to let
	// it pass to the origin. What that answers is stored only where it says so
	// (RFC 9111, 3.5).
	Forward bool `json:"forward,omitzero"`
}

// SignedURL is how URLs are signed: docs/access.md has the text that is.
type SignedURL struct {
	// Enabled false wants no signature, where the site does. Default true.
	Enabled *bool `json:"enabled,omitzero" default:"true"`
	// Keys are those that sign; two at least while one takes the other's place.
	Keys []SigningKey `json:"keys,omitzero"`
	// Signature is the parameter with the signature. Default oc_sig.
	Signature string `json:"signature,omitzero" is:"token" default:"oc_sig"`
	// Expires is the parameter with the last second, since 1970. Default oc_exp.
	Expires string `json:"expires,omitzero" is:"token" default:"oc_exp"`
	// Key is the parameter with the key's id; without it each is tried. Default oc_key.
	Key string `json:"key,omitzero" is:"token" default:"oc_key"`
	// Prefix is the parameter with what URLs begin with, where a folder is signed.
	// Default oc_prefix.
	Prefix string `json:"prefix,omitzero" is:"token" default:"oc_prefix"`
	// Cookie is one that may hold the same parameters, for folders. Default none.
	Cookie string `json:"cookie,omitzero" is:"token"`
	// Bind is what else is signed: address, host.
	Bind []string `json:"bind,omitzero" is:"one of address host"`
	// Skew is how much clocks may differ. Default 0s.
	Skew *Duration `json:"skew,omitzero" default:"0s"`
}

// A SigningKey is one of those that sign URLs.
type SigningKey struct {
	// ID is what URLs call it.
	ID string `json:"id" is:"name"`
	// Secret is 16 bytes or more, in one line.
	Secret Secret `json:"secret"`
}

// Clients are whoever any of it names.
type Clients struct {
	// CIDRs are networks or addresses.
	CIDRs []string `json:"cidrs,omitzero" is:"network"`
	// Countries are two letters, like DE.
	Countries []string `json:"countries,omitzero" is:"country"`
	// ASNs are numbers of autonomous systems.
	ASNs []uint32 `json:"asns,omitzero"`
}

// Over is what holds where a says something and site says the rest; nil: neither
// says anything. Neither is changed.
func (a *Access) Over(site *Access) *Access {
	switch {
	case site == nil || a == site:
		return a
	case a == nil:
		return site
	}
	all := *a
	inherit(&all.Allow, site.Allow)
	inherit(&all.Deny, site.Deny)
	inherit(&all.MaxURI, site.MaxURI)
	inherit(&all.MaxHeader, site.MaxHeader)
	inherit(&all.MaxBody, site.MaxBody)
	inherit(&all.BasicAuth, site.BasicAuth)
	inherit(&all.SignedURL, site.SignedURL)
	if all.Methods == nil {
		all.Methods = site.Methods
	}
	if all.RateLimits == nil {
		all.RateLimits = site.RateLimits
	}
	return &all
}

// Empty reports whether nobody is named.
func (c *Clients) Empty() bool {
	return c == nil || len(c.CIDRs)+len(c.Countries)+len(c.ASNs) == 0
}

// ParseRate reads a rate: so many in that time.
func ParseRate(s string) (n int, in Duration, ok bool) {
	count, unit, ok := strings.Cut(s, "/")
	in = map[string]Duration{"s": 1e9, "m": 60e9, "h": 3600e9, "d": 86400e9}[unit]
	n, err := strconv.Atoi(count)
	return n, in, ok && err == nil && in > 0 && n > 0 && n <= 1e6 && count[0] != '+'
}

// isRealm takes what can stand in quotes.
func isRealm(s string) bool { return isLabel(s) && !strings.ContainsAny(s, "\"\\") }

func isRate(s string) bool {
	_, _, ok := ParseRate(s)
	return ok
}

// checkAccess finds what is wrong between the fields of a section. limits are
// the names of those that there are.
func checkAccess(r *reader, a *Access, limits names, p *path) {
	if a == nil {
		return
	}
	r.notEmpty(a.Methods == nil || len(a.Methods) > 0, p.field("methods"), "at least one method, or * for any")
	for i, name := range a.RateLimits {
		r.refers(name, limits, "one of the site's rateLimits", p.field("rateLimits").item(i))
	}
	if b := a.BasicAuth; b != nil {
		at := p.field("basicAuth")
		checkSecret(r, b.Users, at.field("users"))
		if b.Users == nil && (b.Enabled == nil || *b.Enabled) {
			r.wrong(at.field("users"), Fault{Expected: "where names and hashes of passwords are, or enabled: false"})
		}
	}
	checkSigned(r, a.SignedURL, p.field("signedUrl"))
}

func checkSigned(r *reader, s *SignedURL, p *path) {
	if s == nil {
		return
	}
	if len(s.Keys) == 0 && (s.Enabled == nil || *s.Enabled) {
		r.wrong(p.field("keys"), Fault{Expected: "at least one key, or enabled: false"})
	}
	if len(s.Keys) > MaxSigningKeys {
		r.wrong(p.field("keys"), Fault{Found: strconv.Itoa(len(s.Keys)) + " of them", Expected: "at most " + strconv.Itoa(MaxSigningKeys)})
	}
	ids, parameters := names{}, names{}
	for i := range s.Keys {
		at := p.field("keys").item(i)
		r.unique(ids, s.Keys[i].ID, i, at.field("id"))
		checkSecret(r, &s.Keys[i].Secret, at.field("secret"))
	}
	for i, one := range []struct{ field, name, fallback string }{{"signature", s.Signature, "oc_sig"}, {"expires", s.Expires, "oc_exp"}, {"key", s.Key, "oc_key"}, {"prefix", s.Prefix, "oc_prefix"}} {
		if parameters.twice(cmp.Or(one.name, one.fallback), i) {
			r.wrong(p.field(one.field), Fault{Found: quoted(cmp.Or(one.name, one.fallback)), Expected: "a name that is not another parameter's"})
		}
	}
}

// MaxSigningKeys bounds the keys of a site or route: each may be tried.
const MaxSigningKeys = 16

// checkRates returns the names of the limits.
func checkRates(r *reader, list []RateLimit, p *path) names {
	known := names{}
	for i := range list {
		r.unique(known, list[i].Name, i, p.item(i).field("name"))
	}
	return known
}
