package model

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/engine"
	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// A world is an engine between clients and an origin, both made of bytes.
type world struct {
	t     testing.TB
	bent  *bend
	e     *engine.Engine
	store *store.Zone
	pol   engine.Policy
	j     Judge
	skew  atomic.Int64 // of the cache's clock, in milliseconds
	count atomic.Int64 // of events

	work    sync.WaitGroup // requests under way
	pending int            // of them, those that nobody waits for

	mu        sync.Mutex // guards the fields below
	resources []*resource
	reps      int
	inflight  int // exchanges
	sent      []*Request
	answers   []*Answer
	origin    map[int][]byte // the dice of the origin, by request
	fault     string         // the first that was found

	judged int
	kinds  map[Kind]int

	voice sync.Mutex // guards the field below
	said  []event    // the transcript
}

const stepSize = 16

// urls are what there is to ask for.
var urls = []string{"http://origin.test/a", "http://origin.test/a?x=1", "http://origin.test/b", "http://other.test/a",
	"http://origin.test/s?a=1&u=2", "http://origin.test/s?u=2&a=1", "http://origin.test/s?%61=1", "http://origin.test/s?a=2&u=3", "http://origin.test/s?a=1&a=2&u=%2B"}

// searched is the one resource of all URLs with that path: what it says of its
// query's parameters is so.
const searched = "http://origin.test/s"

// A tally is what happened in many sequences.
type tally struct {
	steps, sequences int
	kinds            map[Kind]int
}

// run plays a sequence, a header of stepSize bytes and steps of as many, and
// returns the first fault that the judge found.
func run(t *testing.T, data []byte, bent *bend, sum *tally) (fault string, transcript []string) {
	w := &world{bent: bent, origin: map[int][]byte{}, kinds: sum.kinds}
	synctest.Test(t, func(t *testing.T) {
		w.t = t
		w.open(data)
		for len(data) > stepSize && w.fault == "" {
			data = data[stepSize:]
			step := make([]byte, stepSize)
			copy(step, data)
			w.step(step)
			sum.steps++
		}
		w.settle()
		w.close()
	})
	sum.sequences++
	if w.fault != "" {
		for _, e := range w.said {
			transcript = append(transcript, fmt.Sprintf("%12.3f ", float64(e.at-began)/1000)+fmt.Sprintf(e.format, e.args...))
		}
	}
	return w.fault, transcript
}

// open makes the world as the header says.
func (w *world) open(header []byte) {
	s, err := store.Open(store.ZoneOptions{Memory: 4 << 20, Heap: true})
	if err != nil {
		w.t.Fatal(err)
	}
	w.store = s
	d := newDice(header[:min(stepSize, len(header))], 1)
	rules := rfc9111.Policy{Heuristic: d.num(10, 0, 10), DefaultTTL: int64(d.num(0, 0, 0, 5)), StaleIfError: int64(d.num(86400, 0, 20)), NoSetCookie: d.once(8)}
	rules.Private = d.once(4)
	w.j.Policy = Policy{Shared: !rules.Private, Heuristic: int64(rules.Heuristic), DefaultTTL: rules.DefaultTTL, StaleIfError: rules.StaleIfError, NoSetCookie: rules.NoSetCookie}
	w.j.Room = 2 << 20
	if d.once(3) {
		w.j.Policy.Targets = []string{"CDN-Cache-Control"}
	}
	w.pol = engine.Policy{Targets: w.j.Policy.Targets, KeyOf: w.keyOf, PassHead: d.once(3), PassRange: d.once(3), MaxVariants: d.num(0, 0, 2), GiveUp: d.once(5),
		Upstream: origin{w}, Rules: rules, Bypass: w.bent.bypass}
	w.j.GivesUp = w.pol.GiveUp
	w.e = engine.New(engine.Options{Store: s, Now: w.time})
	for _, url := range urls {
		r := &resource{url: url, style: newStyle(d), reps: map[string]*Rep{}, touched: w.clock()}
		if alike(url, searched) {
			r.url = searched
			r.style.extra = append(r.style.extra, "No-Vary-Search: "+d.of(`params=("u")`, "key-order", `key-order, params=("u" "%61")`, `except=("a")`, `except=("a"), key-order=?0`, `params=("u`, `params=(u)`, `params=("u"), except=()`, `except=(), key-order;x`, `params=("u");a=b, foo`))
		}
		w.resources = append(w.resources, r)
		if r.url == searched {
			break
		}
	}
	w.say("policy %+v", w.j.Policy)
	for _, r := range w.resources {
		w.say("%s is %+v", r.url, r.style)
	}
}

