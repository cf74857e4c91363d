package main

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"opencache/internal/config"
	"opencache/internal/edge"
	"opencache/internal/engine"
	"opencache/internal/geo"
	"opencache/internal/h1"
	"opencache/internal/listen"
	"opencache/internal/origin"
	"opencache/internal/probe"
	"opencache/internal/store"
	"opencache/internal/telemetry"
)

// A stack is a cache: the parts, joined. Make it with newStack or openStack,
// which open no socket and ask no origin anything; Close it.
type stack struct {
	volumes  []edge.Volume
	compiler edge.Compiler
	edge     *edge.Edge
	metrics  *telemetry.Metrics
	access   *telemetry.AccessLog // nil: none
	loki     *telemetry.Loki      // nil: none
	tracer   *telemetry.Tracer    // nil: none
	http1    *h1.Server
	server   *listen.Server
	limits   *telemetry.LimitLog
	tally    origin.Tally
	draining atomic.Bool
	build    string // what tells this build from others
	started  time.Time
	cdnID    string      // where the documents say none
	live     *liveConfig // nil: the documents do not change
	geo      geo.Databases
	probes   probe.Prober
	ratio    atomic.Pointer[float64] // availability.ejectRatio; nil: never
}

// stackOptions are what a stack is made of.
type stackOptions struct {
	shot  config.Snapshot
	pop   string
	name  string      // of the node, in full; empty: clients are told none
	build string      // empty: buildID
	token string      // of administration; empty: none
	live  *liveConfig // where the documents come from; nil: they do not change
	// visitorKey is what ids of visitors are made with; nil: a random one.
	visitorKey []byte

	// What tests put in place of the machine; nil and false: the machine.
	now    func() time.Time
	random func() uint64
	dial   func(ctx context.Context, network, addr string) (net.Conn, error)
	heap   bool   // stored responses on the Go heap
	boot   string // names the run of the machine

	carrier http.RoundTripper // of what is pushed
}

// zoneName is the name of the zone that flags describe, and of the volume in
// memory.
const zoneName = "default"

// unwind is how long Close waits for connections that it has closed.
const unwind = 2 * time.Second

// stackOptions are what the flags come to.
func (o *serveOptions) stackOptions() (*stackOptions, error) {
	shot, err := o.snapshot()
	if err != nil {
		return nil, err
	}
	return &stackOptions{shot: shot, token: o.token, now: o.now, random: o.random, dial: o.dial, heap: o.heap, boot: o.boot}, nil
}

// newStack joins the parts as flags say.
func newStack(o *serveOptions, log *slog.Logger) (*stack, error) {
	so, err := o.stackOptions()
	if err != nil {
		return nil, err
	}
	return openStack(so, log)
}

// openStack joins the parts as documents say. What is at fault in them is told,
// and all that is not is served.
func openStack(o *stackOptions, log *slog.Logger) (s *stack, err error) {
	s = &stack{build: cmp.Or(o.build, buildID()), started: time.Now(), cdnID: randomCDNID(), live: o.live}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.free())
		}
	}()
	node := o.shot.Node
	if err := s.openVolumes(node, o, log); err != nil {
		return s, err
	}
	if err := s.openLogs(o, log); err != nil {
		return s, err
	}
	if o.visitorKey == nil {
		o.visitorKey = randomKey()
	}
	s.geo.Log, s.geo.Now = log, o.now
	s.geo.Use(databasesOf(node))
	s.probes.Dial, s.probes.Log = o.dial, log
	s.watch(node)
	s.metrics = telemetry.NewMetrics(s.source(node))
	s.compiler = edge.Compiler{Volumes: s.volumes, Count: s.count, Dial: o.dial, Now: o.now, Random: o.random, Tally: &s.tally, Warn: log,
		VisitorKey: o.visitorKey,
		POP:        o.pop, Server: o.name, Build: s.build}
	plan, faults := s.compiler.Compile(nil, node, o.shot.Sites)
	for _, f := range faults {
		if o.live == nil { // which tells of them itself
			log.Error("a document is not as it should be", "fault", f.String())
		}
	}
	s.edge, err = edge.New(edge.Options{
		Plan: plan, Volumes: s.volumes, AdminToken: o.token, Metrics: s.metrics, Log: s.access, Loki: s.loki, Tracer: s.tracer, Geo: &s.geo,
		Stats: func() any { return s.Stats() }, Status: s.status, Unready: s.unready, Now: o.now, Random: o.random, Warn: log,
	})
	if err != nil {
		return s, err
	}
	s.serveOn(&node.Network, o, log)
	return s, nil
}

