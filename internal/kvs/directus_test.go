package kvs

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A fakeDirectus answers GET /items/kvs as Directus 11 does.
type fakeDirectus struct {
	token  string
	most   int  // records an answer holds; 0: as many as are asked for
	noMeta bool // it does not know meta
	whole  bool // it does not know pages: a file, or a service that was made for few records
	noETag bool

	mu      sync.Mutex // guards the fields below
	records []map[string]any
	status  int // 0: it answers
	header  http.Header
	asked   []string // method, offset, If-None-Match present, status
	before  func(*fakeDirectus)
}

func (d *fakeDirectus) set(records ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.records = nil
	for i := 0; i < len(records); i += 2 {
		d.records = append(d.records, map[string]any{"key": records[i], "value": records[i+1]})
	}
}

func (d *fakeDirectus) fail(status int, header http.Header) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.status, d.header = status, header
}

func (d *fakeDirectus) log() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.asked)
}

func (d *fakeDirectus) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.before != nil {
		d.before(d)
	}
	status, text := d.answer(w.Header(), r)
	d.asked = append(d.asked, fmt.Sprintf("%s %d", r.URL.Query().Get("offset"), status))
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

func (d *fakeDirectus) answer(header http.Header, r *http.Request) (int, []byte) {
	q := r.URL.Query()
	switch {
	case d.status != 0:
		for name, values := range d.header {
			header[name] = values
		}
		return d.status, []byte(`{"errors":[{"message":"no"}]}`)
	case r.URL.Path != "/items/kvs" || r.Method != http.MethodGet:
		return 404, nil
	case d.token != "" && r.Header.Get("Authorization") != "Bearer "+d.token:
		return 403, []byte(`{"errors":[{"message":"You don't have permission to access this.","extensions":{"code":"FORBIDDEN"}}]}`)
	}
	var list []map[string]any
	for _, record := range d.records {
		if key, _ := record["key"].(string); strings.HasPrefix(key, q.Get("filter[key][_starts_with]")) {
			list = append(list, record)
		}
	}
	total := len(list)
	offset, _ := strconv.Atoi(q.Get("offset"))
	limit, _ := strconv.Atoi(q.Get("limit"))
	if d.most > 0 {
		limit = min(limit, d.most)
	}
	if d.whole {
		offset, limit = 0, cmp.Or(d.most, total)
	}
	list = list[min(offset, total):min(offset+limit, total)]
	if list == nil {
		list = []map[string]any{}
	}
	answer := map[string]any{"data": list}
	if !d.noMeta {
		answer["meta"] = map[string]int{"filter_count": total}
	}
	text, _ := json.Marshal(answer)
	if !d.noETag {
		header.Set("ETag", fmt.Sprintf(`W/"%x"`, sha256.Sum256(text)))
		if r.Header.Get("If-None-Match") == header.Get("ETag") {
			return 304, nil
		}
	}
	return 200, text
}

// inMemory hands requests to a handler without a connection.
type inMemory struct{ http.Handler }

