package origin

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"opencache/internal/wire"
)

// A Condition is what makes a Group ask its next member, or whether it may.
type Condition uint16

// The conditions, as nginx's proxy_next_upstream names them.
const (
	OnError         Condition = 1 << iota // no connection, one that broke, or none free
	OnTimeout                             // no connection or no head in time
	OnInvalidHeader                       // what came is no response
	On500
	On502
	On503
	On504
	On403
	On404
	On429
	NonIdempotent // requests that may have taken effect are tried again, too
)

// A Member is a server of a Group.
type Member struct {
	Exchanger wire.Exchanger
	Weight    int // its share of requests; 0: 1
	Backup    bool
}

// A Group is several servers that answer for one another: each request goes to
// one of them in turn, by weight, and on to the next when that fails. A server
// that failed is left out for a while as long as there are others; those for
// backup are asked when nobody else is left. Fields are not changed after the
// first Exchange.
type Group struct {
	Members []Member
	// Next is when the next one is asked. Only requests that can not have taken
	// effect, idempotent ones without content, and with NonIdempotent all
	// without content, are sent twice.
	Next Condition
	// Tries is how many are asked at most; 0: each once.
	Tries int
	// Timeout is after what time no further one is asked; 0: any.
	Timeout time.Duration
	// Rest is how long one that failed is left out; 0: 10 s.
	Rest time.Duration
	Now  func() time.Time // nil: time.Now

	once   sync.Once
	failed []atomic.Int64 // until when each is left out, Unix nanoseconds

	mu     sync.Mutex // guards the field below
	credit []int      // of each, for picking
}

var _ wire.Exchanger = (*Group)(nil)

// Exchange implements wire.Exchanger: what the last server asked gave.
func (g *Group) Exchange(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	if len(g.Members) == 1 {
		return g.Members[0].Exchanger.Exchange(ctx, r)
	}
	g.once.Do(func() {
		g.failed, g.credit = make([]atomic.Int64, len(g.Members)), make([]int, len(g.Members))
	})
	begun := g.now()
	at, tried := g.pick(nil, begun), []int(nil)
	for {
		resp, err := g.Members[at].Exchanger.Exchange(ctx, r)
		why := conditionOf(resp, err)
		if why == 0 {
			g.failed[at].Store(0)
			return resp, err
		}
		now := g.now()
		// As in nginx: what is not to be passed on is no failure of a server,
		// unless it gave no response, and a refusal is never one.
		if why&(g.Next|OnError|OnTimeout|OnInvalidHeader)&^(On403|On404) != 0 && faultOf(err) != QueueFull && faultOf(err) != QueueTimeout {
			g.failed[at].Store(now.Add(orDuration(g.Rest, 10*time.Second)).UnixNano())
		}
		tried = append(tried, at)
		over := g.Tries > 0 && len(tried) >= g.Tries || g.Timeout > 0 && now.Sub(begun) >= g.Timeout
		if over || why&g.Next == 0 || !g.again(r, err) || ctx.Err() != nil {
			return resp, err
		}
		next := g.pick(tried, now)
		if next < 0 {
			return resp, err
		}
		if resp != nil && resp.Body != nil {
			_ = resp.Body.Close()
		}
		at = next
	}
}

// again reports whether r may be sent once more.
func (g *Group) again(r *wire.Request, err error) bool {
	var fault *wire.Error
	if errors.As(err, &fault) && !fault.Sent {
		return true // nobody has seen any of it
	}
	return r.Length == 0 && (r.Method.Idempotent() || g.Next&NonIdempotent != 0)
}

// conditionOf is what a response or an error is to a Group; 0: nothing that
// another server could do better.
func conditionOf(resp *wire.Response, err error) Condition {
	if err == nil {
		switch resp.Status {
		case 500:
			return On500
		case 502:
			return On502
		case 503:
			return On503
		case 504:
			return On504
		case 403:
			return On403
		case 404:
			return On404
		case 429:
			return On429
		}
		return 0
	}
	var e *wire.Error
	switch fault := faultOf(err); {
	case fault == Canceled || fault == Content:
		return 0
	case fault == BadResponse:
		return OnInvalidHeader
	case errors.As(err, &e) && e.Status == 504:
		return OnTimeout
	}
	return OnError
}

// pick returns the next member in turn that is not among tried, below 0 when
// there is none: first those that have not failed lately, then those for
// backup, then the rest.
func (g *Group) pick(tried []int, now time.Time) int {
	for _, which := range [...]struct{ backup, failed bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
		best := g.turn(func(i int) bool {
			for _, t := range tried {
				if t == i {
					return false
				}
			}
			return g.Members[i].Backup == which.backup && (g.failed[i].Load() > now.UnixNano()) == which.failed
		})
		if best >= 0 {
			return best
		}
	}
	return -1
}

// turn is nginx's smooth weighted round robin among the members that take
// part: each gets its weight as credit, and the one with most pays for all.
func (g *Group) turn(takesPart func(int) bool) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	best, total := -1, 0
	for i := range g.Members {
		if !takesPart(i) {
			continue
		}
		weight := max(g.Members[i].Weight, 1)
		g.credit[i] += weight
		total += weight
		if best < 0 || g.credit[i] > g.credit[best] {
			best = i
		}
	}
	if best >= 0 {
		g.credit[best] -= total
	}
	return best
}

func (g *Group) now() time.Time {
	if g.Now != nil {
		return g.Now()
	}
	return time.Now()
}

func orDuration(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}
