package configtest

import "opencache/internal/config"

// access is a section access that lets most requests through.
func (m *Maker) access() config.Access {
	a := config.Access{Allow: maybe(m, m.clients), Deny: maybe(m, m.clients), MaxURI: maybe(m, m.bound), MaxHeader: maybe(m, m.bound), MaxBody: maybe(m, m.bound)}
	if m.seldom() {
		a.Methods = append(some(m, "HEAD", "POST", "DELETE"), one(m, "GET", "*"))
	}
	if m.seldom() {
		a.RateLimits = some(m, "each", "dry")
	}
	if m.seldom() {
		off := false
		a.BasicAuth = &config.BasicAuth{Enabled: &off, Users: &config.Secret{Env: "PATH"}, Realm: "staff", Forward: m.yes()}
		a.SignedURL = &config.SignedURL{Enabled: &off, Keys: []config.SigningKey{{ID: "k", Secret: config.Secret{Env: "PATH"}}}, Signature: one(m, "sig", "v"),
			Expires: "until", Key: "by", Prefix: "below", Cookie: "ticket", Bind: some(m, "address", "host"), Skew: maybe(m, m.duration)}
	}
	return a
}

// rates are limits that nobody reaches.
func (m *Maker) rates() []config.RateLimit {
	burst := 1000
	return []config.RateLimit{{Name: "each", Rate: "1000/s", Burst: &burst, Clients: maybe(m, func() int { return 64 }), Fields: m.yes()},
		{Name: "dry", Key: "$remote_addr", Rate: "1000/d", DryRun: true}}
}

// clients are nobody, or some of those that there are.
func (m *Maker) clients() config.Clients {
	return config.Clients{CIDRs: some(m, "::1", "127.0.0.0/8", "192.0.2.0/24", "2001:db8::/32"), Countries: some(m, "DE", "FR"), ASNs: some(m, uint32(64496), 64497)}
}

func (m *Maker) bound() config.Size { return one(m, config.Size(20), 200, 2000) }
