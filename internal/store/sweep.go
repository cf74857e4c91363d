package store

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Purges that are remembered cost each record that is met one evaluation, and
// what they hit takes room until it is met. So behind each of them the entries
// of the index are looked at once, in the background: what the purges hit is
// dropped and counted, the others are marked as checked. A sweep is never
// needed for a purge to be in force.
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
	wake  chan struct{}
	quit  chan struct{}
	ended chan struct{}
	once  sync.Once

	mu     sync.Mutex // guards the field below
	counts []*Count   // that the next sweep ends
}

// A sweeper is a tier that can be swept.
type sweeper interface {
	// sweepIndex checks all that was stored before it was called against the
	// purges in force; what they hit is dropped or marked, and counted. It
	// reports false when quit was closed before its end.
	sweepIndex(quit <-chan struct{}) bool
}

func (s *sweeps) init() {
	s.wake, s.quit, s.ended = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
}

// ask has a sweep follow, which then ends c.
func (s *sweeps) ask(c *Count) {
	if c != nil {
		s.mu.Lock()
		s.counts = append(s.counts, c)
		s.mu.Unlock()
	}
	select {
	case s.wake <- struct{}{}:
	default: // one is to come, which will see this purge
	}
}

func (s *sweeps) take() (counts []*Count) {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts, s.counts = s.counts, nil
	return counts
}

// stop ends the sweeping, whose counts then stay what they are.
func (s *sweeps) stop() {
	s.once.Do(func() { close(s.quit) })
	<-s.ended
	for _, c := range s.take() {
		c.end(Unknown)
	}
}

// sweepOn sweeps the tiers whenever something was purged, until stop.
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

// sweepOnce sweeps all tiers that can be swept; false: it was stopped.
func (r *registry) sweepOnce() bool {
	counts, newest := r.sweeps.take(), r.bans.Load().newest
	whole := true
	for _, t := range r.tiers {
		s, ok := t.(sweeper)
		whole = whole && ok
		if ok && !s.sweepIndex(r.sweeps.quit) {
			for _, c := range counts {
				c.end(Unknown)
			}
			return false
		}
	}
	if whole {
		r.sweeps.swept.Store(uint32(newest))
	}
	r.sweeps.runs.Add(1)
	for _, c := range counts {
		if whole {
			c.end(0)
		} else {
			c.end(Unknown)
		}
	}
	return true
}

// pending returns how many remembered purges something may still be met by
// that was not checked against them.
func (r *registry) pending() int {
	list, swept := r.bans.Load().list, Seq(r.sweeps.swept.Load())
	i, _ := slices.BinarySearchFunc(list, swept, func(d ban, s Seq) int {
		if d.seq <= s {
			return -1
		}
		return 1
	})
	return len(list) - i
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
	c.state = stateOf(max(b.newest, c.checked()), soft || c.soft(), c.freq())
	m.index.writeLocked(c.at, c.tag&^versionMask, c)
}
