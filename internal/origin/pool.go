package origin

import (
	"cmp"
	"container/list"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"opencache/internal/wire"
)

// A pool keeps an Upstream's connections. A connection takes a place (of
// MaxConns) from before it is dialled until it is closed; a place that becomes
// free goes to whoever waits longest, with the connection when that is whole.
type pool struct {
	mu      sync.Mutex // guards the fields below
	idle    []*conn    // kept connections, the one used last at the end
	open    int        // places taken
	queue   list.List  // of *waiter; not empty only while no place is free
	reuses  uint64
	queued  uint64 // exchanges that went into the queue
	closed  bool
	sweeper *time.Timer // closes what was kept too long; nil until something was kept
	armed   bool        // the sweeper will run
}

// A waiter is an exchange in the queue. It is given a connection, or nil: a
// place to dial for itself. Who takes it off the queue sends, once.
type waiter struct{ ready chan *conn }

// get returns a connection, kept or new, that is ready for a request.
func (u *Upstream) get(ctx context.Context) (*conn, *wire.Error) {
	for {
		if ctx.Err() != nil {
			return nil, u.canceled(ctx)
		}
		c, e, old, err := u.take()
		closeAll(old)
		if err != nil {
			return nil, err
		}
		if e != nil {
			if c, err = u.await(ctx, e); err != nil {
				return nil, err
			}
		}
		if c == nil {
			if c, err = u.dial(ctx); err != nil {
				u.free()
			}
			return c, err
		}
		if c.line != nil || !c.readable() { // a line looks by itself
			return c, nil
		}
		u.counts.stale.Add(1)
		_ = c.nc.Close()
		u.free()
	}
}

// take returns the connection used last, a place in the queue, or neither: a
// place to dial for oneself; and old connections to be closed.
func (u *Upstream) take() (c *conn, e *list.Element, old []*conn, err *wire.Error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if n := len(u.idle); n > 0 {
		c, now := u.idle[n-1], u.now()
		if now.Sub(c.idleSince) < u.keepAlive() {
			if u.Now == nil {
				c.since = now
			}
			u.idle[n-1] = nil
			u.idle = u.idle[:n-1]
			c.reused = true
			u.reuses++
			return c, nil, nil, nil
		}
		// The others have been kept longer still: the sweeper is late.
		old = u.sweepLocked()
	}
	if u.open < cmp.Or(u.MaxConns, 1024) {
		u.open++
		return nil, nil, old, nil
	}
	if u.queue.Len() >= cmp.Or(u.MaxQueue, 4096) {
		err = u.blame(QueueFull, fmt.Errorf("%d exchanges wait for one of %d connections", u.queue.Len(), u.open))
		return nil, nil, old, err
	}
	u.queued++
	return nil, u.queue.PushBack(&waiter{ready: make(chan *conn, 1)}), old, nil
}

// await waits in the queue.
func (u *Upstream) await(ctx context.Context, e *list.Element) (*conn, *wire.Error) {
	w := e.Value.(*waiter)
	wait := cmp.Or(u.QueueTimeout, 10*time.Second)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var err *wire.Error
	select {
	case c := <-w.ready:
		return c, nil
	case <-timer.C:
		err = u.blame(QueueTimeout, fmt.Errorf("no connection became free within %v", wait))
	case <-ctx.Done():
		err = u.canceled(ctx)
	}
	u.mu.Lock()
	select {
	case c := <-w.ready: // given between the wait's end and the lock
		u.mu.Unlock()
		if c != nil {
			u.put(c)
		} else {
			u.free()
		}
	default:
		u.queue.Remove(e)
		u.mu.Unlock()
	}
	return nil, err
}

// nextLocked takes the longest waiting exchange off the queue.
func (u *pool) nextLocked() *waiter {
	e := u.queue.Front()
	if e == nil {
		return nil
	}
	return u.queue.Remove(e).(*waiter)
}

// put takes back a connection that is ready for another request.
func (u *Upstream) put(c *conn) {
	c.idleSince = u.now()
	u.mu.Lock()
	if w := u.nextLocked(); w != nil {
		c.reused = true
		u.reuses++
		w.ready <- c
		u.mu.Unlock()
		return
	}
	if u.closed || len(u.idle) >= cmp.Or(u.MaxIdle, 256) {
		u.open--
		u.mu.Unlock()
		_ = c.nc.Close()
		return
	}
	u.idle = append(u.idle, c)
	if !u.armed {
		u.armLocked(u.keepAlive())
	}
	u.mu.Unlock()
}

// free gives back the place of a connection that is closed or was never made.
func (u *pool) free() {
	u.mu.Lock()
	if w := u.nextLocked(); w != nil {
		w.ready <- nil
	} else {
		u.open--
	}
	u.mu.Unlock()
}

func (u *Upstream) keepAlive() time.Duration { return cmp.Or(u.KeepAlive, 30*time.Second) }

func (u *Upstream) armLocked(wait time.Duration) {
	u.armed = true
	if u.sweeper == nil {
		u.sweeper = time.AfterFunc(wait, u.sweep)
		return
	}
	u.sweeper.Reset(wait)
}

// sweep is the sweeper's.
func (u *Upstream) sweep() {
	u.mu.Lock()
	u.armed = false
	old := u.sweepLocked()
	u.mu.Unlock()
	closeAll(old)
}

// sweepLocked takes out the connections that were kept too long and sets the
// timer for the next one.
func (u *Upstream) sweepLocked() []*conn {
	now, keep := u.now(), u.keepAlive()
	n := 0
	for n < len(u.idle) && now.Sub(u.idle[n].idleSince) >= keep {
		n++
	}
	old := slices.Clone(u.idle[:n])
	u.open -= n
	u.idle = slices.Delete(u.idle, 0, n)
	if len(u.idle) > 0 {
		// Now may stand still or jump; the timer does not follow it.
		u.armLocked(max(min(keep-now.Sub(u.idle[0].idleSince), keep), 10*time.Millisecond))
	}
	return old
}

// closeAll closes connections that are no longer the pool's: not under its
// mutex, since a TLS alert may have to wait.
func closeAll(old []*conn) {
	for _, c := range old {
		_ = c.nc.Close()
	}
}

// drain closes what is kept; nothing is kept from here on.
func (u *pool) drain() {
	u.mu.Lock()
	old := u.idle
	u.closed, u.idle, u.armed = true, nil, false
	u.open -= len(old)
	if u.sweeper != nil {
		u.sweeper.Stop()
	}
	u.mu.Unlock()
	closeAll(old)
}

// Load returns how many exchanges are under way or wait for a connection.
func (u *pool) Load() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.open - len(u.idle) + u.queue.Len()
}

func (u *pool) figures(s *Stats) {
	u.mu.Lock()
	defer u.mu.Unlock()
	s.Open, s.Idle, s.Waiting, s.Reuses = u.open, len(u.idle), u.queue.Len(), u.reuses
	s.InUse, s.Queued = s.Open-s.Idle, u.queued
}
