package store

import (
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"slices"
)

const (
	journalMagic   = "ocjournl"
	journalVersion = 1
	journalHeader  = 64
)

// A journalHead is the first bytes of a journal: whose it is.
type journalHead struct {
	set    [16]byte
	stripe int
	seed   uint32 // begins the checksums of its entries: none of another journal passes
}

func (h *journalHead) encode() []byte {
	b := make([]byte, journalHeader)
	le := binary.LittleEndian
	copy(b, journalMagic)
	le.PutUint32(b[8:], journalVersion)
	le.PutUint32(b[12:], uint32(h.stripe))
	copy(b[16:], h.set[:])
	le.PutUint32(b[32:], h.seed)
	le.PutUint32(b[journalHeader-4:], crc32.Checksum(b[:journalHeader-4], castagnoli))
	return b
}

func (h *journalHead) decode(b []byte) bool {
	le := binary.LittleEndian
	if len(b) < journalHeader || string(b[:8]) != journalMagic || le.Uint32(b[8:]) != journalVersion ||
		le.Uint32(b[journalHeader-4:]) != crc32.Checksum(b[:journalHeader-4], castagnoli) {
		return false
	}
	h.stripe = int(le.Uint32(b[12:]))
	copy(h.set[:], b[16:])
	h.seed = le.Uint32(b[32:])
	return true
}

// A wound is what is wrong with a journal.
type wound uint8

const (
	whole   wound = iota
	torn          // its last write did not end; what it said had not taken effect
	holed         // something is missing before its end
	missing       // there is none, or it is another volume's
)

func (w wound) String() string {
	return [...]string{"whole", "torn at its end", "damaged in the middle", "missing"}[w]
}

// A replay is the journal's facts that are in force.
type replay struct {
	interned map[Set][]byte
	sites    map[uint16]siteFact
	bans     bans
	marks    map[uint64]markFact // by tag, as in the index
	dead     map[int]*life       // by slab: listings that must not come back
	soft     map[int]*life       // by slab: listings to be validated
	cleared  uint64              // no listing with a stamp up to it comes back
	seq      Seq
	stamp    uint64 // the newest seen

	entries int
	bytes   int64 // of these
	lost    int64 // bytes that could not be read
	vain    int64 // bytes that were looked at for the next entry behind damage
	wound   wound
}

// A siteFact is a site that has an account.
type siteFact struct {
	hash uint64
	name []byte
}

// A markFact is the marker under a hash; place 0: none any more.
type markFact struct {
	hash                       Hash
	place, state, extra, stamp uint64
}

// A life is a set of listings of one life of a slab.
type life struct {
	generation uint64
	words      []lifeWord // sorted: no more than there are listings, whatever numbers these have
}

// A lifeWord is 64 listings that follow each other, some of them in the set.
type lifeWord struct {
	at   uint16 // the first, divided by 64
	bits uint64
}

func (l *life) has(generation uint64, n int) bool {
	if l == nil || l.generation != generation {
		return false
	}
	i, ok := l.word(uint16(n / 64))
	return ok && l.words[i].bits>>(n%64)&1 != 0
}

// word is where the word of a number is, or where it would be.
func (l *life) word(at uint16) (int, bool) {
	return slices.BinarySearchFunc(l.words, at, func(w lifeWord, at uint16) int { return cmp.Compare(w.at, at) })
}

// add takes e's listings in. An older life is forgotten, one older than what
// is known is void.
func addTo(lives map[int]*life, e *entry) {
	l := lives[e.slab]
	if l == nil || l.generation < e.generation {
		l = &life{generation: e.generation}
		lives[e.slab] = l
	}
	if l.generation > e.generation {
		return
	}
	for _, n := range e.listings {
		i, ok := l.word(n / 64)
		if !ok {
			l.words = slices.Insert(l.words, i, lifeWord{at: n / 64})
		}
		l.words[i].bits |= 1 << (n % 64)
	}
}

func newReplay() *replay {
	return &replay{
		interned: map[Set][]byte{}, sites: map[uint16]siteFact{}, marks: map[uint64]markFact{},
		dead: map[int]*life{}, soft: map[int]*life{},
	}
}

// apply takes one entry in, in the order of the journal. It keeps nothing of
// the bytes the entry was read from.
func (r *replay) apply(e *entry) {
	r.entries++
	e.own()
	r.seq = max(r.seq, e.ban.seq)
	switch e.kind {
	case entryIntern:
		r.interned[Set(e.number)] = e.text
	case entrySite:
		r.sites[e.number] = siteFact{e.hash[0], e.text}
	case entryBan:
		r.bans.list = append(r.bans.list, e.ban)
		r.bans.settle()
	case entryFloor:
		r.bans.forget(e.ban.seq)
	case entryMark:
		r.stamp = max(r.stamp, e.stamp)
		if e.place != 0 {
			r.seq = max(r.seq, Seq(e.state))
		}
		if tag := tagOf(e.hash); e.stamp >= r.marks[tag].stamp {
			r.marks[tag] = markFact{e.hash, e.place, e.state, e.extra, e.stamp}
		}
	case entryKill:
		addTo(r.dead, e)
	case entrySoft:
		addTo(r.soft, e)
	case entryClear:
		// Sequences may start again here.
		r.stamp = max(r.stamp, e.stamp)
		r.cleared, r.seq, r.bans = max(r.cleared, e.stamp), e.ban.seq, bans{}
		clear(r.marks)
	}
}

// facts appends what is in force to b, as entries. Markers that expired before
// now (Unix milliseconds) and markers that are gone are left out.
func (r *replay) facts(b []byte, seed uint32, now int64) []byte {
	add := func(e entry) { b = e.append(b, seed) }
	add(entry{kind: entryClear, stamp: r.cleared, ban: ban{seq: r.seq}})
	for s, text := range r.interned {
		add(entry{kind: entryIntern, number: uint16(s), text: text})
	}
	for n, s := range r.sites {
		add(entry{kind: entrySite, number: n, hash: Hash{s.hash}, text: s.name})
	}
	if r.bans.floor > 0 {
		add(entry{kind: entryFloor, ban: ban{seq: r.bans.floor}})
	}
	for _, d := range r.bans.list {
		add(entry{kind: entryBan, ban: d})
	}
	for _, k := range r.marks {
		if k.place != 0 && !k.expired(now) {
			add(entry{kind: entryMark, hash: k.hash, place: k.place, state: k.state, extra: k.extra, stamp: k.stamp})
		}
	}
	for n, l := range r.dead {
		add(entry{kind: entryKill, slab: n, generation: l.generation, listings: l.listings()})
	}
	for n, l := range r.soft {
		add(entry{kind: entrySoft, slab: n, generation: l.generation, listings: l.listings()})
	}
	return b
}

func (k *markFact) expired(now int64) bool { return k.extra != 0 && now >= int64(k.extra) }

func (l *life) listings() (list []uint16) {
	for _, w := range l.words {
		for b := range uint16(64) {
			if w.bits>>b&1 != 0 {
				list = append(list, 64*w.at+b)
			}
		}
	}
	return list
}
