package model

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing/synctest"
	"time"

	"opencache/internal/engine"
	"opencache/internal/wire"
)

// step does what its bytes say: half of them are the clients', half the
// origin's.
func (w *world) step(b []byte) {
	d := newDice(b[:stepSize/2], 2)
	op := d.n(64)
	if wait := d.num(0, 0, 0, 0, 100, 999, 1000, 1001, 2000, 4000, 9000, 61_000, 0, 0, 0, 3600_000, 0, 0, 1, 100_000_000); wait > 0 {
		if wait > 5000 || d.once(2) {
			w.settle()
		}
		time.Sleep(time.Duration(wait) * time.Millisecond)
	}
	url := urls[d.num(0, 0, 0, 0, 0, 1, 2, 3, 0, 4, 5, 6, 7, 8, 4, 4)]
	w.mu.Lock()
	r := w.resource(url)
	w.mu.Unlock()
	switch {
	case op < 54:
		w.request(d, r, url, op, b[stepSize/2:])
	case op < 56:
		w.settle()
		before := w.moment().N
		w.e.Purge(w.key(url), op == 54)
		w.j.Invalidations = append(w.j.Invalidations, Invalidation{URL: url, Before: before, N: w.moment().N, Soft: op == 54, Why: "a purge"})
		w.say("purge %s soft=%t", url, op == 54)
	case op < 59:
		w.mu.Lock()
		w.touch(r)
		version := r.version
		w.mu.Unlock()
		w.say("%s is version %d", url, version)
	case op < 61:
		w.settle()
		w.mu.Lock()
		r.style = newStyle(newDice(b[stepSize/2:], 3))
		style := r.style
		w.touch(r)
		w.mu.Unlock()
		w.say("%s is %+v", url, style)
	case op < 63:
		w.mu.Lock()
		sick := d.num(1, 2, 5)
		r.sick = sick
		w.mu.Unlock()
		w.say("%s fails %d times", url, sick)
	default:
		w.settle()
		w.skew.Add(-int64(d.num(500, 3000, 1)))
		w.say("the clock goes back")
	}
}

func (w *world) key(url string) []byte {
	if w.bent.key != nil {
		url = w.bent.key(url)
	}
	return []byte(url)
}

// request sends a request, and waits for its answer or not.
func (w *world) request(d *dice, r *resource, url string, op int, origin []byte) {
	q := &Request{Method: "GET", URL: url}
	switch {
	case op >= 52:
		q.Method = d.of("POST", "PUT", "DELETE", "PATCH", "PURGE", "BREW")
		if d.once(2) {
			q.Content = "content"
		}
	case op >= 46:
		q.Method, q.Content = "QUERY", d.of("q1", "q1", "q1", "q2")
		q.Fields = append(q.Fields, Field{"Content-Type", d.of("text/q", "text/q", "text/q", "text/r")})
	case op >= 42:
		q.Method = "HEAD"
	}
	wait := op%4 != 3
	if !wait {
		w.pending++
	}
	alone := w.pending == 0 && wait
	if alone {
		synctest.Wait()
		alone = !w.busy()
	}
	w.fields(q, d, r)
	w.mu.Lock()
	id := len(w.sent)
	q.Fields = append(q.Fields, Field{"X-Req", fmt.Sprint(id)})
	w.sent = append(w.sent, q)
	w.origin[id] = origin
	w.mu.Unlock()
	leaves := -1
	if d.once(60) {
		leaves = d.num(0, 10, 50_000)
	}
	done := make(chan struct{})
	w.work.Go(func() {
		defer close(done)
		w.send(q, id, alone, leaves)
	})
	if !wait {
		time.Sleep(time.Duration(d.num(0, 1, 10, 100)) * time.Millisecond)
		return
	}
	<-done
	if w.pending == 0 || d.once(2) {
		w.settle()
	}
}

