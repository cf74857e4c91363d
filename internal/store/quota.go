package store

import "sync"

// shares are what was set for accounts, as it was: tiers have it scaled.
type shares struct {
	mu  sync.Mutex // guards the field below, and the zone's siteShare and siteLimit
	set [maxSites]struct{ share, limit int64 }
}

// OpenSite gives the site of that name an account of its own, and returns
// what Site does. Once 4,095 sites have one, others are counted together.
func (z *Zone) OpenSite(name []byte) uint64 {
	site := z.Site(name)
	if k := z.sites.known.Load(); k.names[k.number(site)] != "" {
		return site
	}
	if n, opened, err := z.openAccount(site, name); opened && err == nil {
		z.shareAsOthers(n)
	}
	return site
}

// shareAsOthers sets share and limit of an account that was just opened.
func (z *Zone) shareAsOthers(account uint16) {
	z.shares.mu.Lock()
	share, limit := z.siteShare, z.siteLimit
	z.shares.mu.Unlock()
	z.setShare(account, share, limit)
}

// ShareOthers sets the share and the limit of all sites that have an account or
// will get one, and of all together that have none. SetShare behind it sets
// those of some otherwise.
func (z *Zone) ShareOthers(share, limit int64) {
	z.shares.mu.Lock()
	z.siteShare, z.siteLimit = share, limit
	z.shares.mu.Unlock()
	for n := range z.sites.known.Load().sites {
		z.setShare(uint16(n), share, limit)
	}
}

// Fits reports whether content of so many bytes could be stored for a site
// if nothing else of it were: not when that alone is above its limit.
func (z *Zone) Fits(site uint64, size int64) bool {
	_, limit := z.shareOf(z.account(site))
	return limit == 0 || size <= limit
}

// setShare sets share and limit of an account in every tier, in the largest
// as they are and in others so much less as they are smaller.
func (z *Zone) setShare(account uint16, share, limit int64) {
	most := z.largestTier()
	scaled := func(n, capacity int64) int64 {
		if n <= 0 || capacity >= most {
			return n
		}
		return max(int64(float64(n)*float64(capacity)/float64(most)), 1)
	}
	z.shares.mu.Lock()
	defer z.shares.mu.Unlock()
	z.shares.set[account].share, z.shares.set[account].limit = share, limit
	if m := z.memory; m != nil {
		m.accounts.set(account, scaled(share, m.capacity()), scaled(limit, m.capacity()))
	}
	for _, d := range z.disks {
		d.accounts.set(account, scaled(share, d.capacity()), scaled(limit, d.capacity()))
	}
}

// shareOf returns share and limit of an account as they were set.
func (z *Zone) shareOf(account uint16) (share, limit int64) {
	z.shares.mu.Lock()
	defer z.shares.mu.Unlock()
	s := &z.shares.set[account]
	return s.share, s.limit
}

// largestTier returns the bytes of the memory, or of all disks together.
func (z *Zone) largestTier() (bytes int64) {
	for _, d := range z.disks {
		bytes += d.capacity()
	}
	if z.memory != nil {
		bytes = max(bytes, z.memory.capacity())
	}
	return bytes
}

// A SiteStats is what a site has in a zone.
type SiteStats struct {
	Site         uint64
	Name         string // "": not known, or of those without an account
	Memory, Disk int64  // live bytes
	Share, Limit int64  // 0: none
}

// Sites returns the sites that have an account and first, with Site 0, all
// others together.
func (z *Zone) Sites() []SiteStats {
	k := z.sites.known.Load()
	list := make([]SiteStats, len(k.sites))
	for n := range list {
		s := &list[n]
		s.Site, s.Name = k.sites[n], k.names[n]
		s.Share, s.Limit = z.shareOf(uint16(n))
		if z.memory != nil {
			s.Memory = z.memory.accounts[n].live.Load()
		}
		for _, d := range z.disks {
			s.Disk += d.accounts[n].live.Load()
		}
	}
	return list
}
