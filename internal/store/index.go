package store

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
)

// The index maps hashes to places. It is a row of buckets of 8 entries of 32
// bytes, of fixed length and without pointers. An entry may be in either of
// two buckets; when both are full the coldest of the 16 is dropped. A bucket keeps the four words of its entries
// apart, so that looking for a tag reads one cache line:
//
//	tag    48 bits of the hash | 16 bits of version, odd while the entry changes
//	place  kind 3 | slab 22 | offset/16 17 | slab's sequence 22
//	       or, of a marker: kind 3 | tally 10 | number of sets 3 | sets 4 × 12
//	state  checked 32 | … | weighed 1 | idle 1 | epoch 8 | uses 4 | soft 1 | frequency 2; of a marker: generation 32 | born 32
//	extra  place in the slab's directory 16 | bytes in the slab 32; of a marker: heat 2 | expiry 62
//
// Writers lock a shard of the index; both buckets of a hash are in one shard.
// Readers read words atomically and compare the tag before and after. Only the
// frequency, and a marker's heat, change without the lock, by compare-and-swap.
type index struct {
	words  []atomic.Uint64
	shards []shard // a power of two
	bits   uint    // log2 of it
	per    uint64  // buckets in a shard
	idle   *idle
}

type shard struct {
	mu sync.Mutex
	_  [56]byte // one cache line each
}

const (
	ways        = 8
	bucketWords = 4 * ways
	// where the words of an entry are, seen from its tag
	placeAt = 1 * ways
	stateAt = 2 * ways
	extraAt = 3 * ways

	versionMask = 1<<16 - 1

	// nearlyFull is how many empty entries keep a bucket the first choice.
	nearlyFull = 3

	freqMax  = 3
	tallyMax = 1<<10 - 1
	softBit  = 1 << 2

	heatShift = 62
	kindShift = 61
	slabShift = 39
	offShift  = 22
	slabMask  = 1<<22 - 1
	offMask   = 1<<17 - 1
	seqMask   = 1<<22 - 1
)

// kindSegment is the kind of entries that Lookup does not find.
const kindSegment = HitForMiss + 1

// A cell is the copy of an index entry, and where it is.
type cell struct {
	at                       int // of the tag among the words
	tag, place, state, extra uint64
}

func (c *cell) kind() Kind   { return Kind(c.place >> kindShift) }
func (c *cell) slab() int    { return int(c.place >> slabShift & slabMask) }
func (c *cell) off() int     { return int(c.place>>offShift&offMask) * unit }
func (c *cell) seq() uint32  { return uint32(c.place & seqMask) }
func (c *cell) checked() Seq { return Seq(c.state >> 32) }
func (c *cell) soft() bool   { return c.state&softBit != 0 }
func (c *cell) freq() int    { return int(c.state & freqMax) }
func (c *cell) length() int  { return int(uint32(c.extra)) }
func (c *cell) listing() int { return int(c.extra >> 32) }
func (c *cell) stored() bool { k := c.kind(); return k == Object || k == kindSegment }

func placeOf(k Kind, slab, off int, seq uint32) uint64 {
	return uint64(k)<<kindShift | uint64(slab)<<slabShift | uint64(off/unit)<<offShift | uint64(seq&seqMask)
}

func stateOf(checked Seq, soft bool, freq int) uint64 {
	s := uint64(checked)<<32 | uint64(freq)
	if soft {
		s |= softBit
	}
	return s
}

// restate is the state of c with other purges checked.
func (c *cell) restate(checked Seq, soft bool) uint64 {
	return stateOf(checked, soft, 0) | c.state&heatMask
}

func extraOf(listing, n int) uint64 { return uint64(listing)<<32 | uint64(n) }

// indexShape returns how many shards, and buckets in each, hold n entries.
func indexShape(n int64) (shards int, per uint64) {
	buckets := max(uint64(n+ways-1)/ways, 128)
	shards = 64
	// Hashes do not spread evenly over small shards: of those of 160 entries
	// for 125, some are full.
	for shards > 1 && buckets/uint64(shards) < 64 {
		shards /= 2
	}
	return shards, (buckets + uint64(shards) - 1) / uint64(shards)
}

func newIndex(words []atomic.Uint64, shards int, per uint64) index {
	return index{words: words, shards: make([]shard, shards), bits: uint(bits.TrailingZeros(uint(shards))), per: per, idle: new(idle)}
}

func tagOf(h Hash) uint64 {
	if t := h[0] &^ versionMask; t != 0 {
		return t
	}
	return 1 << 16 // no tag is an empty entry
}

// buckets returns where the two buckets of h begin.
func (x *index) buckets(h Hash) (a, b int) {
	base := h[1] >> (64 - x.bits) * x.per
	i, _ := bits.Mul64(h[1]<<x.bits, x.per)
	j, _ := bits.Mul64(bits.RotateLeft64(h[1], 32), x.per)
	return int(base+i) * bucketWords, int(base+j) * bucketWords
}

// lock locks the shard of h and returns its lock.
func (x *index) lock(h Hash) *sync.Mutex {
	mu := &x.shards[h[1]>>(64-x.bits)].mu
	mu.Lock()
	return mu
}

// load finds the entry of h without a lock.
func (x *index) load(h Hash, c *cell) bool {
	tag := tagOf(h)
	a, b := x.buckets(h)
	return x.scan(a, tag, h, c) || x.scan(b, tag, h, c)
}

