package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"opencache/internal/origin"
	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// A phase is where a fetch stands. It only moves forward:
//
//	asking ─┬─▶ growing ─┬─▶ done
//	        │            ├─▶ handed   the store or staging refused: the rest is one reader's
//	        │            └─▶ failed   cut short
//	        ├─▶ handed                may not be shared: all of it is the leader's
//	        ├─▶ validated             a 304: look again, the stored response is current
//	        └─▶ failed                no answer
//
// The fetch's own goroutine makes every move. Calls wait for moves (await,
// next) and leave when they like; a fetch goes on without them, except that
// what was handed is closed when nobody is left to take it.
type phase uint8

const (
	asking phase = iota
	growing
	done
	handed
	validated
	failed
)

// old is what a fetch knows of the stored response that it is to
// validate or replace.
type old struct {
	head      storedHead // with memory of its own
	version   uint64
	validated store.Seq
	hash      store.Hash
	key       []byte
	tags      []uint64 // of a part
	untold    bool     // they are not known
}

// versionOf returns the version of o, 0 for none.
func versionOf(o *old) uint64 {
	if o == nil {
		return 0
	}
	return o.version
}

// A fetch asks the upstream once for everybody who wants the same.
type fetch struct {
	e       *Engine
	pol     *Policy
	ctx     context.Context // of its exchange
	key     []byte          // of the request's URL
	hash    store.Hash
	primary []byte        // the key under which it stores: key, or a place by No-Vary-Search
	at      store.Hash    // where it stores: hash, or a variant's; the whole is found there by newcomers
	req     wire.Request  // what it sends: the leader's, without conditions of its own
	ask     rfc9111.Ask   // the leader's
	old     *old          // nil: nothing usable is stored
	want    want          // what it asks for
	content resumed       // of the upstream's answer
	tried   wire.Attempts // settled when the phase has left asking
	place   store.Hash    // where newcomers find it
	query   *question     // nil: it is no QUERY
	origin  int           // how much of key names the origin; see Route
	seq     store.Seq     // taken when it starts, so that a racing purge wins

	around bool // it was asked for whatever is stored, on behalf of one request

	rests time.Duration // how long no other follows when it fails, a refresh; 0: no matter

	mu         sync.Mutex // guards the fields below
	phase      phase
	wake       chan struct{} // closed at each move, by publishLocked
	waiters    int           // goroutines that wait on wake
	readers    int           // calls attached
	progressed time.Time     // when anything came last
	interims   []interim
	over       bool          // it has ended
	cancel     func()        // ends ctx
	given      bool          // it was given up: nobody can join any more
	wanted     bool          // it is to be finished, whoever leaves
	whole      bool          // all content is here, and only to be kept
	waited     time.Duration // until the head came
	upstream   int           // status code the upstream answered
	why        Reason
	err        error
	until      time.Time // validated, with no-cache: requests that came later ask for themselves (RFC 9111, 5.2.2.4)

	// From growing on.
	tagged     tagging // of the response; with what it completes, when that is a part
	head       storedHead
	full       *storedHead // head with what is not stored, for the leader; nil: the same
	config     []byte      // of No-Vary-Search, and what the query comes to by it; nil: it is for key alone
	canonical  []byte
	moved      bool // from where it was asked for to another primary key
	varies     bool
	set        store.Set
	generation uint32 // of the marker under which at is a variant's
	values     []byte // the leader's normalised values of the varying fields
	version    uint64
	size       int64 // of the content; Unknown until it ends when no length was said
	stored     bool  // taken for the store
	exact      bool  // its content has size bytes, or is broken
	partial    bool  // its content is a part of what its head is of:
	part       rfc9111.Part
	have       runs // of the same content, stored before

	trailer *wire.Head // when the content has ended and had one; it is not stored

	// Content in [base, length) is in blocks; below saved it is in the store.
	// Only the fetch's goroutine moves them.
	base, length int64
	saved        int64
	blocks       []*block
	first        [1]*block // what blocks begins in: most content is one

	// Content that can not be asked for again is not fetched far ahead of
	// the fastest reader: reached is where that is, ahead the distance, and
	// pace tells the fetch that one of them has moved or left.
	reached int64
	ahead   int64         // aheadMax; 0: as fast as it comes
	pace    chan struct{} // nil while ahead is 0, unless it may be given up

	// Of spread content (crew.go):
	crew         *crew // nil: it is not spread
	made         *old  // the record under which f has put it; nil: it was there
	mine         bool  // that record is f's own
	last, goal   int64 // the last byte that f brings, and that it brings without readers
	keepsOn      bool  // it needs no readers
	spreading    bool  // it is to be spread, so that its size does not matter
	asWas        bool  // its head is that of the record, as that was
	window       int64 // how far f is ahead of its fastest reader; 0: as fast as it comes
	firstSegment int64 // number of the segment that part begins with

	rest   *wire.Response // handed: what follows length
	anyone bool           // rest is for the first to ask, else for the leader alone
	leader *call          // whose request it is; nil for a refresh
}

