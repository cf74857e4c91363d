package store

import (
	"bytes"
	"sync"
	"sync/atomic"
)

const (
	maxSets   = 4096 // Set has 12 bits in a marker; 0 is none
	maxFields = 1024 // bytes of one list
)

// interned numbers lists of field names.
type interned struct {
	lists [maxSets]atomic.Pointer[[]byte]

	mu   sync.RWMutex // guards the field below
	sets map[string]Set
}

// Intern returns the number of a normalised list of Vary field names, such as
// "accept-encoding,accept-language". It is the same for the life of the
// zone, and never 0. False: the table is full (4,095 lists), or the list is
// longer than 1 KiB.
func (r *registry) Intern(fields []byte) (Set, bool) {
	t := &r.interned
	t.mu.RLock()
	s, ok := t.sets[string(fields)]
	t.mu.RUnlock()
	if ok || len(fields) > maxFields {
		return s, ok
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if s, ok = t.sets[string(fields)]; ok {
		return s, true
	}
	if len(t.sets)+1 >= maxSets {
		return 0, false
	}
	if t.sets == nil {
		t.sets = map[string]Set{}
	}
	s = Set(len(t.sets) + 1)
	list := bytes.Clone(fields)
	if list == nil {
		list = []byte{}
	}
	r.tellKeepers(func(k keeper) { k.keepSet(s, list) })
	t.lists[s].Store(&list)
	t.sets[string(list)] = s
	return s, true
}

// Fields returns the list with number s, nil when there is none. It is the
// store's memory and never changes.
func (r *registry) Fields(s Set) []byte {
	if s >= maxSets {
		return nil
	}
	if p := r.interned.lists[s].Load(); p != nil {
		return *p
	}
	return nil
}
