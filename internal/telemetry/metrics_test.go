package telemetry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"opencache/internal/wire"
)

func full() Source {
	n := func() int64 { return 7 }
	c := func() uint64 { return 9 }
	return Source{
		Version: "1.2.3", Revision: "abc", Objects: n, Waiters: n, Connections: n, Idle: n, Accepted: c, Refused: c, LogDropped: c,
		UpstreamWaiting: n, UpstreamQueued: c, UpstreamRefused: c,
		UpstreamConns: func(yield func(string, int64) bool) { yield("in_use", 3) },
		Bytes:         maps.All(map[string]int64{"memory": 4096}),
		Evictions:     maps.All(map[string]uint64{"space": 3, "purge": 1}),
		Parts: []Part{{
			Families: []Family{
				{Name: "store_slabs", Help: "Slabs.", Labels: []string{"tier"}},
				{Name: "store_lost_total", Help: "Records that left.", Counter: true, Labels: []string{"tier", "reason"}},
			},
			Samples: func(emit Emit) {
				emit(0, 12, "memory")
				emit(1, 3, "memory", "cold")
				emit(1, 4, "disk", "cold")
			},
		}, {
			Families: []Family{{Name: "wait_seconds", Help: "Waits.", Histogram: waits()}},
		}},
		Limited: maps.All(map[string]uint64{"connections": 2, "head_timeout": 0}),
	}
}

// waits is a histogram that has seen three.
func waits() *Histogram {
	h := &Histogram{Bounds: []time.Duration{10 * time.Millisecond, time.Second}}
	for _, d := range []time.Duration{-1, 10 * time.Millisecond, 2 * time.Second} {
		h.Observe(d)
	}
	return h
}

func text(t *testing.T, m *Metrics) string {
	t.Helper()
	var b bytes.Buffer
	if err := m.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// wantLines fails for each line that the exposition does not have.
func wantLines(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, line := range want {
		if !strings.Contains("\n"+got, "\n"+line+"\n") {
			name, _, _ := strings.Cut(line, "{")
			t.Errorf("no line %q; of this name:\n%s", line, grep(got, name))
		}
	}
}

func grep(text, part string) (found string) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, part) {
			found += line
		}
	}
	return found
}

