package telemetry

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"opencache/internal/wire"
)

// stateMost bounds what is passed on of tracestate: what W3C Trace Context
// (3.3.1.5) wants passed on at least.
const stateMost = 512

// ParseTrace reads the trace context of a request (W3C Trace Context, 3.2 and
// 3.3); nil when it has none that holds. The trace is a copy.
func ParseTrace(r *wire.Request) *wire.Trace {
	if r.Count(wire.Traceparent) != 1 {
		return nil
	}
	var t wire.Trace
	if !parseParent(&t, r.Get(wire.Traceparent)) {
		return nil
	}
	for line := range r.Values("tracestate") {
		if len(t.State) > 0 {
			t.State = append(t.State, ',')
		}
		t.State = append(t.State, line...)
	}
	if len(t.State) > stateMost || bytes.ContainsFunc(t.State, func(c rune) bool { return c < ' ' || c > '~' }) {
		t.State = nil // the trace goes on without it (3.3)
	}
	return &t
}

// parseParent reads a traceparent: version, trace id, parent id and flags.
func parseParent(t *wire.Trace, s []byte) bool {
	const size = 2 + 1 + 32 + 1 + 16 + 1 + 2
	if len(s) < size || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return false
	}
	var version, flags [1]byte
	if !lowerDecode(version[:], s[:2]) || !lowerDecode(t.ID[:], s[3:35]) || !lowerDecode(t.Span[:], s[36:52]) || !lowerDecode(flags[:], s[53:55]) {
		return false
	}
	// Later versions may have more behind it (3.2.4).
	if version[0] == 0xff || version[0] == 0 && len(s) > size || len(s) > size && s[size] != '-' {
		return false
	}
	t.Sampled = flags[0]&1 != 0
	return t.ID != [16]byte{} && t.Span != [8]byte{}
}

// lowerDecode decodes hexadecimal digits, of which letters are lower case.
func lowerDecode(dst, s []byte) bool {
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	_, err := hex.Decode(dst, s)
	return err == nil
}

// appendParent appends a traceparent.
func appendParent(dst []byte, t *wire.Trace, span [8]byte) []byte {
	dst = hex.AppendEncode(append(dst, "00-"...), t.ID[:])
	dst = append(hex.AppendEncode(append(dst, '-'), span[:]), "-0"...)
	if t.Sampled {
		return append(dst, '1')
	}
	return append(dst, '0')
}

// TracerOptions are where spans are sent, and which.
type TracerOptions struct {
	URL       string  // of OTLP over HTTP, with the path
	Sample    float64 // share of the requests without a trace of their own that begin one
	POP, Node string
	Version   string
	Queue     int           // bytes that wait; 0: 4 MiB
	Wait      time.Duration // for others; 0: 5 s
	Gzip      bool
	Carrier   http.RoundTripper // nil: a Transport of its own
	Log       *slog.Logger      // nil: nobody is told of failures
}

// A Tracer sends spans to a collector by OTLP/HTTP in JSON. Requests never
// wait for it. The nil Tracer passes traces on and sends nothing.
type Tracer struct {
	push   *pusher
	sample float64
	begins []byte    // of a push
	texts  sync.Pool // of *[]byte
}

// StartTracer starts what sends.
func StartTracer(o TracerOptions) *Tracer {
	t := &Tracer{sample: o.Sample}
	t.texts.New = func() any { return new([]byte) }
	b := append(t.begins, `{"resourceSpans":[{"resource":{"attributes":[`...)
	b = appendAttribute(b, "service.name", "opencache")
	b = appendAttribute(b, "service.version", o.Version)
	b = appendAttribute(b, "opencache.pop", o.POP)
	b = bytes.TrimSuffix(appendAttribute(b, "host.name", o.Node), []byte(","))
	t.begins = append(b, `]},"scopeSpans":[{"scope":{"name":"opencache"},"spans":[`...)
	const batch = 256 << 10
	t.push = startPusher(pushOptions{
		name: "tracing", url: o.URL, header: http.Header{}, carrier: o.Carrier, gzip: o.Gzip, log: o.Log, compose: t.compose,
		batch: batch, queue: bounded(o.Queue, 4<<20, 2*batch), wait: cmp.Or(o.Wait, 5*time.Second),
	})
	return t
}

// Begin returns the trace of a request that came with one, or nil: with a span
// of its own where it is sampled, else as it came. parent is the span that the
// new one belongs to. A request without a trace may begin one.
func (t *Tracer) Begin(came *wire.Trace) (now *wire.Trace, parent [8]byte) {
	switch {
	case t == nil:
		return came, parent
	case came == nil && (t.sample <= 0 || t.sample < 1 && rand.Float64() >= t.sample):
		return nil, parent
	case came == nil:
		came = &wire.Trace{Sampled: true}
		for i := range came.ID {
			came.ID[i] = byte(rand.Uint32())
		}
	case !came.Sampled:
		return came, parent
	}
	parent, came.Span, came.Own = came.Span, newSpan(), true
	return came, parent
}

func newSpan() (id [8]byte) {
	for i, n := 0, rand.Uint64()|1; i < len(id); i++ { // never all zeros
		id[i] = byte(n >> (8 * i))
	}
	return id
}

