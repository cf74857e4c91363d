package store

// OpenSite gives the site of that name an account of its own, and returns
// what Site does. Once 4,095 sites have one, others are counted together.
func (z *Zone) OpenSite(name []byte) uint64 {
	site := z.Site(name)
	if k := z.sites.known.Load(); k.names[k.numbers[site]] != "" {
		return site
	}
	if _, opened, err := z.openAccount(site, name); opened && err == nil {
		_ = z.SetShare(site, z.siteShare, z.siteLimit) // it has an account
	}
	return site
}

// Fits reports whether content of so many bytes could be stored for a site
// if nothing else of it were: not when that alone is above its limit.
func (z *Zone) Fits(site uint64, size int64) bool {
	limit := z.memory.accounts[z.account(site)].limit.Load()
	return limit == 0 || size <= limit
}

// A SiteStats is what a site has in a zone.
type SiteStats struct {
	Site         uint64
	Name         string // "": not known, or of those without an account
	Memory       int64  // live bytes
	Share, Limit int64  // 0: none
}

// Sites returns the sites that have an account and first, with Site 0, all
// others together.
func (z *Zone) Sites() []SiteStats {
	k := z.sites.known.Load()
	list := make([]SiteStats, len(k.sites))
	for n := range list {
		acc := &z.memory.accounts[n]
		list[n] = SiteStats{
			Site: k.sites[n], Name: k.names[n], Memory: acc.live.Load(), Share: acc.share.Load(), Limit: acc.limit.Load(),
		}
	}
	return list
}
