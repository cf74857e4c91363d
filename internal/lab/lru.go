package lab

// lru drops what was not asked for longest.
type lru struct {
	items

	size int64
}

var _ Policy = (*lru)(nil)

func newLRU(size int64) *lru { return &lru{newItems(), size} }

// Request is Policy's.
func (s *lru) Request(r Request) (there int64, hit bool) {
	if s.find(r.Key) != nil {
		s.push(s.remove(r.Key))
		return r.Size, true
	}
	w := weight(r.Size)
	for s.queues[main].weight+w > s.size {
		s.pop(main)
	}
	s.push(item{key: r.Key, weight: w, in: main})
	return 0, false
}

// Close is Policy's.
func (s *lru) Close() error { return nil }