// serveOn makes what clients' connections are served by.
func (s *stack) serveOn(n *config.Network, o *stackOptions, log *slog.Logger) {
	most, rate := numberIn(n.MaxConns), int(sizeIn(n.MinRate))
	if n.MinRate != nil && rate == 0 {
		rate = -1 // any, where 0 is the default
	}
	s.limits = &telemetry.LimitLog{Log: log, Counts: s.limited, Everyday: everyday}
	s.http1 = &h1.Server{
		Handler: s.edge, Name: n.Via,
		HeadTimeout: timeIn(n.HeadTimeout), IdleTimeout: timeIn(n.IdleTimeout), BodyTimeout: timeIn(n.BodyTimeout), WriteTimeout: timeIn(n.WriteTimeout),
		MinRate: rate, MaxContent: sizeIn(n.MaxBody), MaxConns: most, Limited: s.limits.Note, Log: log, Now: o.now,
	}
	s.server = &listen.Server{
		Protocols: map[string]func(net.Conn){"http/1.1": s.ServeConn},
		// h1 answers the connections that are too many; what comes above
		// that is closed unanswered.
		MaxConns:      most + most/16 + 64,
		MaxPerAddress: numberIn(n.MaxConnsPerAddress),
		Limited:       s.limits.Note,
		Trusts:        s.edge.Trusts, GreetTimeout: timeIn(n.HeadTimeout),
		Log: log,
	}
}

// Use has the stack serve by other documents, as they have changed. It tells
// what is at fault in them.
func (s *stack) Use(shot *config.Snapshot) ([]config.Fault, error) {
	plan, faults := s.compiler.Compile(s.edge.Plan(), shot.Node, shot.Sites)
	s.watch(shot.Node)
	s.geo.Use(databasesOf(shot.Node))
	return faults, s.edge.Use(plan)
}

// source is where the metrics read what they do not count themselves.
func (s *stack) source(node *config.Node) telemetry.Source {
	b := build()
	return telemetry.Source{
		Version: b.Version, Build: s.build, Revision: b.Revision,
		Objects:     func() int64 { return s.stored().Objects },
		Bytes:       s.bytes,
		Evictions:   s.evictions(),
		Waiters:     func() int64 { return s.sum(func(e *engine.Stats) int64 { return e.Waiting.Load() }) },
		Connections: func() int64 { return int64(s.server.Stats().Open) },
		Accepted:    func() uint64 { return s.server.Stats().Accepted },
		Idle:        func() int64 { return int64(s.http1.Stats().Idle) },
		Refused:     s.refused,
		Limited:     s.limited,
		LogDropped:  s.access.Dropped,
		Parts:       append(s.parts(), telemetry.Host(foldersOf(node))),
		Sites:       numberIn(node.Monitoring.MetricsSites),

		UpstreamConns:   s.upstreamConns,
		UpstreamWaiting: func() int64 { return int64(s.upstreams().Waiting) },
		UpstreamQueued:  func() uint64 { return s.upstreams().Queued },
		UpstreamRefused: func() uint64 { return s.upstreams().Refused },
	}
}

// parts are those that have metrics of their own. The edge is not there yet
// when this is called: what needs it asks s.edge when samples are wanted.
func (s *stack) parts() []telemetry.Part {
	list := []telemetry.Part{{Families: s.families(), Samples: s.samples}, databaseMetrics(&s.geo), s.filterMetrics(), s.accountMetrics(), s.guardMetrics(), s.compressed(), s.accessPart(), s.readiness()}
	if s.live != nil {
		list = append(list, s.live.part())
	}
	if s.loki != nil {
		list = append(list, s.loki.Part())
	}
	if s.tracer != nil {
		list = append(list, s.tracer.Part())
	}
	return append(list, s.pools())
}

// refused is how many connections were refused for being too many.
func (s *stack) refused() (sum uint64) {
	for limit, n := range s.limited {
		if limit == "connections" || limit == "connections_per_address" {
			sum += n
		}
	}
	return sum
}

// upstreamConns yields the connections to the origin, by state.
func (s *stack) upstreamConns(yield func(string, int64) bool) {
	n := s.upstreams()
	_ = yield("in_use", int64(n.InUse)) && yield("kept", int64(n.Idle))
}

// upstreams are the numbers of all servers that content comes from, added up.
func (s *stack) upstreams() (sum origin.Stats) {
	for u := range s.edge.Plan().Upstreams {
		st := u.Stats()
		sum.InUse, sum.Idle, sum.Waiting = sum.InUse+st.InUse, sum.Idle+st.Idle, sum.Waiting+st.Waiting
		sum.Queued, sum.Refused = sum.Queued+st.Queued, sum.Refused+st.Refused
	}
	return sum
}

