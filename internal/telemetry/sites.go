package telemetry

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// SiteCounts is where the requests of one site are counted. Metrics.Site gives
// it; nil counts nothing.
//
// A site has a seat, and so a label of its own, or is one of the others, which
// have one label together. The first sites have one from the beginning. When
// metrics are read, free seats, and those of sites that nobody asked since they
// were read last, go to the others that were asked most; and so does, when there
// is none, that of a site that was asked less than half as often. What was counted before
// stays with the others: no counter ever goes back but when its site comes
// back to a seat, where it begins anew.
type SiteCounts struct {
	id    string
	seat  atomic.Int32  // 0: none
	asked atomic.Uint64 // requests without a seat, since metrics were read last
}

// siteCells are one processor's counts of a seat.
type siteCells struct {
	requests [numClasses][numCache]atomic.Uint64
	bytes    [len(sources)]atomic.Uint64
	nanos    atomic.Uint64
}

// A seating says which sites have which seats. Seat 0 is that of all others.
type seating struct {
	mu     sync.Mutex // guards the fields below
	known  map[string]*SiteCounts
	seats  []*SiteCounts // nil: free
	before []uint64      // requests of each when metrics were read last
	empty  []bool        // no site's any more; requests under way may still count there
	ranked time.Time     // when that was looked at last who was asked how often
}

// seatTime is how long who has a seat and who waits are counted, at least, before
// they are compared.
const seatTime = 10 * time.Second

func newSeating(most int) seating {
	return seating{known: map[string]*SiteCounts{}, seats: make([]*SiteCounts, most+1), before: make([]uint64, most+1), empty: make([]bool, most+1)}
}

// Site returns where the requests of the site of an id are counted.
func (m *Metrics) Site(id string) *SiteCounts {
	m.sites.mu.Lock()
	defer m.sites.mu.Unlock()
	s := m.sites.known[id]
	if s == nil {
		s = &SiteCounts{id: id}
		m.sites.known[id] = s
		if free := m.sites.freeLocked(); free > 0 {
			m.sites.sitLocked(s, free)
		}
	}
	return s
}

// Forget says that the site of an id is no more.
func (m *Metrics) Forget(id string) {
	m.sites.mu.Lock()
	defer m.sites.mu.Unlock()
	if s := m.sites.known[id]; s != nil {
		m.sites.leaveLocked(s)
		delete(m.sites.known, id)
	}
}

// freeLocked is a seat that is free, 0 when none is.
func (p *seating) freeLocked() int {
	for seat := 1; seat < len(p.seats); seat++ {
		if p.seats[seat] == nil && !p.empty[seat] {
			return seat
		}
	}
	return 0
}

func (p *seating) sitLocked(s *SiteCounts, seat int) {
	p.seats[seat], p.before[seat] = s, 0
	s.seat.Store(int32(seat))
}

// leaveLocked takes a site's seat away.
func (p *seating) leaveLocked(s *SiteCounts) {
	if seat := s.seat.Swap(0); seat > 0 {
		p.seats[seat], p.empty[seat] = nil, true
	}
}

// observe counts a request of a site.
func (s *shard) observe(r *Record, class, cell, source int) {
	seat := r.Count.seat.Load()
	if seat == 0 {
		r.Count.asked.Add(1)
	}
	cells := &s.sites[seat]
	cells.requests[class][cell].Add(1)
	cells.nanos.Add(uint64(max(r.Duration, 0)))
	if r.Bytes > 0 {
		cells.bytes[source].Add(uint64(r.Bytes))
	}
}

