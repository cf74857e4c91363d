package edge

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"opencache/internal/config"
	"opencache/internal/expr"
	"opencache/internal/origin"
	"opencache/internal/wire"
)

// A pool is an upstream that routes name.
type pool struct {
	wire.Exchanger
	name    string
	servers []*server
	host    *expr.Text // hostHeader
	seen    address    // how its first server sees requests
	nextHop string
	budget  *origin.Budget // of retries; nil: any number
}

// pool compiles a pool; was is what it was before, nil for none.
func (c *compiling) pool(s *site, u *config.Upstream, was *pool) (*pool, error) {
	host, err := c.parseText(cmp.Or(u.HostHeader, "$host"), expr.InUpstream)
	if err != nil {
		return nil, err
	}
	literal, fixed := host.Constant()
	own := len(host.Vars()) == 1 && host.String() == "$upstream_host"
	up := &pool{name: u.Name, host: host, budget: c.budget(was)}
	group := &origin.Group{Next: nextOf(&s.doc.Cache.ProxySettings), Now: c.Now, Random: c.Random, Tally: c.Tally, Budget: up.budget,
		Tries: intOf(s.doc.Cache.ProxySettings.NextUpstreamTries), Timeout: durationOf(s.doc.Cache.ProxySettings.NextUpstreamTimeout)}
	if err := c.balance(group, s, u); err != nil {
		return nil, err
	}
	common := &pooling{doc: u, link: s.links[u.Name], was: was, host: func(o *origin.Upstream) {
		if fixed {
			o.Host = literal
		} else if !own {
			o.Host = "" // the request's
		}
	}}
	for i := range u.Servers {
		d := &u.Servers[i]
		one, err := c.server(common, d)
		if err != nil {
			return nil, err
		}
		s.servers[one.key] = one
		m := origin.Member{Exchanger: one.counted, Name: d.URL, Weight: intOf(d.Weight), Backup: d.Backup, Circuit: one.Circuit, Load: one.Load}
		if !fixed && !own && host.String() != "$http_host" {
			m.Exchanger = &hosted{next: one.counted, host: host, server: one, site: s, node: c.plan.values}
		}
		group.Members, up.servers = append(group.Members, m), append(up.servers, one)
	}
	first := up.servers[0]
	up.seen = address{secure: first.Scheme == "https", authority: []byte(first.Host), base: []byte(first.Base)}
	up.Exchanger = group
	if len(u.Servers) == 1 {
		up.nextHop = first.Addr
	}
	return up, nil
}

// budget is how many requests of a pool may be tried again: what was spent
// before counts on.
func (c *compiling) budget(was *pool) *origin.Budget {
	share := c.plan.node.Retries.Budget
	switch {
	case share == nil:
		return nil
	case was != nil && was.budget != nil && was.budget.Share == *share:
		return was.budget
	case *share == 0:
		return &origin.Budget{Least: -1}
	}
	return &origin.Budget{Share: *share}
}

// balances are the ways of picking a server, as documents name them.
var balances = map[string]origin.Balance{"least_conn": origin.LeastConn, "random_two": origin.RandomTwo, "hash": origin.Hash}

// balance sets how a group picks.
func (c *compiling) balance(g *origin.Group, s *site, u *config.Upstream) error {
	g.Balance = balances[u.Balance]
	if g.Balance != origin.Hash {
		return nil
	}
	by := u.HashKey
	if by == "" {
		by = "$request_uri"
		if q := s.doc.Cache.Global.QueryNormalization; q != nil && q.Enabled {
			by = "$normalized_request_uri"
		}
	}
	text, err := c.parseText(by, expr.InUpstream)
	node := c.plan.values
	g.Key = func(r *wire.Request) uint64 {
		var room [256]byte
		return origin.HashKey(text.Append(room[:0], &values{r: r, site: s, node: node, client: whose(r)}))
	}
	return err
}

// pool returns the pool of a name, nil when there is none.
func (s *site) pool(name string) *pool {
	if s == nil {
		return nil
	}
	for _, p := range s.pools {
		if p.name == name {
			return p
		}
	}
	return nil
}

// server returns the server of a URL, nil when there is none.
func (p *pool) server(url string) *server {
	if p == nil {
		return nil
	}
	for _, s := range p.servers {
		if s.key.url == url {
			return s
		}
	}
	return nil
}

// A PoolStatus says how the servers of a pool stand.
type PoolStatus struct {
	Site     string         `json:"site"`
	Upstream string         `json:"upstream"`
	Servers  []ServerStatus `json:"servers"`
}

// A ServerStatus says how a server stands. Pools that have the same one share
// its numbers.
type ServerStatus struct {
	Server    string       `json:"server"`
	State     origin.State `json:"-"`
	Word      string       `json:"state"`     // up, trying, ejected, down
	Ejections uint64       `json:"ejections"` // how often it was left out
	InUse     int          `json:"in_use"`    // connections
	Kept      int          `json:"kept"`
	Waiting   int          `json:"waiting"` // requests for one
}

// Pools calls yield with each pool of each site, in their order by name.
func (p *Plan) Pools(now time.Time) func(yield func(PoolStatus) bool) {
	return func(yield func(PoolStatus) bool) {
		for _, id := range slices.Sorted(maps.Keys(p.sites)) {
			for _, one := range p.sites[id].pools {
				st := PoolStatus{Site: id, Upstream: one.name}
				for _, s := range one.servers {
					n, state := s.Stats(), s.Circuit.State(now)
					st.Servers = append(st.Servers, ServerStatus{s.key.url, state, state.String(), s.Circuit.Ejections(), n.InUse, n.Idle, n.Waiting})
				}
				if !yield(st) {
					return
				}
			}
		}
	}
}