// fields gives a request its field lines.
func (w *world) fields(q *Request, d *dice, r *resource) {
	add := func(name, value string) {
		if value != "" {
			q.Fields = append(q.Fields, Field{name, value})
		}
	}
	switch d.n(10) {
	case 7, 8:
		sec := d.of(seconds...)
		add("Cache-Control", d.of("no-cache", "max-age="+sec, "max-stale", "max-stale="+sec, "min-fresh="+sec, "only-if-cached", "no-store",
			"max-age=0", "max-age="+sec+", max-stale="+sec, "stale-if-error="+sec, "NO-CACHE, foo", "max-stale, only-if-cached", "no-transform"))
	case 9:
		add(d.of("Pragma", "Authorization", "Pragma"), d.of("no-cache", "Basic x"))
	}
	add("Accept-Encoding", d.of("", "", "gzip", "GZIP", "gzip, br", "br,gzip", " gzip ,\tbr"))
	add("Accept-Language", d.of("", "", "de", "DE", "de, en"))
	add("Cookie", d.of("", "", "", "a=1", "a=2"))
	add("X-Lang", d.of("", "", "", "x", "X"))
	w.mu.Lock()
	rep := r.rep(q, &w.reps)
	tag, modified := r.validators(rep)
	w.mu.Unlock()
	switch d.n(12) {
	case 6:
		add("If-None-Match", tag)
	case 7:
		add("If-None-Match", d.of(`"x", W/`+strings.TrimPrefix(tag, "W/"), "*", `"x"`, `W/"w0"`, `"r1", "r2", "r3"`))
		add("If-Modified-Since", modified)
	case 8:
		add("If-Modified-Since", modified)
	case 9:
		add("If-Modified-Since", d.of(httpDate(w.clock()), httpDate(epoch), "yesterday", httpDate(w.clock()-5000)))
	case 10:
		add(d.of("If-Match", "If-Match", "If-Unmodified-Since"), d.of(tag, `"x"`, httpDate(epoch)))
	}
	rate := 6
	if w.pol.PassRange {
		rate = 2
	}
	if !d.once(rate) {
		return
	}
	add("Range", "bytes="+d.of("0-0", "0-9", "10-19", "5-14", "0-19", "0-9", "10-19", "5-", "-5", "3-1000000", "1000000-", "0-0, 5-9", "9-3", "-0", "0-1, 15-16,-1", "2-4,100-200,-1", "0-", "66000-66010", "60000-69999", "0-599999", "x"))
	if d.once(2) {
		add("If-Range", d.of(tag, tag, modified, modified, `"x"`, httpDate(epoch)))
	}
}

