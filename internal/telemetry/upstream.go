package telemetry

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"opencache/internal/wire"
)

// What became of a request to the upstream, in the order of their counts.
const (
	outcomeError    = 0 // no usable response head: refused, reset, malformed
	outcomeTimeout  = 6
	outcomeCanceled = 7
)

var outcomes = [...]string{"error", "1xx", "2xx", "3xx", "4xx", "5xx", "timeout", "canceled"}

type upstreamCounts struct {
	outcomes [len(outcomes)]atomic.Uint64
	bytes    atomic.Uint64
	head     Histogram // how long they came after
}

func (u *upstreamCounts) requests() uint64 { return sum(u.outcomes[:]) }

// Upstream returns an Exchanger that counts what goes through next: requests
// by their outcome, and the bytes of responses' content.
func (m *Metrics) Upstream(next wire.Exchanger) wire.Exchanger {
	return &countedUpstream{next: next, counts: &m.upstream}
}

type countedUpstream struct {
	next   wire.Exchanger
	counts *upstreamCounts
}

var _ wire.Exchanger = (*countedUpstream)(nil)

// Exchange implements wire.Exchanger.
func (u *countedUpstream) Exchange(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	begun := time.Now()
	resp, err := u.next.Exchange(ctx, r)
	if err == nil {
		u.counts.head.Observe(time.Since(begun))
	}
	u.counts.outcomes[outcomeOf(ctx, resp, err)].Add(1)
	if err == nil && resp.Body != nil {
		resp.Body = &countedBody{Body: resp.Body, bytes: &u.counts.bytes}
	}
	return resp, err
}

func outcomeOf(ctx context.Context, resp *wire.Response, err error) int {
	if err == nil {
		if class := resp.Status / 100; class >= 1 && class <= 5 {
			return class
		}
		return outcomeError
	}
	var e *wire.Error // escapes: not on the way of what goes well
	switch {
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return outcomeCanceled
	case errors.As(err, &e) && e.Status == http.StatusGatewayTimeout, errors.Is(err, context.DeadlineExceeded):
		return outcomeTimeout
	}
	return outcomeError
}

// countedBody adds what is read to a count.
type countedBody struct {
	wire.Body
	bytes *atomic.Uint64
}

// Ready is that of the Body that is counted; see wire.Ready.
func (b *countedBody) Ready() bool { return wire.Ready(b.Body) }

// SpliceTo is that of the Body that is counted; see wire.SpliceTo.
func (b *countedBody) SpliceTo(p *wire.Pipe) (int, error) {
	n, err := wire.SpliceTo(b.Body, p)
	b.bytes.Add(uint64(n))
	return n, err
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.Body.Read(p)
	if n > 0 {
		b.bytes.Add(uint64(n))
	}
	return n, err
}
