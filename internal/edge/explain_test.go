package edge

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/config"
	"opencache/internal/config/configtest"
	"opencache/internal/wire"
)

// answering is an upstream that gives one answer to everybody.
type answering struct {
	configtest.Answer
	asked int
	host  string // that the last one asked for
}

func (a *answering) Exchange(_ context.Context, r *wire.Request) (*wire.Response, error) {
	a.asked, a.host = a.asked+1, string(r.Authority())
	text := a.Body
	if a.Status == 204 || r.Method == wire.HEAD {
		text = ""
	}
	head := fmt.Sprintf("HTTP/1.1 %d Made Up\r\n%s\r\n", a.Status, strings.Join(append(fieldsOf(a.Fields), ""), "\r\n"))
	var resp wire.Response
	if _, err := wire.ParseResponse(&resp, []byte(head), r.Method, wire.Limits{}); err != nil {
		return nil, err
	}
	resp.Body = content{strings.NewReader(text)}
	return &resp, nil
}

func fieldsOf(list []configtest.Field) (lines []string) {
	for _, f := range list {
		lines = append(lines, f.Name+": "+f.Value)
	}
	return lines
}

// A supposed case is documents with a request and the answer of their upstream.
type supposed struct {
	texts   map[string][]byte
	request configtest.Request
	answer  configtest.Answer
}

func (c *supposed) String() string {
	var b strings.Builder
	for key, text := range c.texts {
		fmt.Fprintf(&b, "%s: %s\n", key, text)
	}
	return fmt.Sprintf("%s%s\nanswered by %d %q %q", &b, headOf(&c.request), c.answer.Status, fieldsOf(c.answer.Fields), c.answer.Body)
}

// cacheFields are what the cache says of itself, and what frames an answer.
var cacheFields = map[string]bool{"age": true, "date": true, "via": true, "x-cache": true, "x-cache-status": true, "cache-status": true,
	"proxy-status": true, "server-timing": true, "x-request-id": true, "pf-cache-timing": true, "pf-served-by": true, "pf-pop": true, "pf-server": true, "content-length": true, "accept-ranges": true, "ratelimit": true, "ratelimit-policy": true}

// ofUpstream are the lines that the cache does not say of itself, sorted.
func ofUpstream(lines []string) []string {
	lines = slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		name, _, _ := strings.Cut(line, ":")
		return cacheFields[strings.ToLower(name)]
	})
	slices.Sort(lines)
	return lines
}

// explained compares what Explain says of a case with what then happens; the
// differences are told.
func (c *supposed) explained(t *testing.T) (differences []string, x *Explanation) {
	set := config.Set{POP: "iad"}
	shot := set.Load(c.texts)
	volume := newVolume(t)
	upstream := &answering{Answer: c.answer}
	compiler := Compiler{Volumes: []Volume{volume}, Count: func(wire.Exchanger) wire.Exchanger { return upstream }, Dial: nobody, POP: "iad"}
	plan, faults := compiler.Compile(nil, shot.Node, shot.Sites)
	for _, f := range append(shot.Faults, faults...) {
		t.Fatalf("%v in\n%s", f, c)
	}
	e, err := New(Options{Plan: plan, Volumes: []Volume{volume}})
	if err != nil {
		t.Fatal(err)
	}
	scheme := "http"
	if c.request.Secure {
		scheme = "https"
	}
	x, err = plan.Explain(&Question{URL: scheme + "://" + c.request.Host + c.request.Target, Method: c.request.Method, Fields: fieldsOf(c.request.Fields),
		Uses: 1, Status: c.answer.Status, Response: fieldsOf(c.answer.Fields), At: time.Now()})
	if err != nil {
		t.Fatalf("%v of\n%s", err, c)
	}

	v := c.send(t, e)
	got := *x
	got.URL, got.Method, got.By, got.Location, got.Kind, got.RuleOf, got.Volume, got.Shared, got.Upstream, got.Servers, got.Host = "", "", "", "", "", "", "", false, "", nil, ""
	got.Bypass, got.NoStore, got.Stale, got.Added, got.Removed, got.Policy = "", nil, nil, nil, nil, nil
	if got.Access = ""; x.Refused != "" && !strings.HasSuffix(x.Access, "."+refusals[v.refused].member) {
		differences = append(differences, "access: explained "+x.Access+", happened "+refusals[v.refused].member)
	}
	want := Explanation{Status: v.p.Status, Refused: v.refused.String()}
	if got.Site != "" {
		want.Site = v.site.doc.ID
	}
	if v.choice != nil {
		want.Route = v.choice.route.id
		if v.choice.rule != nil {
			want.Rule, want.Key, want.Zone = v.choice.rule.id, shownKey(v.key), v.choice.zone.doc.Name
		}
	}
	if got.CacheStatus != "" {
		want.CacheStatus, want.Stored = v.outcome.Status.String(), v.outcome.Stored
		if v.outcome.Why != 0 {
			want.Why = v.outcome.Why.String()
		}
		if want.Stored {
			want.TTL, want.Lifetime, want.FreshBy = v.outcome.TTL, v.outcome.Lifetime, v.outcome.From.String()
		}
	} else {
		got.Why = ""
	}
	if got.Fields, want.Fields = ofUpstream(got.Fields), ofUpstream(linesIn(v.p.Fields)); got.Status == 504 && x.CacheStatus != "" {
		got.Fields, want.Fields = nil, nil // the engine's own answer
	}
	differences = append(differences, differencesOf(&got, &want)...)
	if x.CacheStatus == "" {
		return differences, x
	}
	if host := v.choice.route.pool.host; upstream.asked > 0 && host.String() != "$upstream_host" && upstream.host != x.Host {
		if _, fixed := host.Constant(); !fixed { // else it is the connection that says so
			differences = append(differences, fmt.Sprintf("host: explained %s, happened %s", x.Host, upstream.host))
		}
	}
	// Whether something was stored the next request for it tells as well.
	before := upstream.asked
	again := c.send(t, e)
	told := slices.ContainsFunc(c.request.Fields, func(f configtest.Field) bool { return f.Name == "Cache-Control" })
	told = told || slices.Contains(c.answer.Fields, configtest.Field{Name: "Cache-Control", Value: "no-cache"}) // stored, and validated each time
	switch hit := again.outcome.Status.FromStore() && upstream.asked == before; {
	case hit && !x.Stored:
		differences = append(differences, "again: explained as not stored, but it was")
	case !hit && x.Stored && x.TTL > 0 && x.Bypass == "" && x.NoStore == nil && !told:
		differences = append(differences, "again: explained as stored, but it was not")
	}
	return differences, x
}