// seat gives seats to those who were asked most. It is called when metrics are
// read, with the lock.
func (m *Metrics) seat(now time.Time) {
	p := &m.sites
	var waiting []*SiteCounts
	for _, s := range p.known {
		if s.seat.Load() == 0 && s.asked.Load() > 0 {
			waiting = append(waiting, s)
		}
	}
	slices.SortFunc(waiting, func(a, b *SiteCounts) int {
		return cmp.Or(cmp.Compare(b.asked.Load(), a.asked.Load()), cmp.Compare(a.id, b.id))
	})
	for seat := 1; seat < len(p.seats); seat++ {
		if p.empty[seat] { // since metrics were read last: nobody counts there any more
			m.fold(seat)
			p.empty[seat] = false
		}
		if p.seats[seat] == nil && len(waiting) > 0 {
			p.sitLocked(waiting[0], seat)
			waiting = waiting[1:]
		}
	}
	if now.Sub(p.ranked) >= seatTime {
		p.ranked = now
		m.rank(waiting)
	}
}

// rank takes seats from those who were asked least for those who wait, the
// first of whom was asked most. A seat is free when metrics are read next.
func (m *Metrics) rank(waiting []*SiteCounts) {
	p := &m.sites
	idlest, least := 0, uint64(0)
	for seat := 1; seat < len(p.seats); seat++ {
		if p.seats[seat] == nil {
			continue
		}
		n := m.requestsOf(seat)
		since := n - p.before[seat]
		p.before[seat] = n
		switch {
		case since == 0 && len(waiting) > 0:
			p.leaveLocked(p.seats[seat])
			waiting = waiting[1:]
		case idlest == 0 || since < least:
			idlest, least = seat, since
		}
	}
	if idlest > 0 && len(waiting) > 0 && waiting[0].asked.Load() > 2*least {
		p.leaveLocked(p.seats[idlest])
	}
	for _, s := range p.known {
		s.asked.Store(0)
	}
}

// requestsOf is how many requests were counted at a seat.
func (m *Metrics) requestsOf(seat int) (n uint64) {
	for _, s := range m.shards {
		for class := range s.sites[seat].requests {
			n += sum(s.sites[seat].requests[class][:])
		}
	}
	return n
}

// fold counts what was counted at a seat for the others.
func (m *Metrics) fold(seat int) {
	for _, s := range m.shards {
		from, to := &s.sites[seat], &s.sites[0]
		for class := range from.requests {
			for cell := range from.requests[class] {
				to.requests[class][cell].Add(from.requests[class][cell].Swap(0))
			}
		}
		for i := range from.bytes {
			to.bytes[i].Add(from.bytes[i].Swap(0))
		}
		to.nanos.Add(from.nanos.Swap(0))
	}
}

// otherSites is the label of all sites without a seat.
const otherSites = "other"

// collectSites shows the counts of seats in use, and of the others together.
func (c collector) collectSites(to sink) {
	p := &c.sites
	p.mu.Lock()
	defer p.mu.Unlock()
	c.seat(time.Now())
	c.collectSeat(to, 0, otherSites)
	for seat, s := range p.seats {
		if s != nil {
			c.collectSeat(to, seat, s.id)
		}
	}
}

// collectSeat shows the counts of a seat. Those of seats that are empty, and
// not folded yet, are the others'.
func (c collector) collectSeat(to sink, seat int, name string) {
	read := func(of func(*siteCells) *atomic.Uint64) (n uint64) {
		for _, s := range c.shards {
			n += of(&s.sites[seat]).Load()
			for other := range c.sites.empty {
				if seat == 0 && c.sites.empty[other] {
					n += of(&s.sites[other]).Load()
				}
			}
		}
		return n
	}
	for class := range numClasses {
		for cell := range numCache {
			if n := read(func(s *siteCells) *atomic.Uint64 { return &s.requests[class][cell] }); n > 0 {
				to.counter(c.desc.siteRequests, n, name, classes[class], cacheStatuses[cell])
			}
		}
	}
	for i := range sources {
		if n := read(func(s *siteCells) *atomic.Uint64 { return &s.bytes[i] }); n > 0 {
			to.counter(c.desc.siteBytes, n, name, sources[i])
		}
	}
	if n := read(func(s *siteCells) *atomic.Uint64 { return &s.nanos }); n > 0 {
		to.seconds(c.desc.siteSeconds, n, name)
	}
}
