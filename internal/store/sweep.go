package store

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Purges that are remembered cost each record that is met one evaluation, and
// what they hit takes room until it is met. So behind each of them the entries
// of the index are looked at once, in the background: what the purges hit is
// dropped and counted, the others are marked as checked. A sweep is never
// needed for a purge to be in force.
//
// Memory is swept by one goroutine, each disk by one of its own (disksweep.go).
// What every tier has evaluated is forgotten once many purges are remembered.
const (
	// sweepBatch is how many buckets are looked at under one lock, and
	// sweepStride how many behind which a sweep steps back for sweepPause.
	sweepBatch  = 16
	sweepStride = 2048
	sweepPause  = time.Millisecond
	// sweepRest is how often as long as a sweep took the next one waits, at
	// most sweepRestMost: not at all when half of what can be remembered is pending.
	sweepRest     = 4
	sweepRestMost = 5 * time.Second
)

// sweeps is what a registry needs to have its tiers swept.
type sweeps struct {
	swept atomic.Uint32 // all that was stored before was checked against the purges up to this sequence
	runs  atomic.Uint64
	news  notice // something was purged
	wake  chan struct{}
	quit  chan struct{}
	ended chan struct{}
	disks sync.WaitGroup // their goroutines
	once  sync.Once

	mu     sync.Mutex // guards the fields below
	counts []awaited
	by     map[tier]Seq // swept, of each tier
	age    int          // how often the sequences have started again
}

// An awaited is a Count that ends when its purge was evaluated everywhere.
type awaited struct {
	seq Seq
	c   *Count
}

// A sweeper is a tier that is swept in one go, without waiting for a device.
type sweeper interface {
	tier
	// sweepIndex checks all that was stored before it was called against the
	// purges in force; what they hit is dropped or marked, and counted. It
	// reports false when quit was closed before its end.
	sweepIndex(quit <-chan struct{}) bool
}

func (s *sweeps) init() {
	s.wake, s.quit, s.ended = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	s.by = map[tier]Seq{}
	s.news.init()
}

// ask has sweeps follow the purge seq, which then end c.
func (s *sweeps) ask(seq Seq, c *Count) {
	if c != nil {
		s.mu.Lock()
		s.counts = append(s.counts, awaited{seq, c})
		s.mu.Unlock()
	}
	select {
	case s.wake <- struct{}{}:
	default: // one is to come, which will see this purge
	}
	s.news.tell()
}

// takeLocked takes the counts of the purges up to seq.
func (s *sweeps) takeLocked(seq Seq) (counts []*Count) {
	left := s.counts[:0]
	for _, a := range s.counts {
		if a.seq <= seq {
			counts = append(counts, a.c)
		} else {
			left = append(left, a)
		}
	}
	clear(s.counts[len(left):])
	s.counts = left
	return counts
}

// giveUp ends all counts, as what they are.
func (s *sweeps) giveUp() {
	s.mu.Lock()
	counts := s.takeLocked(math.MaxUint32)
	s.mu.Unlock()
	for _, c := range counts {
		c.end(Unknown)
	}
}

// stop ends the sweeping, whose counts then stay what they are.
func (s *sweeps) stop() {
	s.once.Do(func() { close(s.quit) })
	<-s.ended
	s.disks.Wait()
	s.giveUp()
}

// startAgain: the sequences do, and every tier is empty. What a sweep under way
// says is void.
func (s *sweeps) startAgain() {
	s.mu.Lock()
	s.age++
	clear(s.by)
	s.swept.Store(0)
	s.mu.Unlock()
	s.giveUp()
}

// of returns up to which purge t was swept, and of which age that is.
func (s *sweeps) of(t tier) (swept Seq, age int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by[t], s.age
}

