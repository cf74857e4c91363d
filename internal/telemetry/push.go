package telemetry

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// What became of entries that were to be pushed.
const (
	pushSent     = iota // taken by the receiver
	pushFull            // there was no room: the receiver is slower than what comes
	pushRejected        // the receiver will not have them, now or later
	pushGivenUp         // it failed too often, or until the end
	numPush
)

var pushOutcomes = [numPush]string{"sent", "queue_full", "rejected", "given_up"}

const (
	pushTries     = 10 // of one batch; with the pauses between them about three minutes
	pushTimeout   = 10 * time.Second
	pushPause     = 500 * time.Millisecond // after the first failure; twice as long after each further one
	pushPauseMost = 30 * time.Second
	pushFlush     = 5 * time.Second // for what is left when it is closed
	pushAnswer    = 64 << 10        // of an answer, to use its connection again
)

// pushOptions are where a pusher pushes to, and how much of what waits.
type pushOptions struct {
	name    string // in the log
	url     string
	header  http.Header
	carrier http.RoundTripper
	batch   int           // bytes that go together
	queue   int           // bytes that wait in all, two batches at least
	wait    time.Duration // the longest that an entry waits for others
	gzip    bool
	// compose appends the body of a batch.
	compose func(dst []byte, b *batch) []byte
	log     *slog.Logger // nil: none
}

// A pusher sends entries to a receiver over HTTP, many at a time. Who brings
// them never waits: what finds no room is dropped and counted. One goroutine,
// that Close ends, composes and sends batches in their order, and again with
// longer and longer pauses while the receiver fails.
//
// A batch is free, then being filled, then full, then sent or given up, and
// free again. There are never more than queue allows.
type pusher struct {
	o      pushOptions
	counts [numPush]atomic.Uint64 // entries, by what became of them
	pushes [2]atomic.Uint64       // requests that went well, and that did not
	bytes  atomic.Int64           // that wait
	wake   chan struct{}
	stop   chan struct{}
	done   chan struct{}

	mu     sync.Mutex // guards the fields below
	fill   *batch
	full   []*batch
	free   []*batch
	made   int
	closed bool

	// The goroutine's own.
	failing bool
	body    []byte
	zipped  bytes.Buffer
}

// A batch is entries that go together.
type batch struct {
	bytes []byte
	marks []mark
}

// A mark is where an entry of a batch is, and of which kind it is.
type mark struct {
	begin, end int
	tag        int32
}

// startPusher starts a pusher's goroutine.
func startPusher(o pushOptions) *pusher {
	p := &pusher{o: o, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	if p.o.carrier == nil {
		p.o.carrier = &http.Transport{Proxy: http.ProxyFromEnvironment, MaxConnsPerHost: 1, IdleConnTimeout: time.Minute}
	}
	p.fill, p.made = new(batch), 1
	go p.run()
	return p
}

// add takes a copy of an entry, or drops it and counts that.
func (p *pusher) add(tag int32, entry []byte) {
	p.mu.Lock()
	ok := p.addLocked(tag, entry)
	p.mu.Unlock()
	if !ok {
		p.counts[pushFull].Add(1)
	}
}

func (p *pusher) addLocked(tag int32, entry []byte) bool {
	if p.closed || len(entry) > p.o.batch {
		return false
	}
	if len(p.fill.bytes)+len(entry) > p.o.batch {
		next := p.nextLocked()
		if next == nil {
			return false
		}
		p.full, p.fill = append(p.full, p.fill), next
		p.rouse()
	}
	b := p.fill
	b.marks = append(b.marks, mark{len(b.bytes), len(b.bytes) + len(entry), tag})
	b.bytes = append(b.bytes, entry...)
	p.bytes.Add(int64(len(entry)))
	return true
}

// nextLocked returns an empty batch, nil when there are as many as may be.
func (p *pusher) nextLocked() *batch {
	if last := len(p.free) - 1; last >= 0 {
		b := p.free[last]
		p.free = p.free[:last]
		return b
	}
	if p.made >= max(p.o.queue/p.o.batch, 2) {
		return nil
	}
	p.made++
	return new(batch)
}

func (p *pusher) rouse() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Close sends what is there, for five seconds at most, and ends the goroutine.
func (p *pusher) Close() {
	p.mu.Lock()
	again := p.closed
	p.closed = true
	p.mu.Unlock()
	if !again {
		close(p.stop)
	}
	<-p.done
}

func (p *pusher) run() {
	defer close(p.done)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan struct{})
	defer close(ended)
	go func() { // what is under way when it is closed has so long
		select {
		case <-ended:
			return
		case <-p.stop:
		}
		late := time.NewTimer(pushFlush)
		defer late.Stop()
		select {
		case <-ended:
		case <-late.C:
			cancel()
		}
	}()
	tick := time.NewTicker(p.o.wait)
	defer tick.Stop()
	for {
		select {
		case <-p.wake:
			p.drain(ctx, false)
		case <-tick.C:
			p.drain(ctx, true)
		case <-p.stop:
			p.drain(ctx, true)
			if t, ok := p.o.carrier.(*http.Transport); ok {
				t.CloseIdleConnections()
			}
			return
		}
	}
}

