package engine

import (
	"maps"
	"time"

	"opencache/internal/store"
)

// refreshBehind has what is stored validated behind the answer that it gives
// (RFC 5861, 3), and says in c.out how that stands.
func (c *call) refreshBehind() {
	c.out.Status = Stale
	switch {
	case c.ask.OnlyIfCached(), c.ask.NoStore(), c.noStore: // it asks for nothing, or what came could not be kept: the next request will do
	case c.e.flights.resting(c.at, c.now):
		c.out.Why = RefreshResting
	case !c.seat():
		c.out.Why = RefreshLimit
	case !c.refresh():
		c.out.Status = Updating
	}
}

// seat takes a place among the refreshes that run at once.
func (c *call) seat() bool {
	select {
	case c.e.refreshes <- struct{}{}:
		return true
	default:
		return false
	}
}

// refresh starts a fetch that nobody waits for, when none is under way; it
// reports whether it did. The seat is its own, or given back.
func (c *call) refresh() bool {
	f, leader := c.e.flights.join(c.flight(c.entry.Version), c.stalled, func() *fetch {
		f := c.startUnlessStored(c.keepOld(), nil)
		if f != nil {
			f.rests = c.pol.refreshRest()
		}
		return f
	})
	if !leader {
		<-c.e.refreshes
		if f != nil {
			f.leave(c)
		}
		return false
	}
	c.e.Stats.Refreshes.Add(1)
	c.pol.Trace.fetch(ForStale, Reason(0))
	f.finishes() // nobody waits, and that is no reason to give it up
	f.leave(c)
	c.e.work.Add(1)
	go func() {
		defer func() { <-c.e.refreshes }()
		f.run()
	}()
	return true
}

// pause has a refresh that brought nothing not repeated at once: within
// stale-while-revalidate each request would start another, at an origin that
// fails.
func (f *fetch) pause() {
	if f.rests > 0 && f.old != nil {
		now := f.e.now()
		f.e.flights.rest(f.old.hash, now, now.Add(f.rests))
	}
}

// maxResting bounds what a shard remembers of refreshes that failed.
const maxResting = 64

// rest keeps refreshes of what is under h away until then.
func (t *flights) rest(h store.Hash, now, until time.Time) {
	s := &t.shards[h[0]%flightShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.resting) >= maxResting {
		maps.DeleteFunc(s.resting, func(_ store.Hash, t time.Time) bool { return !now.Before(t) })
	}
	if len(s.resting) < maxResting { // beyond it, the origin is asked once more than it need be
		if s.resting == nil {
			s.resting = map[store.Hash]time.Time{}
		}
		s.resting[h] = until
	}
}

// resting reports whether no refresh of what is under h is to start now.
func (t *flights) resting(h store.Hash, now time.Time) bool {
	s := &t.shards[h[0]%flightShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.resting[h]
	if ok && !now.Before(until) {
		delete(s.resting, h)
		ok = false
	}
	return ok
}
