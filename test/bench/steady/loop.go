package main

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

const (
	connectTime = 5 * time.Second
	readMax     = 256 << 10 // bytes read at once
	// From so long before the next request on, the loop only looks: waking
	// from a sleep takes about as long.
	spin = 60 * time.Microsecond
)

// load is what to offer, and to whom.
type load struct {
	target   target
	request  []byte
	rate     int // requests a second
	conns    int
	warmup   time.Duration // offered, but not counted
	duration time.Duration // counted
	tail     time.Duration // how long answers are waited for at the end

	// Each skip'th connection sends nothing, or other requests; 0: none.
	skip  int
	other others
}

// others are requests for many URLs, one after another. The zero value is none.
type others struct {
	request []byte // digits and all
	digits  int    // where the number is in it
	count   int64  // of URLs
	first   int64
}

// skips reports whether the connection of this number is none of the main ones.
func (o *load) skips(i int) bool { return o.skip > 0 && i%o.skip == o.skip-1 }

// A result is what came of it. Times are in nanoseconds, from the intended
// time of a request to the last byte of its answer; a request without a good
// answer counts with the time until that was known.
type result struct {
	answered int64
	errors   int64
	latency  histogram
	late     histogram // how late the loop was with requests whose connection was free
	elapsed  time.Duration
	other    *result // of the other requests; nil: there were none
}

// A conn has the requests first, first+conns, first+2*conns…, one under way at
// a time. Its phases: down (fd < 0) until a request is due; opening; idle;
// waiting for an answer. A lost connection is down again.
type conn struct {
	i       int // number
	fd      int
	next    int64 // the request that is under way, or goes next
	sent    int   // bytes of it that are written
	opening bool
	waiting bool
	request []byte
	counts  *result // what its requests count for; nil: it sends none

	head    []byte // of the answer, when it came in parts
	inBody  bool
	rest    int64 // bytes of content still to come
	current head
}

// A loop offers one load from one thread, without allocating as it runs.
type loop struct {
	load
	times  schedule
	poll   *poller
	conns  []conn
	buffer []byte
	start  time.Time
	total  int64 // requests in all
	warm   int64 // the first that counts
	due    int64 // the first that is not due yet
	left   int64 // without an outcome yet
	result *result
}

// run connects and offers the load. The error says that the server could not
// be reached at all; what happens later is counted.
func (o load) run() (*result, error) {
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	defer poll.close()
	l := &loop{load: o, times: schedule{uint64(o.rate)}, poll: poll, result: new(result),
		conns: make([]conn, o.conns), buffer: make([]byte, readMax)}
	l.total, l.warm = l.times.count(o.warmup+o.duration), l.times.count(o.warmup)
	l.left = l.total
	defer l.close()
	if len(o.other.request) > 0 {
		l.result.other = new(result)
	}
	for i := range l.conns {
		c := &l.conns[i]
		*c = conn{i: i, fd: -1, next: int64(i), request: o.request, counts: l.result}
		if o.skips(i) {
			c.request, c.counts = slices.Clone(o.other.request), l.result.other
		}
	}
	for i := range l.conns {
		if l.conns[i].counts == nil {
			continue
		}
		if err := l.open(&l.conns[i], true); err != nil {
			return nil, fmt.Errorf("connection %d: %w", i+1, err)
		}
	}
	l.offer()
	return l.result, nil
}

func (l *loop) close() {
	for i := range l.conns {
		if c := &l.conns[i]; c.fd >= 0 {
			_ = unix.Close(c.fd)
		}
	}
}

// now is in nanoseconds since the start, as the schedule is.
func (l *loop) now() int64 { return int64(time.Since(l.start)) }

func (l *loop) offer() {
	l.start = time.Now()
	end := int64(l.warmup + l.duration + l.tail)
	for l.left > 0 {
		now := l.issue()
		if now > end || l.left == 0 { // the last that was due was for a connection that sends nothing
			break
		}
		until := end
		if l.due < l.total {
			until = l.times.at(l.due)
		}
		for _, event := range l.poll.wait(until - now - int64(spin)) {
			l.event(&l.conns[event.Fd])
			l.issue()
		}
	}
	now := l.now()
	l.result.elapsed = max(time.Duration(now)-l.warmup, l.duration)
	for i := range l.conns {
		for c := &l.conns[i]; c.counts != nil && c.next < l.total; {
			l.outcome(c, now, false)
		}
	}
}

// issue sends what has become due on connections that are free; the others
// see by l.due that there is more to do. It returns the time.
func (l *loop) issue() int64 {
	now := l.now()
	for l.due < l.total && l.times.at(l.due) <= now {
		c := &l.conns[l.due%int64(len(l.conns))]
		free := !c.waiting && !c.opening && c.next == l.due
		l.due++
		if c.counts == nil {
			l.left--
			c.next += int64(len(l.conns))
			continue
		}
		if !free {
			continue
		}
		if c.next >= l.warm && c.counts == l.result {
			l.result.late.add(l.now() - l.times.at(c.next))
		}
		l.proceed(c)
	}
	return now
}

// proceed lets a connection that is free or down begin its next request, if
// that is due.
func (l *loop) proceed(c *conn) {
	for c.next < l.due && !c.waiting && !c.opening {
		if c.counts != l.result {
			l.number(c)
		}
		if c.fd < 0 {
			if err := l.open(c, false); err != nil {
				l.outcome(c, l.now(), false)
			}
			continue
		}
		c.waiting = true
		l.write(c)
	}
}

// number writes into another request which one it is.
func (l *loop) number(c *conn) {
	skip := int64(l.skip)
	n := (c.next/int64(len(l.conns))*(int64(len(l.conns))/skip) + int64(c.i)/skip + l.other.first) % l.other.count
	for i := l.other.digits + numberSize - 1; i >= l.other.digits; i-- {
		c.request[i] = byte('0' + n%10)
		n /= 10
	}
}

// open connects. When waits is false the connection is usable at its first
// event.
func (l *loop) open(c *conn, waits bool) error {
	fd, err := l.target.open(waits)
	if err != nil {
		return err
	}
	if err := l.poll.add(fd, c.i); err != nil {
		_ = unix.Close(fd)
		return err
	}
	c.fd, c.opening = fd, !waits
	c.waiting, c.inBody, c.sent, c.head = false, false, 0, c.head[:0]
	return nil
}

// outcome ends the request of c.
func (l *loop) outcome(c *conn, now int64, good bool) {
	l.left--
	if c.next >= l.warm {
		c.counts.latency.add(now - l.times.at(c.next))
		if good {
			c.counts.answered++
		} else {
			c.counts.errors++
		}
	}
	c.next += int64(len(l.conns))
	c.waiting, c.inBody, c.sent, c.head = false, false, 0, c.head[:0]
}

// lose closes the connection, with the request that is under way. Losing one
// without a request counts as an error too: the server has not announced it.
func (l *loop) lose(c *conn) {
	_ = unix.Close(c.fd)
	c.fd = -1
	switch {
	case c.waiting || c.opening:
		c.opening = false
		l.outcome(c, l.now(), false)
	case c.next >= l.warm:
		c.counts.errors++
	}
}
