package h1

import (
	"net"
	"sync"
	"time"
)

// past is a deadline that has passed in any clock, a test's included.
var past = time.Unix(1, 0)

// A deadline is one direction's time limit of a connection. Setting one costs
// 0.2 µs, so within sets it again only when less than two thirds of the time
// asked for are left. Another goroutine may stop it, which makes a Read or
// Write in progress return.
type deadline struct {
	nc      net.Conn
	writing bool // it limits nc's writing, not its reading

	mu      sync.Mutex // guards the fields below
	at      time.Time  // in force; zero: none
	stopped bool
}

// within limits what comes next to d from now on, or somewhat less; 0: not at
// all. It returns now, and whether the deadline was not stopped.
func (d *deadline) within(t time.Duration) (now time.Time, ok bool) {
	now = time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return now, false
	}
	if t == 0 {
		d.putLocked(time.Time{})
		return now, true
	}
	if left := d.at.Sub(now); d.at.IsZero() || left < t/3*2 || left > t {
		d.putLocked(now.Add(t))
	}
	return now, true
}

// until limits what comes next exactly; zero: not at all.
func (d *deadline) until(t time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return false
	}
	d.putLocked(t)
	return true
}

func (d *deadline) putLocked(t time.Time) {
	if !d.at.Equal(t) {
		d.at = t
		d.set(t)
	}
}

// set fails on a closed connection only: what comes next will say so.
func (d *deadline) set(t time.Time) {
	if d.writing {
		_ = d.nc.SetWriteDeadline(t)
	} else {
		_ = d.nc.SetReadDeadline(t)
	}
}

// stop makes what is in progress return, and what comes next fail until resume.
func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped, d.at = true, past
	d.set(past)
}

// resume undoes stop, with no limit in force.
func (d *deadline) resume() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = false
	d.putLocked(time.Time{})
}

// reset gives d another connection, with nothing in force.
func (d *deadline) reset(nc net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.nc, d.at, d.stopped = nc, time.Time{}, false
}

func (d *deadline) isStopped() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stopped
}