// Server sends the span of a request that was answered, of which r tells all.
func (t *Tracer) Server(r *Record, parent [8]byte) {
	text := t.texts.Get().(*[]byte)
	b := beginSpan((*text)[:0], r.TraceID, r.SpanID, parent)
	b = appendTimes(append(append(b, `,"kind":2,"name":"`...), putMethod(nil, r, inJSON)...), r.Time, r.Duration)
	for _, a := range [...]struct{ key, field string }{
		{"http.request.method", "request_method"}, {"url.scheme", "scheme"}, {"server.address", "host"}, {"url.path", "request_uri"}, {"client.address", "remote_addr"},
		{"user_agent.original", "http_user_agent"}, {"http.route", "route_id"}, {"opencache.site", "resource_id"}, {"opencache.rule", "log_cache_rule_id"},
		{"opencache.cache_status", "upstream_cache_status"}, {"opencache.reason", "cache_reason"}, {"opencache.request_id", "request_id"},
	} {
		mark := len(b)
		b = append(append(append(b, `{"key":"`...), a.key...), `","value":{"stringValue":"`...)
		begin := len(b)
		if b = fieldOf(a.field).value(b, r, inJSON); len(b) == begin {
			b = b[:mark]
			continue
		}
		b = append(b, `"}},`...)
	}
	b = endSpan(b, r.Status, r.Status >= 500 || r.Status == 0)
	*text = b
	t.push.add(0, b)
	t.texts.Put(text)
}

// compose appends the body of a push.
func (t *Tracer) compose(dst []byte, b *batch) []byte {
	dst = append(dst, t.begins...)
	for i, m := range b.marks {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, b.bytes[m.begin:m.end]...)
	}
	return append(dst, "]}]}]}"...)
}

func beginSpan(b []byte, trace [16]byte, span, parent [8]byte) []byte {
	b = hex.AppendEncode(append(b, `{"traceId":"`...), trace[:])
	b = append(hex.AppendEncode(append(b, `","spanId":"`...), span[:]), '"')
	if parent != [8]byte{} {
		b = append(hex.AppendEncode(append(b, `,"parentSpanId":"`...), parent[:]), '"')
	}
	return b
}

func appendTimes(b []byte, start time.Time, took time.Duration) []byte {
	b = strconv.AppendInt(append(b, `","startTimeUnixNano":"`...), start.UnixNano(), 10)
	b = strconv.AppendInt(append(b, `","endTimeUnixNano":"`...), start.Add(max(took, 0)).UnixNano(), 10)
	return append(b, `","attributes":[`...)
}

func endSpan(b []byte, status int, failed bool) []byte {
	b = append(b, `{"key":"http.response.status_code","value":{"intValue":"`...)
	b = append(strconv.AppendInt(b, int64(status), 10), `"}}]`...)
	if failed {
		b = append(b, `,"status":{"code":2}`...)
	}
	return append(b, '}')
}

func appendAttribute(b []byte, key, value string) []byte {
	b = append(append(append(b, `{"key":"`...), key...), `","value":{"stringValue":`...)
	return append(appendString(b, value), "}},"...)
}

// Upstream returns an Exchanger that tells next of the trace of a request,
// each attempt with a span of its own where it is sampled.
func (t *Tracer) Upstream(next wire.Exchanger) wire.Exchanger { return &tracedUpstream{next, t} }

type tracedUpstream struct {
	next   wire.Exchanger
	tracer *Tracer
}

var _ wire.Exchanger = (*tracedUpstream)(nil)

// Exchange implements wire.Exchanger.
func (u *tracedUpstream) Exchange(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	trace := r.Trace
	if trace == nil {
		return u.next.Exchange(ctx, r)
	}
	span := trace.Span
	if trace.Own && u.tracer != nil {
		span = newSpan()
	}
	var text [64]byte
	r.Del(wire.Traceparent)
	r.Del(wire.Tracestate)
	r.Add(wire.Traceparent, appendParent(text[:0], trace, span))
	if len(trace.State) > 0 {
		r.Add(wire.Tracestate, trace.State)
	}
	begun := time.Now()
	resp, err := u.next.Exchange(ctx, r)
	if trace.Own && u.tracer != nil {
		status := 0
		if err == nil {
			status = resp.Status
		}
		u.tracer.client(r, span, begun, status)
	}
	return resp, err
}

// client sends the span of an attempt; status 0: no answer came.
func (t *Tracer) client(r *wire.Request, span [8]byte, begun time.Time, status int) {
	text := t.texts.Get().(*[]byte)
	b := beginSpan((*text)[:0], r.Trace.ID, span, r.Trace.Span)
	b = appendEscaped(append(b, `,"kind":3,"name":"`...), r.MethodText(), shortMax)
	b = appendTimes(b, begun, time.Since(begun))
	for _, a := range [...]struct {
		key   string
		value []byte
	}{{"http.request.method", r.MethodText()}, {"server.address", r.Authority()}, {"url.path", r.Target()}} {
		b = append(append(append(b, `{"key":"`...), a.key...), `","value":{"stringValue":`...)
		b = append(appendString(b, a.value), "}},"...)
	}
	b = endSpan(b, status, status == 0 || status >= 400)
	*text = b
	t.push.add(0, b)
	t.texts.Put(text)
}

// Part are its metrics.
func (t *Tracer) Part() Part { return t.push.part("trace", "spans") }

// Close sends what is there, for five seconds at most, and ends it.
func (t *Tracer) Close() {
	if t != nil {
		t.push.Close()
	}
}
