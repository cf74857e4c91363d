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

// sites counts live bytes by site. Sites without a share or a limit have one
// account together, number 0, that is never full.
type sites struct {
	accounts []account
	numbers  atomic.Pointer[map[uint64]uint16] // replaced, never changed

	mu sync.Mutex // serialises replacing numbers
}

type account struct {
	live, share, limit atomic.Int64 // share and limit: 0 is none
}

func newSites() *sites {
	s := &sites{accounts: make([]account, maxSites)}
	s.numbers.Store(&map[uint64]uint16{})
	return s
}

// number returns the account of site.
func (s *sites) number(site uint64) uint16 { return (*s.numbers.Load())[site] }

func (s *sites) set(site uint64, share, limit int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := *s.numbers.Load()
	n, ok := old[site]
	if !ok {
		if len(old)+1 >= maxSites {
			return errSites
		}
		n = uint16(len(old) + 1)
		grown := maps.Clone(old)
		grown[site] = n
		s.numbers.Store(&grown)
	}
	s.accounts[n].share.Store(share)
	s.accounts[n].limit.Store(limit)
	return nil
}

// admit takes n bytes on account a, or none when that goes above its limit.
func (s *sites) admit(a uint16, n int) bool {
	acc := &s.accounts[a]
	live := acc.live.Add(int64(n))
	if limit := acc.limit.Load(); a != 0 && limit > 0 && live > limit {
		acc.live.Add(-int64(n))
		return false
	}
	return true
}

// add takes n bytes on account a, or gives them back.
func (s *sites) add(a uint16, n int) { s.accounts[a].live.Add(int64(n)) }

// above reports whether account a is above its share: then its records are
// neither promoted nor copied forward.
func (s *sites) above(a uint16) bool {
	acc := &s.accounts[a]
	share := acc.share.Load()
	return a != 0 && share > 0 && acc.live.Load() > share
}

// SetShare sets the share and the hard limit of a site in live bytes; 0 is
// none. Above its share its records are neither promoted nor copied forward,
// above its limit nothing is admitted (ErrQuota). Records stored before its
// first share are not on its account. At most 4,095 sites have one; more are
// an error and go on without.
func (m *Memory) SetShare(site uint64, share, limit int64) error {
	return m.sites.set(site, share, limit)
}
