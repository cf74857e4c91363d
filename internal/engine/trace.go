package engine

import (
	"time"

	"opencache/internal/rfc9111"
)

// A Trace has functions that are called when something happens to a request;
// any of them may be nil. They are called on the goroutine where it happens:
// Kept mostly on the fetch's, maybe when the request has been answered.
type Trace struct {
	Found   func(age, ttl int64)          // something is stored; seconds, a negative ttl says that it is stale
	Waiting func()                        // for another request's fetch
	Fetch   func(fwd Forward, why Reason) // the upstream is asked
	Began   func(Outcome)                 // as far as it is known when the head of the answer goes out
	Kept    func(why Reason)              // what came is stored, or (not 0) is not
}

func (t *Trace) found(h *storedHead, v rfc9111.Verdict, now time.Time) {
	if t != nil && t.Found != nil {
		t.Found(rfc9111.CurrentAge(&h.facts, now.UnixMilli()), v.TTL)
	}
}

func (t *Trace) waiting() {
	if t != nil && t.Waiting != nil {
		t.Waiting()
	}
}

func (t *Trace) fetch(fwd Forward, why Reason) {
	if t != nil && t.Fetch != nil {
		t.Fetch(fwd, why)
	}
}

func (t *Trace) began(out *Outcome) {
	if t != nil && t.Began != nil {
		t.Began(*out)
	}
}

func (t *Trace) kept(why Reason) {
	if t != nil && t.Kept != nil {
		t.Kept(why)
	}
}
