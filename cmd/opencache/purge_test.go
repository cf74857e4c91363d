package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// A purgeStage is a cache with an origin that tags what it answers, and its
// administration.
type purgeStage struct {
	stack  *stack
	admin  *httptest.Server
	client http.Client
}

func newPurgeStage(t *testing.T, change func(*serveOptions)) *purgeStage {
	t.Helper()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Surrogate-Key", "all "+strings.Trim(strings.ReplaceAll(r.URL.Path, "/", " "), " "))
	}))
	t.Cleanup(origin.Close)
	o := serveOptions{Origin: originURL(origin.URL), Memory: smallestMemory, MaxConns: 10, OriginMaxConns: 10, MaxVariants: 1, Via: "test"}
	change(&o)
	s, err := newStack(&o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	p := &purgeStage{stack: s, admin: httptest.NewServer((&admin{stack: s, log: slog.New(slog.DiscardHandler)}).handler())}
	p.client.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go s.ServeConn(theirs)
		return ours, nil
	}}
	t.Cleanup(func() {
		p.admin.Close()
		p.client.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// ask asks the cache for URLs and returns those that were not answered as fresh.
func (p *purgeStage) ask(t *testing.T, urls ...string) (gone []string) {
	t.Helper()
	for _, url := range urls {
		resp, err := p.client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.Header.Get("X-Cache-Status") != "HIT" {
			gone = append(gone, url+" "+resp.Header.Get("X-Cache-Status"))
		}
	}
	return gone
}

func (p *purgeStage) post(t *testing.T, body string) (status int, text string) {
	t.Helper()
	resp, err := http.Post(p.admin.URL+"/v1/purge", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.Join(strings.Fields(string(b)), "")
}

// Each kind drops what it names, and nothing else, and says how much.
func TestPurgeKinds(t *testing.T) {
	p := newPurgeStage(t, func(*serveOptions) {})
	urls := []string{"http://a.test/", "http://a.test/img/1.jpg", "http://a.test/img/2.png?v=1&a=2", "http://a.test/new/1"}
	for _, tt := range []struct {
		order string
		gone  []int
		want  string // part of the answer
	}{
		{`{"urls":["http://a.test/img/1.jpg"]}`, []int{1}, `"purged":1,"by":"url"`},
		{`{"urls":["/img/2.png?a=2&v=1","https://B.test:443/./new/../new/1","/none"]}`, []int{2, 3}, `{"url":"/none","found":false}`},
		{`{"urls":["http://a.test/img/*"],"wait":"5s"}`, []int{1, 2}, `"purged":2`},
		{`{"urls":["/img/*","/new/1"],"wait":"5s"}`, []int{1, 2, 3}, `{"url":"/img/*","found":null},{"url":"/new/1","found":true}`},
		{`{"prefix":"/img/2","wait":"5s"}`, []int{2}, `"purged":1,"by":"prefix"`},
		{`{"tags":["img"],"wait":"5s"}`, []int{1, 2}, `"purged":2,"by":"tag"`},
		{`{"tags":["1","2.png"],"wait":"5s"}`, []int{2, 3}, `"purged":2`},
		{`{"tags":["IMG","none"],"wait":"5s"}`, nil, `"purged":0`},
		{`{"pattern":"\\.(jpg|png)(\\?|$)","wait":"5s"}`, []int{1, 2}, `"purged":2,"by":"pattern"`},
		{`{"pattern":"^/$","soft":true,"wait":"5s"}`, []int{0}, `"purged":1,"by":"pattern"`},
		{`{"tags":["all"],"soft":true,"wait":"5s"}`, []int{0, 1, 2, 3}, `"purged":4`},
		{`{"zone":"default"}`, []int{0, 1, 2, 3}, `"purged":4,"by":"zone"`},
	} {
		p.ask(t, urls...)
		if gone := p.ask(t, urls...); gone != nil {
			t.Fatalf("%s: before it: got %q gone", tt.order, gone)
		}
		status, text := p.post(t, tt.order)
		if status != 200 || !strings.Contains(text, tt.want) {
			t.Errorf("%s: got %d %s, want 200 with %s", tt.order, status, text, tt.want)
		}
		how := " MISS"
		if strings.Contains(tt.order, "soft") {
			how = " EXPIRED"
		}
		var want []string
		for _, i := range tt.gone {
			want = append(want, urls[i]+how)
		}
		if gone := p.ask(t, urls...); !slices.Equal(gone, want) {
			t.Errorf("%s: got %q gone, want %q", tt.order, gone, want)
		}
	}
}

// With --preserve-host each host is a site of its own.
func TestPurgeSites(t *testing.T) {
	p := newPurgeStage(t, func(o *serveOptions) { o.PreserveHost = true })
	urls := []string{"http://a.test/x", "http://b.test/x", "http://b.test:81/y"}
	for _, tt := range []struct {
		order string
		gone  []int
	}{
		{`{"urls":["http://B.test:80/x"]}`, []int{1}},
		{`{"urls":["https://b.test/x"]}`, nil},
		{`{"site":"b.test"}`, []int{1}},
		{`{"site":"http://b.test:81"}`, []int{2}},
		{`{"tags":["x"],"site":"A.TEST"}`, []int{0}},
		{`{"pattern":"^/x$"}`, []int{0, 1}},
		{`{"pattern":"^/x$","site":"b.test"}`, []int{1}},
		{`{"prefix":"/","site":"b.test:81"}`, []int{2}},
		{`{"prefix":"http://a.test/"}`, []int{0}},
	} {
		p.ask(t, urls...)
		if status, text := p.post(t, tt.order); status != 200 {
			t.Errorf("%s: got %d %s", tt.order, status, text)
		}
		var want []string
		for _, i := range tt.gone {
			want = append(want, urls[i]+" MISS")
		}
		if gone := p.ask(t, urls...); !slices.Equal(gone, want) {
			t.Errorf("%s: got %q gone, want %q", tt.order, gone, want)
		}
	}
	for order, want := range map[string]string{
		`{"tags":["x"]}`:        "expected a site",
		`{"prefix":"/x"}`:       "its host is missing",
		`{"urls":["/x"]}`:       "its host is missing",
		`{"site":"b.test/x"}`:   "expected host",
		`{"site":"://"}`:        "expected host",
		`{"site":"ftp://b"}`:    "expected host",
		`{"prefix":"b.test/x"}`: "expected http[s]",
	} {
		status, text := p.post(t, order)
		if want = strings.ReplaceAll(want, " ", ""); status != 400 || !strings.Contains(text, want) {
			t.Errorf("%s: got %d %s, want 400 with %s", order, status, text, want)
		}
	}
}

// What is not asked in the right way is refused with words, and nothing is purged.
func TestPurgeRefusals(t *testing.T) {
	p := newPurgeStage(t, func(*serveOptions) {})
	p.ask(t, "http://a.test/")
	many := strings.Repeat(`"/",`, 1000) + `"/"`
	for order, want := range map[string]string{
		``:                                  "expected a JSON object",
		`[]`:                                "expected a JSON object",
		`{}`:                                "nothing is named",
		`{"urls":[]}`:                       "nothing is named",
		`{"soft":true}`:                     "nothing is named",
		`{"url":"/"}`:                       "unknown field",
		`{"urls":"/"}`:                      "expected a JSON object",
		`{"urls":["/"]} {}`:                 "something follows",
		`{"urls":["/"],"tags":["a"]}`:       "url and tag: expected one of them",
		`{"zone":"default","site":"a"}`:     "expected one of them",
		`{"urls":["/"],"site":"a"}`:         "expected one of them",
		`{"zone":"other"}`:                  "expectedonethatasitehas:default",
		`{"site":"a.test"}`:                 "this cache has one",
		`{"urls":[""]}`:                     "expected http[s]",
		`{"urls":["/","/a b"]}`:             "whitespace",
		`{"urls":["/","/ä"]}`:               "expected http[s]",
		`{"urls":["/","/a#b"]}`:             "no fragment",
		`{"urls":["/","a.test/"]}`:          "expected http[s]",
		`{"urls":["/","http://u@a.test/"]}`: "expected http[s]",
		`{"urls":[` + many + `]}`:           "1001 URLs",
		`{"tags":["a "]}`:                   "without spaces around it",
		`{"tags":[""]}`:                     "without spaces around it",
		`{"prefix":"/a/../b"}`:              "segment of dots",
		`{"prefix":"http://a.test"}`:        "how paths begin",
		`{"prefix":"http://a.test/","site":"a.test"}`: "expected a path",
		`{"pattern":"a(b"}`:                           "at position 4: missing closing )",
		`{"pattern":"^https?://a"}`:                   "path and query alone",
		`{"urls":["/"],"wait":"1h"}`:                  "expected a time",
		`{"urls":["/"],"wait":"x"}`:                   "expected a time",
	} {
		status, text := p.post(t, order)
		if want = strings.ReplaceAll(want, " ", ""); status != 400 || !strings.Contains(text, want) {
			t.Errorf("%.60s: got %d %s, want 400 with %s", order, status, text, want)
		}
	}
	if gone := p.ask(t, "http://a.test/"); gone != nil {
		t.Errorf("got %q purged by what was refused", gone)
	}
}

// The command asks for what its flags say, and tells faults of who called it
// from a cache that does not do it.
func TestPurgeCommand(t *testing.T) {
	p := newPurgeStage(t, func(*serveOptions) {})
	var host string
	for u := range p.stack.edge.Plan().Upstreams {
		host = u.Host
	}
	to := adminOptions{Admin: strings.TrimPrefix(p.admin.URL, "http://")}
	url := "http://a.test/img/1"
	for _, tt := range []struct {
		cmd   purgeCmd
		gone  bool
		usage bool
		fault string
	}{
		{cmd: purgeCmd{URLs: []string{url}}, gone: true},
		{cmd: purgeCmd{Tags: []string{"img"}, Soft: true}, gone: true},
		{cmd: purgeCmd{Prefix: "http://a.test/img"}, gone: true},
		{cmd: purgeCmd{Pattern: "/1$", Output: "json"}, gone: true},
		{cmd: purgeCmd{Site: host}, gone: true},
		{cmd: purgeCmd{Zone: "default"}, gone: true},
		{cmd: purgeCmd{Tags: []string{"none"}}},
		{cmd: purgeCmd{}, usage: true, fault: "nothing is named"},
		{cmd: purgeCmd{Tags: []string{"a"}, Prefix: "/"}, usage: true, fault: "expected one of them"},
		{cmd: purgeCmd{Zone: "other"}, usage: true, fault: "expected one that a site has: default"},
	} {
		p.ask(t, url)
		tt.cmd.To, tt.cmd.Wait = to, 5*time.Second
		name := fmt.Sprintf("%+v", tt.cmd)
		err := tt.cmd.Run()
		if got := fmt.Sprint(err); (err != nil) != (tt.fault != "") || !strings.Contains(got, tt.fault) || errors.As(err, new(usageError)) != tt.usage {
			t.Errorf("%s: got %v, want %q, usage %v", name, err, tt.fault, tt.usage)
		}
		if gone := p.ask(t, url); (gone != nil) != tt.gone {
			t.Errorf("%s: got %q gone, want %v", name, gone, tt.gone)
		}
	}
}

func TestPurgeReportText(t *testing.T) {
	number := func(n int64) *int64 { return &n }
	yes, no := true, false
	for _, tt := range []struct {
		r    purgeReport
		want string
	}{
		{purgeReport{URLs: []urlFound{{"/", &yes}}}, "in force; how many URLs it hits is not counted yet"},
		{func() (r purgeReport) { r.AtLeast = 3; return r }(), "in force; at least 3 responses, not all counted yet"},
		{func() (r purgeReport) { r.Purged = number(0); return r }(), "purged: nothing was there"},
		{func() (r purgeReport) { r.Purged, r.Soft = number(2), true; return r }(), "to be validated: 2 responses"},
		{func() (r purgeReport) {
			r.Purged, r.URLs = number(1), []urlFound{{"/a", &yes}, {"/b", &no}, {"/c*", nil}}
			return r
		}(), "not there: /b\npurged: 1 URL\n"},
	} {
		if got := tt.r.text(); !strings.HasSuffix(got, "\n") || !strings.Contains(got, tt.want) {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
