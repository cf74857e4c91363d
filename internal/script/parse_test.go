package script

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"opencache/internal/wire"
)

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		line string
		want []string
		err  bool
	}{
		{line: "get /a  X:1\t# more", want: []string{"get", "/a", "X:1"}},
		{line: `If-None-Match:'"1"' x"\r\n\x41"y`, want: []string{`If-None-Match:"1"`, "x\r\nAy"}},
		{line: `'' a#b`, want: []string{"", "a#b"}},
		{line: `'open`, err: true},
		{line: `"open`, err: true},
		{line: `"\q"`, err: true},
	} {
		got, err := split(tt.line)
		if !slices.Equal(got, tt.want) || (err != nil) != tt.err {
			t.Errorf("split(%q): got %q, %v, want %q", tt.line, got, err, tt.want)
		}
	}
}

func TestExpand(t *testing.T) {
	at := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	v := values{files: map[string]string{"f": "text\n"}, now: at.Add(time.Minute), start: at}
	for _, tt := range []struct{ word, want string }{
		{"a{file:f}b", "atextb"},
		{"{gen:20}", "000000000000000.0000"},
		{"{gen:40[14-17]}", "0.00"},
		{"{gen:40[30-33]}", "0.00"},
		{"{start-1h}", "Fri, 31 Dec 1999 23:00:00 GMT"},
		{"{date}", "Sat, 01 Jan 2000 00:01:00 GMT"},
		{`{"a":{"b":1}}`, `{"a":{"b":1}}`},
		{"{open", "{open"},
	} {
		if got, err := v.expand(tt.word); err != nil || got != tt.want {
			t.Errorf("expand(%q): got %q, %v, want %q", tt.word, got, err, tt.want)
		}
	}
	for _, word := range []string{"{file:g}", "{gen:x}", "{gen:9[5-9]}", "{gen:9[5-4]}", "{gen:99999999999}", "{date+1}"} {
		if got, err := v.expand(word); err == nil {
			t.Errorf("expand(%q): got %q, want an error", word, got)
		}
	}
}

// TestParseFaults looks at what the engineer who writes a play would read.
func TestParseFaults(t *testing.T) {
	for _, tt := range []struct{ play, want string }{
		{"", `f.txtar: no file "-- play --" after the comment`},
		{"-- play --\nget /a\n", "f.txtar: no comment that says what it proves"},
		{"A.\n\n-- play --\nget /a\n\nfrobnicate\nget\n", "f.txtar:6: frobnicate: unknown command \"frobnicate\"\nf.txtar:7: get: get: want a target"},
		{"A.\n-- play --\n\tindented\n", `f.txtar:3: indented: unknown command "indented"`},
		{"A.\n-- play --\nget /a\n\tbelow\n", `f.txtar:3: get /a: indented line "below": only an origin's answer has steps below it`},
		{"A.\n-- play --\nonly memory\n", `want "only memory: REASON"`},
		{"A.\n-- play --\norigin GET /a -> delay 2s ; 200\n", `delay 2s: above 300ms only after "only memory"`},
		{"A.\n-- play --\norigin unreachable\n", `unreachable: only after "only memory"`},
		{"A.\n-- play --\norigin GET /a\n", "an origin's answer has no step"},
		{"A.\n-- play --\norigin GET /a -> 200 ; shout x\n", `unknown step "shout"`},
		{"A.\n-- play --\norigin get /a -> 200\n", "want METHOD TARGET"},
		{"A.\n-- play --\norigin GET /a -> 200 X~y\n", `"X~y": an answer is written with Field:value`},
		{"A.\n-- play --\nget /a & body=x\n", "& stands at the end"},
		{"A.\n-- play --\nexpect body={file:b}\n", `no file "b" in the archive`},
		{"A.\n-- play --\nexpect 20 nothin\n", "want Field:value, Field~part, !Field or !Field~part, a status"},
		{"A.\n-- play --\nclock 61s\n", `want "clock +61s"`},
		{"A.\n-- play --\nc9..c1: get /a\n", "want clients such as c1..c9"},
		{"A.\n-- play --\nclient c1 from here\n", "client c1: ParseAddr"},
		{"A.\n-- play --\norigin saw many requests\n", `origin saw "many": want a number`},
	} {
		_, err := parse("f.txtar", []byte(tt.play))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("parse(%q): got %v, want %q in it", tt.play, err, tt.want)
		}
	}
}

