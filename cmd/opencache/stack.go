package main

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"opencache/internal/edge"
	"opencache/internal/engine"
	"opencache/internal/h1"
	"opencache/internal/listen"
	"opencache/internal/origin"
	"opencache/internal/store"
	"opencache/internal/telemetry"
)

// A stack is a cache in front of one origin: the parts, joined. Make it with
// newStack, which opens no socket and asks the origin nothing; Close it.
type stack struct {
	upstream *origin.Upstream
	zone     *store.Zone
	engine   *engine.Engine
	edge     *edge.Edge
	metrics  *telemetry.Metrics
	access   *telemetry.AccessLog // nil: none
	http1    *h1.Server
	server   *listen.Server
	limits   *telemetry.LimitLog
	draining atomic.Bool
	started  time.Time
}

// zoneName is the name of the one zone that flags describe.
const zoneName = "default"

// unwind is how long Close waits for connections that it has closed.
const unwind = 2 * time.Second

// newStack joins the parts as o says.
func newStack(o *serveOptions, log *slog.Logger) (s *stack, err error) {
	s = &stack{started: time.Now()}
	if s.upstream, err = origin.Parse(string(o.Origin)); err != nil {
		return nil, usageError{err}
	}
	name := s.upstream.Scheme + "://" + s.upstream.Host + s.upstream.Base
	if o.PreserveHost {
		s.upstream.Host = ""
	}
	s.upstream.DialTimeout, s.upstream.TLSTimeout = o.OriginDialTimeout, o.OriginDialTimeout
	s.upstream.HeadTimeout, s.upstream.BodyTimeout = o.OriginHeadTimeout, o.OriginBodyTimeout
	s.upstream.MaxQueue, s.upstream.QueueTimeout = o.OriginMaxQueue, o.OriginQueueTimeout
	if o.OriginMaxQueue == 0 {
		s.upstream.MaxQueue = -1 // none, where 0 is the default
	}
	s.upstream.MaxConns, s.upstream.Dial, s.upstream.Now = o.OriginMaxConns, o.dial, o.now

	if s.zone, err = openZone(o, log); err != nil {
		return nil, err
	}
	tellFound(s.zone, log)
	if err := s.shareSites(o); err != nil {
		return nil, errors.Join(err, s.zone.Close())
	}
	if o.AccessLog != "" {
		if s.access, err = telemetry.OpenLog(telemetry.LogOptions{Path: o.AccessLog, Log: log}); err != nil {
			return nil, usageError{errors.Join(err, s.zone.Close())}
		}
	}
	// Fetches together take a quarter of the memory at most.
	s.engine = engine.New(engine.Options{Store: s.zone, Staging: int64(o.Memory / 4), Name: o.Via, CDNID: o.cdnID(), Log: log, Now: o.now})
	s.metrics = telemetry.NewMetrics(s.source())
	if s.edge, err = edge.New(s.edgeOptions(o, name, log)); err != nil {
		return nil, errors.Join(err, s.free())
	}
	s.limits = &telemetry.LimitLog{Log: log, Counts: s.limited, Everyday: everyday}
	s.http1 = &h1.Server{
		Handler: s.edge, Name: o.Via,
		HeadTimeout: o.HeadTimeout, IdleTimeout: o.IdleTimeout, BodyTimeout: o.BodyTimeout, WriteTimeout: o.WriteTimeout,
		MinRate: o.minRate(), MaxContent: int64(o.MaxBody), MaxConns: o.MaxConns, Limited: s.limits.Note, Log: log, Now: o.now,
	}
	s.server = &listen.Server{
		Protocols: map[string]func(net.Conn){"http/1.1": s.ServeConn},
		// h1 answers the connections that are too many; what comes above
		// that is closed unanswered.
		MaxConns:      o.MaxConns + o.MaxConns/16 + 64,
		MaxPerAddress: o.Socket.MaxConnsPerAddress,
		Limited:       s.limits.Note,
		Log:           log,
	}
	return s, nil
}

