package engine

import (
	"maps"
	"sync"
	"time"

	"opencache/internal/store"
)

const flightShards = 64

// flights are the fetches that newcomers may join, by the hash under which
// they will store: at most one a hash.
type flights struct {
	shards [flightShards]struct {
		mu      sync.Mutex // guards the fields below
		m       map[store.Hash]*fetch
		resting map[store.Hash]time.Time // until when nothing is refreshed; see rest
	}
}

func (t *flights) init() {
	for i := range t.shards {
		t.shards[i].m = map[store.Hash]*fetch{}
	}
}

// join attaches the caller to the fetch under h. When there is none, or it
// has stalled, start is asked for a new one, still under the lock of h, so
// that what it looks up can not be overtaken by a fetch that just ended; when
// it returns nil, the caller has to look again.
func (t *flights) join(h store.Hash, stalled func(*fetch) bool, start func() *fetch) (f *fetch, leader bool) {
	s := &t.shards[h[0]%flightShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if f = s.m[h]; f != nil && !stalled(f) && f.attach() {
		return f, false
	}
	if f = start(); f != nil {
		s.m[h] = f
	}
	return f, f != nil
}

// underway reports whether a fetch under h is on its way for c's policy.
func (t *flights) underway(h store.Hash, c *call) bool {
	s := &t.shards[h[0]%flightShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.m[h]
	return f != nil && !f.stalled(c.now, c.pol.lockAge())
}

// add makes f joinable under h too, unless another fetch is, or something was
// purged since f began: retire may have been past h already, and what f brings
// may be what it looked for.
func (t *flights) add(h store.Hash, f *fetch) {
	s := &t.shards[h[0]%flightShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m[h] == nil && f.e.store.Seq() == f.seq {
		s.m[h] = f
	}
}

// retire keeps newcomers from the fetches that match: what they bring was
// asked for before a purge.
func (t *flights) retire(match func(*fetch) bool) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		maps.DeleteFunc(s.m, func(_ store.Hash, f *fetch) bool { return match(f) })
		s.mu.Unlock()
	}
}

// remove takes f away from h; a fetch that took its place stays.
func (t *flights) remove(h store.Hash, f *fetch) {
	s := &t.shards[h[0]%flightShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m[h] == f {
		delete(s.m, h)
	}
}