// drain sends the full batches and, with all, the one being filled.
func (p *pusher) drain(ctx context.Context, all bool) {
	for {
		b := p.take(all)
		if b == nil {
			return
		}
		p.counts[p.send(ctx, b)].Add(uint64(len(b.marks)))
		p.bytes.Add(-int64(len(b.bytes)))
		b.bytes, b.marks = b.bytes[:0], b.marks[:0]
		p.mu.Lock()
		p.free = append(p.free, b)
		p.mu.Unlock()
	}
}

// take takes the batch that was full first, or what there is of the last one.
func (p *pusher) take(all bool) *batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.full) > 0 {
		b := p.full[0]
		p.full = append(p.full[:0], p.full[1:]...)
		return b
	}
	if !all || len(p.fill.marks) == 0 {
		return nil
	}
	b, next := p.fill, p.nextLocked()
	if next == nil { // none is being sent, so one is free
		return nil
	}
	p.fill = next
	return b
}

// send has the receiver take a batch, and returns what became of it.
func (p *pusher) send(ctx context.Context, b *batch) int {
	p.body = p.o.compose(p.body[:0], b)
	body := p.body
	if p.o.gzip {
		p.zipped.Reset()
		z, _ := gzip.NewWriterLevel(&p.zipped, gzip.BestSpeed) // the level is a valid one
		_, _ = z.Write(body)
		_ = z.Close() // a Buffer takes all
		body = p.zipped.Bytes()
	}
	pause := pushPause
	for try := 1; ; try++ {
		status, err := p.post(ctx, body)
		switch {
		case err == nil && status < 300:
			p.pushes[0].Add(1)
			p.note(nil)
			return pushSent
		case err == nil:
			err = fmt.Errorf("status %d", status)
		}
		p.pushes[1].Add(1)
		p.note(err)
		if status >= 300 && status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout {
			return pushRejected
		}
		if try >= pushTries || !p.rest(ctx, pause) {
			return pushGivenUp
		}
		pause = min(2*pause, pushPauseMost)
	}
}

// rest waits for d or somewhat less; false: it is being closed, and there was
// a try.
func (p *pusher) rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-p.stop:
		return false
	default:
	}
	timer := time.NewTimer(d/2 + rand.N(d/2))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-p.stop:
		return true // once more, at once
	case <-timer.C:
		return true
	}
}

// post sends a body once. The status is 0 when no answer came.
func (p *pusher) post(ctx context.Context, body []byte) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.o.url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	for name, values := range p.o.header {
		r.Header[name] = values
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "opencache")
	if p.o.gzip {
		r.Header.Set("Content-Encoding", "gzip")
	}
	resp, err := p.o.carrier.RoundTrip(r) // no redirects: who pushes there carries a password
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, pushAnswer))
	err = errors.Join(err, resp.Body.Close())
	return resp.StatusCode, err
}

// note tells of a change from working to failing and back.
func (p *pusher) note(err error) {
	failing := err != nil
	if failing == p.failing {
		return
	}
	p.failing = failing
	switch {
	case p.o.log == nil:
	case failing:
		p.o.log.Error(p.o.name+": pushes fail; what finds no room is dropped", "error", err)
	default:
		p.o.log.Info(p.o.name+": pushes are taken again", "dropped", p.dropped())
	}
}

// dropped is how many entries were lost.
func (p *pusher) dropped() (n uint64) {
	for _, outcome := range []int{pushFull, pushRejected, pushGivenUp} {
		n += p.counts[outcome].Load()
	}
	return n
}

// part are the metrics of a pusher of what is counted so.
func (p *pusher) part(prefix, what string) Part {
	return Part{
		Families: []Family{
			{Name: prefix + "_" + what + "_total", Help: "What was to be pushed, by what became of it: queue_full: there was no room; rejected: the receiver will not have it; given_up: it failed too often.", Counter: true, Labels: []string{"outcome"}},
			{Name: prefix + "_pushes_total", Help: "Requests to the receiver.", Counter: true, Labels: []string{"outcome"}},
			{Name: prefix + "_queue_bytes", Help: "Bytes that wait to be pushed."},
		},
		Samples: func(emit Emit) {
			for i, name := range pushOutcomes {
				emit(0, float64(p.counts[i].Load()), name)
			}
			emit(1, float64(p.pushes[0].Load()), "ok")
			emit(1, float64(p.pushes[1].Load()), "failed")
			emit(2, float64(p.bytes.Load()))
		},
	}
}

// bounded is what an option says, or its default, in a range.
func bounded(n, unsaid, least int) int { return max(cmp.Or(n, unsaid), least) }