// sum adds up a number of all engines.
func (s *stack) sum(of func(*engine.Stats) int64) (n int64) {
	for i := range s.volumes {
		n += of(&s.volumes[i].Engine.Stats)
	}
	return n
}

// stored is what the stores hold.
func (s *stack) stored() (sum store.Stats) {
	for i := range s.volumes {
		st := s.volumes[i].Store.Stats()
		t := st.Total()
		sum.Objects, sum.Live, sum.Capacity = sum.Objects+t.Objects, sum.Live+t.Live, sum.Capacity+t.Capacity
		for reason, n := range t.Lost {
			sum.Lost[reason] += n
		}
	}
	return sum
}

// bytes yields the bytes that stored responses take, by tier.
func (s *stack) bytes(yield func(string, int64) bool) {
	var memory, disk int64
	disks := false
	for i := range s.volumes {
		st := s.volumes[i].Store.Stats()
		memory += st.Memory.Live
		d := st.Disk()
		disk += d.Live
		disks = disks || len(st.Disks) > 0
	}
	if yield(store.InMemory.String(), memory) && disks {
		yield(store.OnDisk.String(), disk)
	}
}

// evictions yields the records that the store lost, by reason.
func (s *stack) evictions() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for i, n := range s.stored().Lost {
			if i > 0 && !yield(store.Loss(i).String(), n) {
				return
			}
		}
	}
}

// ServeConn serves a client's connection until its end.
func (s *stack) ServeConn(c net.Conn) { s.http1.ServeConn(c) }

// Drain ends idle connections now and the others behind the answer under way;
// health answers say so. It does not wait.
func (s *stack) Drain() {
	s.draining.Store(true)
	s.http1.Drain()
}

// Close ends what is left and frees everything.
func (s *stack) Close() error {
	s.http1.Close()
	for i := range s.volumes {
		s.volumes[i].Engine.Cancel() // handlers wait for fetches
	}
	ctx, cancel := context.WithTimeout(context.Background(), unwind)
	defer cancel()
	// A connection that does not end may still read from the store.
	if err := s.server.Shutdown(ctx); err != nil {
		return errors.Join(err, s.closeLogs())
	}
	return s.free()
}

// free frees everything but connections, of which none is left.
func (s *stack) free() (err error) {
	s.geo.Close()
	s.probes.Close()
	for i := range s.volumes {
		s.volumes[i].Engine.Close()
	}
	if s.edge != nil {
		err = s.edge.Plan().Close()
	}
	err = errors.Join(err, s.closeLogs())
	for i := range s.volumes {
		err = errors.Join(err, s.volumes[i].Store.Close())
	}
	return err
}

// stats are what /__admin/stats shows.
type stats struct {
	telemetry.Totals
	Objects  int64 `json:"objects"`  // stored responses
	Bytes    int64 `json:"bytes"`    // that they take
	Capacity int64 `json:"capacity"` // that they may take
	Waiting  int64 `json:"waiting"`  // requests that wait for another one's fetch
	Open     int   `json:"connections"`

	Fetches   int64 `json:"fetches"`          // started for the store
	Refreshes int64 `json:"refreshes"`        // of them in the background
	Passes    int64 `json:"passes"`           // requests to the origin for one client alone
	Deposed   int64 `json:"deposed"`          // fetches replaced because they stalled
	Variants  int64 `json:"variants_dropped"` // because their URL had too many
	Refused   int64 `json:"not_taken"`        // responses that the store had no room for
	TooTagged int64 `json:"too_many_tags"`    // responses not stored for having more tags than are kept
	Resumed   int64 `json:"resumed"`          // answers that an upstream cut short and went on with when asked for the rest
	Cut       int64 `json:"cut_short"`        // answers that stayed cut short
}

// Stats looks at the counts.
func (s *stack) Stats() stats {
	v := s.stored()
	t := stats{Totals: s.metrics.Totals(), Objects: v.Objects, Bytes: v.Live, Capacity: v.Capacity, Open: s.server.Stats().Open}
	for i := range s.volumes {
		e := &s.volumes[i].Engine.Stats
		t.Waiting += e.Waiting.Load()
		t.Fetches += e.Fetches.Load()
		t.Refreshes += e.Refreshes.Load()
		t.Passes += e.Passes.Load()
		t.Deposed += e.Deposed.Load()
		t.Refused += e.Refused.Load()
		t.Variants += e.Variants.Load()
		t.TooTagged += e.TooTagged.Load()
		t.Resumed += e.Resumed.Load()
		t.Cut += e.Cut.Load()
	}
	return t
}
