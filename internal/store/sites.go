package store

import (
	"errors"
	"maps"
	"sync"
	"sync/atomic"
)

// maxSites bounds the sites with an account of their own.
const maxSites = 4096

// errSites: SetShare has no account left.
var errSites = errors.New("sites: all 4096 accounts are taken")

// A siteTable numbers sites. The zone's tiers have it in common.
type siteTable struct {
	numbers atomic.Pointer[map[uint64]uint16] // replaced, never changed

	mu sync.Mutex // serialises replacing numbers
}

// account returns the number of site's account, 0 when it has none.
func (r *registry) account(site uint64) uint16 { return (*r.sites.numbers.Load())[site] }

// openAccount returns the number of site's account, which it opens.
func (r *registry) openAccount(site uint64) (uint16, error) {
	t := &r.sites
	t.mu.Lock()
	defer t.mu.Unlock()
	old := *t.numbers.Load()
	if n, ok := old[site]; ok {
		return n, nil
	}
	if len(old)+1 >= maxSites {
		return 0, errSites
	}
	n := uint16(len(old) + 1)
	grown := maps.Clone(old)
	grown[site] = n
	t.numbers.Store(&grown)
	return n, nil
}

// accounts count a tier's live bytes by site. Sites without a share or a
// limit have one account together, number 0, that is never full.
type accounts [maxSites]account

type account struct {
	live, share, limit atomic.Int64 // share and limit: 0 is none
}

func (s *accounts) set(a uint16, share, limit int64) {
	s[a].share.Store(share)
	s[a].limit.Store(limit)
}

// admit takes n bytes on account a, or none when that goes above its limit.
func (s *accounts) admit(a uint16, n int) bool {
	acc := &s[a]
	live := acc.live.Add(int64(n))
	if limit := acc.limit.Load(); a != 0 && limit > 0 && live > limit {
		acc.live.Add(-int64(n))
		return false
	}
	return true
}

// add takes n bytes on account a, or gives them back.
func (s *accounts) add(a uint16, n int) { s[a].live.Add(int64(n)) }

// above reports whether account a is above its share: then its records are
// neither promoted nor copied forward.
func (s *accounts) above(a uint16) bool {
	acc := &s[a]
	share := acc.share.Load()
	return a != 0 && share > 0 && acc.live.Load() > share
}

// SetShare is Zone.SetShare.
func (m *Memory) SetShare(site uint64, share, limit int64) error {
	a, err := m.openAccount(site)
	if err != nil {
		return err
	}
	m.accounts.set(a, share, limit)
	return nil
}
