package model

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A Policy is what was agreed out of band.
type Policy struct {
	Shared bool
	// Heuristic is the part of the time since Last-Modified, in percent, that
	// is taken as freshness where a heuristic may be, a day at most (4.2.2).
	Heuristic int64
	// DefaultTTL is the freshness of a 200 without explicit one, in seconds.
	DefaultTTL int64
	// StaleIfError is for how many seconds a stale response may stand in for
	// an error where no directive says so (4.2.4).
	StaleIfError int64
	// NoSetCookie says that responses with Set-Cookie are not stored.
	NoSetCookie bool
	// Targets are the targeted fields that go before Cache-Control and Expires
	// (RFC 9213, 2.2), the most applicable first.
	Targets []string
}

// A Stored is a response that could lie in a cache: what the origin said, with
// what later responses have changed.
type Stored struct {
	Base    *Exchange
	Updates []*Exchange
	Fields  Fields
	Control Control
	target  bool // a targeted field gave Control: Expires says nothing, either
	unread  bool // Cache-Control can not be read
}

// Last is the exchange that made it what it is.
func (s *Stored) Last() *Exchange {
	if n := len(s.Updates); n > 0 {
		return s.Updates[n-1]
	}
	return s.Base
}

// hop are fields for one hop (RFC 9110, 7.6.1).
var hop = []string{"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-connection"}

// ofProxy are fields that must not be stored (3.1), and may be passed on (RFC
// 9110, 11.7.1).
var ofProxy = []string{"proxy-authenticate", "proxy-authentication-info", "proxy-authorization"}

// forward returns the fields of a message without those for one hop.
func forward(f Fields) (kept Fields) {
	nominated := append(splitList(strings.ToLower(f.Get("Connection"))), hop...)
	for _, l := range f {
		if !slices.Contains(nominated, strings.ToLower(l.Name)) {
			kept = append(kept, l)
		}
	}
	return kept
}

// made returns what a chain of responses makes: the first one, updated by the
// others (3.2).
func (p *Policy) made(chain ...*Exchange) *Stored {
	s := &Stored{Base: chain[0], Updates: chain[1:]}
	s.Fields = forward(s.Base.Fields)
	for _, u := range s.Updates {
		news := forward(u.Fields).without("Content-Length")
		for _, l := range news {
			s.Fields = s.Fields.without(l.Name)
		}
		s.Fields = append(s.Fields, news...)
		if !u.Fields.Has("Date") { // the recipient adds it (RFC 9110, 6.6.1)
			s.Fields = s.Fields.without("Date")
		}
		if !u.Fields.Has("Age") { // generated for this very request
			s.Fields = s.Fields.without("Age")
		}
	}
	var ok bool
	for _, name := range p.Targets { // RFC 9213, 2.2
		if s.Control, ok = ParseTargeted(s.Fields.All(name)); ok {
			s.target = true
			return s
		}
	}
	s.Control, ok = ParseControl(s.Fields.All("Cache-Control"))
	s.unread = !ok
	return s
}

// represents reports whether the response to a POST is its target's
// representation, too, and says how long (RFC 9110, 9.3.3).
func (p *Policy) represents(e *Exchange) bool {
	_, _, explicit := p.made(e).lifetime(p)
	lines := e.Fields.All("Content-Location")
	return e.Status == 200 && explicit && len(lines) == 1 && resolve(e.Request.URL, lines[0]) == e.Request.URL
}

// resolve returns what a reference in a response to url means, "" when it is
// none.
func resolve(base, ref string) string {
	b, err := url.Parse(base)
	if err != nil {
		return ""
	}
	u, err := b.Parse(ref)
	if err != nil {
		return ""
	}
	u.Fragment = ""
	return u.String()
}

// date is the Date, or when the response was received (RFC 9110, 6.6.1).
func (s *Stored) date() int64 {
	if d, ok := date(s.Fields.Get("Date")); ok {
		return d
	}
	return s.Last().Answered.Clock
}

// strongDate reports whether its Last-Modified is a strong validator: it was
// generated at least a second later (RFC 9110, 8.8.2.2).
func (s *Stored) strongDate() bool {
	modified, ok := date(s.Fields.Get("Last-Modified"))
	return ok && s.date() >= modified+1000
}

// joins reports whether what is missing of an incomplete response may be asked
// for and joined to it (RFC 9111, 3.3 and 3.4). Then content that is whole shows
// that it was: the upstream has cut it, and nobody else has the bytes. The head
// of a part answers a HEAD as that of a 206 does.
func (s *Stored) joins() bool {
	tag := s.Fields.Get("ETag")
	return tag != "" && !strings.HasPrefix(tag, "W/") || tag == "" && s.strongDate()
}

// heuristically are the status codes that are cacheable without a word about
// it (RFC 9110, 15.1).
var heuristically = []int{200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501}

