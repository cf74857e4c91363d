// Package engine is the cache proper: what happens between a request that was
// routed and its answer. Two machines share it. Serve looks up, judges and
// delivers; fetch asks the upstream and stores. Collapsing is many serves
// reading one fetch while it grows; a refresh is a fetch nobody waits for.
//
// It never reads configuration (a Policy comes compiled), knows no connection
// (wire.Reply in, wire.Exchanger out) and keeps no rule of HTTP caching
// (rfc9111 judges).
//
//	e := engine.New(engine.Options{Store: volume})
//	defer e.Close()
//	outcome := e.Serve(req, reply, key, &engine.Policy{Upstream: pool})
package engine

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// Options are what an Engine is made of.
type Options struct {
	Store *store.Zone
	// Staging bounds the memory of all fetches together, in bytes; 0: 64 MiB.
	// What does not fit in it is handed through and not stored.
	Staging int64
	// MaxObject is the largest content that is stored, in bytes; 0: half of
	// what the store holds.
	MaxObject int64
	// Refreshes bounds the background refreshes that run at once; 0: 64.
	Refreshes int
	// Name is the cache's name in Cache-Status, Proxy-Status and Via; "": opencache.
	Name string
	// CDNID is this cache, or all caches of a deployment, in CDN-Loop: a host
	// or a pseudonym. Requests that carry it have been here and are refused
	// (RFC 8586). "": such a field is neither sent nor obeyed.
	CDNID string
	// MaxHops is how many caches a request may have been through, by CDN-Loop;
	// one from further is refused. 0: 10.
	MaxHops int
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: nothing is logged
}

// A Policy is what configuration says about a kind of request. It is made
// once and only read afterwards.
type Policy struct {
	Rules rfc9111.Policy
	// Targets are the names of the targeted fields (RFC 9213) that decide on
	// caching in place of Cache-Control and Expires, the most applicable first:
	// the first that is in a response, valid and not empty. Nil: none.
	Targets  []string
	Upstream wire.Exchanger
	// Bypass hands every request through, whatever its method.
	Bypass bool
	// EarlyHints has a 103 go out at once with the Link fields of a stored
	// response that has to be validated before it may answer (RFC 8297). Some
	// HTTP/1.1 clients can not cope with interim responses (section 3).
	EarlyHints bool
	// PassHead sends a HEAD that nothing stored may answer as it is; otherwise
	// it is fetched as a GET, which fills the store.
	PassHead bool
	// LockTimeout is how long a request waits for another one's fetch to have
	// a head before it asks the upstream itself; 0: 15 s.
	LockTimeout time.Duration
	// LockAge is how long a fetch may make no progress before the next
	// request starts another one in its place; 0: 5 s.
	LockAge time.Duration
	// NoLock has each request that nothing stored can answer ask the upstream
	// itself. Holes of large content are still fetched once for all.
	NoLock bool
	// HitForMiss is how long it is remembered that responses for a key could
	// not be shared; 0: 2 s.
	HitForMiss time.Duration
	// KeyOf appends to dst the key of a URI-reference in a response to r, as
	// Location and Content-Location hold one. ok is false when that is no
	// reference, or one to another origin than the one of r's target: such
	// are not invalidated (RFC 9111, 4.4). nil: only targets are.
	KeyOf func(dst []byte, r *wire.Request, ref []byte) (key []byte, ok bool)
	// Guard is asked of each response that may be stored, and the request that
	// the upstream was asked: why it is not to be, 0: it may. nil: all may. It
	// keeps neither.
	Guard func(*wire.Request, *wire.Response) Reason
	// MaxQuery is the longest content of a QUERY that is cached, in bytes;
	// longer ones are handed through. 0: 64 KiB; below 0: none is cached.
	MaxQuery int64
	// IgnoreNoVarySearch has responses answer for their own URL alone,
	// whatever No-Vary-Search says.
	IgnoreNoVarySearch bool
	// MaxVariants bounds the stored responses of one URL that Vary keeps
	// apart, up to 4,096; beyond it the oldest falls. 0: 64.
	MaxVariants int
	// MinUses is how often a URL must be asked for before its response is
	// stored, up to store.MaxUses; 0 and 1: at once. Requests before that are
	// handed through, each by itself. Counts are forgotten in time (store.Zone.Uses).
	MinUses int
	// RefreshRest is how long no background refresh of a response is tried
	// again after one has failed; 0: 2 s.
	RefreshRest time.Duration
	// TagFields are the names of the response fields whose values tag what is
	// stored, for purges by tag (TagsIn); nil: TagFields(). Empty: none.
	// Cache-Groups tags in any case.
	TagFields []string
	// PassTags leaves these fields in answers; otherwise no client sees them.
	PassTags bool
	// Site names the site in the store's accounting; empty: what Route.Origin
	// says of the key does.
	Site []byte
	// Owner tells one site's tags from another's where both have the account
	// Site. Empty: Site does.
	Owner []byte
	// TellKey has Cache-Status tell the key: to those who test a site, since it
	// helps who would poison it (RFC 9211, 6).
	TellKey bool
	// TellTier has Cache-Status tell where what is stored lies: memory or disk.
	TellTier bool
	// ProxyStatus has answers that came of a failure say in Proxy-Status what
	// it was. It is for intermediaries: an origin server must not (RFC 9209, 2).
	ProxyStatus bool
	// NextHop is what Proxy-Status tells of the upstream, an item of
	// structured fields; "": nothing, since it may be a secret.
	NextHop string
	// PassRange sends a GET for one range on with its Range when nothing
	// stored can answer it, and stores the part that comes (RFC 9111, 3.3).
	// Requests for several, and a QUERY's, are handed through then. Otherwise
	// the whole is fetched.
	PassRange bool
	// FetchWhole has a range of what is not stored fetch the whole. Otherwise
	// the segments that have the range are asked for, unless PassRange says
	// that the range itself is.
	FetchWhole bool
	// ReadAhead is how many bytes of large content are fetched ahead of a
	// client that reads on, rounded up to whole segments and at most a
	// sixteenth of the store; 0: 8 MiB, below 0: none.
	ReadAhead int64
	// GiveUp ends a fetch that all its readers have left before its end, and
	// stores what was fetched only when one of them has come to the end.
	// Otherwise a fetch goes on without them.
	GiveUp bool
	// Resumes is how often the rest of an answer that the upstream cuts short
	// is asked for, as a range; 0: 3, below 0: never.
	Resumes int
	// PassErrors says that whoever asks is a program and wants what befell
	// its request: an upstream's error aborts the answer and is in
	// Outcome.Err, not a 502, and a failing upstream's own answer is asked
	// for by each request, not by one for all.
	PassErrors bool
	// Pass is which of the client's fields the upstream sees; nil: all that are
	// not for one connection.
	Pass *Passing
	// Sets are the names, in lower case, of the fields that Guide.Upstream
	// gives to requests: what varies by one is chosen by what it gives.
	Sets []string
	// Told is what clients hear of how long an answer is fresh, in place of
	// what the upstream says; nil: that.
	Told *Told
	// Hidden has answers tell nothing of the cache: neither X-Cache-Status nor
	// X-Cache nor Cache-Status.
	Hidden bool
	// Trace is told what happens to a request; nil: nobody is.
	Trace *Trace
}