// An interim is a 1xx response to be passed on.
type interim struct {
	status int
	fields []byte
}

// aheadMax is how far content that can not be asked for again is fetched
// ahead of its fastest reader: a store that is full may drop it as fast.
const aheadMax = 1 << 20

// maxInterims bounds the interim responses that a fetch keeps.
const maxInterims = 8

// leave ends the interest of c, or of a refresh (nil). What was handed and
// nobody took is closed; blocks go with the last reader of an ended fetch.
func (f *fetch) leave(c *call) {
	f.mu.Lock()
	f.readers--
	f.quicken()
	var rest *wire.Response
	if f.phase == handed && (f.readers == 0 || c != nil && f.leader == c && !f.anyone) {
		rest, f.rest = f.rest, nil
	}
	if f.leader == c {
		f.leader = nil // calls are pooled: another request may be c next
	}
	if f.readers == 0 {
		f.emptyLocked()
	}
	f.mu.Unlock()
	if rest != nil && rest.Body != nil {
		_ = rest.Body.Close()
	}
}

// quicken tells the fetch that readers have moved.
func (f *fetch) quicken() {
	select {
	case f.pace <- struct{}{}:
	default:
	}
}

func (f *fetch) dropBlocksLocked() {
	for _, b := range f.blocks {
		f.e.staging.put(b)
	}
	f.blocks = nil
	f.base = f.length
}

// publishLocked tells everybody who waits that something has changed.
func (f *fetch) publishLocked() {
	f.progressed = f.e.now()
	if f.waiters == 0 {
		return
	}
	close(f.wake)
	f.waiters = 0
	if f.phase <= growing { // else nothing is to come that could be waited for
		f.wake = make(chan struct{})
	}
}

// stalled reports whether f has made no progress for age.
func (f *fetch) stalled(now time.Time, age time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.phase <= growing && !f.whole && now.Sub(f.progressed) >= age
}

// run is the fetch's goroutine.
func (f *fetch) run() {
	f.guard(func() {
		for again := true; again; {
			again = f.exchange()
		}
	})
}

// guard does all of a fetch's work and ends the fetch, also when that panics.
func (f *fetch) guard(work func()) {
	e := f.e
	defer e.work.Done()
	defer f.finish()
	defer f.depart()
	defer func() {
		if p := recover(); p != nil {
			e.log.Error("fetch panicked", "key", string(f.key), "panic", p, "stack", string(debug.Stack()))
			f.fail(Internal, fmt.Errorf("fetch of %q panicked: %v", f.key, p))
		}
	}()
	work()
}

// depart keeps newcomers away.
func (f *fetch) depart() {
	f.e.flights.remove(f.at, f)
	f.e.flights.remove(f.hash, f)
	f.e.flights.remove(f.place, f)
	if f.crew != nil && f.crew.drop(f) {
		f.e.crews.leave(f.crew)
	}
}

// finish gives back what an ended fetch without readers holds.
func (f *fetch) finish() {
	if f.query != nil {
		f.e.staging.give(f.query.held)
	}
	f.mu.Lock()
	f.over = true
	f.readers++ // leave takes it off again and sees to the rest
	f.mu.Unlock()
	f.leave(nil)
}

