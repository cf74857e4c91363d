package edge

import (
	"cmp"
	"crypto/tls"
	"net"
	"strings"

	"opencache/internal/config"
	"opencache/internal/origin"
)

// MostChecks is how many servers of a node are checked at once.
const MostChecks = 64

// checkOf is a check as origin has it, the zero one for none.
func checkOf(h *config.HealthCheck) origin.Check {
	if h == nil {
		return origin.Check{}
	}
	return origin.Check{
		Path: h.Path, Host: h.Host, Interval: durationOf(h.Interval), Timeout: durationOf(h.Timeout),
		Rise: intOf(h.Rise), Fall: intOf(h.Fall), Statuses: strings.Join(h.Statuses, " "),
	}
}

// probe makes what checks a server. It has connections of its own, so that a
// check waits in no queue behind requests; they are made as those of requests
// are, whatever Host the check has. own is the host in the server's URL.
func (c *compiling) probe(s *server, l *link, own string) *origin.Probe {
	check := &s.key.check
	o := &origin.Upstream{Scheme: s.Scheme, Addr: s.Addr, Host: cmp.Or(check.Host, s.Host, own), Base: s.Base}
	c.furnish(o, &s.key)
	l.setUp(o)
	o.MaxConns, o.MaxIdle = 1, -1
	if s.Scheme == "https" && (o.TLS == nil || o.TLS.ServerName == "") {
		named := new(tls.Config)
		if o.TLS != nil {
			named = o.TLS.Clone()
		}
		named.ServerName = hostOnly(cmp.Or(s.Host, own))
		o.TLS = named
	}
	return &origin.Probe{Check: *check, Upstream: o, Circuit: s.Circuit, Tally: c.Tally, Slots: c.checks, Random: c.Random, Now: c.Now}
}

// hostOnly is a host without its port.
func hostOnly(authority string) string {
	if host, _, err := net.SplitHostPort(authority); err == nil {
		return host
	}
	return strings.Trim(authority, "[]")
}