// An Engine serves requests from a store and from upstreams. Make it with New.
type Engine struct {
	store     *store.Zone
	now       func() time.Time
	log       *slog.Logger
	name      string    // an item of structured fields
	via       [2][]byte // the Via of messages received by HTTP/1.0 and 1.1 (RFC 9110, 7.6.3)
	loop      []byte    // its id in CDN-Loop, nil: none
	maxHops   int
	maxObject int64
	segment   int64 // the store's unit of large content
	staging   staging
	flights   flights
	crews     crews
	strides   strides
	maxAhead  int64         // Policy.ReadAhead at most
	refreshes chan struct{} // a token a background refresh
	queries   atomic.Bool   // a QUERY was fetched for the store
	searches  searches
	ledgers   hashLocks // held while a ledger changes
	combining hashLocks // held while a part joins what is stored, lest one is lost to another

	ctx     context.Context // of every fetch that may be stored
	cancel  context.CancelFunc
	work    sync.WaitGroup // fetches under way
	calls   sync.Pool      // *call
	buffers sync.Pool      // *[]byte of blockSize, for copying
	pipes   pipes          // for handing content through
	Stats   Stats
}

// Stats count what an Engine did; read them with Load.
type Stats struct {
	Fetches   atomic.Int64 // upstream exchanges started for the store
	Passes    atomic.Int64 // upstream exchanges for one client alone
	Refreshes atomic.Int64 // background refreshes started
	Waiting   atomic.Int64 // requests that wait for another one's fetch now
	Deposed   atomic.Int64 // fetches replaced because they stalled
	Variants  atomic.Int64 // variants dropped because their URL had too many
	Refused   atomic.Int64 // storable responses that the store did not take
	Resumed   atomic.Int64 // answers that an upstream cut short and went on with when asked for the rest
	Cut       atomic.Int64 // answers that stayed cut short
	TooTagged atomic.Int64 // storable responses with more tags than are kept
	Purges    purgeCounts
}

