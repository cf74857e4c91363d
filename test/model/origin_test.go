package model

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"opencache/internal/wire"
)

// A resource is what the origin has at a URL. It is honest about strong
// validators: the same tag is the same bytes.
type resource struct {
	url     string
	style   style
	version int
	touched int64 // when the version was made, in milliseconds
	sick    int   // how many requests still get nothing from it
	reps    map[string]*Rep
}

// A style is how a resource's responses look.
type style struct {
	control  []string // lines
	extra    []string // other lines, complete
	vary     string
	tag, mod int // kinds of ETag and Last-Modified
	status   int
	size     int
	skew     int64 // of Date, in seconds; noDate: none
	expires  int64 // seconds behind Date; see newStyle
	chunked  bool
	ranges   bool
	changing bool // a 304 says other things than the 200
}

const (
	noDate    = 99999
	noExpires = -99999
	badDate   = -99998
)

// seconds are spans that meet each other often.
var seconds = []string{"0", "1", "2", "3", "5", "10", "60", "3600", "100000", "99999999999"}

func newStyle(d *dice) style {
	s := style{status: 200}
	for range d.num(1, 1, 1, 2, 2, 3, 0) {
		s.control = append(s.control, directive(d))
	}
	if d.once(2) { // as most are
		s.control = []string{d.of("max-age=5", "max-age=60", "max-age=3600", "max-age=10, stale-while-revalidate=60", "public, max-age=10", "max-age=0")}
	}
	if d.once(3) && len(s.control) > 1 { // several members a line
		s.control = []string{strings.Join(s.control, d.of(", ", ",", " ,\t", ", ,"))}
	}
	s.tag, s.mod = d.n(4), d.n(4)
	s.vary = d.of("", "", "", "Accept-Encoding", "Accept-Language, X-Lang", "cookie", "X-Lang", "*")
	if d.once(5) {
		s.status = d.num(203, 204, 299, 300, 301, 302, 307, 308, 404, 405, 410, 414, 500, 501, 503, 418)
	}
	s.size = d.num(20, 40, 300, 0, 1, 5000, 20, 70000, 300, 40, 20, 700000)
	if s.size > 300 && !d.once(6) { // they cost time
		s.size = 33
	}
	s.skew = int64(d.num(0, 0, 0, 0, -2, 3, -100, 4000, noDate))
	s.expires = noExpires
	if d.once(4) {
		s.expires = int64(d.num(0, 1, 10, 3600, -5, badDate))
	}
	for d.once(3) {
		s.extra = append(s.extra, d.of("Set-Cookie: id=1", "Age: 0", "Age: 3", "Age: 100", "Age: 1, 50", "Age: -1", "Age: x", "Age: 99999999999",
			"Connection: X-Hop, close\r\nX-Hop: 1", "Keep-Alive: timeout=5", "X-Secret: s", "Content-Type: text/plain",
			"Content-Location: /a", "Pragma: no-cache", "Proxy-Authenticate: Basic", "Expires: 0", "Content-Language: de", `Cache-Groups: "g", "h"`, `Cache-Groups: "h";x=1`, `Cache-Groups: "g"`, "CDN-Cache-Control: "+d.of("max-age=10", "max-age=60, public", "no-store", "private", "max-age=10.5", "no-cache", "must-revalidate, max-age=2", "max-age=\"60\"", "max-age=5,", "Max-Age=60", "max-age=?1", "", "max-age=3;a=1", "stale-while-revalidate=60, max-age=1", "s-maxage=5", "max-age=60, max-age=1")))
	}
	s.chunked, s.ranges, s.changing = d.once(4), d.once(2), d.once(3)
	return s
}

// fields are the lines of a style that are always the same.
func (s *style) fields() (f Fields) {
	for _, l := range s.extra {
		name, value, _ := strings.Cut(l, ": ")
		f = append(f, Field{name, value})
	}
	return f
}