// exchange asks the upstream and acts on the answer. It reports whether the
// upstream has to be asked again, without the conditions: a 304 came for what
// the store has no more.
func (f *fetch) exchange() (again bool) {
	e := f.e
	e.Stats.Fetches.Add(1)
	f.req.Interim, f.req.Attempts = f.addInterim, &f.tried
	if f.query != nil {
		f.req.Body, f.req.Length = f.query.body(nil), f.query.length()
	}
	asked := e.now()
	resp, err := f.pol.Upstream.Exchange(f.ctx, &f.req)
	answered := e.now()
	if err != nil {
		f.fail(reasonOf(err), err)
		return false
	}
	dropUnreadable(resp)
	f.content.e, f.content.ctx, f.content.pol, f.content.req = e, f.ctx, f.pol, &f.req
	f.content.over(resp, asked, answered)
	f.tagged = e.takeTags(f.pol, f.key[:f.origin], resp)
	f.mu.Lock()
	f.upstream, f.waited = resp.Status, answered.Sub(asked)
	f.mu.Unlock()
	switch {
	case f.want.kind == theHole:
		f.receiveHole(resp, asked, answered)
		return false
	case f.want.kind == theMissing && (resp.Status == 304 || resp.Status == 416):
		closeBody(resp)
		f.startOver(PartialContent)
		return true
	case resp.Status == 304 && f.old != nil:
		defer closeBody(resp)
		return !f.validate(resp, asked, answered)
	case resp.Status == 304:
		closeBody(resp)
		f.fail(OriginBroken, &wire.Error{Side: wire.Upstream, Status: 502, Err: fmt.Errorf("%w: %w", origin.BadResponse, errUnasked304)})
		return false
	}
	if resp.Status == 206 {
		return f.receivePart(resp, asked, answered)
	}
	f.receive(resp, asked, answered)
	return false
}

// validate freshens the stored response with a 304. When that does not fit or
// the store has lost it, the request loses its conditions and is sent again.
func (f *fetch) validate(resp *wire.Response, asked, answered time.Time) bool {
	var answer storedHead
	answer.digest(resp, asked, answered, f.pol)
	f.old = f.e.current(f.old)
	fresh, _ := f.old.head.freshened(resp, &answer, f.pol)
	if rfc9111.Validates(&f.old.head.facts, &answer.facts) {
		why := rfc9111.Storable(&fresh.facts, &f.ask, &f.pol.Rules)
		covers := f.old.head.covers(&answer) && f.tagged.within(f.e.store.AppendTags(nil, f.old.hash, f.old.key))
		if why == rfc9111.OK && covers && f.e.store.Freshen(f.old.hash, f.old.key, f.old.version, fresh.appendMeta(nil), f.seq) == nil {
			f.freshenTwins(resp, &answer)
			f.mu.Lock()
			f.phase, f.version = validated, f.old.version
			if fresh.facts.NoCache() {
				f.until = asked
			}
			f.publishLocked()
			f.mu.Unlock()
			return true
		}
		if !covers || why != rfc9111.OK && !ofRequest(Reason(why)) {
			f.e.drop(f.old.hash, f.old.key, f.old.version) // what it has become must not be kept, or not there (RFC 9111, 4.3.4)
		}
	}
	f.old = nil
	f.unconditional()
	return false
}

// fail ends the fetch for those who are attached. Who comes later, maybe
// because of this, asks anew: a failure is not kept.
func (f *fetch) fail(why Reason, err error) {
	f.pause()
	f.depart()
	f.mu.Lock()
	if f.phase < done {
		f.phase, f.why, f.err = failed, why, err
	}
	f.publishLocked()
	f.mu.Unlock()
}

func (f *fetch) addInterim(status int, h *wire.Head) {
	if status == 100 { // for this connection only; h1 answers Expect itself
		return
	}
	f.mu.Lock()
	if len(f.interims) < maxInterims {
		f.interims = append(f.interims, interim{status, h.AppendFields(nil, wire.NameSet{})})
	}
	f.publishLocked()
	f.mu.Unlock()
}

var errUnasked304 = errors.New("status 304 to a request without conditions")