func TestCensus(t *testing.T) {
	got := census([]*play{{name: "a"}, {name: "b", only: memory, reason: "waits"}})
	if want := "2 plays, 1 of them in one place only\n  b, only memory: waits"; got != want {
		t.Errorf("census: got %q, want %q", got, want)
	}
}

// TestRead looks at what the readers of both ends refuse.
func TestRead(t *testing.T) {
	for _, tt := range []struct {
		text string
		body string
		err  error
	}{
		{text: "A\r\nContent-Length: 3\r\n\r\nabcdef", body: "abc"},
		{text: "A\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nT: 1\r\n\r\n", body: "abcd"},
		{text: "A\r\n\r\n"},
		{text: "A\r\nContent-Length: 3\r\n\r\nab", body: "ab", err: io.ErrUnexpectedEOF},
		{text: "A\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", body: "abc", err: io.ErrUnexpectedEOF},
		{text: "A\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", body: "abc", err: errMalformed},
		{text: "A\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", err: errMalformed},
		{text: "A\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", err: errMalformed},
		{text: "A\nB: c\n\n", err: errMalformed},
		{text: "A\r\nB : c\r\n\r\n", err: errMalformed},
		{text: "A\r\nB: c\r\n d\r\n\r\n", err: errMalformed},
		{text: "A\r\nB: c\rd\r\n\r\n", err: errMalformed},
		{text: "A\r\nB", err: io.ErrUnexpectedEOF},
		{text: "", err: io.EOF},
	} {
		got, err := readAll(tt.text)
		if string(got) != tt.body || !errors.Is(err, tt.err) {
			t.Errorf("read(%q): got %q, %v, want %q, %v", tt.text, got, err, tt.body, tt.err)
		}
	}
}

func readAll(text string) (body []byte, err error) {
	br := bufio.NewReader(strings.NewReader(text))
	m, err := readHead(br)
	if err != nil {
		return nil, err
	}
	f, err := m.fields.frame(framing{})
	if err != nil {
		return nil, err
	}
	_, err = readBody(br, f, func(piece []byte) error { return grow(&body, piece) })
	return body, err
}

// FuzzRead: the plays' reader takes no more than there is, and reads what the
// cache reads.
func FuzzRead(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")
	f.Add("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		body, err := readAll(text)
		if err != nil {
			return
		}
		if len(body) > len(text) {
			t.Errorf("read(%q): got %d bytes of %d", text, len(body), len(text))
		}
		// What the cache's parser takes, too, is the same content to it.
		var r wire.Response
		n, err := wire.ParseResponse(&r, []byte(text), wire.GET, wire.Limits{})
		if err != nil || n == 0 || r.Framing() == wire.UntilClose || r.Framing() == 0 {
			return
		}
		var c wire.Content
		c.Reset(&wire.Input{Src: strings.NewReader(text[n:]), Buf: make([]byte, 4<<10)}, r.Framing(), wire.DefaultLimits)
		if want, err := io.ReadAll(&c); err == nil && string(want) != string(body) {
			t.Errorf("read(%q): got %q, the cache %q", text, body, want)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("A.\n-- play --\nserve --x 'y'\norigin GET /a x2 A:b -> 200 body={gen:9[1-2]}\nc1..c3: get /a &\nexpect 200 !X\n")
	f.Add("A.\n-- play --\nonly memory: why\norigin * /*\n\tearly\n\thead 200\n\tdelay 2s\n\tlast-chunk A:b\nclock +1s\n-- b --\nx\n")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parse("f.txtar", []byte(text)); err == nil && p.comment == "" {
			t.Errorf("parse(%q): got a play without a comment", text)
		}
	})
}