// sweepOn sweeps the tiers in memory whenever something was purged, until stop.
func (r *registry) sweepOn() {
	defer close(r.sweeps.ended)
	for {
		select {
		case <-r.sweeps.quit:
			return
		case <-r.sweeps.wake:
		}
		begun := time.Now()
		if !r.sweepOnce() {
			return
		}
		rest := min(sweepRest*time.Since(begun), sweepRestMost)
		if rest < sweepPause || r.pending() > maxBans/2 {
			continue
		}
		timer := time.NewTimer(rest)
		select {
		case <-r.sweeps.quit:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// sweepOnce sweeps all tiers in memory; false: it was stopped.
func (r *registry) sweepOnce() bool {
	_, age := r.sweeps.of(nil)
	newest := r.bans.Load().newest
	var last tier
	for _, t := range r.tiers {
		s, ok := t.(sweeper)
		if ok && !s.sweepIndex(r.sweeps.quit) {
			return false
		}
		if ok {
			last = t
		}
	}
	r.evaluated(last, newest, age)
	return true
}

// evaluated notes that t has nothing left that was stored before the purges up
// to s and was not checked against them. Counts of purges that every tier has
// evaluated end, and what is remembered of the oldest purges goes.
func (r *registry) evaluated(t tier, s Seq, age int) {
	w := &r.sweeps
	if t != nil {
		w.runs.Add(1)
	}
	lost := false
	w.mu.Lock()
	if age != w.age {
		w.mu.Unlock()
		return
	}
	w.by[t] = s
	for _, t := range r.tiers {
		if d, ok := t.(*Disk); ok && d.down() {
			lost = true // nothing is found in it
			continue
		}
		s = min(s, w.by[t])
	}
	w.swept.Store(max(w.swept.Load(), uint32(s)))
	counts := w.takeLocked(s)
	w.mu.Unlock()
	for _, c := range counts {
		if lost {
			c.end(Unknown)
		} else {
			c.end(0)
		}
	}
	r.forget()
}

// forget has the purges that every tier has evaluated leave list and journals,
// but for the youngest.
func (r *registry) forget() {
	r.purges.mu.Lock()
	defer r.purges.mu.Unlock()
	b := *r.bans.Load()
	n := min(b.upTo(Seq(r.sweeps.swept.Load())), len(b.list)-r.remember)
	if n <= 0 {
		return
	}
	floor := b.list[n-1].seq
	r.tellKeepers(func(k keeper) {
		// One that was ejected before it had evaluated them goes on remembering them.
		if t, ok := k.(tier); ok {
			if swept, _ := r.sweeps.of(t); swept < floor {
				return
			}
		}
		k.keepFloor(floor)
	})
	b.forget(floor)
	r.bans.Store(&b)
}

// pending returns how many remembered purges something may still be met by
// that was not checked against them.
func (r *registry) pending() int {
	b := r.bans.Load()
	return len(b.list) - b.upTo(Seq(r.sweeps.swept.Load()))
}

// sweepIndex implements sweeper.
func (m *Memory) sweepIndex(quit <-chan struct{}) bool {
	x := &m.index
	span := int(x.per) * bucketWords
	stride := 0
	for s := range x.shards {
		for from, end := s*span, (s+1)*span; from < end; {
			to := min(from+sweepBatch*bucketWords, end)
			m.sweepBuckets(&x.shards[s].mu, from, to)
			if stride += sweepBatch; stride >= sweepStride {
				stride = 0
				timer := time.NewTimer(sweepPause)
				select {
				case <-quit:
					timer.Stop()
					return false
				case <-timer.C:
				}
			}
			from = to
		}
	}
	return true
}

// sweepBuckets checks the entries between two places of the index, which are
// in the shard of mu.
func (m *Memory) sweepBuckets(mu *sync.Mutex, from, to int) {
	mu.Lock()
	defer mu.Unlock()
	b := m.bans.Load()
	var c cell
	for at := from; at < to; at += bucketWords {
		for i := at; i < at+ways; i++ {
			if m.index.readLocked(i, &c); c.tag&^versionMask != 0 && c.kind() == Object && c.checked() != b.newest {
				m.sweepLocked(&c, b)
			}
		}
	}
}

// sweepLocked checks one object. Under its shard's lock its slab is not used again.
func (m *Memory) sweepLocked(c *cell, b *bans) {
	var h header
	rec := m.slabs[c.slab()].mem[c.off():]
	if !h.decode(rec) {
		return // not what was written: whoever looks it up finds no key
	}
	f := h.faceOf(rec)
	hard, soft := b.judge(f, c.checked(), c.checked())
	if hard || soft {
		b.tell(f, c.checked(), c.checked())
	}
	if hard {
		m.dropLocked(c, Purged)
		return
	}
	c.state = c.restate(max(b.newest, c.checked()), soft || c.soft())
	m.index.writeLocked(c.at, c.tag&^versionMask, c)
}