// send sends the request, and returns the visit when it is over.
func (c *supposed) send(t *testing.T, e *Edge) *visit {
	r := new(wire.Request)
	if _, err := wire.ParseRequest(r, headOf(&c.request), wire.Limits{}); err != nil {
		t.Fatalf("%v of\n%s", err, c)
	}
	r.Secure = c.request.Secure
	v := e.visits.New().(*visit)
	r.Remote = netip.AddrPortFrom(netip.IPv6Loopback(), 0) // as of a Question that says none
	v.r, v.p, v.plan, v.start = r, &wire.Reply{Sink: &bytesSink{}}, e.Plan(), time.Now()
	for i := range stages {
		if stages[i].do(v) {
			break
		}
	}
	synctest.Wait()
	return v
}

// differencesOf are the fields in which two explanations differ.
func differencesOf(got, want *Explanation) (list []string) {
	var g, w map[string]any
	for _, one := range []struct {
		x  *Explanation
		to *map[string]any
	}{{got, &g}, {want, &w}} {
		b, _ := json.Marshal(one.x) // it can be written
		_ = json.Unmarshal(b, one.to)
	}
	for name := range w {
		if _, ok := g[name]; !ok {
			g[name] = nil
		}
	}
	for name, value := range g {
		if fmt.Sprint(value) != fmt.Sprint(w[name]) {
			list = append(list, fmt.Sprintf("%s: explained %v, happened %v", name, value, w[name]))
		}
	}
	slices.Sort(list)
	return list
}

// shrunk leaves out what a case fails without.
func (c *supposed) shrunk(t *testing.T) *supposed {
	best := c
	try := func(change func(*supposed)) {
		next := *best
		next.request.Fields, next.answer.Fields = slices.Clone(best.request.Fields), slices.Clone(best.answer.Fields)
		next.texts = map[string][]byte{}
		for key, text := range best.texts {
			next.texts[key] = text
		}
		change(&next)
		if d, _ := next.explained(t); len(d) > 0 {
			best = &next
		}
	}
	for i := len(c.request.Fields) - 1; i >= 0; i-- {
		try(func(c *supposed) { c.request.Fields = slices.Delete(c.request.Fields, i, i+1) })
	}
	for i := len(c.answer.Fields) - 1; i >= 0; i-- {
		try(func(c *supposed) { c.answer.Fields = slices.Delete(c.answer.Fields, i, i+1) })
	}
	for key := range c.texts {
		try(func(c *supposed) { delete(c.texts, key) })
	}
	return best
}

