package lab

// freqMax is how many hits S3-FIFO counts.
const freqMax = 3

// itemwise is S3-FIFO as its paper has it (Yang et al., SOSP 2023), item by
// item, with the rules of the store: one hit in the small queue promotes, a
// ghost goes to main, ghosts remember as much as main holds.
type itemwise struct {
	items

	size int64
}

var _ Policy = (*itemwise)(nil)

func newItemwise(size int64) *itemwise { return &itemwise{newItems(), size} }

// Request is Policy's.
func (s *itemwise) Request(r Request) (there int64, hit bool) {
	it := s.find(r.Key)
	if it != nil && it.in != ghost {
		it.freq = min(it.freq+1, freqMax)
		return r.Size, true
	}
	w := weight(r.Size)
	for s.queues[small].weight+s.queues[main].weight+w > s.size {
		if s.queues[small].weight > s.size/10 || s.queues[main].first == 0 {
			s.evictSmall()
		} else {
			s.evictMain()
		}
	}
	fresh := item{key: r.Key, weight: w, in: small}
	if it = s.find(r.Key); it != nil { // a ghost, still
		s.remove(r.Key)
		fresh.in = main
	}
	s.push(fresh)
	return 0, false
}

func (s *itemwise) evictSmall() {
	it := s.pop(small)
	if it.in = ghost; it.freq > 0 {
		it.freq, it.in = 0, main
	}
	s.push(it)
	for s.queues[ghost].weight > s.size*9/10 {
		s.pop(ghost)
	}
}

func (s *itemwise) evictMain() {
	it := s.pop(main)
	if it.freq > 0 {
		it.freq--
		s.push(it)
	}
}

// Close is Policy's.
func (s *itemwise) Close() error { return nil }