func TestMetricsExposition(t *testing.T) {
	m := NewMetrics(full())
	hit := sample()
	m.Observe(hit)
	m.Observe(hit)
	m.Observe(&Record{Method: wire.HEAD, Proto: HTTP10, Status: 502, CacheStatus: "MISS", UpstreamStatus: 502, Duration: time.Minute, Bytes: 5})
	m.Observe(&Record{Method: wire.GET, Status: 200, CacheStatus: "MISS", Collapsed: true, Duration: 50 * time.Microsecond, Bytes: 6})
	m.Observe(&Record{Method: 200, Proto: 200, Status: 1 << 20, CacheStatus: "what", Duration: -1, Bytes: -1})
	got := text(t, m)
	wantLines(t, got,
		`opencache_http_requests_total{cache_status="HIT",code_class="2xx",method="GET",proto="HTTP/1.1"} 2`,
		`opencache_http_requests_total{cache_status="MISS",code_class="5xx",method="HEAD",proto="HTTP/1.0"} 1`,
		`opencache_http_requests_total{cache_status="NONE",code_class="none",method="other",proto="HTTP/1.1"} 1`,
		`opencache_http_request_duration_seconds_bucket{cache_status="HIT",le="0.01"} 0`,
		`opencache_http_request_duration_seconds_bucket{cache_status="HIT",le="0.025"} 2`,
		`opencache_http_request_duration_seconds_bucket{cache_status="MISS",le="5e-05"} 1`,
		`opencache_http_request_duration_seconds_bucket{cache_status="MISS",le="30"} 1`,
		`opencache_http_request_duration_seconds_bucket{cache_status="MISS",le="+Inf"} 2`,
		`opencache_http_request_duration_seconds_sum{cache_status="HIT"} 0.02469`,
		`opencache_http_request_duration_seconds_count{cache_status="HIT"} 2`,
		`opencache_http_response_bytes_total{source="cache"} 2054`,
		`opencache_http_response_bytes_total{source="origin"} 5`,
		`opencache_http_response_bytes_total{source="self"} 0`,
		`opencache_upstream_requests_total{outcome="2xx"} 0`,
		`opencache_cache_objects 7`,
		`opencache_cache_bytes{tier="memory"} 4096`,
		`opencache_cache_evictions_total{reason="purge"} 1`,
		`opencache_cache_evictions_total{reason="space"} 3`,
		`opencache_collapse_waiters 7`,
		`opencache_store_slabs{tier="memory"} 12`,
		`opencache_store_lost_total{reason="cold",tier="disk"} 4`,
		`opencache_wait_seconds_bucket{le="0.01"} 2`,
		`opencache_dl_bps_bucket{le="500000"} 1`,
		`opencache_dl_bps_bucket{le="1e+06"} 4`,
		`opencache_dl_bps_count 4`,
		`opencache_upstream_ttfb_seconds_count 0`,
		`opencache_wait_seconds_bucket{le="1"} 2`,
		`opencache_wait_seconds_bucket{le="+Inf"} 3`,
		`opencache_wait_seconds_sum 2.01`,
		`opencache_upstream_connections{state="in_use"} 3`,
		`opencache_upstream_waiters 7`,
		`opencache_connections 7`,
		`opencache_connections_idle 7`,
		`opencache_connections_refused_total 9`,
		`opencache_limited_total{limit="connections"} 2`,
		`opencache_limited_total{limit="head_timeout"} 0`,
		`opencache_access_log_dropped_total 9`,
	)
	for _, part := range []string{`opencache_build_info{build="`, "go_goroutines ", "process_open_fds "} {
		if !strings.Contains(got, part) {
			t.Errorf("no %q", part)
		}
	}
	families, err := new(parser).TextToMetricFamilies(got)
	if err != nil {
		t.Fatalf("text does not parse: %v", err)
	}
	if families == 0 {
		t.Error("no families parsed")
	}
	problems, err := promlint.New(strings.NewReader(got)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// parser reads the text format as Prometheus would.
type parser struct{}

func (parser) TextToMetricFamilies(text string) (int, error) {
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(strings.NewReader(text))
	return len(families), err
}

func TestMetricsEmptySource(t *testing.T) {
	m := NewMetrics(Source{})
	got := text(t, m)
	for _, name := range []string{"opencache_cache_objects", "opencache_connections", "opencache_http_requests_total"} {
		if strings.Contains(got, name) {
			t.Errorf("%s is shown though nobody told it", name)
		}
	}
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 || !strings.Contains(w.Body.String(), "opencache_build_info") {
		t.Errorf("handler: status %d, body %.80q", w.Code, w.Body)
	}
}

func TestTotals(t *testing.T) {
	m := NewMetrics(Source{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				for i, status := range cacheStatuses {
					m.Observe(&Record{Status: 200 + i, CacheStatus: status, Bytes: 10})
				}
			}
		})
	}
	wg.Wait()
	got := m.Totals()
	if got.Requests != 3200 || got.Hits != 1600 || got.Misses != 800 || got.Ratio != 1600.0/2400 {
		t.Errorf("got %d requests, %d hits, %d misses, ratio %v, want 3200, 1600, 800, 2/3", got.Requests, got.Hits, got.Misses, got.Ratio)
	}
	for i, status := range cacheStatuses {
		if got.Cache[status] != 400 || got.Status[200+i] != 400 {
			t.Errorf("%s: got %d and %d with status %d, want 400", status, got.Cache[status], got.Status[200+i], 200+i)
		}
	}
	if got.BytesFromCache != 16000 || got.BytesFromOrigin != 12000 || got.BytesFromSelf != 4000 || got.Saved() != 28000 {
		t.Errorf("got bytes %d, %d, %d, saved %d, want 16000, 12000, 4000, 28000",
			got.BytesFromCache, got.BytesFromOrigin, got.BytesFromSelf, got.Saved())
	}
	got.UpstreamBytes = 1 << 40
	if got.Saved() != 0 {
		t.Errorf("saved %d though the upstream sent more, want 0", got.Saved())
	}
}

type exchange func(ctx context.Context, r *wire.Request) (*wire.Response, error)

func (e exchange) Exchange(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	return e(ctx, r)
}

type body struct{ io.Reader }

func (body) Trailer() *wire.Head { return nil }
func (body) Close() error        { return nil }

func TestUpstream(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	m := NewMetrics(Source{})
	for name, c := range map[string]struct {
		ctx     context.Context
		status  int
		content string
		err     error
	}{
		"2xx":      {t.Context(), 200, "hello", nil},
		"3xx":      {t.Context(), 304, "", nil},
		"5xx":      {t.Context(), 503, "sorry", nil},
		"timeout":  {t.Context(), 0, "", &wire.Error{Side: wire.Upstream, Status: 504, Err: errors.New("late")}},
		"error":    {t.Context(), 0, "", &wire.Error{Side: wire.Upstream, Status: 502, Err: errors.New("refused")}},
		"canceled": {canceled, 0, "", context.Canceled},
	} {
		next := m.Upstream(exchange(func(context.Context, *wire.Request) (*wire.Response, error) {
			if c.err != nil {
				return nil, c.err
			}
			resp := &wire.Response{Status: c.status}
			if c.content != "" {
				resp.Body = body{strings.NewReader(c.content)}
			}
			return resp, nil
		}))
		resp, err := next.Exchange(c.ctx, &wire.Request{})
		if !errors.Is(err, c.err) {
			t.Errorf("%s: got error %v, want %v", name, err, c.err)
		}
		if c.content != "" {
			if got, err := io.ReadAll(resp.Body); string(got) != c.content || err != nil {
				t.Errorf("%s: got %q, %v, want %q", name, got, err, c.content)
			}
		}
		wantLines(t, text(t, m), `opencache_upstream_requests_total{outcome="`+name+`"} 1`)
	}
	got := m.Totals()
	if got.UpstreamRequests != 6 || got.UpstreamBytes != 10 {
		t.Errorf("got %d requests, %d bytes, want 6 and 10", got.UpstreamRequests, got.UpstreamBytes)
	}
}
