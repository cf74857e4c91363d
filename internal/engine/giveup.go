package engine

import (
	"context"
	"fmt"
)

// A fetch whose Policy says GiveUp lives for its readers: when the last one
// leaves, its exchange is ended and nobody can join it any more. When all its
// content is there it waits for a reader to come to the end, and only then
// stores it and tells the readers of the end, so that who has read it all and
// asks again gets a hit. A refresh, and a fetch whose content its readers had
// no use for (a 304), are wanted from the start.

// attach adds a reader; it reports false when f was given up.
func (f *fetch) attach() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.given {
		return false
	}
	f.readers++
	return true
}

// emptyLocked acts on the leaving of the last reader.
func (f *fetch) emptyLocked() {
	switch {
	case f.over:
		f.dropBlocksLocked()
		f.cancel()
	case f.crew != nil:
		if f.idleLocked() {
			f.given = true
			f.cancel()
		}
	case f.pol.GiveUp && !f.wanted && f.phase <= growing:
		f.given = true
		f.cancel()
	}
}

// finishes has f go on whoever leaves.
func (f *fetch) finishes() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wantLocked()
}

func (f *fetch) wantLocked() {
	if !f.wanted {
		f.wanted = true
		f.quicken()
	}
}

// read reports whether the content, which is all here, is to be stored.
func (f *fetch) read() bool {
	if !f.pol.GiveUp {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.whole = true
	f.publishLocked() // who waits for more has come to the end
	for !f.wanted && !f.given && f.e.ctx.Err() == nil {
		f.mu.Unlock()
		select {
		case <-f.pace:
		case <-f.e.ctx.Done():
		}
		f.mu.Lock()
	}
	return f.wanted
}

// arrive has f know that all was sent up to off. When that is all there is, it
// waits until it is stored.
func (c *call) arrive(f *fetch, off int64) {
	if !f.pol.GiveUp || c.p.Err != nil {
		return
	}
	f.mu.Lock()
	all := off == f.size
	f.mu.Unlock()
	if all {
		c.next(f, off, true) // nothing is behind the end that would have to be given back
	}
}

var errUnread = fmt.Errorf("the content was not read to its end: %w", context.Canceled)
