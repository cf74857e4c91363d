// Package edge is the way of a request above the cache: a row of stages, each
// of which may answer. It compiles documents to a Plan, by which it finds the
// engine's keys and policies for a request, and answers the project's own
// paths. It knows no rule of HTTP caching (rfc9111) and no connection (h1).
//
//	c := edge.Compiler{Volumes: volumes}
//	plan, faults := c.Compile(nil, node, sites)
//	e, err := edge.New(edge.Options{Plan: plan, Volumes: volumes})
//	server := h1.Server{Handler: e}
//	…
//	plan, faults = c.Compile(plan, node, sites)
//	e.Use(plan) // requests under way end by the plan that they began with
//
// The list of stages and the reason for each one's place: stages.go.
package edge

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"opencache/internal/access"
	"opencache/internal/config"
	"opencache/internal/engine"
	"opencache/internal/telemetry"
	"opencache/internal/wire"
)

// Options are what an Edge is made of.
type Options struct {
	// Plan is the first one; Use takes others.
	Plan *Plan
	// Volumes are those that plans store in.
	Volumes []Volume
	// AdminToken allows purging and admin paths to whoever bears it, beside
	// direct clients on this machine. Empty: those only.
	AdminToken string
	// Metrics answers /oc-cgi/metrics and counts requests; nil: not.
	Metrics *telemetry.Metrics
	// Log gets a line for each request; nil: none.
	Log *telemetry.AccessLog
	// Loki gets the same; nil: there is none.
	Loki *telemetry.Loki
	// Tracer begins and ends spans where documents have traces passed on; nil:
	// they are passed on as they come.
	Tracer *telemetry.Tracer
	// Stats is called for the JSON of /__admin/stats; nil: that path is 404.
	Stats func() any
	// Status is called for the JSON of /oc-cgi/status; nil: that path is 404.
	Status func() any
	// Unready returns why the node is not to be sent requests, empty: it is;
	// nil: it always is.
	Unready func() string
	// Memo is how many routes are remembered, about 600 bytes each; 0: 4096,
	// below 0: none.
	Memo int
	// Geo says where clients are; nil: nobody knows.
	Geo Locator
	// Warn is where failures of the upstream are told, one a second at most
	// with the number of those left out; nil: nowhere.
	Warn   *slog.Logger
	Now    func() time.Time // nil: time.Now
	Random func() uint64    // for ids; nil: math/rand/v2's
}

// An Edge answers requests: a wire.Handler.
type Edge struct {
	o      Options
	plan   atomic.Pointer[Plan]
	memo   *memo // nil: nothing is remembered
	clock  bool  // o.Now is the system's
	nobody *site // stands in where conditions of the log are evaluated without a site
	visits sync.Pool

	denials  denials
	verifier access.Verifier

	using     sync.Mutex // held by Use; guards short
	short     map[account]bool
	unlimited atomic.Int64 // how many these are

	warned atomic.Int64 // when a failure was told last, Unix seconds
	untold atomic.Int64 // failures since then

	filtered [filterKinds]atomic.Uint64 // requests that were refused

	unkeyed     unkeyedCounts
	unkeyedTold atomic.Int64 // when it was told last, Unix seconds
}

var _ wire.Handler = (*Edge)(nil)

// New returns an Edge.
func New(o Options) (*Edge, error) {
	if o.Plan == nil || len(o.Volumes) == 0 {
		return nil, errors.New("edge: Plan and Volumes are needed")
	}
	clock := o.Now == nil
	if clock {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Uint64
	}
	e := &Edge{o: o, nobody: &site{doc: &config.Site{}}, clock: clock}
	if o.Memo >= 0 {
		e.memo = newMemo(cmp.Or(o.Memo, memoSlots))
	}
	e.visits.New = func() any {
		v := &visit{e: e}
		v.geo = e.o.Geo
		return v
	}
	if err := e.Use(o.Plan); err != nil && o.Warn != nil {
		o.Warn.Warn("not all limits of zones are kept", "error", err)
	}
	return e, nil
}

// Use has requests that come from now on answered by p. Servers that only the
// plan before has are closed when their last exchange ends, and what is stored
// for zones that only that one has is dropped. The error says which zones have
// no account of their own; they are used without a limit.
func (e *Edge) Use(p *Plan) error {
	e.using.Lock()
	defer e.using.Unlock()
	was := e.plan.Load()
	e.count(p, was)
	if e.short == nil {
		e.short = map[account]bool{}
	}
	faults := p.apply(was, e.short)
	e.unlimited.Store(int64(len(e.short)))
	e.plan.Store(p)
	p.watch()
	if was != nil && was != p {
		p.dropGone(was)
		p.closeGone(was)
	}
	if len(faults) > 1 {
		return fmt.Errorf("%w; and %d more like it", faults[0], len(faults)-1)
	}
	return errors.Join(faults...)
}

