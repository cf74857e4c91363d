package main

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"opencache/internal/config"
	"opencache/internal/telemetry"
)

// TestLokiOfDocuments: what a node's document says of Loki is what is pushed
// with, each field apart from the others.
func TestLokiOfDocuments(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LOKI_PASSWORD", "from the environment")
	plain := telemetry.LokiOptions{URL: "http://loki.test/push", Batch: 1 << 20, Queue: 8 << 20, Wait: time.Second, Streams: 100}
	for text, change := range map[string]func(o *telemetry.LokiOptions){
		``:                  func(*telemetry.LokiOptions) {},
		`, "tenant": "cdn"`: func(o *telemetry.LokiOptions) { o.Tenant = "cdn" },
		`, "batch": "2M"`:   func(o *telemetry.LokiOptions) { o.Batch = 2 << 20 },
		`, "queue": "64M"`:  func(o *telemetry.LokiOptions) { o.Queue = 64 << 20 },
		`, "wait": "5s"`:    func(o *telemetry.LokiOptions) { o.Wait = 5 * time.Second },
		`, "gzip": true`:    func(o *telemetry.LokiOptions) { o.Gzip = true },
		`, "streams": 3`:    func(o *telemetry.LokiOptions) { o.Streams = 3 },
		`, "user": "u"`:     func(o *telemetry.LokiOptions) { o.User = "u" },
		`, "user": "u", "password": {"file": "` + secret + `"}`: func(o *telemetry.LokiOptions) { o.User, o.Password = "u", "from a file" },
		`, "user": "u", "password": {"env": "LOKI_PASSWORD"}`:   func(o *telemetry.LokiOptions) { o.User, o.Password = "u", "from the environment" },
	} {
		var set config.Set
		shot := set.Load(map[string][]byte{nodeKey: []byte(`{"monitoring": {"loki": {"url": "http://loki.test/push"` + text + `}}}`)})
		for _, f := range shot.Faults {
			t.Fatal(f)
		}
		want := plain
		change(&want)
		if got, err := lokiOptions(shot.Node.Monitoring.Loki); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", text, got, err, want)
		}
	}
}

// A receiver keeps what is pushed to it.
type receiver struct {
	mu   sync.Mutex
	text string
}

// RoundTrip implements http.RoundTripper.
func (p *receiver) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text += r.URL.String() + " " + string(b) + "\n"
	return &http.Response{StatusCode: 204, Body: http.NoBody}, err
}

// TestLokiGetsTheLog: a node pushes the line of each request that is logged,
// with its own labels, and the rest when it ends.
func TestLokiGetsTheLog(t *testing.T) {
	var set config.Set
	shot := set.Load(map[string][]byte{
		nodeKey:        []byte(`{"cache": {"memory": "16M"}, "monitoring": {"log": {"if": "$status = 200"}, "loki": {"url": "http://loki.test/push", "wait": "1h"}}}`),
		siteKeys + "a": []byte(`{"id": "a", "hostnames": ["a.test"], "routes": [{"location": "/", "kind": "fixed", "fixed": {"status": 200, "body": "hello"}}]}`),
	})
	for _, f := range shot.Faults {
		t.Fatal(f)
	}
	p := &receiver{}
	s, err := openStack(&stackOptions{shot: shot, pop: "iad", name: "cache-1", heap: true, carrier: p}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	askStack(t, s, "a.test", "/seen")
	askStack(t, s, "a.test", "/oc-cgi/none")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"http://loki.test/push ", `"stream":{"service":"opencache","pop":"iad","node":"cache-1","geoip_country_code":""}`, `\"request_uri\":\"/seen\"`, `"resource_id":"a"`,
	} {
		if !strings.Contains(p.text, want) {
			t.Errorf("got %s, want %s", p.text, want)
		}
	}
	if strings.Contains(p.text, "/oc-cgi/none") || strings.Count(p.text, "\n") != 1 {
		t.Errorf("got %s, want one push without what is not logged", p.text)
	}
}

