package configtest

import "opencache/internal/config"

// access is a section access that lets most requests through.
func (m *Maker) access() config.Access {
	a := config.Access{Allow: maybe(m, m.clients), Deny: maybe(m, m.clients), MaxURI: maybe(m, m.bound), MaxHeader: maybe(m, m.bound), MaxBody: maybe(m, m.bound)}
	if m.seldom() {
		a.Methods = append(some(m, "HEAD", "POST", "DELETE"), one(m, "GET", "*"))
	}
	return a
}

// clients are nobody, or some of those that there are.
func (m *Maker) clients() config.Clients {
	return config.Clients{CIDRs: some(m, "::1", "127.0.0.0/8", "192.0.2.0/24", "2001:db8::/32"), Countries: some(m, "DE", "FR"), ASNs: some(m, uint32(64496), 64497)}
}

func (m *Maker) bound() config.Size { return one(m, config.Size(20), 200, 2000) }
