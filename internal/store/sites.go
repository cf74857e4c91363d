package store

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	// maxSites bounds the sites with an account of their own.
	maxSites = 4096
	// siteName is how much of a site's name is kept.
	siteName = 255
)

// errSites: SetShare has no account left.
var errSites = errors.New("sites: all 4096 accounts are taken, so it has no limit of its own")

// A siteTable numbers sites. The zone's tiers have it in common. Number 0 is
// of all sites that have no account.
type siteTable struct {
	known atomic.Pointer[knownSites] // replaced, never changed

	mu sync.Mutex // serialises replacing known
}

// knownSites are the sites that have an account. Those before it have the
// first elements of sites and names in common with it: a further one is put
// behind them.
type knownSites struct {
	numbers map[uint64]uint16 // of the first so many
	mapped  int
	sites   []uint64 // by number
	names   []string // by number; "": not told yet
}

// maxUnmapped is how many of the latest sites are looked through one by one.
// Were each put into the map, which is copied for that, opening them all would
// take time by the square of their number.
const maxUnmapped = 64

// number returns a site's number, 0 when it has none.
func (k *knownSites) number(site uint64) uint16 {
	if n := k.numbers[site]; n != 0 {
		return n
	}
	for i, s := range k.sites[k.mapped:] {
		if s == site {
			return uint16(k.mapped + i)
		}
	}
	return 0
}

// with returns k with one more site.
func (k *knownSites) with(site uint64) *knownSites {
	grown := &knownSites{numbers: k.numbers, mapped: k.mapped, sites: append(k.sites, site), names: append(k.names, "")}
	if len(grown.sites)-grown.mapped > maxUnmapped {
		grown.numbers = maps.Clone(k.numbers)
		for i, s := range grown.sites[grown.mapped:] {
			grown.numbers[s] = uint16(grown.mapped + i)
		}
		grown.mapped = len(grown.sites)
	}
	return grown
}

// noSites is where a zone begins.
func noSites() *knownSites {
	return &knownSites{numbers: map[uint64]uint16{}, mapped: 1, sites: make([]uint64, 1), names: make([]string, 1)}
}

// account returns the number of site's account, 0 when it has none.
func (r *registry) account(site uint64) uint16 { return r.sites.known.Load().number(site) }

// openAccount returns the number of site's account, which it opens, and
// whether it did. A name that is not nil becomes the account's unless it has one.
func (r *registry) openAccount(site uint64, name []byte) (n uint16, opened bool, err error) {
	t := &r.sites
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.known.Load()
	n = old.number(site)
	found := n != 0
	if found && (len(name) == 0 || old.names[n] != "") {
		return n, false, nil
	}
	if !found && len(old.sites) >= maxSites {
		return 0, false, errSites
	}
	var grown *knownSites
	if found {
		again := *old
		grown = &again
		grown.names = slices.Clone(old.names)
	} else {
		grown, n = old.with(site), uint16(len(old.sites))
	}
	name = name[:min(len(name), siteName)]
	grown.names[n] = string(name) // a place that no reader has
	r.tellKeepers(func(k keeper) { k.keepSite(n, site, name) })
	t.known.Store(grown)
	return n, !found, nil
}

// SiteName returns the name that a site's account was opened with, "" when
// that is not known.
func (r *registry) SiteName(site uint64) string {
	k := r.sites.known.Load()
	return k.names[k.number(site)]
}

// accounts count a tier's live bytes by site; number 0 is that of all sites
// without an account.
type accounts [maxSites]account

type account struct {
	live, share, limit atomic.Int64 // share and limit: 0 is none

	hand int // where trim goes on; guarded by the volume's trimming
}

func (s *accounts) set(a uint16, share, limit int64) {
	s[a].share.Store(share)
	s[a].limit.Store(limit)
}

// move puts n bytes from one account on another, whatever its limit: what is
// stored next has to make room.
func (s *accounts) move(from, to uint16, n int) {
	if from != to {
		s.add(from, -n)
		s.add(to, n)
	}
}

// admit takes n bytes on account a, or none when that goes above its limit.
func (s *accounts) admit(a uint16, n int) bool {
	acc := &s[a]
	live := acc.live.Add(int64(n))
	if limit := acc.limit.Load(); limit > 0 && live > limit {
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
	return share > 0 && acc.live.Load() > share
}
