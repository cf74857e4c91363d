package lab

// An item is an object that a policy knows.
type item struct {
	key        uint64
	weight     int64
	prev, next int32 // in its queue; 0: none
	freq       uint8
	in         place
}

// A place is which of its policy's queues an item is in.
type place uint8

const (
	small place = iota
	main
	ghost
	places
)

// items are the objects that a policy knows, each in one of its queues. They
// lie in one array without pointers, so that millions cost the collector
// nothing.
type items struct {
	all    []item // number 0 is none
	unused []int32
	at     map[uint64]int32
	queues [places]queue
}

// A queue has its oldest item first.
type queue struct {
	first, last int32
	weight      int64
}

func newItems() items { return items{all: make([]item, 1), at: map[uint64]int32{}} }

// find returns the item of key; nil when it is not known.
func (s *items) find(key uint64) *item {
	if i := s.at[key]; i != 0 {
		return &s.all[i]
	}
	return nil
}

// push puts an item at the end of the queue that it names.
func (s *items) push(it item) {
	var i int32
	if n := len(s.unused); n > 0 {
		i, s.unused = s.unused[n-1], s.unused[:n-1]
	} else {
		i = int32(len(s.all))
		s.all = append(s.all, item{})
	}
	q := &s.queues[it.in]
	it.prev, it.next = q.last, 0
	s.all[i] = it
	if q.last != 0 {
		s.all[q.last].next = i
	} else {
		q.first = i
	}
	q.last = i
	q.weight += it.weight
	s.at[it.key] = i
}

// remove takes the item of key, which must be known, out of its queue.
func (s *items) remove(key uint64) item {
	i := s.at[key]
	it := s.all[i]
	q := &s.queues[it.in]
	if it.prev != 0 {
		s.all[it.prev].next = it.next
	} else {
		q.first = it.next
	}
	if it.next != 0 {
		s.all[it.next].prev = it.prev
	} else {
		q.last = it.prev
	}
	q.weight -= it.weight
	delete(s.at, key)
	s.unused = append(s.unused, i)
	return it
}

// pop takes the oldest item out of a queue, which must have one.
func (s *items) pop(in place) item { return s.remove(s.all[s.queues[in].first].key) }
