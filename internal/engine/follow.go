package engine

import (
	"context"
	"io"

	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// A step is what a fetch has for a reader at some offset.
type step struct {
	data  []byte // content from the offset on; block is held for it
	block *block
	// One of these when there is no data:
	end    bool // the content ends here
	behind bool // the offset is below the window: the store has it
	rest   bool // the rest of the response is to be claimed
	err    error
	why    Reason
}

// next returns what follows off. With wait it waits for it, while the client
// is there; without, the zero step says that nothing is there yet.
func (c *call) next(f *fetch, off int64, wait bool) step {
	for {
		f.mu.Lock()
		if at := min(off, f.length); at > f.reached { // a range that begins ahead has no use for what comes before
			f.reached = at
			f.quicken()
		}
		s := f.stepLocked(off)
		if f.whole && off >= f.length || off == f.size { // nothing is missing but the end
			f.wantLocked()
		}
		if !s.idle() || !wait {
			f.mu.Unlock()
			return s
		}
		f.waiters++
		wake := f.wake
		f.mu.Unlock()
		select {
		case <-wake:
		case <-c.leaving():
			return step{err: context.Canceled, why: ClientGone}
		}
	}
}

// idle reports that nothing is there yet.
func (s *step) idle() bool {
	return s.block == nil && !s.end && !s.behind && !s.rest && s.err == nil
}

func (f *fetch) stepLocked(off int64) (s step) {
	switch {
	case off < f.base:
		s.behind = true
	case off < f.length:
		s.block, s.data = f.blockAtLocked(off)
		s.block.refs.Add(1)
	case f.phase == done, f.crew != nil && f.phase == growing && f.part.First+off > f.last: // another fetch goes on
		s.end = true
	case f.phase == handed:
		s.rest = true
	case f.phase == failed:
		s.err, s.why = f.err, f.why
	}
	return s
}

// blockAtLocked returns the block that holds off and its content from there.
func (f *fetch) blockAtLocked(off int64) (*block, []byte) {
	i := int((off - f.base) / blockSize) // all blocks but the last are full
	b := f.blocks[i]
	return b, b.buf[int(off-f.base)-i*blockSize : b.n]
}

// follow answers from a fetch while it grows. It reports false, with nothing
// sent, when the request has to look again.
func (c *call) follow(f *fetch, stale *old) bool {
	// A fetch that breaks before any content was sent can still be answered
	// otherwise; with a stale response to fall back on that is worth a wait.
	if s := c.next(f, 0, stale != nil); s.err != nil {
		c.out.Why, c.out.Err = s.why, s.err
		return c.serveStale(stale) || c.fail(s.err)
	} else if s.block != nil {
		c.e.staging.put(s.block)
	}
	f.mu.Lock()
	size, stored, head := f.size, f.stored, f.headForLocked(c)
	c.size = size
	reach := f.length + f.ahead
	pulls := f.ahead > 0 && f.phase == growing && f.leader != c && !f.want.apart
	f.mu.Unlock()
	var v rfc9111.Verdict
	v.Selection = rfc9111.Select(&f.head.facts, &c.ask, size)
	if pulls && v.Status == 206 && v.First > reach {
		// It would pull the window away from those who read from the start.
		if c.goApart() {
			return false
		}
		c.pass(c.out.Forward, NotShareable)
		return true
	}
	c.tellFetched(f, stale, stored)
	if v.Status == f.head.facts.Status && f.trailerFor(c) != nil {
		size = wire.Unknown // a trailer needs chunks (RFC 9112, 7.1.2)
	}
	c.startStored(head, v, size)
	if c.r.Method == wire.HEAD || v.Status != 206 && v.Status != f.head.facts.Status {
		f.finishes() // the answer is read, the content is for the next ones
		c.end(nil)
		return true
	}
	switch {
	case v.Parts > 1:
		c.sendParts(func(from, to int64) bool { return c.copyGrowing(f, from, to) })
	case v.Status == 206:
		c.sendGrowing(f, v.First, v.Last)
	default:
		c.sendGrowing(f, 0, -1)
	}
	c.tellKept(f)
	return true
}

// tellFetched notes that the upstream gives the answer through f.
func (c *call) tellFetched(f *fetch, stale *old, stored bool) {
	c.out.Status = c.out.missed(stale != nil && c.out.Forward != ForPartial)
	if c.out.Stored = stored; stored {
		c.out.fresh(rfc9111.Judge(&f.head.facts, &c.ask, &c.pol.Rules, c.now.UnixMilli()))
	}
}

// tellKept notes for the log whether what was fetched is stored after all, and
// why it is not.
func (c *call) tellKept(f *fetch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.out.Why == 0 {
		c.out.Why = f.why
	}
	c.tellResumed(&f.content)
	c.out.Stored = f.stored && !(f.pol.GiveUp && f.phase != done)
}

// sendGrowing sends the content [from, to] (to < 0: to its end) as it comes,
// and ends the answer.
func (c *call) sendGrowing(f *fetch, from, to int64) {
	if !c.copyGrowing(f, from, to) {
		return
	}
	if to < 0 {
		c.end(f.trailerFor(c))
	} else {
		c.end(nil)
	}
}

// headForLocked returns the head that c's answer begins with: who caused the
// fetch gets also the fields that are nobody else's (RFC 9111, 5.2.2.7).
func (f *fetch) headForLocked(c *call) *storedHead {
	if f.full != nil && f.leader == c {
		return f.full
	}
	return &f.head
}

// copyGrowing sends the content [from, to] (to < 0: to its end) as it comes.
// It reports false when the answer has ended.
func (c *call) copyGrowing(f *fetch, from, to int64) bool {
	for c.p.Err == nil && (to < 0 || from <= to) {
		s := c.next(f, from, false)
		if s.idle() {
			_ = c.p.Flush() // what came so far is to be seen while we wait
			s = c.next(f, from, true)
		}
		switch {
		case s.block != nil:
			data := s.data
			if to >= 0 {
				data = data[:min(int64(len(data)), to-from+1)]
			}
			n, _ := c.p.Write(data)
			from += int64(n)
			c.e.staging.put(s.block)
		case s.end:
			return true
		case s.behind:
			if from = c.catchUp(f, from, to); from < 0 {
				return false
			}
		case s.rest:
			return c.takeRest(f, from, to)
		default:
			c.abort(s.why, s.err)
			return false
		}
	}
	c.arrive(f, from)
	return true
}

// catchUp sends a segment that has left the window and returns the next
// offset, -1 when the answer has ended.
func (c *call) catchUp(f *fetch, from, to int64) int64 {
	last := to
	if last < 0 {
		last = f.windowStart() - 1
	}
	if n := c.sendSegment(f.version, from, last); n > 0 {
		return from + n
	}
	c.out.Why = SegmentGone
	f.mu.Lock()
	size := f.size
	f.mu.Unlock()
	if to < 0 && size > 0 {
		to = size - 1
	}
	if !c.resume(f.head.strongValidator(), f.part.First+from, f.part.First+to) {
		return -1
	}
	return to + 1
}

func (f *fetch) windowStart() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.base
}

// takeRest goes on as the one reader of a handed response. Whoever can not
// have it asks for the rest under the strong validator. It reports false when
// the answer has ended.
func (c *call) takeRest(f *fetch, from, to int64) bool {
	rest := f.claim(c)
	if rest == nil {
		if to < 0 && f.size > 0 {
			to = f.size - 1
		}
		if f.size >= 0 && from > to { // what is missing is the end
			return true
		}
		return c.resume(f.head.strongValidator(), f.part.First+from, f.part.First+to)
	}
	defer closeBody(rest)
	f.mu.Lock()
	skip := from - f.length
	f.mu.Unlock()
	if skip > 0 { // the range begins behind what was fetched
		if _, err := io.CopyN(io.Discard, rest.Body, skip); err != nil {
			c.abort(reasonOf(err), err)
			return false
		}
	}
	if to >= 0 {
		return c.copyContent(io.LimitReader(rest.Body, to-from+1), nil, to-from+1)
	}
	left := c.p.Length
	if left >= 0 {
		left -= from
	}
	c.copyBody(rest.Body, left)
	return false
}