// TestExplain: what is explained of a request is what becomes of one that is
// really sent, whatever documents say.
func TestExplain(t *testing.T) {
	cases := 1000
	if n, err := strconv.Atoi(os.Getenv("EXPLAIN_CASES")); err == nil {
		cases = n
	} else if testing.Short() {
		cases = 200
	}
	seen, reasons := map[string]int{}, map[string]bool{}
	failed := 0
	for seed := range uint64(cases) {
		synctest.Test(t, func(t *testing.T) {
			m := configtest.New(seed)
			c := supposed{texts: m.Documents("iad", 2)}
			set := config.Set{POP: "iad"}
			sites := set.Load(c.texts).Sites
			c.request, c.answer = m.Request(sites[seed%2]), m.Answer()
			switch {
			case seed%3 == 0: // what is stored is worth more to the test
				c.answer = configtest.Answer{Status: 200, Fields: []configtest.Field{{Name: "Cache-Control", Value: "max-age=60"}}, Body: "fresh"}
			case seed%50 == 1:
				c.request.Host = "nobody.example"
			case seed%50 == 2:
				c.request.Method = "TRACE"
			case seed%50 == 4:
				c.request.Target = "/health"
			}
			d, x := c.explained(t)
			if len(d) > 0 {
				failed++
				small := c.shrunk(t)
				d, _ = small.explained(t)
				t.Errorf("seed %d:\n%s\nof\n%s", seed, strings.Join(d, "\n"), small)
			}
			reasons[x.Why] = true
			for _, what := range []string{"by " + x.By, "rule of " + cmp.Or(x.RuleOf, "none"), fmt.Sprint("stored ", x.Stored)} {
				seen[what]++
			}
		})
		if failed > 3 {
			break
		}
	}
	for _, what := range []string{"by edge", "by route", "by cache", "by upstream", "rule of site", "rule of fleet", "rule of known files", "rule of rest", "stored true", "stored false"} {
		if seen[what] == 0 && cases >= 1000 {
			t.Errorf("no case was %q: expected the test to have some of each", what)
		}
	}
	t.Logf("%d configurations with a request each, seeds 0 to %d, %d different reasons: %v", cases, cases-1, len(reasons), seen)
}

// Bad questions are refused with words, and none is taken for another.
func TestQuestion(t *testing.T) {
	plan := newEdge(t, Options{}, kilobyte{}, serveLike{}.site()).Plan()
	for query, want := range map[string]string{
		"":                                     "url is missing",
		"url=http://h/a&method=GET&method=PUT": `"method": expected once, found 2 times`,
		"url=http://h/a&hedaer=A:b":            `"hedaer" is not known`,
		"url=http://h/a&status=ok":             `status: "ok": expected a number`,
		"url=http://h/a&status=99":             "status 99: expected 200 to 599",
		"url=http://h/a&from=me":               `from: "me"`,
		"url=/a":                               `URL "/a": expected http[s]://host/path`,
		"url=http://h/a%0d%0aX:y":              "expected http[s]://host/path",
		"url=http://h/a&header=no+colon":       `field "no colon": expected Name: value`,
		"url=http://h/a&header=A:b%0d%0aC:d":   "expected Name: value",
		"url=http://h/a&method=GET+/b":         "expected Name: value",
		"url=http://h/a&header=A%20:b":         "expected Name: value",
		"url=http://h/a&response-header=A":     `field "A"`,
		"url=http://h/a%zz":                    "query: ",
		"url=http://h/a&header=Host:%20a%2fb":  `host "a/b"`,
	} {
		q, err := questionOf(query)
		if err == nil {
			_, err = plan.Explain(q)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", query, err, want)
		}
	}
	q := Question{URL: "http://h/a?b", Method: "PUT", Fields: []string{"A: b", "C: d"}, Uses: 3, Status: 404, Response: []string{"E: f"}}
	again, err := questionOf(q.Query())
	if err != nil || fmt.Sprint(*again) != fmt.Sprint(q) {
		t.Errorf("got %+v, %v, want %+v", again, err, q)
	}
}

// Who may not administer is told nothing of what is configured.
func TestExplainPath(t *testing.T) {
	e := newEdge(t, Options{}, kilobyte{}, serveLike{}.site())
	for _, tt := range []struct {
		fields string
		status int
		want   string
	}{{"", 200, `"site": "serve"`}, {"\nX-Forwarded-For: 192.0.2.1", 403, notTrusted}} {
		v := at(t, e, "GET /oc-cgi/explain?url=http://h/a HTTP/1.1\nHost: h"+tt.fields)
		sink := &bytesSink{}
		v.p.Sink, v.r.Remote = sink, netip.AddrPortFrom(netip.IPv6Loopback(), 1)
		v.diagnose()
		if v.p.Status != tt.status || !strings.Contains(sink.text.String(), tt.want) {
			t.Errorf("with %q: got %d %s, want %d %s", tt.fields, v.p.Status, &sink.text, tt.status, tt.want)
		}
	}
}