// New returns an Engine. Close it.
func New(o Options) *Engine {
	e := &Engine{
		store:     o.Store,
		now:       o.Now,
		log:       o.Log,
		name:      o.Name,
		maxObject: o.MaxObject,
		segment:   int64(o.Store.SegmentSize()),
		refreshes: make(chan struct{}, orInt(o.Refreshes, 64)),
	}
	if e.now == nil {
		e.now = time.Now
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.name == "" {
		e.name = "opencache"
	}
	st := o.Store.Stats()
	capacity := st.Total().Capacity
	if e.maxObject <= 0 {
		e.maxObject = capacity / 2
	}
	e.maxAhead = capacity / 16 / e.segment * e.segment
	e.staging.max = o.Staging
	if e.staging.max <= 0 {
		e.staging.max = 64 << 20
	}
	if o.Store.Recovers() { // what purges would have to look for, then, is not known
		e.queries.Store(true)
		e.searches.begin(o.Store, o.Store.Seq())
	}
	e.flights.init()
	e.pipes.init()
	e.buffers.New = func() any { b := make([]byte, blockSize); return &b }
	e.calls.New = func() any {
		c := &call{e: e}
		c.interim = c.passInterim
		return c
	}
	pseudonym := pseudonymOf(e.name)
	e.via = [2][]byte{[]byte("1.0 " + pseudonym), []byte("1.1 " + pseudonym)}
	e.name = itemOf(e.name)
	if o.CDNID != "" {
		e.loop, e.maxHops = []byte(o.CDNID), orInt(o.MaxHops, 10)
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e
}

// Cancel ends all fetches, those that start later too, and waits for nothing.
// Who has to wait for requests before Close, which must be the last call,
// makes sure by it that none of them waits for long.
func (e *Engine) Cancel() { e.cancel() }

// Close ends all fetches and waits for them. The store is the caller's.
func (e *Engine) Close() {
	e.cancel()
	e.work.Wait()
	e.pipes.close()
}

// StagingInUse returns how many bytes of fetches are in memory now.
func (e *Engine) StagingInUse() int64 { return e.staging.used.Load() }

// Purge drops what is stored under key with all its variants and QUERYs; soft keeps it
// for use after validation. It reports whether anything was there.
func (e *Engine) Purge(key []byte, soft bool) bool {
	e.Stats.Purges.add(ByURL, soft)
	found, _ := e.purge(key, soft)
	return found
}

// purge is Purge; it tells also how many of the store's purges that were.
func (e *Engine) purge(key []byte, soft bool) (found bool, purges int) {
	defer e.flights.retire(func(f *fetch) bool { return f.mayBring(key) })
	var was store.Entry
	e.store.Lookup(e.store.Hash(key), key, e.now().UnixMilli(), &was)
	found = was.Kind == store.Object || was.Kind == store.Variants
	if was.Kind == store.Object {
		was.Release()
	}
	e.store.Purge(store.Purge{Key: key, Soft: soft})
	equivalent, purges := e.purgeSearch(key, soft)
	found = found || equivalent
	purges++
	// Set before a fetch of a QUERY notes its Seq: one that is not seen here
	// starts behind the purge of key, and brings what is younger.
	if !e.queries.Load() {
		return found, purges
	}
	_, n := e.store.Purge(store.Purge{Key: append(slices.Clip(key), queryMark...), Soft: soft})
	return found || n > 0, purges + 1
}

// ofKey reports whether key is the primary key itself or one that goes on
// behind a zero byte.
func ofKey(key, primary []byte) bool {
	return bytes.HasPrefix(key, primary) && (len(key) == len(primary) || key[len(primary)] == 0)
}

// Clear drops everything and returns how many stored responses that were.
func (e *Engine) Clear() int {
	all := e.Ban(&Ban{})
	n, _ := all.Objects()
	return int(n)
}

func orInt(n, def int) int {
	if n <= 0 {
		return def
	}
	return n
}

func orDuration(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}

func (p *Policy) lockTimeout() time.Duration { return orDuration(p.LockTimeout, 15*time.Second) }
func (p *Policy) lockAge() time.Duration     { return orDuration(p.LockAge, 5*time.Second) }
func (p *Policy) hitForMiss() time.Duration  { return orDuration(p.HitForMiss, 2*time.Second) }
func (p *Policy) refreshRest() time.Duration { return orDuration(p.RefreshRest, 2*time.Second) }

func (p *Policy) maxQuery() int64 {
	if p.MaxQuery == 0 {
		return maxQuery
	}
	return p.MaxQuery
}
