package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/wire"
)

const aTrace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// requestWith is a request with fields.
func requestWith(t testing.TB, fields ...string) *wire.Request {
	t.Helper()
	r := &wire.Request{}
	head := "GET /a HTTP/1.1\r\nHost: a.test\r\n" + strings.Join(append(fields, "\r\n"), "\r\n")
	if len(fields) == 0 {
		head = "GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n"
	} else {
		head = strings.TrimSuffix(head, "\r\n")
	}
	if _, err := wire.ParseRequest(r, []byte(head), wire.Limits{}); err != nil {
		t.Fatalf("%q: %v", head, err)
	}
	return r
}

func TestParseTrace(t *testing.T) {
	for fields, want := range map[string]string{
		"traceparent: " + aTrace: aTrace,
		"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00":         "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
		"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff":         aTrace,
		"traceparent: cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what.is": aTrace,
		"traceparent: " + aTrace + "\r\ntracestate: a=1,b=2\r\nTracestate: c=3":        aTrace + " a=1,b=2,c=3",
		"traceparent: " + aTrace + "\r\ntracestate: " + strings.Repeat("a", 513):       aTrace,
		"traceparent: " + aTrace + "\r\ntracestate: a=\xff":                            aTrace,
		"tracestate: a=1":                "",
		"":                               "",
		"traceparent: ":                  "",
		"traceparent: " + aTrace + "-00": "",
		"traceparent: " + aTrace + "\r\ntraceparent: " + aTrace:                     "",
		"traceparent: 00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01":      "",
		"traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01":      "",
		"traceparent: 00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01":      "",
		"traceparent: ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01":      "",
		"traceparent: cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.what": "",
		"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0":       "",
		"traceparent: 00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01":      "",
		"traceparent: 0g-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01":      "",
	} {
		var list []string
		if fields != "" {
			list = strings.Split(fields, "\r\n")
		}
		got := ""
		if trace := ParseTrace(requestWith(t, list...)); trace != nil {
			got = strings.TrimSpace(string(appendParent(nil, trace, trace.Span)) + " " + string(trace.State))
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", fields, got, want)
		}
	}
}

// FuzzTrace: what is read of any traceparent is written as one that is read the
// same.
func FuzzTrace(f *testing.F) {
	for _, s := range []string{aTrace, "", "ff-", aTrace + "-", strings.Repeat("0", 55), "cc" + aTrace[2:] + "-x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var one, two wire.Trace
		if !parseParent(&one, text) {
			return
		}
		again := appendParent(nil, &one, one.Span)
		if !parseParent(&two, again) || two.ID != one.ID || two.Span != one.Span || two.Sampled != one.Sampled {
			t.Errorf("%q became %q", text, again)
		}
	})
}

// A collector keeps spans.
type spanCollector struct {
	mu    sync.Mutex
	spans []map[string]any
	text  string
}

// RoundTrip implements http.RoundTripper.
func (c *spanCollector) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var push struct {
		ResourceSpans []struct {
			Resource   map[string]any
			ScopeSpans []struct{ Spans []map[string]any }
		}
	}
	if err := json.Unmarshal(b, &push); err != nil {
		return &http.Response{StatusCode: 400, Body: http.NoBody}, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text += string(b)
	for _, rs := range push.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			c.spans = append(c.spans, ss.Spans...)
		}
	}
	return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
}

// told is an upstream that remembers what it was told.
type told struct {
	said []string
	err  error
}

// Exchange implements wire.Exchanger.
func (a *told) Exchange(_ context.Context, r *wire.Request) (*wire.Response, error) {
	a.said = append(a.said, string(r.Get(wire.Traceparent))+" "+string(r.Get(wire.Tracestate)))
	if a.err != nil {
		return nil, a.err
	}
	return &wire.Response{Status: 200}, nil
}

