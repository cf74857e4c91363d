package edge

import (
	"cmp"
	"net/netip"
	"strconv"
	"time"

	"opencache/internal/access"
	"opencache/internal/config"
	"opencache/internal/expr"
	"opencache/internal/wire"
)

// A limit is one of a site's rateLimits.
type limit struct {
	name    string
	key     *expr.Text
	address bool // the key is the client's address and nothing else
	rate    access.Rate
	rates   *access.Rates
	dry     bool
	fields  bool   // clients are told
	policy  string // what they are told once and for all
}

// A ratesKey is what makes the buckets of a limit what they are: a reload that
// leaves it alone leaves them as they are.
type ratesKey struct {
	site, name, key string
	clients         int
}

// limits compiles a site's rateLimits, by name.
func (c *compiling) limits(s *site) {
	s.limits = make(map[string]*limit, len(s.doc.RateLimits))
	for i := range s.doc.RateLimits {
		d := &s.doc.RateLimits[i]
		path := "rateLimits[" + strconv.Itoa(i) + "]"
		n, in, ok := config.ParseRate(d.Rate)
		if !ok {
			c.fault(path+".rate", d.Rate, "requests in a time like 10/s")
			continue
		}
		text := cmp.Or(d.Key, "$remote_addr")
		l := &limit{name: d.Name, address: text == "$remote_addr" || text == "${remote_addr}", dry: d.DryRun, fields: d.Fields}
		l.rate = access.Rate{Every: time.Duration(in) / time.Duration(n), Burst: cmp.Or(intOf(d.Burst), n)}
		l.policy = strconv.Quote(d.Name) + ";q=" + strconv.Itoa(l.rate.Burst) + ";w=" + strconv.FormatInt(secondsUp(l.rate.Window()), 10)
		var err error
		if l.key, err = c.parseText(text, expr.InCondition); c.bad(path+".key", err) {
			continue
		}
		k := ratesKey{s.doc.ID, d.Name, text, cmp.Or(intOf(d.Clients), 16384)}
		l.rates = c.previous.ratesOf(k)
		s.limits[d.Name], s.rates[k] = l, l.rates
	}
}

// ratesOf returns the buckets that p has for a limit, or new ones.
func (p *Plan) ratesOf(k ratesKey) *access.Rates {
	if p != nil {
		if s := p.sites[k.site]; s != nil && s.rates[k] != nil {
			return s.rates[k]
		}
	}
	return access.NewRates(k.clients)
}

// named are the limits of a list.
func (s *site) limited(names []string) (list []*limit) {
	for _, name := range names {
		if l := s.limits[name]; l != nil { // a name of none was told as a fault
			list = append(list, l)
		}
	}
	return list
}

// charge takes a token of each limit, and refuses when one has none. What the
// limits before have given is gone.
func (v *visit) charge() bool {
	for _, l := range v.choice.route.gate.limits {
		v.text = l.appendKey(v.text[:0], v)
		if len(v.text) == 0 {
			continue
		}
		t := l.rates.Take(v.text, l.rate, v.start)
		if l.fields {
			v.p.Fields = l.tell(v.p.Fields, t)
		}
		switch {
		case t.OK:
		case l.dry:
			v.refused = overRateDry
			v.e.denials.count(v.site.doc.ID, overRateDry)
		default:
			v.p.Fields = wire.AppendField(v.p.Fields, wire.RetryAfter, strconv.FormatInt(max(secondsUp(t.Wait), 1), 10))
			return v.deny(overRate)
		}
	}
	return false
}

// appendKey appends what tells the client apart.
func (l *limit) appendKey(dst []byte, v *visit) []byte {
	if l.address {
		return appendClient(dst, v.client)
	}
	return l.key.Append(dst, (*limitValues)(v))
}

// appendClient appends an address, of IPv6 the /64 that one customer has: who
// has one has all addresses in it.
func appendClient(dst []byte, a netip.Addr) []byte {
	switch {
	case a.Is4():
		b := a.As4()
		return append(dst, b[:]...)
	case a.Is6():
		b := a.As16()
		return append(dst, b[:8]...)
	}
	return append(dst, '-') // a client of a Unix socket
}

// limitValues are a visit's values for keys of limits.
type limitValues visit

// AppendValue implements expr.Values.
func (l *limitValues) AppendValue(dst []byte, x *expr.Var) []byte {
	if x.ID == expr.RemoteAddr {
		return appendClient(dst, l.client)
	}
	return l.values.AppendValue(dst, x)
}

// tell says how many requests are left (draft-ietf-httpapi-ratelimit-headers).
func (l *limit) tell(fields []byte, t access.Taken) []byte {
	fields = wire.AppendNamed(fields, "RateLimit-Policy", l.policy)
	fields = append(append(fields, "RateLimit: "...), strconv.Quote(l.name)...)
	fields = strconv.AppendInt(append(fields, ";r="...), int64(t.Left), 10)
	if t.Wait > 0 {
		fields = strconv.AppendInt(append(fields, ";t="...), secondsUp(t.Wait), 10)
	}
	return append(fields, "\r\n"...)
}

// secondsUp is a time in whole seconds, none less.
func secondsUp(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
