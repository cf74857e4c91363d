package telemetry

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A fakeLoki is a receiver of pushes.
type fakeLoki struct {
	mu       sync.Mutex
	statuses []int // of the next answers; then 204
	down     bool
	hangs    bool
	asked    int
	auth     []string
	streams  map[string][]lokiEntry // by their labels, as they came
	largest  int
}

type lokiEntry struct {
	at, line string
	meta     map[string]string
}

// RoundTrip implements http.RoundTripper.
func (f *fakeLoki) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.asked++
	down, hangs, status := f.down, f.hangs, 204
	if len(f.statuses) > 0 {
		status, f.statuses = f.statuses[0], f.statuses[1:]
	}
	f.mu.Unlock()
	switch {
	case down:
		return nil, errors.New("connection refused")
	case hangs:
		<-r.Context().Done()
		return nil, r.Context().Err()
	case status == 204:
		if err := f.take(r); err != nil {
			status = 400
		}
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("what"))}, nil
}

func (f *fakeLoki) take(r *http.Request) error {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		var err error
		if body, err = gzip.NewReader(body); err != nil {
			return err
		}
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	var push struct {
		Streams []struct {
			Stream map[string]string `json:"stream"`
			Values [][3]json.RawMessage
		}
	}
	if err := json.Unmarshal(text, &push); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.largest = max(f.largest, len(text))
	f.auth = append(f.auth, r.Method+" "+r.URL.String()+" "+r.Header.Get("Authorization")+" "+r.Header.Get("X-Scope-OrgID")+" "+r.Header.Get("Content-Type"))
	if f.streams == nil {
		f.streams = map[string][]lokiEntry{}
	}
	for _, s := range push.Streams {
		labels, _ := json.Marshal(s.Stream)
		for _, v := range s.Values {
			var e lokiEntry
			if err := errors.Join(json.Unmarshal(v[0], &e.at), json.Unmarshal(v[1], &e.line), json.Unmarshal(v[2], &e.meta)); err != nil {
				return err
			}
			f.streams[string(labels)] = append(f.streams[string(labels)], e)
		}
	}
	return nil
}

func (f *fakeLoki) pushes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func (f *fakeLoki) entries() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.streams {
		n += len(s)
	}
	return n
}

func TestLoki(t *testing.T) {
	for _, zipped := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := &fakeLoki{}
			l := StartLoki(LokiOptions{URL: "http://loki.test/push", User: "u", Password: "p", Tenant: "cdn", POP: "iad", Node: "n\"1", Gzip: zipped, Carrier: f})
			r, other := everything(), sample()
			l.Write(r)
			l.Write(other)
			if synctest.Wait(); f.pushes() != 0 {
				t.Errorf("got %d pushes at once, want none before the wait is over", f.pushes())
			}
			time.Sleep(time.Second)
			synctest.Wait()
			f.mu.Lock()
			sweden := f.streams[`{"geoip_country_code":"SE","node":"n\"1","pop":"iad","service":"opencache"}`]
			none := f.streams[`{"geoip_country_code":"","node":"n\"1","pop":"iad","service":"opencache"}`]
			f.mu.Unlock()
			if f.pushes() != 1 || len(sweden) != 1 || len(none) != 1 {
				t.Fatalf("got %d pushes, %d and %d entries, want one push of two streams", f.pushes(), len(sweden), len(none))
			}
			if want := "POST http://loki.test/push Basic dTpw cdn application/json"; f.auth[0] != want {
				t.Errorf("got %q, want %q", f.auth[0], want)
			}
			if got, want := sweden[0].line+"\n", string(appendJSON(nil, r)); got != want || sweden[0].at != "1772597167089000000" {
				t.Errorf("got %s at %s, want the access log's line %s", got, sweden[0].at, want)
			}
			for name, want := range map[string]string{
				"log_cache_rule_id": "r", "log_cache_key": "k", "geoip_as_org": `An "AS"`, "geoip_asn": "64500", "request_id": "0123", "log_cache_target_time": "0", "geoip_country_code": "",
			} {
				if got := sweden[0].meta[name]; got != want {
					t.Errorf("metadata %s: got %q, want %q", name, got, want)
				}
			}
			if _, ok := none[0].meta["geoip_as_org"]; ok || none[0].meta["request_id"] != "0123" {
				t.Errorf("got metadata %v, want no network", none[0].meta)
			}
			l.Write(r)
			l.Close()
			l.Close()
			l.Write(r)
			if f.entries() != 3 {
				t.Errorf("got %d entries behind the end, want 3: those from before it", f.entries())
			}
		})
	}
}

