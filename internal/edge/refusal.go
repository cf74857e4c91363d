package edge

import (
	"sync"
	"sync/atomic"

	"opencache/internal/wire"
)

// A refusal is why the edge does not let a request pass: the log's reason, and
// the label why of opencache_access_denied_total.
type refusal uint8

const (
	notRefused refusal = iota
	deniedNetwork
	deniedCountry
	deniedASN
	notAllowed
	wrongMethod
	longURI
	longHeader
	longBody
	overRate
	overRateDry
	noSignature
	badSignature
	unknownKey
	expiredSignature
	noCredentials
	wrongCredentials
	busyCredentials
	ambiguousPath
	numRefusals
)

// A refusing is what is said of a refusal.
type refusing struct {
	name   string
	status int
	member string // of a section access, that says so; location: of routes
	text   string // to the client: nobody learns from it what would do
}

var refusals = [numRefusals]refusing{
	notRefused:    {name: ""},
	deniedNetwork: {"deny_network", 403, "deny.cidrs", "not from here\n"},
	deniedCountry: {"deny_country", 403, "deny.countries", "not from here\n"},
	deniedASN:     {"deny_asn", 403, "deny.asns", "not from here\n"},
	notAllowed:    {"not_allowed", 403, "allow", "not from here\n"},
	wrongMethod:   {"method", 405, "methods", "this method is not for this path\n"},
	longURI:       {"uri_size", 414, "maxUri", "path and query are too long\n"},
	longHeader:    {"header_size", 431, "maxHeader", "the request's fields are too large\n"},
	longBody:      {"body_size", 413, "maxBody", "the request's content is too large\n"},
	overRate:      {"rate_limit", 429, "rateLimits", "too many requests\n"},
	overRateDry:   {"rate_limit_dry_run", 429, "rateLimits", "too many requests\n"}, // which is not answered

	noSignature:      {"signature_missing", 403, "signedUrl", "this URL is not signed\n"},
	badSignature:     {"signature_wrong", 403, "signedUrl", "this URL is not signed\n"},
	unknownKey:       {"signature_key", 403, "signedUrl", "this URL is not signed\n"},
	expiredSignature: {"signature_expired", 403, "signedUrl", "this URL has expired\n"},
	noCredentials:    {"credentials_missing", 401, "basicAuth", "a name and a password are expected here\n"},
	wrongCredentials: {"credentials_wrong", 401, "basicAuth", "a name and a password are expected here\n"},
	busyCredentials:  {"credentials_busy", 503, "basicAuth", "too many passwords are being looked at\n"},

	ambiguousPath: {"path_ambiguous", 403, "location", "this path can be read in more than one way\n"},
}

// String is the refusal's name in logs and metrics; empty: nothing was refused.
func (r refusal) String() string { return refusals[r].name }

// deny answers what is refused, with what documents do to answers: a script of
// another origin is to see why it was.
func (v *visit) deny(why refusal) bool {
	v.refused = why
	v.e.denials.count(v.site.doc.ID, why)
	v.p.Fields = wire.AppendField(v.p.Fields, wire.CacheControl, "no-store")
	v.refuse(refusals[why].status, refusals[why].text)
	return true
}

// denials count what was refused, by site and reason: of as many sites as
// metrics are to tell apart, and of the others together. The zero value is
// ready; it costs nothing until something is refused.
type denials struct {
	sites sync.Map // id to *[numRefusals]atomic.Uint64
	known atomic.Int32
	other [numRefusals]atomic.Uint64
}

// siteLabels is how many sites have counts of their own.
const siteLabels = 256

func (d *denials) count(site string, why refusal) {
	counts, ok := d.sites.Load(site)
	if !ok {
		if d.known.Load() >= siteLabels {
			d.other[why].Add(1)
			return
		}
		var had bool
		if counts, had = d.sites.LoadOrStore(site, new([numRefusals]atomic.Uint64)); !had {
			d.known.Add(1)
		}
	}
	counts.(*[numRefusals]atomic.Uint64)[why].Add(1)
}

// Denied yields how many requests the sections access of sites have refused, by
// site and reason.
func (e *Edge) Denied(yield func(site, why string, n uint64)) {
	tell := func(site string, counts *[numRefusals]atomic.Uint64) {
		for why := range counts {
			if n := counts[why].Load(); n > 0 {
				yield(site, refusal(why).String(), n)
			}
		}
	}
	e.denials.sites.Range(func(site, counts any) bool {
		tell(site.(string), counts.(*[numRefusals]atomic.Uint64))
		return true
	})
	tell("other sites", &e.denials.other)
}
