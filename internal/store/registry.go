package store

import (
	"crypto/rand"
	"encoding/binary"
	mathrand "math/rand/v2"
	"slices"
	"sync"

	"github.com/dchest/siphash"
)

// A registry is what the tiers of a zone have in common: the secret of their
// hashes, interned lists, accounts of sites, versions and purges. So a key, a site, a tag and a
// sequence mean the same in all of them.
type registry struct {
	purges
	interned interned
	sites    siteTable
	uses     uses
	k0, k1   uint64 // the secret of Hash

	// tiers are what purges are applied to, in the order in which they are
	// looked up. Set before the first call.
	tiers []tier
	// doubles counts the objects that are in two tiers; nil: there are none.
	doubles func() int
	// remember is how many purges are not forgotten: what is fetched from before
	// the oldest of them on is refused as purged.
	remember int
	// restored: what a volume remembers was taken over.
	restored bool
	// keepers are told what must outlive the process. Set before the first call.
	keepers []keeper

	chanceMu sync.Mutex // guards the field below
	chance   *mathrand.ChaCha8
}

// A tier is a volume as purges see it. The registry's methods call it with
// purges.mu held.
type tier interface {
	// objects returns how many objects there are.
	objects() int64
	// clear drops everything. It may run beside that of other tiers.
	clear()
	// purgeKey drops what is under p.Hash and p.Key, or has an object
	// validated before it is used when p is soft; a marker of variants stays
	// then. It returns the kind of what it found.
	purgeKey(p *Purge) Kind
}

// A keeper writes down, before it has effect, what a later process must know
// too. What it could not write it sees to that nobody needs: then what the
// keeper holds does not come back.
type keeper interface {
	keepBan(d *ban)
	// keepSeq: a purge took s, so all that follow are above it.
	keepSeq(s Seq)
	// keepFloor: the purges up to s are forgotten. Before that what they did to
	// what the keeper holds is written down.
	keepFloor(s Seq)
	keepSet(s Set, fields []byte)
	keepSite(number uint16, site uint64, name []byte)
}

// accountNow is the account that a record's bytes are to be on where it is
// copied to: its own, unless that is the one of all sites without one and its
// site has got one since.
func (r *registry) accountNow(a uint16, h *header) uint16 {
	if a == 0 {
		return r.account(h.site)
	}
	return a
}

// tellKeepers has every keeper told, all at the same time: one whose device
// hangs waits for it once, and not behind the others.
func (r *registry) tellKeepers(tell func(k keeper)) {
	together(r.keepers, tell)
}

// together does do with each of the list at the same time, and waits for all.
func together[T any](list []T, do func(T)) {
	if len(list) == 1 {
		do(list[0])
		return
	}
	var all sync.WaitGroup
	for _, one := range list {
		all.Go(func() { do(one) })
	}
	all.Wait()
}

// newRegistry starts a registry; with a seed that is not zero hashes and
// versions are the same in each run.
func newRegistry(seed [32]byte) *registry {
	if seed == ([32]byte{}) {
		rand.Read(seed[:]) // never fails (crypto/rand)
	}
	r := &registry{chance: mathrand.NewChaCha8(seed), remember: maxBans / 2}
	r.k0, r.k1 = r.chance.Uint64(), r.chance.Uint64()
	r.bans.Store(&bans{})
	r.sweeps.init()
	r.sites.known.Store(noSites())
	r.hard, r.soft = new(recent), new(recent)
	return r
}

// Recovers reports whether there may be what another process has stored: a
// volume on disk.
func (r *registry) Recovers() bool {
	return slices.ContainsFunc(r.tiers, func(t tier) bool { _, disk := t.(*Disk); return disk })
}

// Hash returns the hash of a full key.
func (r *registry) Hash(key []byte) Hash {
	a, b := siphash.Hash128(r.k0, r.k1, key)
	return Hash{a, b}
}

// Variant returns the hash for the response to a primary key that was chosen
// by the normalised values of the fields in set.
func (r *registry) Variant(primary Hash, generation uint32, set Set, values []byte) Hash {
	var b [22]byte
	binary.LittleEndian.PutUint64(b[0:], primary[0])
	binary.LittleEndian.PutUint64(b[8:], primary[1])
	binary.LittleEndian.PutUint32(b[16:], generation)
	binary.LittleEndian.PutUint16(b[20:], uint16(set))
	a, c := siphash.Hash128(r.k0, ^r.k1, values)
	k, l := siphash.Hash128(r.k0^a, r.k1^c, b[:])
	return Hash{k, l}
}

// Site returns the keyed hash of a site's name, never 0.
func (r *registry) Site(name []byte) uint64 {
	a, _ := siphash.Hash128(^r.k0, r.k1, name)
	return max(a, 1)
}

// Version returns a fresh random version, never 0.
func (r *registry) Version() uint64 {
	r.chanceMu.Lock()
	defer r.chanceMu.Unlock()
	return max(r.chance.Uint64(), 1)
}

func (r *registry) segmentHash(version uint64, n int) Hash {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[0:], version)
	binary.LittleEndian.PutUint64(b[8:], uint64(n))
	a, c := siphash.Hash128(^r.k0, ^r.k1, b[:])
	return Hash{a, c}
}
