package edge

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/config"
	"opencache/internal/config/configtest"
	"opencache/internal/wire"
)

// echo is an upstream whose answers say in their content which request they
// are for, as far as it came, under whatever head is made up.
type echo struct {
	mu   sync.Mutex // guards the fields below
	made *configtest.Maker
	n    int // exchanges so far
}

func (o *echo) exchanges() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.n
}

func (o *echo) Exchange(_ context.Context, r *wire.Request) (*wire.Response, error) {
	o.mu.Lock()
	a := o.made.Answer()
	o.n++
	if o.n%3 > 0 { // what is stored is worth more to the test
		a.Status, a.Fields = 200, []configtest.Field{{Name: "Cache-Control", Value: "max-age=60"}}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nX-Exchange: %d\r\n", r.Target(), r.Authority(), o.n)
	o.mu.Unlock()
	for _, name := range []string{"Cookie", "Accept-Language"} {
		for value := range r.Values(name) {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	text := b.String() + "\r\n"
	if a.Status == 204 || r.Method == wire.HEAD {
		text = ""
	}
	b.Reset()
	fmt.Fprintf(&b, "HTTP/1.1 %d Made Up\r\n", a.Status)
	for _, f := range a.Fields {
		fmt.Fprintf(&b, "%s: %s\r\n", f.Name, f.Value)
	}
	if a.Status != 204 {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(text))
	}
	b.WriteString("\r\n")
	var resp wire.Response
	if _, err := wire.ParseResponse(&resp, []byte(b.String()), r.Method, wire.Limits{}); err != nil {
		return nil, err
	}
	resp.Body = content{strings.NewReader(text)}
	return &resp, nil
}

// head is the head of a request that was made up.
func headOf(q *configtest.Request) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", q.Method, q.Target, q.Host)
	for _, f := range q.Fields {
		fmt.Fprintf(&b, "%s: %s\r\n", f.Name, f.Value)
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// ask has e answer, and returns status, cache status and content.
func ask(t *testing.T, e *Edge, q *configtest.Request) (status int, from, text string) {
	t.Helper()
	var r wire.Request
	head := headOf(q)
	if n, err := wire.ParseRequest(&r, head, wire.Limits{}); err != nil || n != len(head) {
		t.Fatalf("%q: %v", head, err)
	}
	r.Secure = q.Secure
	var sink bytesSink
	p := wire.Reply{Sink: &sink}
	e.Serve(&r, &p)
	for line := range strings.SplitSeq(string(p.Fields), "\r\n") {
		if name, value, _ := strings.Cut(line, ": "); strings.EqualFold(name, "X-Cache-Status") {
			from = value
		}
	}
	return p.Status, from, sink.text.String()
}

// TestMadeUp: whatever documents say, a request is answered with what came for
// a request that has the same key, value by value; and what a purge by URL
// names answers nobody who comes later.
func TestMadeUp(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 20
	}
	hits := 0
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) { hits += testMadeUp(t, seed) })
		if t.Failed() {
			return
		}
	}
	if hits < int(seeds) {
		t.Errorf("got %d hits of %d documents' requests: expected the test to have something to find", hits, seeds)
	}
	t.Logf("%d hits", hits)
}

