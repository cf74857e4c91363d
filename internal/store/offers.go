package store

import (
	"sync"
	"sync/atomic"
)

// maxOffers bounds the records that wait to be copied to disk. One more is
// not offered: it is again when it is copied forward the next time.
const maxOffers = 1024

// offers are the records that memory has found worth keeping, on their way to
// disk. Only their hashes wait: what is under a hash then is what is copied.
type offers struct {
	queue   chan Hash
	quit    chan struct{}
	closing sync.Once
	stopped chan struct{}

	taken, refused, dropped atomic.Uint64
}

func (o *offers) start(z *Zone) {
	o.queue, o.quit, o.stopped = make(chan Hash, maxOffers), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(o.stopped)
		for {
			select {
			case <-o.quit:
				return
			case h := <-o.queue:
				z.offer(h)
			}
		}
	}()
}

// add never waits.
func (o *offers) add(h Hash) {
	select {
	case o.queue <- h:
	default:
		o.dropped.Add(1)
	}
}

// stop ends what start started, if that was.
func (o *offers) stop() {
	if o.queue == nil {
		return
	}
	o.closing.Do(func() { close(o.quit) })
	<-o.stopped
}

// offer copies what is under h in memory to disk, unless that has it: then
// its being worth keeping is a hit there.
func (z *Zone) offer(h Hash) {
	mu := z.lock(h)
	defer mu.Unlock()
	d := z.disk(h)
	if d.contains(h) {
		d.touch(h)
		return
	}
	var c carry
	s := z.memory.peek(h, &c)
	if s == nil {
		return
	}
	defer s.Release()
	if d.admit(&c, true) != nil {
		z.joint.offers.refused.Add(1)
		return
	}
	z.joint.offers.taken.Add(1)
}