func (h inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

func TestDirectusReads(t *testing.T) {
	tests := []struct {
		name        string
		directus    *fakeDirectus
		records     []any
		want, fault string
	}{
		{"objects and texts", &fakeDirectus{}, []any{"oc:a", map[string]int{"x": 1}, "oc:b", "// one\n{}"}, `oc:a={"x":1} oc:b=` + "// one\n{}", ""},
		{"values that are none", &fakeDirectus{}, []any{"oc:a", nil, "oc:b", 1, "oc:c", []int{}, "oc:d", "{}"}, "oc:d={} !oc:a !oc:b !oc:c", ""},
		{"too long", &fakeDirectus{}, []any{"oc:a", strings.Repeat("x", 101)}, "!oc:a", ""},
		{"others' keys", &fakeDirectus{}, []any{"oc:a", "1", "edge-01.example", "{}"}, "oc:a=1", ""},
		{"the same key twice", &fakeDirectus{}, []any{"oc:a", "1", "oc:a", "2", "oc:b", "3"}, "oc:b=3 !oc:a", ""},
		{"none", &fakeDirectus{}, nil, "", ""},
		{"many pages", &fakeDirectus{most: 2}, []any{"oc:a", "1", "oc:b", "2", "oc:c", "3", "oc:d", "4", "oc:e", "5"}, "oc:a=1 oc:b=2 oc:c=3 oc:d=4 oc:e=5", ""},
		{"many pages of nobody knows how many", &fakeDirectus{most: 2, noMeta: true}, []any{"oc:a", "1", "oc:b", "2", "oc:c", "3"}, "oc:a=1 oc:b=2 oc:c=3", ""},
		{"all at once", &fakeDirectus{whole: true, noMeta: true}, []any{"oc:a", "1", "oc:b", "2", "oc:c", "3"}, "oc:a=1 oc:b=2 oc:c=3", ""},
		{"the first page for each", &fakeDirectus{whole: true, most: 2}, []any{"oc:a", "1", "oc:b", "2", "oc:c", "3", "oc:d", "4"}, "", "the same records again"},
		{"too many", &fakeDirectus{most: 2}, []any{"oc:a", "1", "oc:b", "2", "oc:c", "3", "oc:d", "4", "oc:e", "5", "oc:f", "6"}, "", "expected at most 5 documents"},
		{"a token", &fakeDirectus{token: "swordfish"}, []any{"oc:a", "1"}, "oc:a=1", ""},
		{"another token", &fakeDirectus{token: "other"}, []any{"oc:a", "1"}, "", "status 403 Forbidden"},
		{"elsewhere", &fakeDirectus{status: 302, header: http.Header{"Location": {"http://evil.example/"}}}, nil, "", "status 302"},
		{"no list", &fakeDirectus{status: 200}, nil, "", "no data: expected"},
		{"busy", &fakeDirectus{status: 503, header: http.Header{"Retry-After": {"7"}}}, nil, "", "status 503 Service Unavailable, back in 7s"},
	}
	t.Setenv("KVS_TOKEN", "swordfish")
	for _, test := range tests {
		test.directus.set(test.records...)
		server := httptest.NewServer(test.directus)
		s, err := Open(server.URL, Options{Prefix: "oc:", MaxDocument: 100, MaxDocuments: 5, Token: Secret{Env: "KVS_TOKEN"}})
		must(t, err)
		set, err := Read(context.Background(), s)
		if got := say(set.Documents, set.Faults); got != test.want || err == nil && test.fault != "" || err != nil && (test.fault == "" || !strings.Contains(err.Error(), test.fault)) {
			t.Errorf("%s: got %q, %v, want %q, %q", test.name, got, err, test.want, test.fault)
		}
		server.Close()
	}
}

// watched follows a fake in a bubble and returns a function that says what was
// told since, and when.
func watched(t *testing.T, d *fakeDirectus, o Options) (since func() string) {
	var told []string
	begun := time.Now()
	o.Transport, o.Random = inMemory{d}, func() float64 { return 0.5 }
	s, err := Open("https://kv.example", o)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Watch(ctx, nil, func(set Set, err error) {
			told = append(told, fmt.Sprintf("%s:%s", time.Since(begun), news{set, err}.say()))
		})
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return func() string {
		synctest.Wait()
		text := strings.Join(told, " ")
		told = nil
		return text
	}
}

func TestDirectusPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDirectus{most: 2}
		d.set("a", "1", "b", "2", "c", "3")
		since := watched(t, d, Options{})
		if got, want := since(), "0s:a=1 b=2 c=3"; got != want {
			t.Errorf("first: got %q, want %q", got, want)
		}
		time.Sleep(2 * time.Minute)
		if got := since(); got != "" {
			t.Errorf("nothing changed: got %q", got)
		}
		d.set("a", "1", "b", "2", "c", "4")
		time.Sleep(time.Minute)
		if got, want := since(), "3m0s:a=1 b=2 c=4"; got != want {
			t.Errorf("changed: got %q, want %q", got, want)
		}
		d.set("a", "1")
		time.Sleep(time.Minute)
		if got, want := since(), "4m0s:a=1"; got != want {
			t.Errorf("removed: got %q, want %q", got, want)
		}
		want := []string{"0 200", "2 200", "0 304", "2 304", "0 304", "2 304", "0 304", "2 200", "0 200"}
		if got := d.log(); !slices.Equal(got, want) {
			t.Errorf("asked %q, want %q", got, want)
		}
	})
}