// send is a client of its own.
func (w *world) send(q *Request, id int, alone bool, leaves int) {
	s := &sink{w: w, leaves: leaves}
	s.a = Answer{Request: *q, ID: id, Alone: alone, Length: -1}
	client := *q
	if w.bent.request != nil {
		w.bent.request(&client)
	}
	path := strings.TrimPrefix(client.URL, "http://")
	host, path, _ := strings.Cut(path, "/")
	var head strings.Builder
	fmt.Fprintf(&head, "%s /%s HTTP/1.1\r\nHost: %s\r\n", client.Method, path, host)
	for _, l := range client.Fields {
		fmt.Fprintf(&head, "%s: %s\r\n", l.Name, l.Value)
	}
	if client.Content != "" {
		fmt.Fprintf(&head, "Content-Length: %d\r\n", len(client.Content))
	}
	head.WriteString("\r\n")
	var r wire.Request
	if n, err := wire.ParseRequest(&r, []byte(head.String()), wire.Limits{}); err != nil || n != head.Len() {
		panic(fmt.Sprintf("request %q: %d, %v", head.String(), n, err))
	}
	if client.Content != "" {
		r.Body = &upload{strings.NewReader(client.Content)}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r.Watch = func() context.Context { return ctx }
	s.gone = cancel
	s.reply.Sink = s
	w.mu.Lock()
	s.a.Came = w.moment()
	w.say("request %d: %s %s %s%s", id, q.Method, q.URL, show(q.Fields), q.Content)
	w.mu.Unlock()
	w.e.ServeRoute(&r, &s.reply, &engine.Route{Key: w.key(q.URL), Origin: len(Origin(q.URL)), Policy: &w.pol})
	if leaves >= 0 {
		s.a.Whole = false
	}
	if w.bent.answer != nil {
		w.bent.answer(&s.a)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s.a.Ended = w.moment()
	w.say("answer %d: %d %s whole=%t %d bytes", id, s.a.Status, show(s.a.Fields), s.a.Whole, len(s.a.Content))
	w.answers = append(w.answers, &s.a)
	if unsafe := q.Method != "GET" && q.Method != "HEAD" && q.Method != "QUERY"; unsafe && s.a.Status >= 200 && s.a.Status < 400 {
		w.invalidated(&s.a)
	}
}

// invalidated records what the answer to an unsafe request has invalidated:
// the target, and what it names of the same origin (4.4).
func (w *world) invalidated(a *Answer) {
	asked := w.j.askedFor(a)
	if len(asked) == 0 {
		return // Owed blames it
	}
	e := asked[0]
	i := Invalidation{URL: a.URL, Before: e.Answered.N, N: a.Ended.N, Why: a.Method, But: e}
	w.j.Invalidations = append(w.j.Invalidations, i)
	for _, i.Group = range Groups(e.Fields, "Cache-Group-Invalidation") {
		i.Why = "group " + i.Group
		w.j.Invalidations = append(w.j.Invalidations, i)
	}
	i.Group = ""
	for _, name := range []string{"Location", "Content-Location"} {
		for _, ref := range e.Fields.All(name) {
			if i.URL = resolve(a.URL, ref); Origin(i.URL) == Origin(a.URL) && i.URL != a.URL {
				i.Why = name + " of " + a.Method
				w.j.Invalidations = append(w.j.Invalidations, i)
			}
		}
	}
}

// keyOf is engine.Policy.KeyOf.
func (w *world) keyOf(dst []byte, r *wire.Request, ref []byte) (key []byte, ok bool) {
	target := "http://" + string(r.Authority()) + string(r.Target())
	url := resolve(target, string(ref))
	if url == "" || Origin(url) != Origin(target) {
		return dst, false
	}
	return append(dst, w.key(url)...), true
}

// upload is the content of a request.
type upload struct{ io.Reader }

func (u *upload) Trailer() *wire.Head { return nil }
func (u *upload) Close() error        { return nil }

// sink is what a client gets.
type sink struct {
	w      *world
	reply  wire.Reply
	a      Answer
	text   strings.Builder
	leaves int // behind so many bytes; -1: never
	gone   func()
}

var errGone = errors.New("client is gone")

func (s *sink) Interim(int, []byte) error { return nil }

func (s *sink) Start() error {
	for n := 0; s.w.bent.late && n < 100; n++ {
		runtime.Gosched()
	}
	s.a.Status, s.a.Length, s.a.Began = s.reply.Status, s.reply.Length, s.w.moment()
	for line := range strings.SplitSeq(strings.TrimSuffix(string(s.reply.Fields), "\r\n"), "\r\n") {
		name, value, _ := strings.Cut(line, ": ")
		s.a.Fields = append(s.a.Fields, Field{name, value})
	}
	return nil
}

func (s *sink) Write(p []byte) (int, error) {
	if s.leaves >= 0 && s.text.Len()+len(p) > s.leaves {
		s.gone()
		s.reply.Err = errGone
		return 0, errGone
	}
	s.reply.Sent += int64(len(p))
	return s.text.Write(p)
}

func (s *sink) Span(sp wire.Span) error {
	defer sp.Release()
	b := make([]byte, sp.N)
	err := sp.Copy(b)
	if err == nil {
		_, err = s.Write(b)
	}
	return err
}

func (s *sink) Flush() error { return nil }

func (s *sink) End(*wire.Head) error {
	s.a.Content = s.text.String()
	s.a.Whole = s.reply.Err == nil
	if s.a.Whole && s.a.Method != "HEAD" && s.a.Status != 304 && s.a.Length >= 0 && int64(len(s.a.Content)) != s.a.Length {
		s.a.Whole = false // as it looks to a client
	}
	return s.reply.Err
}

func (s *sink) Abort() {
	s.a.Content = s.text.String()
	s.reply.Err = errGone
}

func (s *sink) Hijack() (io.ReadWriteCloser, error) { return nil, errors.New("no tunnel here") }
