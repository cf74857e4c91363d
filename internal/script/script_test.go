package script

import (
	"os"
	"strings"
	"testing"
	"testing/synctest"
)

func TestRun(t *testing.T) {
	Run(t, os.DirFS("testdata"), "*.txtar", startRelay)
}

// TestPlaysParse reads the project's plays; whether they pass is the matter
// of the packages that they are about.
func TestPlaysParse(t *testing.T) {
	plays, err := load(os.DirFS("../../testdata/plays"), "*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	t.Log(census(plays))
}

// TestFailures performs plays that must fail, in both places, and looks at
// what the engineer would read.
func TestFailures(t *testing.T) {
	for _, tt := range failures {
		text := "A play that fails.\n-- play --\n" + tt.play
		p, err := parse("f.txtar", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if p.only != sockets {
			t.Run("memory/"+tt.name, func(t *testing.T) {
				defer func() {
					if r := recover(); (r != nil) != tt.stuck {
						t.Errorf("panic of the bubble: got %v, want one: %t", r, tt.stuck)
					}
				}()
				synctest.Test(t, func(t *testing.T) { tt.check(t, perform(p, newMemory(), startRelay)) })
			})
		}
		if p.only != memory {
			t.Run("sockets/"+tt.name, func(t *testing.T) {
				l, err := newLoopback()
				if err != nil {
					t.Fatal(err)
				}
				tt.check(t, perform(p, l, startRelay))
			})
		}
	}
}

type failure struct {
	name, play string
	want       []string // in the faults
	stuck      bool     // the bubble cannot end
}

var failures = []failure{
	{name: "status", play: "origin GET /a -> 200\nget /a\nexpect 304\n",
		want: []string{"f.txtar:5: expect 304: c1: status: got 200, want 304"}},
	{name: "field", play: "origin GET /a -> 200 ETag:'\"1\"'\nget /a\nexpect ETag:'\"2\"' !ETag X-Cache:HIT ETag~3\n",
		want: []string{`field ETag: got "\"1\"", want "\"2\""`, `field ETag: got "\"1\"", want none`,
			`field X-Cache: got none, want "HIT"`, `field ETag: got "\"1\"", want "3" in it`}},
	{name: "content", play: "origin GET /a -> 200 body=hello\nget /a\nexpect body=hallo\n",
		want: []string{`f.txtar:5: expect body=hallo: c1: content: got "hello", want "hallo"`}},
	{name: "long content", play: "origin GET /a -> 200 body={gen:1000[16-515]}\nget /a\nexpect body={gen:1000[0-499]}\n",
		want: []string{`content: got 500 bytes, want 500; at byte 13 got "10.00`, `want "00.00`}},
	{name: "content cut", play: "origin GET /a -> head 200 Content-Length:9 ; send abc ; close\nget /a\nexpect body=abc\n",
		want: []string{"answer with 3 bytes of content was cut: unexpected EOF"}},
	{name: "not cut", play: "origin GET /a -> 200 body=abc\nget /a\nexpect incomplete\n",
		want: []string{"answer: got 200 and 3 bytes of content that end properly, want it cut"}},
	{name: "too much so far", play: "origin GET /a -> head 200 Content-Length:9 ; send abcd ; stall\nget /a &\nexpect sofar=abc\n",
		want: []string{`content so far: got "abcd", want "abc"`}},
	{name: "something", play: "origin GET /a -> 200 body=abc\nget /a &\nexpect nothing\n",
		want: []string{`answer: got "HTTP/1.1 200 OK" with 3 bytes of content, want nothing yet`}},
	{name: "no answer", play: "serve --swallow\norigin GET /a x* -> 200\nget /a\nexpect 200\n",
		want: []string{"f.txtar:6: expect 200: c1: no answer: connection ended: EOF"}},
	{name: "panic", play: "serve --panic\norigin GET /a x* -> 200\nget /a\n",
		want: []string{"f.txtar:5: get /a: ServeConn: panic: out of luck", "relay_test.go"}},
	{name: "open", play: "origin GET /a -> 200 !Content-Length\nget /a\nexpect open\n",
		want: []string{"connection: got closed (EOF), want open"}},
	{name: "closed", play: "only memory: waits for its patience\norigin GET /a -> 200\nget /a\nexpect closed\n",
		want: []string{"connection: got open, want closed"}},
	{name: "silent origin", play: "only memory: waits for its patience\norigin GET /a -> stall\nget /a\n",
		want: []string{"f.txtar:5: get /a: c1: no answer in 10m0s, want an answer that ends"}},
	{name: "unscripted", play: "origin GET /a -> 200\nget /b\n",
		want: []string{`f.txtar:4: get /b: origin: no answer is left for "GET /b HTTP/1.1\r\n`}},
	{name: "asked twice", play: "serve --twice\norigin GET /a -> 200\nget /a\n",
		want: []string{`f.txtar:5: get /a: origin: no answer is left for "GET /a HTTP/1.1\r\n`}},
	{name: "unasked", play: "serve\norigin GET /a x2 -> 200\nget /a\n",
		want: []string{"f.txtar:4: origin GET /a x2 -> 200: 1 answers of it were not asked for"}},
	{name: "count", play: "origin GET /a x2 -> 200\nget /a\nget /a\norigin saw 1 requests\n",
		want: []string{"f.txtar:6: origin saw 1 requests: origin: got 2 requests, want 1"}},
	{name: "saw", play: "origin POST /a -> 200\npost /a A:1 body=x\norigin saw POST /a A:2 !A B:1 body=y head~Z incomplete\n",
		want: []string{`request POST /a: field A: got "1", want "2"`, `field A: got "1", want none`, `field B: got none, want "1"`,
			`content of the request: got "x", want "y"`, `want "Z" in it`, "got 1 bytes that end properly, want it cut"}},
	{name: "received", play: "origin GET /a -> 101 ; receive ping\nget /a &\nsend pong\nfinish\nexpect closed\n",
		want: []string{`origin: received "pong", want "ping": other bytes`}},
	{name: "interim", play: "origin GET /a -> 200\nget /a\nexpect interim=103\n",
		want: []string{`interim answers: got 0 of them without "HTTP/1.1 103"`}},
	{name: "trailer", play: "origin GET /a -> 200 Transfer-Encoding:chunked body=x\nget /a\nexpect trailer=X:1\n",
		want: []string{`field X: got none, want "1"`}},
	{name: "flag", play: "serve --no-such\n",
		want: []string{`f.txtar:3: serve --no-such: subject with flags ["--no-such"]: unknown flag "--no-such"`}},
	{name: "folder", play: "serve --once={dir}\nrestart\n",
		want: []string{"f.txtar:4: restart: subject with flags", "/started: file exists"}},
	{name: "not running", play: "restart\n",
		want: []string{"f.txtar:3: restart: the subject is not running"}},
	{name: "no folder", play: "serve\ncrash\n",
		want: []string{"f.txtar:4: crash: no subject with a folder is running"}},
	{name: "restart unclean", play: "serve --unclean\nrestart\n",
		want: []string{"f.txtar:4: restart: Close of the subject: 2 pins are left"}},
	{name: "close", play: "serve --unclean\n",
		want: []string{"f.txtar: Close of the subject: 2 pins are left"}},
	{name: "goroutine", play: "serve --leak\n", stuck: true,
		want: []string{"f.txtar: goroutines are left:", "startRelay"}},
}

func (tt failure) check(t *testing.T, o outcome) {
	t.Helper()
	var got strings.Builder
	for _, err := range o.faults {
		got.WriteString(err.Error() + "\n")
	}
	for _, want := range tt.want {
		if !strings.Contains(got.String(), want) {
			t.Errorf("faults of\n%s\ngot %s\nwant %q in it\ntranscript:\n%s", tt.play, got.String(), want, o.transcript)
		}
	}
}
