package opencache

import (
	"context"
	"time"

	"opencache/internal/engine"
)

// A Trace is a set of functions that are called when something happens to a
// request on its way through a Handler or a Transport, as net/http/httptrace
// has them for what happens below. Any of them may be nil.
//
// They are called on the goroutine where it happens, one after the other for
// most requests, but not always: Stored and NotStored belong to the fetch, and
// come behind Done when it goes on without the request that caused it. None of
// them may block for long: others may wait for the same fetch.
type Trace struct {
	// Found is called when something stored fits the request, maybe more than
	// once: its age, and its freshness left, which is negative when stale.
	Found func(age, ttl time.Duration)
	// Waiting is called when the request waits for what another one fetches.
	Waiting func()
	// Fetch is called before upstream is asked on this request's behalf, with
	// what Outcome calls Forward and Why.
	Fetch func(forward, why Reason)
	// Stored is called when what was fetched is in the store.
	Stored func()
	// NotStored is called when it is not going to be.
	NotStored func(why Reason)
	// Done is called once, when the answer is complete or has failed: for a
	// Transport when the Body was read to its end or closed, or RoundTrip has
	// failed, and for an answer that was in memory before RoundTrip returns.
	Done func(Outcome)
}

type traceKey struct{}

// WithTrace returns a context for requests whose way t is to follow. Hooks
// that ctx has already are called too, behind those of t.
func WithTrace(ctx context.Context, t *Trace) context.Context {
	if old := traceOf(ctx); old != nil && t != nil {
		t = t.before(old)
	}
	return context.WithValue(ctx, traceKey{}, t)
}

// traceOf returns the Trace of ctx, nil when it has none.
func traceOf(ctx context.Context) *Trace {
	t, _ := ctx.Value(traceKey{}).(*Trace)
	return t
}

// before returns a Trace that calls the functions of t, then those of old.
func (t *Trace) before(old *Trace) *Trace {
	return &Trace{
		Found:     both(t.Found, old.Found),
		Fetch:     both(t.Fetch, old.Fetch),
		Waiting:   each(t.Waiting, old.Waiting),
		Stored:    each(t.Stored, old.Stored),
		NotStored: all(t.NotStored, old.NotStored),
		Done:      all(t.Done, old.Done),
	}
}

func each(a, b func()) func() {
	if a == nil || b == nil {
		return either(a, b, a == nil)
	}
	return func() { a(); b() }
}

func all[T any](a, b func(T)) func(T) {
	if a == nil || b == nil {
		return either(a, b, a == nil)
	}
	return func(v T) { a(v); b(v) }
}

func both[T any](a, b func(T, T)) func(T, T) {
	if a == nil || b == nil {
		return either(a, b, a == nil)
	}
	return func(v, w T) { a(v, w); b(v, w) }
}

func either[F any](a, b F, second bool) F {
	if second {
		return b
	}
	return a
}

// engineTrace returns t as the engine calls it; nil for nil.
func (t *Trace) engineTrace() *engine.Trace {
	if t == nil {
		return nil
	}
	return &engine.Trace{
		Found: func(age, ttl int64) {
			if t.Found != nil {
				t.Found(time.Duration(age)*time.Second, time.Duration(ttl)*time.Second)
			}
		},
		Waiting: t.Waiting,
		Fetch: func(fwd engine.Forward, why engine.Reason) {
			t.fetch(Reason(fwd.String()), reasonOf(why))
		},
		Kept: func(why engine.Reason) {
			switch {
			case why == 0 && t.Stored != nil:
				t.Stored()
			case why != 0 && t.NotStored != nil:
				t.NotStored(reasonOf(why))
			}
		},
	}
}

func (t *Trace) fetch(forward, why Reason) {
	if t != nil && t.Fetch != nil {
		t.Fetch(forward, why)
	}
}

func (t *Trace) done(out Outcome) {
	if t != nil && t.Done != nil {
		t.Done(out)
	}
}