func testMadeUp(t *testing.T, seed uint64) (hits int) {
	m := configtest.New(seed)
	m.HostHeader = "$http_host" // so that content tells the client's
	set := config.Set{POP: "iad"}
	snapshot := set.Load(m.Documents("iad", 2))
	for _, f := range snapshot.Faults {
		t.Fatalf("seed %d: %v", seed, f)
	}
	upstream := &echo{made: configtest.New(seed + 1<<32)}
	v := newVolume(t)
	c := Compiler{Volumes: []Volume{v}, Count: func(wire.Exchanger) wire.Exchanger { return upstream }, Dial: nobody}
	plan, faults := c.Compile(nil, snapshot.Node, snapshot.Sites)
	for _, f := range faults {
		t.Fatalf("seed %d: %v", seed, f)
	}
	e, err := New(Options{Plan: plan, Volumes: []Volume{v}})
	if err != nil {
		t.Fatal(err)
	}
	asked := []configtest.Request{}
	for i := range 120 {
		q := m.Request(snapshot.Sites[i%len(snapshot.Sites)])
		if i%3 > 0 && len(asked) > 0 { // that URL once more, by the same client or another
			again := asked[(i*7)%len(asked)]
			if q.Host, q.Target, q.Secure = again.Host, again.Target, again.Secure; i%2 == 0 {
				q = again
			}
		}
		asked = append(asked, q)
		status, from, text := ask(t, e, &q)
		if status == 0 {
			t.Errorf("seed %d: %+v: not answered", seed, q)
		}
		if q.Method == "GET" && status == 200 && strings.HasPrefix(text, "GET ") {
			checkMadeFor(t, e, seed, &q, from, text)
		}
		if isStored(from) {
			hits++
		}
		if q.Method == "POST" && status >= 200 && status < 400 && from != "" {
			checkGone(t, e, seed, "a POST succeeded", upstream.exchanges(), clientOf(asked, q))
		}
		if i%8 == 7 {
			url := map[bool]string{false: "http://", true: "https://"}[q.Secure] + q.Host + q.Target
			if _, err := e.Purge(&Purge{URLs: []string{url}}); err != nil {
				t.Errorf("seed %d: purge of %s: %v", seed, url, err)
			}
			checkGone(t, e, seed, "purged", upstream.exchanges(), of(asked, q))
		}
		time.Sleep(time.Duration(i%5) * 5 * time.Second)
		if t.Failed() {
			break
		}
	}
	return hits
}

// checkMadeFor compares the values in the key of a request with those of the
// request that the content was made for.
func checkMadeFor(t *testing.T, e *Edge, seed uint64, q *configtest.Request, from, text string) {
	t.Helper()
	v := visitFor(e, string(headOf(q)))
	v.r.Secure = q.Secure
	v.choose(v.match())
	if v.choice == nil || v.choice.key == nil {
		return
	}
	var made wire.Request
	if _, err := wire.ParseRequest(&made, []byte(text), wire.Limits{}); err != nil {
		t.Fatalf("seed %d: %q: %v", seed, text, err)
	}
	v.passes = v.choice.policy.Pass
	got := values{r: &made, site: v.site, node: v.node, passes: v.passes}
	for _, x := range v.choice.key.Vars() {
		made.Secure = q.Secure // what the origin is not told
		one, other := string(v.AppendValue(nil, x)), string(got.AppendValue(nil, x))
		if one != other {
			t.Errorf("seed %d: %s %s with key %s: answered (%s) with what came for %q: variable %d is %q there, and %q here", seed, q.Host, q.Target, v.choice.key, from, text, x.ID, other, one)
		}
	}
}

// of returns the requests for q's URL.
func of(asked []configtest.Request, q configtest.Request) (list []configtest.Request) {
	for _, a := range asked {
		if a.Host == q.Host && a.Target == q.Target && a.Secure == q.Secure {
			list = append(list, a)
		}
	}
	return list
}

// clientOf returns the requests for q's URL with the same fields: a POST does
// not know what keys have of others'.
func clientOf(asked []configtest.Request, q configtest.Request) (list []configtest.Request) {
	for _, a := range of(asked, q) {
		if slices.Equal(a.Fields, q.Fields) {
			list = append(list, a)
		}
	}
	return list
}

// checkGone asks for what may not be stored any more: what comes is of later
// exchanges.
func checkGone(t *testing.T, e *Edge, seed uint64, why string, last int, asked []configtest.Request) {
	t.Helper()
	for _, q := range asked {
		q.Method = "GET"
		_, from, text := ask(t, e, &q)
		_, rest, found := strings.Cut(text, "X-Exchange: ")
		n := 0
		if _, err := fmt.Sscan(rest, &n); found && (err != nil || n <= last) {
			t.Errorf("seed %d: %+v: %s, and it is answered (%s) by %q, of before", seed, q, why, from, text)
		}
	}
}

func isStored(from string) bool { return from == "HIT" || from == "STALE" || from == "UPDATING" }