// directive returns a member of a response's Cache-Control.
func directive(d *dice) string {
	sec := d.of(seconds...)
	text := d.of("max-age="+sec, "max-age="+sec, "max-age="+sec, "max-age=10", "max-age=3600", "s-maxage="+sec, "public", "must-revalidate", "proxy-revalidate",
		"no-cache", "no-store", "private", "must-understand", "immutable",
		"stale-while-revalidate="+sec, "stale-if-error="+sec, `no-cache="X-Secret"`, `private="set-cookie, X-Secret"`, `max-age="60"`, "max-age=1.5", "max-age=",
		"max-age=-1", `foo="max-age=60, no-store", public`, `foo="no-store`, "private=X-Secret", "no-transform", "foo=bar", "must-understand, no-store",
		"max-age=5, stale-while-revalidate=10", "max-age=3, stale-if-error=60", "max-age=2, public", `no-cache=""`)
	switch d.n(6) {
	case 4:
		text = strings.ToUpper(text)
	case 5:
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	return text
}

// rep is the representation that a request selects.
func (r *resource) rep(req *Request, count *int) *Rep {
	key := strconv.Itoa(r.version)
	for _, name := range splitList(r.style.vary) {
		key += "|" + variant(name, req.Fields)
	}
	if r.url == searched {
		if config, ok := searchOf(r.style.fields()); ok {
			_, query, _ := strings.Cut(req.URL, "?")
			key += fmt.Sprint("|", config, config.pairs(query))
		} else {
			key += "|" + req.URL
		}
	}
	key += "|" + req.Content + "|" + strconv.Itoa(r.style.size)
	rep := r.reps[key]
	if rep == nil {
		*count++
		rep = &Rep{ID: *count}
		stamp := fmt.Sprintf("%s@%d.", r.url, rep.ID)
		rep.Bytes = strings.Repeat(stamp, r.style.size/len(stamp)+1)[:r.style.size]
		if r.style.size > 0 { // what repeats can not be told apart when it is shifted
			b := []byte(rep.Bytes)
			for i := 0; i < len(b); i += 7 {
				b[i] = byte('a' + (i/7+i/182+rep.ID)%26)
			}
			rep.Bytes = string(b)
		}
		r.reps[key] = rep
	}
	return rep
}

// validators returns the ETag and Last-Modified of what is there now.
func (r *resource) validators(rep *Rep) (tag, modified string) {
	switch r.style.tag {
	case 1, 2:
		tag = fmt.Sprintf(`"r%d"`, rep.ID)
	case 3: // the same for two versions
		tag = fmt.Sprintf(`W/"w%d"`, r.version/2)
	}
	at := r.touched
	switch r.style.mod {
	case 0:
		return tag, ""
	case 1: // long ago, a minute newer with each version
		at = epoch + int64(r.version)*60_000
	case 2:
		at = began - 200_000 + int64(r.version)*1000
	}
	return tag, httpDate(at)
}

// began is when every sequence begins (testing/synctest), epoch is long before.
const (
	began = 946684800_000
	epoch = began - 20*86400_000
)

func httpDate(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
}

// an origin is the wire.Exchanger behind the engine.
type origin struct{ w *world }

var errRefused = errors.New("refused")

// Exchange answers as the resource is, and as the dice of the step fall.
func (o origin) Exchange(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	w := o.w
	e, d := w.asked(r)
	if wait := d.num(0, 1, 20, 300, 1200, 0, 40, 0); wait > 0 {
		time.Sleep(time.Duration(wait) * time.Millisecond)
	}
	if d.once(40) {
		time.Sleep(6 * time.Second)
	}
	text, b := w.answer(e, d)
	if text == "" {
		return nil, &wire.Error{Side: wire.Upstream, Status: d.num(502, 504), Err: errRefused}
	}
	if w.bent.response != nil {
		text = w.bent.response(e, text)
	}
	resp := new(wire.Response)
	if n, err := wire.ParseResponse(resp, []byte(text), r.Method, wire.Limits{}); err != nil || n != len(text) {
		panic(fmt.Sprintf("response %q: %d, %v", text, n, err))
	}
	if resp.Status != 204 && resp.Status != 304 && r.Method != wire.HEAD {
		b.ctx, b.left, b.lie = ctx, resp.Length, w.bent.cutIsEnd
		resp.Body = b
	} else {
		w.ended(e)
	}
	return resp, nil
}

// answer decides what e gets, and returns its head; "" when nothing comes.
func (w *world) answer(e *Exchange, d *dice) (head string, b *body) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { e.Answered = w.moment() }()
	r := w.resource(e.Request.URL)
	fate := d.n(40)
	if r.sick > 0 || fate == 39 {
		r.sick = max(0, r.sick-1)
		e.Failed, e.Ended = true, w.moment()
		w.inflight--
		return "", nil
	}
	s := r.style
	switch e.Request.Method {
	case "GET", "HEAD", "QUERY":
	default:
		s = style{status: d.num(200, 204, 201, 303, 400, 500, 200), expires: noExpires, size: 10}
		s.extra = []string{d.of("X-A: b", "Location: /b", "Content-Location: /a?x=1", "Location: http://other.test/a", "Cache-Control: max-age=100", "Location: /a", "ETag: \"r1\"", "Content-Location: /a\r\nCache-Control: max-age=10", `Cache-Group-Invalidation: "g"`, `Cache-Group-Invalidation: "h", "i";a`, "Content-Location: b\r\nCache-Control: max-age=60, public")}
		if s.status < 400 {
			w.touch(r)
		}
	}
	if fate == 38 || fate == 37 && r.version > 0 {
		s = style{status: d.num(500, 502, 503, 504), expires: noExpires, size: 10, control: s.control[:min(len(s.control), d.n(2))]}
	}
	rep := r.rep(&e.Request, &w.reps)
	if s.size != r.style.size {
		w.reps++
		rep = &Rep{ID: w.reps, Bytes: "for " + e.Request.Method + "."}
	}
	return w.compose(e, r, &s, rep, d)
}