// scan looks for tag in one bucket.
func (x *index) scan(at int, tag uint64, h Hash, c *cell) bool {
	w := (*[bucketWords]atomic.Uint64)(x.words[at : at+bucketWords])
	for i := range ways {
		t := w[i].Load()
		if t&^versionMask != tag {
			continue
		}
		c.at, c.tag = at+i, t
		c.place, c.state, c.extra = w[i+placeAt].Load(), w[i+stateAt].Load(), w[i+extraAt].Load()
		if t&1 == 0 && w[i].Load() == t {
			return true
		}
		// A writer is at this entry. It holds the lock for an instant only,
		// but may have been descheduled: wait for the lock, not for the words.
		runtime.Gosched()
		mu := x.lock(h)
		ok := x.findLocked(h, c)
		mu.Unlock()
		return ok
	}
	return false
}

// findLocked finds the entry of h under its shard's lock.
func (x *index) findLocked(h Hash, c *cell) bool {
	tag := tagOf(h)
	a, b := x.buckets(h)
	for _, at := range [2]int{a, b} {
		for i := at; i < at+ways; i++ {
			if t := x.words[i].Load(); t&^versionMask == tag {
				x.readLocked(i, c)
				return true
			}
		}
	}
	return false
}

func (x *index) readLocked(at int, c *cell) {
	*c = cell{
		at: at, tag: x.words[at].Load(), place: x.words[at+placeAt].Load(),
		state: x.words[at+stateAt].Load(), extra: x.words[at+extraAt].Load(),
	}
}

// roomLocked returns where an entry for h may go: c is what is there now,
// with at set; c.tag without a hash when nothing is. The first bucket is
// found faster, so the second is used only when the first is nearly full, and
// then the emptier of the two, which lets both fill evenly.
func (x *index) roomLocked(h Hash, c *cell) {
	a, b := x.buckets(h)
	first, inFirst := x.emptyLocked(a)
	second, inSecond := x.emptyLocked(b)
	switch {
	case inFirst+inSecond == 0:
		x.coldestLocked(a, b, c)
	case inFirst >= nearlyFull || inFirst >= inSecond:
		x.readLocked(first, c)
	default:
		x.readLocked(second, c)
	}
}

// emptyLocked returns an empty entry of a bucket, and how many there are.
func (x *index) emptyLocked(bucket int) (at, n int) {
	for i := bucket; i < bucket+ways; i++ {
		if x.words[i].Load()&^versionMask == 0 {
			at = i
			n++
		}
	}
	return at, n
}

// coldestLocked finds what is to make room in two full buckets. No slab takes
// markers along, so those of variants cool down here: one that nobody looked
// up while its buckets overflowed a few times goes before any record does.
func (x *index) coldestLocked(a, b int, c *cell) {
	least := -1
	var d cell
	for _, at := range [2]int{a, b} {
		for i := at; i < at+ways; i++ {
			x.readLocked(i, &d)
			if w := d.warmth(); least < 0 || w < least {
				*c, least = d, w
			}
			if d.kind() == Variants && d.heat() > 0 {
				x.words[i+extraAt].CompareAndSwap(d.extra, d.extra-1<<heatShift)
			}
		}
	}
}

// warmth orders the entries of a full bucket.
func (c *cell) warmth() int {
	switch c.kind() {
	case Variants:
		return 2*c.heat() + 1
	case HitForMiss:
		return 0
	}
	return 2*c.freq() + 2
}

// heat is the frequency of a marker, expires its expiry.
func (c *cell) heat() int      { return int(c.extra >> heatShift) }
func (c *cell) expires() int64 { return int64(c.extra & (1<<heatShift - 1)) }

// stir counts a hit of a marker.
func (x *index) stir(c *cell) {
	if c.heat() < freqMax {
		x.words[c.at+extraAt].CompareAndSwap(c.extra, c.extra+1<<heatShift)
	}
}

// setLocked writes the entry at c.at for h. Readers that come by see an odd
// version and wait.
func (x *index) setLocked(h Hash, c *cell) {
	x.writeLocked(c.at, tagOf(h), c)
}

// clearLocked empties the entry at c.at.
func (x *index) clearLocked(c *cell) {
	x.writeLocked(c.at, 0, &cell{})
}

func (x *index) writeLocked(at int, tag uint64, c *cell) {
	was := x.words[at].Load()
	if (was^tag)&^versionMask != 0 { // another one: it has been asked for
		x.idle.asked(at)
	}
	v := was & versionMask
	x.words[at].Store(was&^versionMask | (v+1)&versionMask)
	x.words[at+placeAt].Store(c.place)
	x.words[at+stateAt].Store(c.state)
	x.words[at+extraAt].Store(c.extra)
	x.words[at].Store(tag | (v+2)&versionMask)
}

// touch counts a hit. Once the frequency is at its cap it writes nothing.
func (x *index) touch(c *cell) {
	if c.state&freqMax < freqMax {
		x.words[c.at+stateAt].CompareAndSwap(c.state, c.state+1)
	}
	x.idle.asked(c.at)
}

// each calls f for every entry under its shard's lock. f may clear it.
func (x *index) each(f func(c *cell)) {
	var c cell
	span := int(x.per) * bucketWords
	for s := range x.shards {
		x.shards[s].mu.Lock()
		for at := s * span; at < (s+1)*span; at += bucketWords {
			for i := at; i < at+ways; i++ {
				if x.readLocked(i, &c); c.tag&^versionMask != 0 {
					f(&c)
				}
			}
		}
		x.shards[s].mu.Unlock()
	}
}
