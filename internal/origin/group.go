package origin

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
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
	Name      string // what tells it apart: where Hash sends a key depends on it
	Weight    int    // its share of requests; 0: 1
	Backup    bool
	// Circuit is what is known of the server; nil: one of the Group's own.
	Circuit *Circuit
	// Load returns how many exchanges are under way; nil: none ever are.
	Load func() int
}

// A Group is several servers that answer for one another: each request goes to
// one of them, and on to the next when that fails. A server that is out by its
// Circuit is left out as long as there are others; those for backup are asked
// when nobody else is left. Who is alone is always asked. Fields are not changed
// after the first Exchange.
type Group struct {
	Members []Member
	Balance Balance
	Key     func(*wire.Request) uint64 // for Hash: see HashKey
	Random  func() uint64              // for RandomTwo; nil: math/rand/v2
	// Next is when the next one is asked. Only requests that can not have taken
	// effect, idempotent ones without content, and with NonIdempotent all
	// without content, are sent twice.
	Next Condition
	// Tries is how many are asked at most; 0: each once.
	Tries int
	// Timeout is after what time no further one is asked; 0: any.
	Timeout time.Duration
	Budget  *Budget          // of further attempts; nil: any number
	Tally   *Tally           // counts them; nil: nobody does
	Now     func() time.Time // nil: time.Now

	once     sync.Once
	circuits []*Circuit
	seeds    []uint64

	mu         sync.Mutex // guards the fields below
	credit     []int      // of each, for picking
	candidates []candidate
}

// A Tally counts what Groups do beyond a first attempt.
type Tally struct {
	Retries  atomic.Uint64                   // further attempts
	Withheld [wire.NumWithheld]atomic.Uint64 // requests that got no further one, by why
	Checks   [2]atomic.Uint64                // of Probes: those that failed, and those that did not
}

var _ wire.Exchanger = (*Group)(nil)

// An attempt is one server being asked.
type attempt struct {
	at    int
	trial bool
}

// Exchange implements wire.Exchanger: what the last server asked gave.
func (g *Group) Exchange(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	g.once.Do(g.begin)
	begun := g.now()
	g.Budget.request(begun)
	key := uint64(0)
	if g.Balance == Hash && g.Key != nil && len(g.Members) > 1 {
		key = g.Key(r)
	}
	var few [8]int
	tried := few[:0]
	for now := begun; ; {
		a := g.pick(key, tried, now)
		tried = append(tried, a.at)
		resp, err := g.Members[a.at].Exchanger.Exchange(ctx, r)
		why := conditionOf(resp, err)
		now = g.now()
		g.circuits[a.at].end(g.endingOf(why, err), now, a.trial)
		if why&g.Next == 0 || len(tried) == len(g.Members) || !g.again(r, err) || ctx.Err() != nil {
			return resp, err
		}
		if hold := g.hold(len(tried), now.Sub(begun), now); hold != 0 {
			r.Attempts.Withhold(hold)
			if g.Tally != nil {
				g.Tally.Withheld[hold].Add(1)
			}
			return resp, err
		}
		if resp != nil && resp.Body != nil {
			_ = resp.Body.Close()
		}
		if g.Tally != nil {
			g.Tally.Retries.Add(1)
		}
	}
}

// begin fills in what Members do not say.
func (g *Group) begin() {
	g.credit = make([]int, len(g.Members))
	for i := range g.Members {
		m := &g.Members[i]
		c := m.Circuit
		if c == nil {
			c = new(Circuit)
		}
		g.circuits = append(g.circuits, c)
		g.seeds = append(g.seeds, mixed(hashed(m.Name)))
	}
}

// hold returns why no further server is to be asked after so many and so much
// time; 0: one is.
func (g *Group) hold(tried int, took time.Duration, now time.Time) wire.Withheld {
	switch {
	case g.Tries > 0 && tried >= g.Tries:
		return wire.AttemptsSpent
	case g.Timeout > 0 && took >= g.Timeout:
		return wire.AttemptsTooLate
	case !g.Budget.spend(now):
		return wire.RetryBudget
	}
	return 0
}

// endingOf is what an exchange says of its server. As in nginx: what is not to
// be passed on is no failure, unless it gave no response, and a refusal is
// never one.
func (g *Group) endingOf(why Condition, err error) ending {
	fault := faultOf(err)
	switch {
	case why&(g.Next|OnError|OnTimeout|OnInvalidHeader)&^(On403|On404) != 0 && fault != QueueFull && fault != QueueTimeout:
		return failed
	case err != nil: // the client left, its content broke, or there was no connection to be had
		return untold
	}
	return well
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
	case fault == None && errors.As(err, &e) && e.Side != wire.Upstream: // it was not sent
		return 0
	case fault == BadResponse:
		return OnInvalidHeader
	case errors.As(err, &e) && e.Status == 504:
		return OnTimeout
	}
	return OnError
}

// pick returns whom to ask next, of those not tried yet: first of those that
// are well, then of those for backup, then of the rest.
func (g *Group) pick(key uint64, tried []int, now time.Time) (a attempt) {
	g.mu.Lock()
	for _, which := range [...]struct{ backup, usable bool }{{false, true}, {true, true}, {false, false}, {true, false}} {
		all := g.candidates[:0]
		for i := range g.Members {
			if g.Members[i].Backup != which.backup || slices.Contains(tried, i) {
				continue
			}
			if usable, share := g.circuits[i].look(now); usable == which.usable {
				all = append(all, g.candidate(i, share))
			}
		}
		g.candidates = all
		if len(all) > 0 {
			a.at = g.choose(all, key)
			break
		}
	}
	g.mu.Unlock()
	a.trial = g.circuits[a.at].begin(now)
	return a
}

func (g *Group) candidate(i, share int) candidate {
	m := &g.Members[i]
	c := candidate{at: i, weight: max(m.Weight, 1) * share, seed: g.seeds[i]}
	if m.Load != nil && (g.Balance == LeastConn || g.Balance == RandomTwo) {
		c.load = m.Load()
	}
	return c
}

// choose returns the place of one of all. The caller holds g.mu.
func (g *Group) choose(all []candidate, key uint64) int {
	switch {
	case len(all) == 1:
		return all[0].at
	case g.Balance == LeastConn:
		return turn(lightest(all), g.credit)
	case g.Balance == RandomTwo && g.Random != nil:
		return lighterOfTwo(all, g.Random())
	case g.Balance == RandomTwo:
		return lighterOfTwo(all, rand.Uint64())
	case g.Balance == Hash:
		return ownerOf(all, key)
	}
	return turn(all, g.credit)
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
