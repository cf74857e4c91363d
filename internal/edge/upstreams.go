package edge

import (
	"bytes"
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
	conns, queue, idle            int
	keep                          time.Duration
	maxFails                      int
	failTimeout, slowStart        time.Duration
	checked                       bool
	check                         origin.Check
	link                          linkKey
}

// A server is one address that content comes from.
type server struct {
	*origin.Upstream
	key     serverKey
	counted wire.Exchanger // the same, with its exchanges counted
	probe   *origin.Probe  // nil: it is not checked
}

// Close ends its checks and closes its connections. It has no error to tell.
func (s *server) Close() error {
	if s.probe != nil {
		s.probe.Close()
	}
	return s.Upstream.Close()
}

// pooling is what the servers of a pool have in common.
type pooling struct {
	doc  *config.Upstream
	link *link
	was  *pool                  // what it was before; nil: nothing
	host func(*origin.Upstream) // sets the Host that they see
}

// server returns a server: the one that there is, or a new one, which knows what
// was known of it in the pool before.
func (c *compiling) server(p *pooling, d *config.Server) (*server, error) {
	u := p.doc
	o, err := origin.Parse(d.URL)
	if err != nil {
		return nil, err
	}
	authority := o.Host
	p.host(o)
	key := serverKey{
		url: d.URL, host: o.Host, connect: durationOf(u.ConnectTimeout), head: durationOf(u.HeadTimeout), body: durationOf(u.BodyTimeout),
		queueing: durationOf(u.QueueTimeout), conns: intOf(u.MaxConns), queue: noneOf0(u.MaxQueue), idle: noneOf0(u.Keepalive), keep: durationOf(u.KeepaliveTimeout),
		maxFails: noneOf0(d.MaxFails), failTimeout: durationOf(d.FailTimeout), slowStart: durationOf(d.SlowStart),
		checked: u.HealthCheck != nil, check: checkOf(u.HealthCheck),
	}
	key.link = p.link.keyFor(o.Scheme)
	if s := c.plan.servers[key]; s != nil {
		return s, nil
	}
	s := c.previous.serverOf(key)
	if s == nil {
		c.furnish(o, &key)
		p.link.setUp(o)
		o.Circuit = &origin.Circuit{MaxFails: key.maxFails, FailTimeout: key.failTimeout, SlowStart: key.slowStart}
		if c.Warn != nil {
			o.Circuit.Changed = (&changes{log: c.Warn, server: d.URL, now: c.clock()}).tell
		}
		if old := p.was.server(d.URL); old != nil {
			o.Circuit.Inherit(old.Circuit, key.checked)
		}
		s = &server{Upstream: o, key: key, counted: o}
		if c.Count != nil {
			s.counted = c.Count(o)
		}
		if key.checked {
			s.probe = c.probe(s, p.link, authority)
		}
	}
	c.plan.servers[key] = s
	return s, nil
}

// furnish sets what an Upstream's connections are, beside where they go.
func (c *compiling) furnish(o *origin.Upstream, key *serverKey) {
	o.DialTimeout, o.TLSTimeout, o.HeadTimeout, o.BodyTimeout = key.connect, key.connect, key.head, key.body
	o.MaxConns, o.MaxQueue, o.QueueTimeout = key.conns, key.queue, key.queueing
	o.MaxIdle, o.KeepAlive = key.idle, key.keep
	o.Dial, o.Lookup, o.Now = c.Dial, c.Lookup, c.Now
}

// noneOf0 is a number as origin has it, where 0 is the default and none is
// below it.
func noneOf0(n *int) int {
	if n != nil && *n == 0 {
		return -1
	}
	return intOf(n)
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