// understood are the status codes of RFC 9110, 15. A cache that treats one as
// it would its class does all that is asked for it, 206 and 304 aside.
func understood(status int) bool {
	switch status {
	case 418, 306:
		return false
	}
	return status >= 200 && status <= 206 || status >= 300 && status <= 308 || status >= 400 && status <= 417 ||
		status == 421 || status == 422 || status == 426 || status >= 500 && status <= 505
}

// lifetime is the freshness lifetime (4.2.1) in milliseconds, between the
// bounds that the choices leave; explicit: the origin said it.
func (s *Stored) lifetime(p *Policy) (lo, hi int64, explicit bool) {
	if p.Shared {
		if lo, hi, ok := s.Control.seconds("s-maxage"); ok {
			return lo, hi, true
		}
	}
	if lo, hi, ok := s.Control.seconds("max-age"); ok {
		return lo, hi, true
	}
	if lines := s.Fields.All("Expires"); len(lines) > 0 && !s.target {
		at, ok := date(lines[0])
		if !ok { // 5.3
			return 0, 0, true
		}
		hi = max(0, at-s.date())
		if len(lines) > 1 {
			return 0, hi, true
		}
		return hi / 1000 * 1000, hi, true
	}
	return 0, s.heuristic(p), false
}

// heuristic is the longest that may be guessed (4.2.2) in milliseconds.
func (s *Stored) heuristic(p *Policy) (ms int64) {
	if !slices.Contains(heuristically, s.Base.Status) && !s.Control.Has("public") && (p.Shared || !s.Control.Has("private")) {
		return 0
	}
	if p.Shared && s.cookies() { // the project's rule: a guess shares no cookie (7.3)
		return 0
	}
	if at, ok := date(s.Fields.Get("Last-Modified")); ok {
		ms = min(max(0, s.date()-at)*p.Heuristic/100, 86400_000)
	}
	if s.Base.Status == 200 || s.Base.Status == 206 {
		ms = max(ms, p.DefaultTTL*1000)
	}
	return ms
}

// cookies reports whether it sets cookies for whoever gets it.
func (s *Stored) cookies() bool { return s.Fields.Has("Set-Cookie") && !named(s.Control, "set-cookie") }

// age is the current age (4.2.3) in milliseconds at a time, between the bounds
// that the choices leave.
func (s *Stored) age(now int64) (lo, hi int64) {
	last := s.Last()
	var value int64
	if first := splitList(s.Fields.Get("Age")); len(first) > 0 { // 5.1
		value, _ = delta(first[0])
	}
	resident := now - last.Answered.Clock
	corrected := value*1000 + max(0, last.Answered.Clock-last.Asked.Clock)
	apparent := max(0, last.Answered.Clock-s.date())
	lo, hi = max(0, corrected+resident), max(apparent, corrected)+max(0, resident)
	return min(lo, forever*1000), min(hi, forever*1000) // 1.2.2
}

// storable returns why a cache must not have stored the response for others
// than who asked for it (3), "" when it may. Who asked for an update has been
// told, too, that it is the response to that request.
func (s *Stored) storable(p *Policy) string {
	asked, method := s.Last().Request, s.Base.Request.Method
	control, ok := ParseControl(asked.Fields.All("Cache-Control"))
	c := s.Control
	switch {
	case method != "GET" && method != "QUERY" && !(method == "POST" && p.represents(s.Base)):
		return "3: a response to " + method + " was stored"
	case s.Base.Failed || s.Base.Status < 200 || s.Base.Status == 304:
		return "3: status " + strconv.Itoa(s.Base.Status) + " was stored"
	case s.unread:
		return "5.2: a response was stored whose Cache-Control can not be read"
	case !ok || control.Has("no-store"):
		return "5.2.1.5: the response to a request with no-store was stored"
	case c.Has("must-understand") && !understood(s.Base.Status):
		return "5.2.2.3: must-understand, and the status is unknown"
	case c.Has("no-store") && !c.Has("must-understand"):
		return "5.2.2.5: no-store was stored"
	case p.Shared && c.unqualified("private"):
		return "5.2.2.7: private was stored by a shared cache"
	case p.Shared && asked.Fields.Has("Authorization") && !c.Has("public") && !c.Has("s-maxage") && !c.Has("must-revalidate"):
		return "3.5: the response to a request with Authorization was stored"
	case p.NoSetCookie && s.cookies():
		return "policy: a response with Set-Cookie was stored"
	}
	if c.Has("public") || !p.Shared && c.Has("private") || s.Fields.Has("Expires") && !s.target || c.Has("max-age") ||
		p.Shared && c.Has("s-maxage") || slices.Contains(heuristically, s.Base.Status) {
		return ""
	}
	return "3: nothing allows storing status " + strconv.Itoa(s.Base.Status)
}
