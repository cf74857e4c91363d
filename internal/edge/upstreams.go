package edge

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"opencache/internal/config"
	"opencache/internal/expr"
	"opencache/internal/origin"
	"opencache/internal/wire"
)

// A serverKey is all that makes a server's connections what they are: who has
// the same of it, in whatever site or plan, has them together.
type serverKey struct {
	url, host                     string
	connect, head, body, queueing time.Duration
	conns, queue                  int
	link                          linkKey
}

// A server is one address that content comes from.
type server struct {
	*origin.Upstream
	key     serverKey
	counted wire.Exchanger // the same, with its exchanges counted
}

// A pool is an upstream that routes name.
type pool struct {
	wire.Exchanger
	name    string
	servers []*server
	host    *expr.Text // hostHeader
	seen    address    // how its first server sees requests
	nextHop string
}

// pool compiles a pool.
func (c *compiling) pool(s *site, u *config.Upstream) (*pool, error) {
	host, err := c.parseText(cmp.Or(u.HostHeader, "$host"), expr.InUpstream)
	if err != nil {
		return nil, err
	}
	literal, fixed := host.Constant()
	own := len(host.Vars()) == 1 && host.String() == "$upstream_host"
	up := &pool{name: u.Name, host: host}
	group := &origin.Group{Next: nextOf(&s.doc.Cache.ProxySettings), Now: c.Now,
		Tries: intOf(s.doc.Cache.ProxySettings.NextUpstreamTries), Timeout: durationOf(s.doc.Cache.ProxySettings.NextUpstreamTimeout)}
	for i := range u.Servers {
		d := &u.Servers[i]
		one, err := c.server(u, s.links[u.Name], d.URL, func(o *origin.Upstream) {
			if fixed {
				o.Host = literal
			} else if !own {
				o.Host = "" // the request's
			}
		})
		if err != nil {
			return nil, err
		}
		s.servers[one.key] = one
		m := origin.Member{Exchanger: one.counted, Weight: intOf(d.Weight), Backup: d.Backup}
		if !fixed && !own && host.String() != "$http_host" {
			m.Exchanger = &hosted{next: one.counted, host: host, server: one, site: s, node: c.plan.values}
		}
		group.Members, up.servers = append(group.Members, m), append(up.servers, one)
	}
	first := up.servers[0]
	up.seen = address{secure: first.Scheme == "https", authority: []byte(first.Host), base: []byte(first.Base)}
	up.Exchanger = group
	if len(u.Servers) == 1 {
		up.Exchanger, up.nextHop = group.Members[0].Exchanger, first.Addr
	}
	return up, nil
}

// server returns the server of a URL: the one that there is, or a new one.
func (c *compiling) server(u *config.Upstream, l *link, url string, host func(*origin.Upstream)) (*server, error) {
	o, err := origin.Parse(url)
	if err != nil {
		return nil, err
	}
	host(o)
	key := serverKey{
		url: url, host: o.Host, connect: durationOf(u.ConnectTimeout), head: durationOf(u.HeadTimeout), body: durationOf(u.BodyTimeout),
		queueing: durationOf(u.QueueTimeout), conns: intOf(u.MaxConns), queue: intOf(u.MaxQueue),
	}
	key.link = l.keyFor(o.Scheme)
	if u.MaxQueue != nil && *u.MaxQueue == 0 {
		key.queue = -1 // none, where 0 is the default
	}
	if s := c.plan.servers[key]; s != nil {
		return s, nil
	}
	s := c.previous.serverOf(key)
	if s == nil {
		o.DialTimeout, o.TLSTimeout, o.HeadTimeout, o.BodyTimeout = key.connect, key.connect, key.head, key.body
		o.MaxConns, o.MaxQueue, o.QueueTimeout = key.conns, key.queue, key.queueing
		o.Dial, o.Lookup, o.Now = c.Dial, c.Lookup, c.Now
		l.setUp(o)
		s = &server{Upstream: o, key: key, counted: o}
		if c.Count != nil {
			s.counted = c.Count(o)
		}
	}
	c.plan.servers[key] = s
	return s, nil
}

// serverOf returns the server that p has for a key, nil when it has none.
func (p *Plan) serverOf(key serverKey) *server {
	if p == nil {
		return nil
	}
	return p.servers[key]
}

// nextOf are the conditions that a document names.
func nextOf(s *config.ProxySettings) (next origin.Condition) {
	names := s.NextUpstreamConditions
	if names == nil {
		names = []string{"error", "timeout"}
	}
	if slices.Contains(names, "off") {
		return 0
	}
	for _, name := range names {
		next |= nextNames[name]
	}
	return next
}

var nextNames = map[string]origin.Condition{
	"error": origin.OnError, "timeout": origin.OnTimeout, "invalid_header": origin.OnInvalidHeader,
	"http_500": origin.On500, "http_502": origin.On502, "http_503": origin.On503, "http_504": origin.On504,
	"http_403": origin.On403, "http_404": origin.On404, "http_429": origin.On429, "non_idempotent": origin.NonIdempotent,
}

// hosted sends requests with another Host than they came with.
type hosted struct {
	next   wire.Exchanger
	host   *expr.Text
	server *server
	site   *site
	node   *nodeValues
}

var _ wire.Exchanger = (*hosted)(nil)

// Exchange implements wire.Exchanger.
func (h *hosted) Exchange(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	host := h.host.Append(nil, &values{r: r, site: h.site, node: h.node, server: h.server, client: whose(r)})
	if len(host) == 0 || bytes.Equal(host, r.Authority()) {
		return h.next.Exchange(ctx, r)
	}
	var own wire.Request
	own.CopyFrom(r)
	own.Body, own.Interim, own.Watch = r.Body, r.Interim, r.Watch
	own.SetAuthority(host)
	return h.next.Exchange(ctx, &own)
}

func durationOf(d *config.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return time.Duration(*d)
}

func intOf(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}