// TestDirectusAway has the times between tries grow, and a Retry-After heeded.
func TestDirectusAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDirectus{noETag: true}
		d.set("a", "1")
		since := watched(t, d, Options{Poll: 10 * time.Second})
		_ = since()
		d.fail(500, nil)
		time.Sleep(26 * time.Second)
		if got, want := since(), "10s:error 11s:error 13s:error 17s:error 25s:error"; got != want {
			t.Errorf("away: got %q, want %q", got, want)
		}
		d.fail(429, http.Header{"Retry-After": {"100"}})
		time.Sleep(9 * time.Second)
		if got, want := since(), "35s:error"; got != want {
			t.Errorf("busy: got %q, want %q", got, want)
		}
		d.fail(0, nil)
		time.Sleep(100 * time.Second)
		if got, want := since(), "2m15s:a=1"; got != want {
			t.Errorf("back: got %q, want %q", got, want)
		}
		time.Sleep(time.Minute)
		if got := since(); got != "" {
			t.Errorf("nothing changed, without ETag: got %q", got)
		}
	})
}

// TestDirectusShifts has records go while pages are read: what was skipped by
// that is there, and must not be taken for gone.
func TestDirectusShifts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDirectus{most: 2}
		d.set("a", "1", "b", "2", "c", "3")
		n := 0
		d.before = func(d *fakeDirectus) {
			if n++; n == 2 {
				d.records = d.records[1:]
			}
		}
		since := watched(t, d, Options{})
		if got, want := since(), "0s:b=2 c=3"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestDirectusHangs(t *testing.T) {
	gone := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-gone }))
	defer server.Close()
	defer close(gone)
	s, err := Open(server.URL, Options{Timeout: 10 * time.Millisecond})
	must(t, err)
	if _, err := Read(context.Background(), s); err == nil || !strings.Contains(err.Error(), server.URL) {
		t.Errorf("got %v", err)
	}
}

func FuzzParseItems(f *testing.F) {
	for _, seed := range []string{
		`{"data":[{"key":"a","value":{"x":1}},{"key":"b","value":"{}"}],"meta":{"filter_count":2}}`,
		`{"data":[]}`, `{"data":null}`, `{"errors":[{"message":"no"}]}`, `[]`, `{"data":[{"key":1}]}`, `{"data":[{"value":"\ud800"}],"meta":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		items, total, err := parseItems(text)
		if err != nil {
			return
		}
		if total < -1 {
			t.Errorf("%q: total %d", text, total)
		}
		d := directus{o: Options{}.withDefaults()}
		set, err := d.set([]page{{items: items}})
		if err == nil && len(set.Documents)+len(set.Faults) > len(items) {
			t.Errorf("%q: more came out than went in: %v", text, set)
		}
	})
}

func FuzzParseEtcd(f *testing.F) {
	for _, seed := range []string{"etcd://a:1,b/p", "etcd://u@[::1]/p?password-env=X", "etcd:///", "etcd://%/p?%", "etcd://a@b@c/p?tls&ca=x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		at, prefix, err := parseEtcd(name)
		if err == nil && (len(at.hosts) == 0 || prefix == "" || strings.HasSuffix(prefix, "/")) {
			t.Errorf("%q: got %v, %q", name, at, prefix)
		}
	})
}
