package access

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// A Rate is a bucket of tokens: Burst of them at most, and a new one Every so
// often. Each request takes one.
type Rate struct {
	Every time.Duration // more than 0
	Burst int           // at least 1
}

// Window is how long an empty bucket takes to be full: a century at most, so
// that no sum of it and a time of today overflows.
func (r Rate) Window() time.Duration {
	const longest = int64(100 * 365 * 24 * time.Hour)
	every := max(int64(r.Every), 1)
	return time.Duration(every * min(int64(max(r.Burst, 1)), max(longest/every, 1)))
}

// Taken is what became of a request for a token.
type Taken struct {
	OK   bool
	Left int           // tokens that are left
	Wait time.Duration // until there is one again; 0: there is
}

// take decides on a request at now, of a bucket that will be full at full; both
// are nanoseconds. It returns when the bucket will be full afterwards. It is
// pure.
//
// A bucket is told by when it will be full (the generic cell rate algorithm):
// one number, and no clock has to tick for it. A full time that is further away
// than an empty bucket's was said by a clock that has been set back since.
func (r Rate) take(full, now int64) (next int64, t Taken) {
	every, depth := max(int64(r.Every), 1), int64(r.Window())
	full = min(max(full, now), now+depth)
	next = full + every
	if over := next - now - depth; over > 0 {
		return full, Taken{Wait: time.Duration(over)}
	}
	t = Taken{OK: true, Left: int((depth - (next - now)) / every)}
	if t.Left == 0 {
		t.Wait = time.Duration(next + every - now - depth)
	}
	return next, t
}

// Rates are the buckets of many clients in a table of a fixed size, which is
// made when it is asked first. Whoever comes when there is no room takes the
// place of the one whose bucket is nearest to full, as it is: so nobody who is
// pushed out comes back to a full bucket, however many others he has come in
// his place, and a client that never was there is held to what is left of that
// bucket at worst.
type Rates struct {
	most  int
	table atomic.Pointer[rateTable]
	once  sync.Once
}

type rateTable struct {
	seed maphash.Seed
	sets []rateSet
}

// A rateSet is the buckets of the clients with the same part of their hash.
type rateSet struct {
	mu sync.Mutex // guards the fields below; held for some comparisons

	hash [rateWays]uint64
	full [rateWays]int64 // 0: nobody's
}

const (
	rateWays = 8
	// RateMemory is what a client's bucket takes, about.
	RateMemory = 18
)

// NewRates returns buckets for at least so many clients.
func NewRates(clients int) *Rates { return &Rates{most: max(clients, 1)} }

// Take takes a token of a client, told by key, at now. Any goroutine may call
// it; nothing is allocated but the table.
func (t *Rates) Take(key []byte, r Rate, now time.Time) Taken {
	table := t.table.Load()
	if table == nil {
		t.once.Do(func() {
			sets := 1 << bits.Len(uint((t.most-1)/rateWays))
			t.table.Store(&rateTable{maphash.MakeSeed(), make([]rateSet, sets)})
		})
		table = t.table.Load()
	}
	h := maphash.Bytes(table.seed, key)
	s := &table.sets[h&uint64(len(table.sets)-1)]
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.findLocked(h)
	var taken Taken
	s.full[i], taken = r.take(s.full[i], now.UnixNano())
	return taken
}

// findLocked returns where the bucket of a hash is, perhaps by taking the place
// of the one that is nearest to full.
func (s *rateSet) findLocked(h uint64) int {
	least := 0
	for i := range rateWays {
		if s.hash[i] == h && s.full[i] != 0 {
			return i
		}
		if s.full[i] < s.full[least] {
			least = i
		}
	}
	s.hash[least] = h
	return least
}