// compose makes head and content of a response.
func (w *world) compose(e *Exchange, r *resource, s *style, rep *Rep, d *dice) (string, *body) {
	now := w.clock()
	lines := slices.Concat(s.extra)
	for _, c := range s.control {
		lines = append(lines, "Cache-Control: "+c)
	}
	at := now
	if s.skew != noDate {
		at += s.skew * 1000
		lines = append(lines, "Date: "+httpDate(at))
	}
	switch s.expires {
	case noExpires:
	case badDate:
		lines = append(lines, "Expires: 0")
	default:
		lines = append(lines, "Expires: "+httpDate(at+s.expires*1000))
	}
	if s.vary != "" {
		lines = append(lines, "Vary: "+s.vary)
	}
	status, content := s.status, rep.Bytes
	if s.status == 200 && s.size == r.style.size {
		tag, modified := r.validators(rep)
		if tag != "" {
			lines = append(lines, "ETag: "+tag)
		}
		if modified != "" {
			lines = append(lines, "Last-Modified: "+modified)
		}
		status, content, lines = conditional(e, s, rep, lines, d)
	}
	if status == 204 {
		content = ""
	}
	return w.head(e, s, rep, status, content, lines, d)
}

// conditional evaluates the request's conditions as an origin does.
func conditional(e *Exchange, s *style, rep *Rep, lines []string, d *dice) (int, string, []string) {
	view := &Stored{Base: e}
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		view.Fields = append(view.Fields, Field{name, value})
	}
	ask := &Answer{Request: e.Request}
	f := e.Request.Fields
	if want := f.Get("If-Match"); want != "" && want != "*" && !slices.Contains(splitList(want), view.Fields.Get("ETag")) {
		return 412, "", lines
	}
	if (f.Has("If-None-Match") || view.Fields.Has("Last-Modified")) && notModified(ask, view) && !d.once(12) {
		if s.changing {
			lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "Cache-Control") })
			lines = append(lines, "X-New: "+strconv.Itoa(e.ID), "Cache-Control: "+d.of("max-age=5", "max-age=60", "no-cache", "no-store", "private", "max-age=0, must-revalidate", "max-age=7, public"))
		}
		switch d.n(12) {
		case 9: // it forgets its validators
			lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "ETag") || strings.HasPrefix(l, "Last-Mod") })
		case 10: // of something else
			lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "ETag") })
			lines = append(lines, `ETag: "else"`)
		}
		return 304, "", lines
	}
	if s.ranges && ranged(ask, view) {
		spans, ok := ranges(f.Get("Range"), int64(len(rep.Bytes)))
		switch {
		case ok && len(spans) == 0:
			return 416, "", append(lines, fmt.Sprintf("Content-Range: bytes */%d", len(rep.Bytes)))
		case ok && len(spans) == 1:
			lines = append(lines, fmt.Sprintf("Content-Range: bytes %d-%d/%d", spans[0].first, spans[0].last, len(rep.Bytes)))
			return 206, rep.Bytes[spans[0].first : spans[0].last+1], lines
		}
	}
	return s.status, rep.Bytes, lines
}

