package edge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"opencache/internal/access"
	"opencache/internal/coding"
	"opencache/internal/config"
	"opencache/internal/expr"
	"opencache/internal/origin"
	"opencache/internal/wire"
)

// A Plan is what documents come to: which site answers for a host, which route
// and rule for a request, and with what policy. It is never changed once it is
// compiled; Edge.Use puts another one in its place.
type Plan struct {
	node      *config.Node
	hosts     hostTable
	sites     map[string]*site // by id
	servers   map[serverKey]*server
	accounts  map[account]share
	others    map[*Volume]share // of hosts that are not named
	encoders  *coding.Encoders
	requestID RequestID
	values    *nodeValues
	signature signature
	timed     bool             // requests' times are measured
	measures  *access.Networks // who may read the metrics, beside this machine
	tells     *upstreamFields  // what upstreams are told of every request
	visitors  *visitors
	trusted   *access.Networks // proxies that say who the client is
	deny      *denial          // whom the node answers 403; nil: nobody
	logging   logging
	traced    bool   // traces are passed on
	last      uint64 // the highest number of a site, of this plan and those before
}

// A Compiler makes plans. Its fields are not changed after the first one.
type Compiler struct {
	// Volumes are where the node stores; at least one.
	Volumes []Volume
	// Count is put before every server, to count what is asked of it; nil: nothing is.
	Count func(wire.Exchanger) wire.Exchanger
	// Dial makes connections to servers; nil: a net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Lookup returns the addresses of servers' names; nil: the system's
	// resolver, but none with a Dial, which gets the name.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	Now    func() time.Time // nil: time.Now
	// Warn is where is told what is dangerous, and what goes on though a file
	// is at fault; nil: nowhere.
	Warn *slog.Logger
	// Random is what chance is made of; nil: math/rand/v2.
	Random func() uint64
	// Tally counts further attempts and checks of servers; nil: nothing does.
	Tally *origin.Tally
	// VisitorKey is what ids of visitors are made with; whoever has it can tell
	// whether an id is of an address that he guesses.
	VisitorKey []byte
	// POP, Server and Build are the node's point of presence, its name in full
	// and its build: for expressions, and for what clients are told.
	POP, Server, Build string

	checks chan struct{} // a place for each check of a server under way
}

// compiling is one run of a Compiler.
type compiling struct {
	*Compiler
	previous, plan *Plan
	faults         []config.Fault
	key            string // of the document that is compiled
	files          map[string]*file
	gates          map[gateKey]*gate
	parsed
}

// Compile makes the plan of a node and its sites, whose defaults are filled in
// (config.Set). What did not change since previous, which may be nil, is taken
// from there: a site's compiled form, and servers with their connections.
//
// A site with a fault keeps the form that it had, or is left out when it had
// none; the others are served.
func (c *Compiler) Compile(previous *Plan, node *config.Node, sites []*config.Site) (*Plan, []config.Fault) {
	if node == nil {
		node = &config.Node{}
	}
	p := &Plan{node: node, sites: make(map[string]*site, len(sites)), servers: map[serverKey]*server{}, accounts: map[account]share{}, others: map[*Volume]share{}, requestID: idOf(node.Monitoring.RequestID)}
	p.values = &nodeValues{pop: c.POP, host: c.Server, server: shownName(c.Server, node.Monitoring.ServerSuffixes), build: c.Build}
	p.signature = signatureOf(&node.Monitoring, p.values)
	p.timed = p.signature.on()
	if c.checks == nil {
		c.checks = make(chan struct{}, MostChecks)
	}
	run := &compiling{Compiler: c, previous: previous, plan: p, key: "node"}
	if previous != nil {
		p.last = previous.last
	}
	p.encoders = run.encodersOf(node)
	run.refuseNode(node)
	p.measures = access.NewNetworks(run.networks(node.Monitoring.MetricsAllow, "monitoring.metricsAllow"))
	p.tells, p.visitors = fieldsTold(&node.Network), newVisitors(c.VisitorKey)
	p.trusted = access.NewNetworks(run.networks(node.Network.TrustedProxies, "network.trustedProxies"))
	p.logging, p.traced = run.logging(&node.Monitoring.Log), traces(node.Monitoring.Tracing)
	p.deny = run.newDenial(&node.Filters.Deny)
	same := previous != nil && (previous.node == node || reflect.DeepEqual(previous.node, node))
	for _, doc := range sites {
		run.key = siteKey + doc.ID
		var had *site
		if previous != nil {
			had = previous.sites[doc.ID]
		}
		switch {
		case had == nil || !same || had.doc != doc:
			had = run.site(doc, had)
		case run.changed(had):
			had = run.again(had)
		}
		if had != nil {
			run.take(had)
		}
	}
	return p, run.faults
}