// edgeOptions are what the flags mean to the edge; name is the origin in keys.
func (s *stack) edgeOptions(o *serveOptions, name string, log *slog.Logger) edge.Options {
	e := edge.Options{
		Engine: s.engine, Upstream: s.metrics.Upstream(s.upstream), Origin: name,
		PreserveHost: o.PreserveHost, KeepQueryOrder: o.NoSortQuery, Passthrough: o.Passthrough,
		Policy: engine.Policy{
			Rules: o.rules(), Targets: o.targets(), LockTimeout: o.LockTimeout, LockAge: o.LockAge, ServerTiming: o.ServerTiming,
			MaxQuery: o.maxQuery(), MaxVariants: o.MaxVariants, MinUses: o.MinUses, IgnoreNoVarySearch: o.IgnoreNoVarySearch,
			TagFields: o.TagFields.names(), PassTags: o.PassTags,
			EarlyHints: o.EarlyHints, PassHead: o.PassHead, PassRange: o.PassRange,
			FetchWhole: o.ColdRange == "whole", ReadAhead: o.readAhead(),
			ProxyStatus: true,
			TellKey:     o.TellKey,
			TellTier:    o.TellTier,
		},
		RequestID: o.requestID(), Random: o.random,
		AdminToken: o.token, Metrics: s.metrics, Log: s.access,
		Stats: func() any { return s.Stats() }, Draining: &s.draining, Now: o.now, Warn: log,
	}
	if o.TellNextHop {
		e.Policy.NextHop = strconv.Quote(s.upstream.Addr) // an address needs no escapes, so that this is a String
	}
	for _, rule := range o.DefaultTTL {
		e.TTLs = append(e.TTLs, edge.TTL{Match: rule.Path, For: rule.TTL})
	}
	return e
}

// source is where the metrics read what they do not count themselves.
func (s *stack) source() telemetry.Source {
	b := build()
	return telemetry.Source{
		Version: b.Version, Revision: b.Revision,
		Objects:     func() int64 { return s.stored().Objects },
		Bytes:       s.bytes,
		Evictions:   s.evictions(),
		Waiters:     s.engine.Stats.Waiting.Load,
		Connections: func() int64 { return int64(s.server.Stats().Open) },
		Accepted:    func() uint64 { return s.server.Stats().Accepted },
		Idle:        func() int64 { return int64(s.http1.Stats().Idle) },
		Refused:     s.refused,
		Limited:     s.limited,
		LogDropped:  s.access.Dropped,
		Families:    s.families(),
		Samples:     s.samples,

		UpstreamConns:   s.upstreamConns,
		UpstreamWaiting: func() int64 { return int64(s.upstream.Stats().Waiting) },
		UpstreamQueued:  func() uint64 { return s.upstream.Stats().Queued },
		UpstreamRefused: func() uint64 { return s.upstream.Stats().Refused },
	}
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
	n := s.upstream.Stats()
	_ = yield("in_use", int64(n.InUse)) && yield("kept", int64(n.Idle))
}

// stored is what the store holds.
func (s *stack) stored() store.Stats {
	st := s.zone.Stats()
	return st.Total()
}

// bytes yields the bytes that stored responses take, by tier.
func (s *stack) bytes(yield func(string, int64) bool) {
	st := s.zone.Stats()
	if !yield(store.InMemory.String(), st.Memory.Live) || len(st.Disks) == 0 {
		return
	}
	disk := st.Disk()
	yield(store.OnDisk.String(), disk.Live)
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
	s.engine.Cancel() // handlers wait for fetches
	ctx, cancel := context.WithTimeout(context.Background(), unwind)
	defer cancel()
	// A connection that does not end may still read from the store.
	if err := s.server.Shutdown(ctx); err != nil {
		return errors.Join(err, s.access.Close())
	}
	return s.free()
}

// free frees everything but connections, of which none is left.
func (s *stack) free() error {
	s.engine.Close()
	return errors.Join(s.upstream.Close(), s.access.Close(), s.zone.Close())
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
}

// Stats looks at the counts.
func (s *stack) Stats() stats {
	v := s.stored()
	return stats{
		Totals: s.metrics.Totals(), Objects: v.Objects, Bytes: v.Live, Capacity: v.Capacity,
		Waiting: s.engine.Stats.Waiting.Load(), Open: s.server.Stats().Open,
		Fetches: s.engine.Stats.Fetches.Load(), Refreshes: s.engine.Stats.Refreshes.Load(), Passes: s.engine.Stats.Passes.Load(),
		Deposed: s.engine.Stats.Deposed.Load(), Refused: s.engine.Stats.Refused.Load(),
		Variants: s.engine.Stats.Variants.Load(), TooTagged: s.engine.Stats.TooTagged.Load(),
	}
}
