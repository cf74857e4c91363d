package store

import "runtime"

// A Tier is one of the volumes of a zone.
type Tier uint8

// The tiers.
const (
	InMemory Tier = iota
	OnDisk
)

func (t Tier) String() string { return [...]string{"memory", "disk"}[t] }

// A Cursor is a place on a walk through a zone; 0 is its beginning. It stays
// good for as long as the zone is open.
type Cursor uint64

// A Listed is a stored response that Walk has come by. Its bytes may be used
// until visit returns.
type Listed struct {
	Tier      Tier
	Key, Meta []byte
	Site      uint64
	Size      int64 // of the content
	Stored    int   // bytes of the record, without those of segments
	Version   uint64
	Born      Seq
	Validated Seq
	Soft      bool // to be validated before use
	Heat      int  // hits not long ago, 0 to 3
	Tags      int
}

// walkCells is how many index entries Walk looks at most, so that a filter
// that nothing passes does not hold up its caller.
const walkCells = 1 << 18

// A Look says what a walk is for. The zero value: everything.
type Look struct {
	Site    uint64 // 0: all
	OneTier bool   // what is in Tier alone
	Tier    Tier
}

// Walk calls visit for stored responses from a place on, each under a pin,
// until visit returns false or it has looked at some many. It returns where
// to go on, and whether there is more. What is there during the whole walk is
// visited once in each tier that it is in; what comes or goes meanwhile, or
// what a disk does not give in time, may be or not. The zone is used on: no
// lock is held.
func (z *Zone) Walk(from Cursor, look Look, visit func(*Listed) bool) (next Cursor, more bool) {
	var volumes []walked
	if z.memory != nil {
		volumes = append(volumes, z.memory)
	}
	for _, d := range z.disks {
		volumes = append(volumes, d)
	}
	n, at := int(from>>walkShift), int(from&(1<<walkShift-1))
	for ; n >= 0 && n < len(volumes); n, at = n+1, 0 {
		v := volumes[n]
		if look.OneTier && look.Tier != v.tier() {
			continue
		}
		if at, more = v.walk(at, &look, visit); more {
			return Cursor(n)<<walkShift | Cursor(at), true
		}
		if n+1 < len(volumes) {
			return Cursor(n+1) << walkShift, true
		}
	}
	return from, false
}

// walkShift is where a Cursor has the number of its volume; below it is the
// place in that.
const walkShift = 48

// A walked is a volume that Walk goes through.
type walked interface {
	tier() Tier
	// walk is Walk from the at-th entry of the index on.
	walk(at int, look *Look, visit func(*Listed) bool) (next int, more bool)
}

var (
	_ walked = (*Memory)(nil)
	_ walked = (*Disk)(nil)
)

func (m *Memory) tier() Tier { return InMemory }

func (m *Memory) walk(at int, look *Look, visit func(*Listed) bool) (next int, more bool) {
	end := m.index.entries()
	stop := min(at+walkCells, end)
	for ; at < stop; at++ {
		if !m.listed(m.index.entry(at), look, visit) {
			at++
			break
		}
	}
	return at, at < end
}

// listed shows the object at a place of the index to visit, if there is one;
// false when visit has had enough.
func (m *Memory) listed(at int, look *Look, visit func(*Listed) bool) bool {
	var c cell
	for range lookupTries {
		if !m.index.peek(at, &c) || c.kind() != Object {
			return true
		}
		s := m.pin(&c)
		if s == nil {
			continue // it was moved meanwhile
		}
		defer s.Release()
		b := s.mem[c.off():]
		var h header
		if !h.decode(b) || look.Site != 0 && look.Site != h.site {
			return true
		}
		hard, soft := m.bans.Load().judge(h.faceOf(b), c.checked(), c.checked())
		if hard {
			return true
		}
		return visit(listedOf(InMemory, &h, b, &c, soft))
	}
	return true
}

// listedOf is what is told of the record that begins b, to which c points.
func listedOf(t Tier, h *header, b []byte, c *cell, soft bool) *Listed {
	return &Listed{
		Tier: t, Key: h.keyOf(b), Meta: h.metaOf(b), Site: h.site, Size: h.size, Stored: h.length(),
		Version: h.version, Born: h.born, Validated: h.validated, Soft: soft || c.soft(), Heat: c.freq(), Tags: h.tags,
	}
}

// entries is how many entries the index has room for, and entry where the
// n-th of them is.
func (x *index) entries() int    { return len(x.words) / bucketWords * ways }
func (x *index) entry(n int) int { return n/ways*bucketWords + n%ways }

// peek copies the entry at a place; false when there is none.
func (x *index) peek(at int, c *cell) bool {
	for range lookupTries {
		x.readLocked(at, c)
		switch t := x.words[at].Load(); {
		case t&^versionMask == 0 && t&1 == 0:
			return false
		case t == c.tag && t&1 == 0:
			return true
		}
		runtime.Gosched() // a writer is at it
	}
	return false
}

// bucket calls f for the entries of the n-th bucket under its shard's lock. f
// may clear them.
func (x *index) bucket(n int, f func(c *cell)) {
	var c cell
	mu := &x.shards[uint64(n)/x.per].mu
	mu.Lock()
	defer mu.Unlock()
	for at := n * bucketWords; at < n*bucketWords+ways; at++ {
		if x.readLocked(at, &c); c.tag&^versionMask != 0 {
			f(&c)
		}
	}
}