// siteKey is what keys of sites' documents begin with.
const siteKey = "opencache:edgeResource:"

// take makes a compiled site one of the plan's.
func (c *compiling) take(s *site) {
	c.plan.sites[s.doc.ID] = s
	for i, name := range s.doc.Hostnames {
		if taken := c.plan.hosts.add(lowerOf(name), s); taken != nil {
			c.fault(fmt.Sprintf("hostnames[%d]", i), name, "a host that no other site answers for, as "+taken.doc.ID+" does")
		}
	}
	for key, one := range s.servers {
		c.plan.servers[key] = one
	}
	for _, z := range s.zones {
		for a, sh := range z.shares {
			c.plan.accounts[a] = sh
		}
		if sh, ok := z.others(); ok {
			c.takeOthers(z, sh)
		}
	}
	for a, sh := range s.hostShares {
		c.plan.accounts[a] = sh
	}
}

// takeOthers has hosts that nobody names take so much of the zone's volumes. A
// volume knows one measure for all of them: hosts are in it, not in a zone.
func (c *compiling) takeOthers(z *zone, sh share) {
	for _, v := range z.volumes {
		had, there := c.plan.others[v]
		if !there {
			c.plan.others[v] = sh
		} else if had.share != sh.share || had.limit != sh.limit {
			c.fault("cache.zones."+z.doc.Name+".hosts", fmt.Sprintf("another share or limit than that of zone %s, on volume %s", had.zone, v.Name), "the same, or volumes of its own")
			return
		}
	}
}

// fault notes what is wrong with the document.
func (c *compiling) fault(path, found, expected string) {
	c.faults = append(c.faults, config.Fault{Document: c.key, Path: path, Found: found, Expected: expected})
}

// bad notes an error, if there is one, and reports that.
func (c *compiling) bad(path string, err error) bool {
	if err == nil {
		return false
	}
	f := config.Fault{Document: c.key, Path: path, Expected: err.Error()}
	var e *expr.Error
	if errors.As(err, &e) {
		f.Found, f.Nearest = e.Source, e.Nearest
	}
	c.faults = append(c.faults, f)
	return true
}

// notYet is what is expected where a section stands that nothing obeys.
const notYet = "no such section: not yet"

// refuseNode notes the sections of a node that nothing obeys.
func (c *compiling) refuseNode(n *config.Node) { c.faults = append(c.faults, NotYet(c.key, n)...) }

// NotYet returns the sections of a node's document that nothing obeys.
func NotYet(key string, n *config.Node) (faults []config.Fault) {
	for path, said := range map[string]bool{
		"acme": n.ACME != nil,
	} {
		if said {
			faults = append(faults, config.Fault{Document: key, Path: path, Expected: notYet})
		}
	}
	slices.SortFunc(faults, func(a, b config.Fault) int { return cmp.Compare(a.Path, b.Path) })
	return faults
}

// networks are those of a list, in which an address is a network of its own.
func (c *compiling) networks(list []string, path string) (all []netip.Prefix) {
	for i, text := range list {
		p, err := netip.ParsePrefix(text)
		if a, fault := netip.ParseAddr(text); fault == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if !c.bad(fmt.Sprintf("%s[%d]", path, i), err) {
			all = append(all, p)
		}
	}
	return all
}

// refuseSite notes the sections of a site that nothing obeys.
func (c *compiling) refuseSite(doc *config.Site) {
	if doc.TLS != nil {
		c.fault("tls", "", notYet)
	}
}

// watch has the plan's servers checked, where documents say so, from now on.
// Those that were checked before go on as they are.
func (p *Plan) watch() {
	for _, s := range p.servers {
		if s.probe != nil {
			s.probe.Start()
		}
	}
}

// Empty reports whether there is no site: nobody is served.
func (p *Plan) Empty() bool { return len(p.sites) == 0 }

// Close ends the checks of the plan's servers and closes their connections.
func (p *Plan) Close() (err error) {
	for _, s := range p.servers {
		err = errors.Join(err, s.Close())
	}
	return err
}

// closeGone closes the servers of was that p has not: connections in use are
// closed when their exchange ends.
func (p *Plan) closeGone(was *Plan) {
	for key, s := range was.servers {
		if p.servers[key] != s {
			_ = s.Close() // it has nothing to say
		}
	}
}

// Upstreams calls yield with each server that content comes from.
func (p *Plan) Upstreams(yield func(*origin.Upstream) bool) {
	for _, s := range p.servers {
		if !yield(s.Upstream) {
			return
		}
	}
}
