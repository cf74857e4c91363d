package opencache

import (
	"context"
	"net/http"
	"sync"
	"time"

	"opencache/internal/engine"
)

// A Status says where an answer came from. It is what X-Cache-Status says.
type Status uint8

// The statuses; zero: the cache was not asked.
const (
	Hit         Status = iota + 1 // from the store, fresh
	Miss                          // from upstream: nothing usable was stored
	Expired                       // from upstream: what was stored was stale
	Revalidated                   // from the store: upstream said that it is current
	Stale                         // from the store, stale
	Updating                      // from the store, stale, while a refresh runs
	Bypass                        // handed through
)

// String returns the value of X-Cache-Status: HIT, MISS and so on.
func (s Status) String() string {
	if int(s) >= engine.NumStatus {
		return "status?"
	}
	return engine.Status(s).String()
}

// A Reason says why something went as it did, in a word that does not change
// from one version to the next: the directive or field that decided, as in
// "no-store", or what befell the request, as in "hit-for-miss". "": for no
// particular reason. There is a constant for each; docs/operating.md says more
// of them.
type Reason string

// String returns the word.
func (r Reason) String() string { return string(r) }

// An Outcome says what became of a request.
type Outcome struct {
	Status Status
	// Forward is why upstream was asked, in the words of RFC 9211, 2.2:
	// "uri-miss", "vary-miss", "miss", "stale", "request", "method" or
	// "bypass". "": it was not.
	Forward Reason
	// Why is what decided, where more can be said than Status and Forward do:
	// why a response was not stored, or why a stale one was served.
	Why       Reason
	Stored    bool          // the response is in the store now
	Collapsed bool          // another request's fetch answered
	TTL       time.Duration // freshness left of what is stored, negative when stale
	Age       time.Duration // since it was generated or validated, where the answer says so
	Upstream  int           // the status code with which upstream answered; 0: it was not asked, or did not
	Waited    time.Duration // for upstream
	Err       error         // what failed, also when something stale hid it; nil: nothing
}

// OutcomeOf returns what a Transport did for the request that resp answers:
// what was known with the head until its Body has been read to the end or
// closed, then all of it. It reports false for a response that did not come
// from a Transport.
func OutcomeOf(resp *http.Response) (Outcome, bool) {
	if resp == nil || resp.Request == nil {
		return Outcome{}, false
	}
	f, ok := resp.Request.Context().Value(outcomeKey{}).(*fate)
	if !ok {
		return Outcome{}, false
	}
	return f.outcome(), true
}

type outcomeKey struct{}

// A fate is the context of a Response's Request: it carries the Outcome to
// whoever has the Response, through whatever else wraps its Body.
type fate struct {
	context.Context

	mu  sync.Mutex // guards the field below
	out Outcome
}

// Value implements context.Context.
func (f *fate) Value(key any) any {
	if key == (outcomeKey{}) {
		return f
	}
	return f.Context.Value(key)
}

func (f *fate) outcome() Outcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.out
}

func (f *fate) set(out Outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.out = out
}

// outcomeOf returns an engine's Outcome as programs see it.
func outcomeOf(o *engine.Outcome) Outcome {
	return Outcome{
		Status: Status(o.Status), Forward: Reason(o.Forward.String()), Why: reasonOf(o.Why),
		Stored: o.Stored, Collapsed: o.Collapsed, Upstream: o.Upstream, Waited: o.Waited, Err: bare(o.Err),
		TTL: time.Duration(o.TTL) * time.Second, Age: time.Duration(o.Age) * time.Second,
	}
}

func reasonOf(r engine.Reason) Reason {
	if r == 0 {
		return ""
	}
	return Reason(r.String())
}