func (w *world) close() {
	w.e.Close()
	if n := w.e.StagingInUse(); n != 0 {
		w.blame("staging in use after Close: %d bytes", n)
	}
	if err := w.store.Close(); err != nil {
		w.blame("store: %v", err)
	}
}

// time is the cache's clock.
func (w *world) time() time.Time {
	now := time.Now().Add(time.Duration(w.skew.Load()) * time.Millisecond)
	if w.bent.now != nil {
		now = w.bent.now(now)
	}
	return now
}

// clock is what the cache's clock should say.
func (w *world) clock() int64 { return time.Now().UnixMilli() + w.skew.Load() }

func (w *world) moment() Moment { return Moment{w.count.Add(1), w.clock()} }

// An event is a line of the transcript, which is made only when it is wanted.
type event struct {
	at     int64
	format string
	args   []any
}

func (w *world) say(format string, args ...any) {
	w.voice.Lock()
	defer w.voice.Unlock()
	w.said = append(w.said, event{w.clock(), format, args})
}

func (w *world) blame(format string, args ...any) {
	if w.fault == "" {
		w.fault = fmt.Sprintf(format, args...)
		w.say("FAULT %s", w.fault)
	}
}

func (w *world) resource(url string) *resource {
	for _, r := range w.resources {
		if r.url == url || r.url == searched && alike(url, searched) {
			return r
		}
	}
	panic("no resource " + url)
}

// touch gives a resource new bytes. A second between versions keeps
// Last-Modified honest.
func (w *world) touch(r *resource) {
	r.version++
	r.touched = w.clock()
}

// asked records a request that reached the origin.
func (w *world) asked(r *wire.Request) (*Exchange, *dice) {
	e := &Exchange{Request: readRequest(r)}
	_, _ = fmt.Sscan(e.Request.Fields.Get("X-Req"), &e.For)
	if w.bent.arrives != nil {
		w.bent.arrives(&e.Request)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	e.ID, e.Asked = len(w.j.Exchanges), w.moment()
	n := 0
	for _, o := range w.j.Exchanges {
		if o.For == e.For {
			n++
		}
	}
	e.Answered, e.Ended = Moment{1 << 62, 0}, Moment{1 << 62, 0} // until it is
	w.j.Exchanges = append(w.j.Exchanges, e)
	w.inflight++
	d := newDice(w.origin[e.For], uint64(n)+7)
	if n > 0 { // other choices for a second exchange
		d.bytes = nil
	}
	w.say("   origin %d gets %s %s %s%s", e.ID, e.Request.Method, e.Request.URL, show(e.Request.Fields), e.Request.Content)
	return e, d
}

// ended records that an exchange is over.
func (w *world) ended(e *Exchange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inflight--
	e.Ended = w.moment()
	w.say("   origin %d said %d %s cut=%t", e.ID, e.Status, show(e.Fields), e.Cut)
}

func (w *world) busy() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.inflight > 0
}

// show is fields for a transcript, formatted only if there is one.
type show Fields

func (f show) String() string {
	var b strings.Builder
	for _, l := range f {
		fmt.Fprintf(&b, "{%s: %s} ", l.Name, l.Value)
	}
	return b.String()
}

func readRequest(r *wire.Request) (q Request) {
	q.Method = string(r.MethodText())
	q.URL = "http://" + string(r.Authority()) + string(r.Target())
	for i := range r.Len() {
		if _, name, value, ok := r.At(i); ok {
			q.Fields = append(q.Fields, Field{string(name), string(value)})
		}
	}
	if r.Body != nil {
		var b [4096]byte
		for {
			n, err := r.Body.Read(b[:])
			q.Content += string(b[:n])
			if err != nil {
				break
			}
		}
	}
	return q
}

// settle waits until nothing moves, and has the judge look at all answers.
func (w *world) settle() {
	w.work.Wait()
	w.pending = 0
	for synctest.Wait(); w.busy(); synctest.Wait() {
		time.Sleep(10 * time.Millisecond)
	}
	for _, a := range w.answers[w.judged:] {
		w.judged++
		w.judge(a)
	}
}

func (w *world) judge(a *Answer) {
	kinds, fault := w.j.Judge(a)
	for _, k := range kinds {
		w.kinds[k]++
	}
	if fault != "" {
		w.blame("answer to request %d: %s", a.ID, fault)
	}
	if fault = w.j.Owed(a); fault != "" {
		w.blame("answer to request %d: %s", a.ID, fault)
	}
	for _, e := range w.j.Exchanges {
		if e.For != a.ID {
			continue
		}
		if fault = w.j.Forwarded(w.sent[a.ID], e); fault != "" {
			w.blame("request %d at the origin: %s", a.ID, fault)
		}
	}
}