// TestTracer: a sampled request has a server span, each attempt a client span
// below it, and the origin is told of that.
func TestTracer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, up := &spanCollector{}, &told{}
		tracer := StartTracer(TracerOptions{URL: "http://otel.test/v1/traces", POP: "iad", Node: "n", Version: "1", Carrier: c})
		r := requestWith(t, "traceparent: "+aTrace, "tracestate: a=1")
		var parent [8]byte
		r.Trace, parent = tracer.Begin(ParseTrace(r))
		next := tracer.Upstream(up)
		up.err = errors.New("refused")
		_, _ = next.Exchange(t.Context(), r)
		up.err = nil
		if _, err := next.Exchange(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		rec := everything()
		rec.TraceID, rec.SpanID = r.Trace.ID, r.Trace.Span
		tracer.Server(rec, parent)
		tracer.Close()
		if len(c.spans) != 3 {
			t.Fatalf("got %d spans, want 3: %s", len(c.spans), c.text)
		}
		server := c.spans[2]["spanId"].(string)
		for i, span := range c.spans {
			below, kind := server, 3.0
			if i == 2 {
				below, kind = "b7ad6b7169203331", 2.0
			}
			if span["traceId"] != "0af7651916cd43dd8448eb211c80319c" || span["parentSpanId"] != below || span["kind"] != kind {
				t.Errorf("span %d: got %v", i, span)
			}
			if i < 2 {
				if want := "00-0af7651916cd43dd8448eb211c80319c-" + span["spanId"].(string) + "-01 a=1"; up.said[i] != want {
					t.Errorf("attempt %d: the origin was told %q, want %q", i, up.said[i], want)
				}
			}
		}
		if c.spans[0]["status"] == nil || c.spans[1]["status"] != nil {
			t.Errorf("got %v and %v, want only the first failed", c.spans[0]["status"], c.spans[1]["status"])
		}
		for _, want := range []string{`"service.name","value":{"stringValue":"opencache"}`, `"opencache.cache_status","value":{"stringValue":"REVALIDATED"}`, `"http.response.status_code","value":{"intValue":"200"}`, `"name":"BREW"`} {
			if !strings.Contains(c.text, want) {
				t.Errorf("no %s in %s", want, c.text)
			}
		}
	})
}

// Which requests have spans: those that come sampled, and a share of those that
// come with no trace.
func TestTracerSamples(t *testing.T) {
	for name, tt := range map[string]struct {
		tracer   *Tracer
		came     string
		own, any bool
	}{
		"passed on":           {nil, aTrace, false, true},
		"none to pass on":     {nil, "", false, false},
		"sampled":             {&Tracer{}, aTrace, true, true},
		"not sampled":         {&Tracer{sample: 1}, strings.TrimSuffix(aTrace, "1") + "0", false, true},
		"begins":              {&Tracer{sample: 1}, "", true, true},
		"does not begin":      {&Tracer{}, "", false, false},
		"broken is none":      {&Tracer{}, "00-0", false, false},
		"broken, begins anew": {&Tracer{sample: 1}, "00-0", true, true},
	} {
		trace, _ := tt.tracer.Begin(ParseTrace(requestWith(t, "traceparent: "+tt.came)))
		if any, own := trace != nil, trace != nil && trace.Own; any != tt.any || own != tt.own {
			t.Errorf("%s: got %+v, want any %v, own %v", name, trace, tt.any, tt.own)
		}
	}
}

// A collector that is away costs nothing but spans.
func TestTracerAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracer := StartTracer(TracerOptions{URL: "http://otel.test/", Carrier: &fakeLoki{hangs: true}, Queue: 512 << 10})
		begun := time.Now()
		for range 2000 {
			tracer.Server(everything(), [8]byte{})
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("spans took %s, want no wait", took)
		}
		tracer.Close()
		if took := time.Since(begun); took > pushFlush {
			t.Errorf("the end took %s, want %s at most", took, pushFlush)
		}
	})
	var none *Tracer
	none.Close()
}