// askStack asks a stack over a connection in memory, and returns the answer.
func askStack(t *testing.T, s *stack, host, target string) string {
	t.Helper()
	client, server := net.Pipe()
	go s.ServeConn(server)
	if _, err := io.WriteString(client, "GET "+target+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(client)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// TestMetricsBySite: so many sites have a label as the node's document says;
// the machine is told of as well.
func TestMetricsBySite(t *testing.T) {
	for most, want := range map[string][]string{
		`2`: {`{cache_status="NONE",code_class="2xx",site="a"} 2`, `{cache_status="NONE",code_class="2xx",site="b"} 1`},
		`0`: {`{cache_status="NONE",code_class="2xx",site="other"} 3`},
	} {
		var set config.Set
		site := func(id string) []byte {
			return []byte(`{"id": "` + id + `", "hostnames": ["` + id + `.test"], "routes": [{"location": "/", "kind": "fixed", "fixed": {"status": 200, "body": "hello"}}]}`)
		}
		shot := set.Load(map[string][]byte{
			nodeKey: []byte(`{"cache": {"memory": "16M"}, "monitoring": {"metricsSites": ` + most + `}}`), siteKeys + "a": site("a"), siteKeys + "b": site("b"),
		})
		s, err := openStack(&stackOptions{shot: shot, heap: true}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		askStack(t, s, "a.test", "/")
		askStack(t, s, "a.test", "/")
		askStack(t, s, "b.test", "/")
		var text strings.Builder
		if err := s.metrics.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		for _, line := range append(want, "opencache_host_memory_bytes{state=\"total\"}") {
			if !strings.Contains(text.String(), line) {
				t.Errorf("metricsSites %s: no %s", most, line)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTracingOfDocuments: what a node's document says of spans is what they are
// sent with, each field apart from the others; and a request has one.
func TestTracingOfDocuments(t *testing.T) {
	plain := telemetry.TracerOptions{URL: "http://otel.test/v1/traces", Queue: 4 << 20, Wait: 5 * time.Second}
	load := func(more string) config.Snapshot {
		var set config.Set
		shot := set.Load(map[string][]byte{
			nodeKey:        []byte(`{"cache": {"memory": "16M"}, "monitoring": {"tracing": {"endpoint": "http://otel.test/v1/traces"` + more + `}}}`),
			siteKeys + "a": []byte(`{"id": "a", "hostnames": ["a.test"], "routes": [{"location": "/", "kind": "fixed", "fixed": {"status": 200, "body": "hello"}}]}`),
		})
		for _, f := range shot.Faults {
			t.Fatal(f)
		}
		return shot
	}
	for text, change := range map[string]func(o *telemetry.TracerOptions){
		``:                func(*telemetry.TracerOptions) {},
		`, "sample": 0.5`: func(o *telemetry.TracerOptions) { o.Sample = 0.5 },
		`, "queue": "9M"`: func(o *telemetry.TracerOptions) { o.Queue = 9 << 20 },
		`, "wait": "9s"`:  func(o *telemetry.TracerOptions) { o.Wait = 9 * time.Second },
		`, "gzip": true`:  func(o *telemetry.TracerOptions) { o.Gzip = true },
	} {
		want := plain
		change(&want)
		if got := tracerOptions(load(text).Node.Monitoring.Tracing); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
	p := &receiver{}
	s, err := openStack(&stackOptions{shot: load(`, "sample": 1`), pop: "iad", heap: true, carrier: p}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	askStack(t, s, "a.test", "/seen")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"http://otel.test/v1/traces ", `"kind":2,"name":"GET"`, `"url.path","value":{"stringValue":"/seen"}`, `"opencache.site","value":{"stringValue":"a"}`} {
		if !strings.Contains(p.text, want) {
			t.Errorf("got %s, want %s", p.text, want)
		}
	}
}