// head completes a head and records it.
func (w *world) head(e *Exchange, s *style, rep *Rep, status int, content string, lines []string, d *dice) (string, *body) {
	lines = append(lines, fmt.Sprintf("X-U-%d: 1", e.ID), fmt.Sprintf("X-Id: %d", e.ID))
	if status != 304 && status != 412 && status != 416 && e.Request.Method != "HEAD" {
		e.Rep = rep
		if status == 204 {
			e.Rep = &Rep{ID: rep.ID}
		}
		lines = append(lines, fmt.Sprintf("X-Rep: %d", rep.ID))
	}
	e.Status = status
	b := &body{w: w, e: e, text: content, slow: d.once(3)}
	if len(content) > 0 && d.once(15) && e.Request.Method != "HEAD" {
		e.Cut = true
		b.text = content[:d.rnd.IntN(len(content))]
	}
	for _, l := range lines {
		for part := range strings.SplitSeq(l, "\r\n") {
			name, value, _ := strings.Cut(part, ": ")
			e.Fields = append(e.Fields, Field{name, value})
		}
	}
	switch {
	case status == 304 || status == 204:
	case s.chunked:
		lines = append(lines, "Transfer-Encoding: chunked")
	default:
		lines = append(lines, fmt.Sprintf("Content-Length: %d", len(content)))
		e.Fields = append(e.Fields, Field{"Content-Length", strconv.Itoa(len(content))})
	}
	return fmt.Sprintf("HTTP/1.1 %d X\r\n%s\r\n\r\n", status, strings.Join(lines, "\r\n")), b
}

// body is the content of a response on its way.
type body struct {
	w    *world
	e    *Exchange
	ctx  context.Context
	text string
	left int64 // announced and not read, -1: not announced
	slow bool
	lie  bool // an early end looks like a good one
	done bool
}

func (b *body) Read(p []byte) (int, error) {
	if b.slow {
		b.slow = false
		time.Sleep(30 * time.Millisecond)
	}
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	n := copy(p[:min(len(p), 40000)], b.text)
	b.text = b.text[n:]
	if b.left > 0 {
		b.left -= int64(n)
	}
	switch {
	case b.text != "":
		return n, nil
	case b.e.Cut && !b.lie:
		return n, &wire.Error{Side: wire.Upstream, Status: 502, Err: io.ErrUnexpectedEOF}
	case n > 0 && b.left != 0:
		return n, nil
	}
	return n, io.EOF
}

func (b *body) Trailer() *wire.Head { return nil }

func (b *body) Close() error {
	if !b.done {
		b.done = true
		b.w.ended(b.e)
	}
	return nil
}
