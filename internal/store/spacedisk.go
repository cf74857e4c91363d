package store

import "slices"

// What a volume on disk asks of its space: which slabs wait for the device.

// ripe takes the next slab that is to be written: sealed, its last writer but
// the volume's gone. Nil: there is none now.
func (p *space) ripe() *slab {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, s := range p.filled {
		if s.writers.Load() == 1 {
			p.filled = slices.Delete(p.filled, i, i+1)
			return s
		}
	}
	return nil
}

// A filling is how far a slab is filled.
type filling struct {
	s             *slab
	used, records int
}

// fillings returns the open slabs that nobody is writing to just now. What is
// in them is whole, and more may come behind it.
func (p *space) fillings() (list []filling) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range [2]*queue{&p.small, &p.main} {
		for _, s := range q.open {
			if s.writers.Load() == 1 {
				list = append(list, filling{s, s.used, s.records})
			}
		}
	}
	return list
}

// filled returns how far a sealed slab is filled.
func (p *space) filling(s *slab) filling {
	p.mu.Lock()
	defer p.mu.Unlock()
	return filling{s, s.used, s.records}
}

// seal closes an open slab before it is full.
func (p *space) seal(s *slab) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range [2]*queue{&p.small, &p.main} {
		if i := slices.Index(q.open, s); i >= 0 {
			p.closeLocked(q, i)
		}
	}
}

// breakDown takes a sealed slab that the device refused out of its queue.
func (p *space) breakDown(s *slab) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.removeLocked(s)
	p.broken = append(p.broken, s)
}

// ruin takes the next slab that broke down; nil: there is none.
func (p *space) ruin() *slab {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.broken) == 0 {
		return nil
	}
	s := p.broken[0]
	p.broken = slices.Delete(p.broken, 0, 1)
	return s
}

func (p *space) removeLocked(s *slab) {
	for _, q := range [2]*queue{&p.small, &p.main} {
		q.sealed = slices.DeleteFunc(q.sealed, func(o *slab) bool { return o == s })
	}
}

// putBack puts a victim that could not be emptied behind the others.
func (p *space) putBack(s *slab) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := &p.small
	if s.main.Load() {
		q = &p.main
	}
	q.sealed = append(q.sealed, s)
}

// settling reports whether a slab is on its way to the device, after which it
// may be emptied.
func (p *space) settling() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	busy := func(s *slab) bool { return s.writers.Load() != 0 }
	return slices.ContainsFunc(p.small.sealed, busy) || slices.ContainsFunc(p.main.sealed, busy) || len(p.broken) > 0
}
