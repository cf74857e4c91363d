package engine

import (
	"context"
	"sync"
	"time"

	"opencache/internal/wire"
)

// A patron is the context of a request's client, as an Exchange gets it. The
// client is watched from when somebody asks for Done, not before: most answers
// are there sooner, and watching costs more than passing them on. Until then
// the patron counts as present.
//
// It lives in a call, so it is for one Exchange, up to the Close of its
// response's Body.
type patron struct {
	mu      sync.Mutex // guards the fields below
	request *wire.Request
	watched context.Context // nil: nobody asked yet
}

var _ context.Context = (*patron)(nil)

// of makes p the patron of r.
func (p *patron) of(r *wire.Request) *patron {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.request, p.watched = r, nil
	return p
}

// context returns the client's context, which starts to watch the client.
func (p *patron) context() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watched == nil {
		p.watched = p.request.Context()
	}
	return p.watched
}

// Done implements context.Context.
func (p *patron) Done() <-chan struct{} { return p.context().Done() }

// Err implements context.Context.
func (p *patron) Err() error {
	p.mu.Lock()
	watched := p.watched
	p.mu.Unlock()
	if watched == nil {
		return nil
	}
	return watched.Err()
}

// Value implements context.Context. Package context finds by it that Done is
// a context's of its own, and needs no goroutine to wait for it.
func (p *patron) Value(key any) any { return p.context().Value(key) }

// Deadline implements context.Context.
func (p *patron) Deadline() (time.Time, bool) { return p.context().Deadline() }