// Unlimited is how many accounts of zones there is no room for: what they hold
// is stored without a limit of its own.
func (e *Edge) Unlimited() int64 { return e.unlimited.Load() }

// Plan returns the plan in use.
func (e *Edge) Plan() *Plan { return e.plan.Load() }

// Serve answers r: it walks the stages until one has answered.
func (e *Edge) Serve(r *wire.Request, p *wire.Reply) {
	v := e.visits.Get().(*visit)
	v.r, v.p, v.outcome, v.plan, v.times = r, p, engine.Outcome{}, e.plan.Load(), times{}
	v.node = v.plan.values
	v.key, v.start, v.to.Origin, v.where = v.key[:0], e.o.Now(), 0, nil
	v.refused, v.filtered, v.bounded, v.user = notRefused, noFilter, nil, v.user[:0]
	v.visitors, v.visited = v.plan.visitors, v.visited[:0]
	for i := range stages {
		if stages[i].do(v) {
			break
		}
	}
	if v.outcome.Err != nil && e.o.Warn != nil {
		v.warn()
	}
	v.record()
	v.r, v.p, v.plan, v.site, v.choice, v.to.Policy = nil, nil, nil, nil, nil, nil
	e.visits.Put(v)
}

// A visit is one request on its way through the stages. It is pooled.
type visit struct {
	values
	e       *Edge
	p       *wire.Reply
	plan    *Plan
	choice  *choice // nil: none was made
	key     []byte
	host    []byte  // where hostOf works
	target  []byte  // path and query as they go upstream
	decoded []byte  // and as patterns see them
	uri     []byte  // the path as routes see it
	ext     []byte  // its extension
	shown   []byte  // the key as the log tells it
	found   routing // in the memo
	times   times

	ticket     access.Ticket // that signs the URL
	shownQuery []byte        // what it was cut from
	signed     []byte        // path and query without it
	user       []byte        // who basic authentication says it is

	refused refusal      // why the route does not let it pass
	bounded *boundedBody // the request's content, where there is a bound and its size was not known

	filtered filter // why the node denied it

	// Of who the client is:
	vouched    bool       // the node's proxies say it
	hop        netip.Addr // who has sent the request: the client, or the last proxy
	believed   bool       // hop is one of the node's proxies
	schemeSaid bool       // it said the scheme
	scrap      []byte     // values of fields that go upstream

	// Of visits that purge: that one host of the site is meant, or every one.
	hostOnly, everyHost bool

	to     engine.Route
	rec    telemetry.Record // here, since a log's line is made by functions that could keep it
	parent [8]byte          // the span that the trace came with
}

// took is how long the request has taken so far.
func (v *visit) took() time.Duration {
	if v.e.clock {
		return time.Since(v.start) // half of what reading the time of day takes
	}
	return v.e.o.Now().Sub(v.start)
}

// warn tells the operator that the upstream failed, when it did. It allocates.
func (v *visit) warn() {
	var fault *wire.Error
	if !errors.As(v.outcome.Err, &fault) || fault.Side == wire.Client {
		return
	}
	last, now := v.e.warned.Load(), v.start.Unix()
	if last == now || !v.e.warned.CompareAndSwap(last, now) {
		v.e.untold.Add(1)
		return
	}
	v.e.o.Warn.Warn("upstream failed", "target", string(v.r.Target()), "request_id", string(v.id), "status", v.p.Status,
		"cache_status", v.outcome.Status.String(), "reason", v.outcome.Why.String(), "err", v.outcome.Err, "since_last", v.e.untold.Swap(0))
}

// answer gives a small answer of our own.
func (v *visit) answer(status int, contentType, body string) bool {
	p := v.p
	p.Status, p.Length = status, int64(len(body))
	p.Fields = wire.AppendField(p.Fields, wire.ContentType, contentType)
	p.Fields = v.sign(wire.AppendField(p.Fields, wire.CacheControl, "no-store"), wire.NameSet{})
	_ = p.Start() // the Reply keeps the error
	if v.r.Method != wire.HEAD {
		_, _ = io.WriteString(p, body)
	}
	_ = p.End(nil)
	return true
}

const (
	plain  = "text/plain; charset=utf-8"
	asJSON = "application/json"
)