// What Loki answers decides whether a push is tried again.
func TestLokiFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		statuses []int
		want     map[string]float64
		asked    int
	}{
		"taken":         {[]int{}, map[string]float64{"sent": 2}, 1},
		"again":         {[]int{500, 429, 503, 408}, map[string]float64{"sent": 2}, 5},
		"refused":       {[]int{400}, map[string]float64{"rejected": 2}, 1},
		"wrong tenant":  {[]int{401}, map[string]float64{"rejected": 2}, 1},
		"elsewhere":     {[]int{302}, map[string]float64{"rejected": 2}, 1},
		"never":         {[]int{500, 500, 500, 500, 500, 500, 500, 500, 500, 500}, map[string]float64{"given_up": 2}, 10},
		"refused later": {[]int{500, 400}, map[string]float64{"rejected": 2}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fakeLoki{statuses: tt.statuses}
				l := StartLoki(LokiOptions{URL: "http://loki.test/", Carrier: f})
				l.Write(sample())
				l.Write(sample())
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				if got := counted(l); got["sent"] != tt.want["sent"] || got["rejected"] != tt.want["rejected"] || got["given_up"] != tt.want["given_up"] || f.pushes() != tt.asked {
					t.Errorf("got %v in %d pushes, want %v in %d", got, f.pushes(), tt.want, tt.asked)
				}
				l.Close()
			})
		})
	}
}

// counted are the entries by what became of them, and the bytes that wait.
func counted(l *Loki) map[string]float64 {
	got := map[string]float64{}
	l.Part().Samples(func(n int, value float64, labels ...string) {
		switch n {
		case 0:
			got[labels[0]] = value
		case 2:
			got["bytes"] = value
		}
	})
	return got
}

// While Loki is away so much waits and no more; the rest is dropped, and who
// writes waits for nothing.
func TestLokiAway(t *testing.T) {
	for name, away := range map[string]*fakeLoki{"down": {down: true}, "hangs": {hangs: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const queue, most = 512 << 10, 1000
				l := StartLoki(LokiOptions{URL: "http://loki.test/", Carrier: away, Batch: 128 << 10, Queue: queue})
				begun := time.Now()
				for range most {
					l.Write(everything())
				}
				if took := time.Since(begun); took != 0 {
					t.Errorf("writing took %s, want no wait", took)
				}
				got := counted(l)
				if got["bytes"] > queue || got["bytes"] < queue/2 || got["queue_full"] == 0 {
					t.Errorf("got %v, want up to %d bytes that wait and the rest dropped", got, queue)
				}
				away.mu.Lock()
				away.down, away.hangs = false, false
				away.mu.Unlock()
				time.Sleep(time.Minute)
				synctest.Wait()
				if got := counted(l); got["sent"]+got["queue_full"] != most || int(got["sent"]) != away.entries() || got["bytes"] != 0 || away.largest > 256<<10 {
					t.Errorf("got %v, %d entries and a push of %d bytes, want all that waited in batches", got, away.entries(), away.largest)
				}
				l.Close()
			})
		})
	}
}

// The end waits five seconds for what is left, and no longer.
func TestLokiEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		f      *fakeLoki
		atMost time.Duration
	}{
		"down": {&fakeLoki{down: true}, time.Second}, "hangs": {&fakeLoki{hangs: true}, 5 * time.Second},
		"fails once": {&fakeLoki{statuses: []int{500}}, time.Second}, "well": {&fakeLoki{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := StartLoki(LokiOptions{URL: "http://loki.test/", Carrier: tt.f, Batch: 128 << 10})
				for range 200 {
					l.Write(everything())
				}
				synctest.Wait()
				begun := time.Now()
				l.Close()
				if took := time.Since(begun); took > tt.atMost {
					t.Errorf("got %s, want %s at most", took, tt.atMost)
				}
				if got := counted(l); got["sent"]+got["given_up"]+got["queue_full"] != 200 || name == "well" && got["sent"] != 200 {
					t.Errorf("got %v, want all 200 told of", got)
				}
			})
		})
	}
}

// So many countries have a stream of their own, and the others one together.
func TestLokiStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeLoki{}
		l := StartLoki(LokiOptions{URL: "http://loki.test/", Carrier: f, Streams: 2})
		for _, country := range []string{"SE", "DE", "FR", "", "se", "S", "S\xc9", "SE", "US"} {
			r := sample()
			r.Place = &Place{Country: country}
			l.Write(r)
		}
		l.Close()
		got := map[string]int{}
		for labels, entries := range f.streams {
			var of map[string]string
			if err := json.Unmarshal([]byte(labels), &of); err != nil {
				t.Fatal(err)
			}
			got[of["geoip_country_code"]] = len(entries)
		}
		if len(got) != 3 || got["SE"] != 2 || got["DE"] != 1 || got[""] != 6 {
			t.Errorf("got %v, want SE 2, DE 1 and six without", got)
		}
	})
	var none *Loki
	none.Write(sample())
	none.Close()
}
