// Package edge is the way of a request above the cache: a row of stages, each
// of which may answer. It turns what operators say (which origin, which
// paths pass, how long what keeps) into the engine's keys and policies, and
// answers the project's own paths. It knows no rule of HTTP caching (rfc9111)
// and no connection (h1).
//
//	e, err := edge.New(edge.Options{Engine: eng, Upstream: pool, Origin: "http://origin.example"})
//	server := h1.Server{Handler: e}
//
// The list of stages and the reason for each one's place: stages.go.
package edge

import (
	"cmp"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"opencache/internal/engine"
	"opencache/internal/rfc9111"
	"opencache/internal/telemetry"
	"opencache/internal/wire"
)

// A TTL is the freshness lifetime of 200 responses that carry none, for paths
// (with their query) that match.
type TTL struct {
	Match *regexp.Regexp // nil: all
	For   time.Duration
}

// Options are what an Edge is made of.
type Options struct {
	Engine   *engine.Engine
	Upstream wire.Exchanger
	// Origin is what keys begin with: the upstream's scheme, authority and
	// base path.
	Origin string
	// PreserveHost says that the upstream sees the client's Host: keys then
	// have it in place of Origin's authority.
	PreserveHost bool
	// KeepQueryOrder keys the query as it came; otherwise its parameters are
	// sorted by name, those of the same name in their order.
	KeepQueryOrder bool
	TTLs           []TTL            // the first that matches counts
	Passthrough    []*regexp.Regexp // paths that are never cached
	Policy         engine.Policy    // what all requests share; Upstream and what concerns keys is set by New
	// AdminToken allows purging and admin paths to whoever bears it, beside
	// direct clients on this machine. Empty: those only.
	AdminToken string
	// Metrics answers /oc-cgi/metrics and counts requests; nil: not.
	Metrics *telemetry.Metrics
	// Log gets a line for each request; nil: none.
	Log *telemetry.AccessLog
	// Stats is called for the JSON of /__admin/stats; nil: that path is 404.
	Stats func() any
	// Draining makes health answers say 503, so that balancers look elsewhere.
	Draining *atomic.Bool
	// RequestID says what X-Request-ID holds; zero: a new id for each request.
	RequestID RequestID
	// Memo is how many routes are remembered, about 450 bytes each; 0: 4096,
	// below 0: none.
	Memo int
	// Warn is where failures of the upstream are told, one a second at most
	// with the number of those left out; nil: nowhere.
	Warn   *slog.Logger
	Now    func() time.Time // nil: time.Now
	Random func() uint64    // for ids; nil: math/rand/v2's
}

// An Edge answers requests: a wire.Handler.
type Edge struct {
	o        Options
	origin   origin
	policies []engine.Policy // one for each of o.TTLs, then those for the rest and for o.Passthrough
	patterns bool            // a target is matched against
	snapshot uint64          // of what routes depend on: the number of this configuration
	memo     *memo           // nil: nothing is remembered
	clock    bool            // o.Now is the system's
	visits   sync.Pool

	warned atomic.Int64 // when a failure was told last, Unix seconds
	untold atomic.Int64 // failures since then
}

var _ wire.Handler = (*Edge)(nil)

// New returns an Edge.
func New(o Options) (*Edge, error) {
	if o.Engine == nil || o.Upstream == nil || o.Origin == "" {
		return nil, errors.New("edge: Engine, Upstream and Origin are needed")
	}
	clock := o.Now == nil
	if clock {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Uint64
	}
	o.Policy.Upstream = newUpstream(&o)
	e := &Edge{o: o, origin: parseOrigin(o.Origin), clock: clock, snapshot: 1, patterns: len(o.Passthrough) > 0}
	o.Policy.KeyOf = e.keyOf
	for _, t := range slices.Concat(o.TTLs, []TTL{{}}) {
		p := o.Policy
		if t.For > 0 {
			p.Rules.DefaultTTL = int64(t.For / time.Second)
		}
		e.policies = append(e.policies, p)
		e.patterns = e.patterns || t.Match != nil
	}
	bypass := o.Policy
	bypass.Bypass = true
	e.policies = append(e.policies, bypass)
	if o.Memo >= 0 && (e.patterns || !o.KeepQueryOrder) {
		e.memo = newMemo(cmp.Or(o.Memo, memoSlots))
	}
	e.visits.New = func() any { return &visit{e: e} }
	return e, nil
}

// DefaultRules are the rules of the one-line mode where RFC 9111 leaves a
// choice: heuristic freshness, and stale responses when the upstream fails.
func DefaultRules() rfc9111.Policy {
	return rfc9111.Policy{Heuristic: 10, HeuristicMax: 86400, StaleIfError: 86400}
}

// Serve answers r: it walks the stages until one has answered.
func (e *Edge) Serve(r *wire.Request, p *wire.Reply) {
	v := e.visits.Get().(*visit)
	v.r, v.p, v.outcome = r, p, engine.Outcome{}
	v.key, v.start = v.key[:0], e.o.Now()
	for i := range stages {
		if stages[i].do(v) {
			break
		}
	}
	if v.outcome.Err != nil && e.o.Warn != nil {
		v.warn()
	}
	v.record()
	v.r, v.p = nil, nil
	e.visits.Put(v)
}

// A visit is one request on its way through the stages. It is pooled.
type visit struct {
	e       *Edge
	r       *wire.Request
	p       *wire.Reply
	start   time.Time
	id      []byte // what X-Request-ID says
	key     []byte
	target  []byte // path and query as they go upstream
	decoded []byte // and as patterns see them
	order   []param
	found   routing // in the memo
	to      engine.Route
	outcome engine.Outcome
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

// record tells telemetry what became of the request.
func (v *visit) record() {
	o := &v.e.o
	if o.Metrics == nil && o.Log == nil {
		return
	}
	rec := telemetry.Record{
		Time: v.start, Method: v.r.Method, Status: v.p.Status, Bytes: v.p.Sent, Duration: v.took(),
		CacheStatus: v.outcome.Status.String(), Collapsed: v.outcome.Collapsed,
		UpstreamStatus: v.outcome.Upstream, UpstreamTime: v.outcome.Waited, Key: v.key, Origin: v.to.Origin,
	}
	if v.r.Minor == 0 {
		rec.Proto = telemetry.HTTP10
	}
	if o.Metrics != nil {
		o.Metrics.Observe(&rec)
	}
	if o.Log != nil { // what only the log has a use for
		rec.Remote, rec.MethodText, rec.RequestID = v.r.Remote, v.r.MethodText(), v.id
		rec.Host, rec.Target = v.r.Authority(), v.r.Target()
		rec.UserAgent, rec.Referer = v.r.Get(wire.UserAgent), v.r.Get(wire.Referer)
		rec.Reason = v.outcome.Why.String()
		if v.outcome.Status.FromStore() {
			rec.Tier = v.outcome.Tier.String()
		}
		o.Log.Write(&rec)
	}
}

// answer gives a small answer of our own.
func (v *visit) answer(status int, contentType, body string) bool {
	p := v.p
	p.Status, p.Length = status, int64(len(body))
	p.Fields = wire.AppendField(p.Fields, wire.ContentType, contentType)
	p.Fields = wire.AppendField(p.Fields, wire.CacheControl, "no-store")
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
