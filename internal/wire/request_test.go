package wire

import (
	"errors"
	"strings"
	"testing"
)

// parseAll parses head, which must be complete.
func parseAll(t *testing.T, head string) *Request {
	t.Helper()
	r := new(Request)
	n, err := ParseRequest(r, []byte(head), Limits{})
	if err != nil || n != len(head) {
		t.Fatalf("ParseRequest(%q) = %d, %v, want %d, nil", head, n, err, len(head))
	}
	return r
}

func TestRequestRefused(t *testing.T) {
	const host = "Host: a\r\n"
	get := func(fields string) string { return "GET / HTTP/1.1\r\n" + host + fields + "\r\n" }
	line := func(l string) string { return l + "\r\n" + host + "\r\n" }
	tests := []struct {
		section, head string
		status        int
	}{
		{"RFC 9112, 2.2: bare LF ends the request line", "GET / HTTP/1.1\n", 400},
		{"RFC 9112, 2.2: bare LF ends a field line", "GET / HTTP/1.1\r\nHost: a\n", 400},
		{"RFC 9112, 2.2: bare LF for the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
		{"RFC 9112, 2.2: bare LF first", "\n", 400},
		{"RFC 9112, 2.2: bare CR in the request line", line("GET /\r HTTP/1.1"), 400},
		{"RFC 9112, 2.2: bare CR in a value", get("A: b\rc\r\n"), 400},
		{"RFC 9112, 2.2: CR CR LF", get("A: b\r\r\n"), 400},
		{"RFC 9112, 2.2: bare CR for the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\rX", 400},
		{"RFC 9112, 2.2: second empty line in front", "\r\n\r\nGET / HTTP/1.1\r\n", 400},
		{"RFC 9112, 2.2: white space before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
		{"RFC 9112, 2.2: white space in front", " GET / HTTP/1.1\r\n", 400},
		{"RFC 9112, 3: no version", line("GET /"), 400},
		{"RFC 9112, 3: no target", line("GET HTTP/1.1"), 400},
		{"RFC 9112, 3: empty target", line("GET  HTTP/1.1"), 400},
		{"RFC 9112, 3: two spaces", line("GET  / HTTP/1.1"), 400},
		{"RFC 9112, 3: two spaces before the version", line("GET /  HTTP/1.1"), 400},
		{"RFC 9112, 3: tab", line("GET\t/ HTTP/1.1"), 400},
		{"RFC 9112, 3: space behind the version", line("GET / HTTP/1.1 "), 400},
		{"RFC 9112, 3: space in the target", line("GET /a b HTTP/1.1"), 400},
		{"RFC 9112, 3: line too short", line("GET"), 400},
		{"RFC 9112, 2.3: version in small letters", line("GET / http/1.1"), 400},
		{"RFC 9112, 2.3: HTTP/0.9", line("GET / HTTP/0.9"), 400},
		{"RFC 9112, 2.3: two digits", line("GET / HTTP/1.10"), 400},
		{"RFC 9112, 2.3: no digit", line("GET / HTTP/1.x"), 400},
		{"RFC 9112, 2.3: other name", line("GET / HTCP/1.1"), 400},
		{"RFC 9110, 15.6.6: HTTP/2.0", "PRI * HTTP/2.0\r\n\r\n", 505},
		{"RFC 9110, 15.6.6: HTTP/3.0", line("GET / HTTP/3.0"), 505},
		{"RFC 9110, 9.1: method is no token", line("G@T / HTTP/1.1"), 400},
		{"TLS hello", "\x16\x03\x01", 400},
		{"RFC 9112, 3.2: fragment", line("GET /a#b HTTP/1.1"), 400},
		{"RFC 9112, 3.2: fragment in the query", line("GET /a?b#c HTTP/1.1"), 400},
		{"RFC 9112, 3.2: byte above 0x7e", line("GET /\xc3\xa4 HTTP/1.1"), 400},
		{"RFC 9112, 3.2: byte above 0x7e in the query", line("GET /?\xc3\xa4 HTTP/1.1"), 400},
		{"RFC 9112, 3.2: NUL", line("GET /\x00 HTTP/1.1"), 400},
		{"RFC 9112, 3.2: DEL", line("GET /\x7f HTTP/1.1"), 400},
		{"RFC 3986, 2.1: half a triplet", line("GET /%4 HTTP/1.1"), 400},
		{"RFC 3986, 2.1: no triplet", line("GET /%zz/ HTTP/1.1"), 400},
		{"RFC 3986, 2.1: triplet reaching into the query", line("GET /%4?1 HTTP/1.1"), 400},
		{"RFC 9112, 3.2.1: no slash", line("GET index.html HTTP/1.1"), 400},
		{"RFC 9112, 3.2.2: other scheme", line("GET ftp://a/ HTTP/1.1"), 400},
		{"RFC 9112, 3.2.2: no authority", line("GET http:///x HTTP/1.1"), 400},
		{"RFC 9112, 3.2.2: nothing behind the scheme", line("GET http:// HTTP/1.1"), 400},
		{"RFC 9110, 4.2.4: userinfo", line("GET http://u:p@a/ HTTP/1.1"), 400},
		{"RFC 9112, 3.2.2: bad port", line("GET http://a:b/ HTTP/1.1"), 400},
		{"RFC 9112, 3.2.3: CONNECT to a path", line("CONNECT / HTTP/1.1"), 400},
		{"RFC 9112, 3.2.3: CONNECT without port", line("CONNECT a HTTP/1.1"), 400},
		{"RFC 9112, 3.2.3: CONNECT with empty port", line("CONNECT a: HTTP/1.1"), 400},
		{"RFC 9112, 3.2.3: CONNECT to an address without port", line("CONNECT [::1] HTTP/1.1"), 400},
		{"RFC 9112, 3.2.3: authority without CONNECT", line("GET a:80 HTTP/1.1"), 400},
		{"RFC 9112, 3.2.4: asterisk without OPTIONS", line("GET * HTTP/1.1"), 400},
		{"RFC 9112, 3.2: no Host", "GET / HTTP/1.1\r\n\r\n", 400},
		{"RFC 9112, 3.2: no Host in HTTP/1.7", "GET / HTTP/1.7\r\n\r\n", 400},
		{"RFC 9112, 3.2: no Host though absolute", "GET http://a/ HTTP/1.1\r\n\r\n", 400},
		{"RFC 9112, 3.2: two Hosts", get("Host: a\r\n"), 400},
		{"RFC 9112, 3.2: two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", 400},
		{"RFC 9112, 3.2: list in Host", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400},
		{"RFC 9112, 3.2: empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
		{"RFC 9112, 3.2: bad Host though absolute", "GET http://a/ HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
		{"RFC 9112, 3.2: userinfo in Host", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
		{"RFC 3986, 3.2.2: open bracket in Host", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400},
		{"RFC 3986, 3.2.2: no address in brackets", "GET / HTTP/1.1\r\nHost: [1.2.3.4]\r\n\r\n", 400},
		{"RFC 3986, 3.2.2: zone in Host", "GET / HTTP/1.1\r\nHost: [fe80::1%25e]\r\n\r\n", 400},
		{"RFC 3986, 3.2.2: junk behind the bracket", "GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n", 400},
		{"RFC 3986, 3.2.2: bad triplet in Host", "GET / HTTP/1.1\r\nHost: a%2\r\n\r\n", 400},
		{"RFC 3986, 3.2.3: port too large", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400},
		{"RFC 3986, 3.2.3: port is no number", "GET / HTTP/1.1\r\nHost: a:8a\r\n\r\n", 400},
		{"RFC 3986, 3.2.3: two ports", "GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n", 400},
		{"RFC 9112, 5.1: space before the colon", get("A : b\r\n"), 400},
		{"RFC 9112, 5.1: tab before the colon", get("A\t: b\r\n"), 400},
		{"RFC 9112, 5.1: space in the name", get("A B: c\r\n"), 400},
		{"RFC 9112, 5: no colon", get("A\r\n"), 400},
		{"RFC 9112, 5: empty name", get(": b\r\n"), 400},
		{"RFC 9110, 5.1: name is no token", get("A(b): c\r\n"), 400},
		{"RFC 9110, 5.1: byte above 0x7f in the name", get("\xc3\xa4: c\r\n"), 400},
		{"RFC 9112, 5.2: obs-fold", get("A: b\r\n c\r\n"), 400},
		{"RFC 9112, 5.2: obs-fold with a tab", get("A: b\r\n\tc\r\n"), 400},
		{"RFC 9110, 5.5: NUL in a value", get("A: b\x00c\r\n"), 400},
		{"RFC 9110, 5.5: DEL in a value", get("A: b\x7fc\r\n"), 400},
		{"RFC 9110, 5.5: ESC behind a tab in a long value", get("A: 0123456789\t0123\x1b\r\n"), 400},
		{"RFC 9112, 6.3: two Content-Lengths", get("Content-Length: 1\r\nContent-Length: 2\r\n"), 400},
		{"RFC 9112, 6.3: two equal Content-Lengths", get("Content-Length: 1\r\nContent-Length: 1\r\n"), 400},
		{"RFC 9112, 6.3: list in Content-Length", get("Content-Length: 1, 1\r\n"), 400},
		{"RFC 9110, 8.6: empty Content-Length", get("Content-Length:\r\n"), 400},
		{"RFC 9110, 8.6: sign", get("Content-Length: +1\r\n"), 400},
		{"RFC 9110, 8.6: minus", get("Content-Length: -1\r\n"), 400},
		{"RFC 9110, 8.6: hex", get("Content-Length: 0x1\r\n"), 400},
		{"RFC 9110, 8.6: letter", get("Content-Length: 1a\r\n"), 400},
		{"RFC 9110, 8.6: overflow", get("Content-Length: 9223372036854775808\r\n"), 400},
		{"RFC 9112, 6.1: with Content-Length", get("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), 400},
		{"RFC 9112, 6.1: before Content-Length", get("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"), 400},
		{"RFC 9112, 6.1: in HTTP/1.0", "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		{"RFC 9112, 6.1: twice chunked", get("Transfer-Encoding: chunked, chunked\r\n"), 400},
		{"RFC 9112, 6.1: two lines", get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
		{"RFC 9112, 6.1: gzip and chunked", get("Transfer-Encoding: gzip, chunked\r\n"), 501},
		{"RFC 9112, 6.1: a coding with a parameter and chunked", get("Transfer-Encoding: x;q=1, chunked\r\n"), 501},
		{"RFC 9112, 6.3: chunked is not last", get("Transfer-Encoding: chunked, gzip\r\n"), 400},
		{"RFC 9112, 6.3: not chunked", get("Transfer-Encoding: gzip\r\n"), 400},
		{"RFC 9112, 6.3: identity", get("Transfer-Encoding: identity\r\n"), 400},
		{"RFC 9112, 7.1: chunked with a parameter", get("Transfer-Encoding: chunked;a=b\r\n"), 400},
		{"RFC 9112, 6.1: empty", get("Transfer-Encoding:\r\n"), 400},
		{"RFC 9112, 6.1: vertical tab", get("Transfer-Encoding: \x0bchunked\r\n"), 400},
		{"RFC 9112, 6.1: in quotes", get("Transfer-Encoding: \"chunked\"\r\n"), 400},
		{"RFC 9112, 6.1: no token and chunked", get("Transfer-Encoding: a b, chunked\r\n"), 400},
		{"RFC 9110, 10.1.1: other expectation", get("Expect: 200-ok\r\n"), 417},
		{"RFC 9110, 10.1.1: two expectations", get("Expect: 100-continue\r\nExpect: x\r\n"), 417},
	}
	for _, tt := range tests {
		var r Request
		n, err := ParseRequest(&r, []byte(tt.head), Limits{})
		var e *Error
		if n != 0 || !errors.As(err, &e) || e.Side != Client || e.Status != tt.status {
			t.Errorf("%s: ParseRequest(%q) = %d, %v, want status %d", tt.section, tt.head, n, err, tt.status)
		}
	}
}

func TestRequestLimits(t *testing.T) {
	lim := Limits{Line: 20, Head: 60, Fields: 3}
	tests := []struct {
		head   string
		status int // 0: accepted, or incomplete
		n      int
	}{
		{"GET /2345678 HTTP/1.1", 414, 0},
		{"GET /234567 HTTP/1.1", 0, 0},
		{"GET /234567 HTTP/1.1\r", 0, 0},
		{"GET /234567 HTTP/1.1\r\nHost: a\r\n\r\n", 0, 33},
		{"GET /2345678 HTTP/1.1\r\nHost: a\r\n\r\n", 414, 0},
		{"GET /2345678 HTTP/1.1x", 414, 0},
		{strings.Repeat("A", 22), 414, 0},
		{"GET / HTTP/1.1\r\nHost: a\r\na:\r\nb:\r\n\r\n", 0, 35},
		{"GET / HTTP/1.1\r\nHost: a\r\na:\r\nb:\r\nc:\r\n\r\n", 431, 0},
		{"GET / HTTP/1.1\r\nHost: a\r\na: " + strings.Repeat("x", 28) + "\r\n\r\n", 0, 60},
		{"GET / HTTP/1.1\r\nHost: a\r\na: " + strings.Repeat("x", 29) + "\r\n\r\n", 431, 0},
		{"GET / HTTP/1.1\r\nHost: a\r\na: " + strings.Repeat("x", 99), 431, 0},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: a,b,c,d\r\n\r\n", 431, 0},
	}
	for _, tt := range tests {
		var r Request
		n, err := ParseRequest(&r, []byte(tt.head), lim)
		status := 0
		if e := (*Error)(nil); errors.As(err, &e) {
			status = e.Status
		}
		if n != tt.n || status != tt.status {
			t.Errorf("ParseRequest(%q) = %d, %v, want %d, status %d", tt.head, n, err, tt.n, tt.status)
		}
	}
}

func TestRequestTargets(t *testing.T) {
	tests := []struct {
		line                           string
		authority, path, query, origin string
		secure                         bool
	}{
		{"GET / HTTP/1.1", "h:1", "/", "-", "/", false},
		{"GET //a//b HTTP/1.1", "h:1", "//a//b", "-", "//a//b", false},
		{"GET /a/../b/%2e%2E/%2F?x=/../%zz HTTP/1.1", "h:1", "/a/../b/%2e%2E/%2F", "x=/../%zz", "/a/../b/%2e%2E/%2F?x=/../%zz", false},
		{"GET /? HTTP/1.1", "h:1", "/", "", "/?", false},
		{"GET /?a?b HTTP/1.1", "h:1", "/", "a?b", "/?a?b", false},
		{"GET http://Ex.org HTTP/1.1", "Ex.org", "/", "-", "/", false},
		{"GET HTTP://ex.org:80/p?q HTTP/1.1", "ex.org:80", "/p", "q", "/p?q", false},
		{"GET https://[2001:db8::1]:8443?q HTTP/1.1", "[2001:db8::1]:8443", "/", "q", "/?q", true},
		{"OPTIONS * HTTP/1.1", "h:1", "*", "-", "*", false},
		{"OPTIONS http://ex.org HTTP/1.1", "ex.org", "*", "-", "*", false},
		{"OPTIONS http://ex.org?q HTTP/1.1", "ex.org", "/", "q", "/?q", false},
		{"OPTIONS http://ex.org/ HTTP/1.1", "ex.org", "/", "-", "/", false},
		{"CONNECT ex.org:443 HTTP/1.1", "ex.org:443", "", "-", "ex.org:443", false},
		{"CONNECT [::1]:443 HTTP/1.1", "[::1]:443", "", "-", "[::1]:443", false},
		{"FOO /~a|b HTTP/1.7", "h:1", "/~a|b", "-", "/~a|b", false},
	}
	for _, tt := range tests {
		r := parseAll(t, "\r\n"+tt.line+"\r\nHost: h:1\r\n\r\n")
		query := "-"
		if q, ok := r.Query(); ok {
			query = string(q)
		}
		if string(r.Authority()) != tt.authority || string(r.Path()) != tt.path || query != tt.query || r.Secure != tt.secure {
			t.Errorf("%s: authority %q, path %q, query %q, secure %v, want %q, %q, %q, %v", tt.line,
				r.Authority(), r.Path(), query, r.Secure, tt.authority, tt.path, tt.query, tt.secure)
		}
		method, target, _ := strings.Cut(strings.TrimSuffix(tt.line, tt.line[len(tt.line)-9:]), " ")
		if string(r.Target()) != target || string(r.MethodText()) != method {
			t.Errorf("%s: method %q, target %q", tt.line, r.MethodText(), r.Target())
		}
		got := string(AppendRequest(nil, r, Destination{}))
		if want := method + " " + tt.origin + " HTTP/1.1\r\nHost: " + tt.authority + "\r\n\r\n"; got != want {
			t.Errorf("%s: sent as %q, want %q", tt.line, got, want)
		}
	}
}

func TestRequestHosts(t *testing.T) {
	for _, host := range []string{"a", "a:", "a:80", "1.2.3.4:65535", "[::1]", "[::1]:80", "a%20b", "x_y~z", "xn--a.example."} {
		r := parseAll(t, "GET / HTTP/1.1\r\nHost: \t"+host+" \r\n\r\n")
		if string(r.Authority()) != host {
			t.Errorf("authority of Host %q is %q", host, r.Authority())
		}
	}
	if r := parseAll(t, "GET / HTTP/1.0\r\n\r\n"); len(r.Authority()) != 0 {
		t.Errorf("authority without Host is %q", r.Authority())
	}
}

func TestRequestDigests(t *testing.T) {
	type digests struct {
		Minor                              uint8
		Close, Upgrade, Continue, Trailers bool
		Length                             int64
	}
	tests := []struct {
		line, fields string
		want         digests
	}{
		{"GET / HTTP/1.1", "", digests{Minor: 1}},
		{"GET / HTTP/1.9", "", digests{Minor: 1}},
		{"GET / HTTP/1.0", "", digests{Close: true}},
		{"GET / HTTP/1.0", "Connection: Keep-Alive\r\n", digests{}},
		{"GET / HTTP/1.0", "Connection: close, Keep-Alive\r\n", digests{Close: true}},
		{"GET / HTTP/1.1", "Connection: , ,x , CLOSE\r\n", digests{Minor: 1, Close: true}},
		{"GET / HTTP/1.1", "Connection: x\r\nConnection: close\r\n", digests{Minor: 1, Close: true}},
		{"GET / HTTP/1.1", "Proxy-Connection: close\r\n", digests{Minor: 1}},
		{"GET / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n", digests{Minor: 1, Upgrade: true}},
		{"GET / HTTP/1.1", "Upgrade: websocket\r\n", digests{Minor: 1}},
		{"GET / HTTP/1.1", "Connection: upgrade\r\n", digests{Minor: 1}},
		{"GET / HTTP/1.0", "Connection: upgrade, keep-alive\r\nUpgrade: x\r\n", digests{}},
		{"PUT / HTTP/1.1", "Expect: 100-Continue\r\nContent-Length: 007\r\n", digests{Minor: 1, Continue: true, Length: 7}},
		{"PUT / HTTP/1.0", "Expect: 100-continue\r\nContent-Length: 9223372036854775807\r\n", digests{Close: true, Length: 1<<63 - 1}},
		{"PUT / HTTP/1.1", "Transfer-Encoding:CHUNKED\t\r\n", digests{Minor: 1, Length: Unknown}},
		{"GET / HTTP/1.1", "TE: trailers\r\nConnection: TE\r\n", digests{Minor: 1, Trailers: true}},
		{"GET / HTTP/1.1", "TE: deflate;q=0.5, Trailers\r\n", digests{Minor: 1, Trailers: true}},
		{"GET / HTTP/1.1", "TE: deflate\r\n", digests{Minor: 1}},
		{"GET / HTTP/1.0", "TE: trailers\r\n", digests{Close: true}},
	}
	for _, tt := range tests {
		r := parseAll(t, tt.line+"\r\nHost: a\r\n"+tt.fields+"\r\n")
		if got := (digests{r.Minor, r.Close, r.Upgrade, r.Continue, r.Trailers, r.Length}); got != tt.want {
			t.Errorf("%s, %q: got %+v, want %+v", tt.line, tt.fields, got, tt.want)
		}
		if got := string(r.AppendFields(nil, NameSet{})); got != "" {
			t.Errorf("%s, %q: fields %q are not hidden", tt.line, tt.fields, got)
		}
		if r.Names() != (NameSet{}) {
			t.Errorf("%s, %q: names %b are left in the set", tt.line, tt.fields, r.Names())
		}
	}
}

func TestRequestFields(t *testing.T) {
	r := parseAll(t, "GET / HTTP/1.1\r\nhOST: a\r\naccept:*/*\r\nX-A: \t b\tc \t\r\nx-a:\r\nVia: 1.1 \xe4\r\n"+
		"Connection: x-a, Accept, Vary, Cache-Control, host\r\ncache-control: no-store\r\nKeep-Alive: 5\r\nCookie: a=b\r\nCOOKIE: c\r\n\r\n")
	want := "Via: 1.1 \xe4\r\ncache-control: no-store\r\nCookie: a=b\r\nCOOKIE: c\r\n"
	if got := string(r.AppendFields(nil, NameSet{})); got != want {
		t.Errorf("fields %q, want %q", got, want)
	}
	if want := NamesOf(Via, CacheControl, Cookie); r.Names() != want {
		t.Errorf("names %b, want %b", r.Names(), want)
	}
	if r.Get(Accept) != nil || r.Get(Host) != nil || r.Count(Cookie) != 2 || string(r.Get(Cookie)) != "a=b" {
		t.Errorf("Get and Count do not honour hidden fields in %q", want)
	}
	r = parseAll(t, "GET / HTTP/1.1\r\nHost: a\r\nX-A: \t b\tc \t\r\nx-a:\r\n\r\n")
	var got []string
	for v := range r.Values("X-a") {
		got = append(got, string(v))
	}
	if len(got) != 2 || got[0] != "b\tc" || got[1] != "" {
		t.Errorf("values %q, want %q", got, []string{"b\tc", ""})
	}
}

// A caller reads on when the head is not complete, so no prefix may differ
// from that, and the fault is to be seen at the first byte that shows it.
func TestRequestBareLFAtOnce(t *testing.T) {
	head := "GET / HTTP/1.1\r\nHost: a\r\nA: b\nC: d\r\n\r\n"
	at := strings.Index(head, "b\n") + 2
	for i := range head {
		var r Request
		n, err := ParseRequest(&r, []byte(head[:i]), Limits{})
		if n != 0 || (err != nil) != (i >= at) {
			t.Errorf("ParseRequest(%q) = %d, %v", head[:i], n, err)
		}
	}
}

func TestRequestRemembersFault(t *testing.T) {
	var r Request
	_, err := ParseRequest(&r, []byte("PUT /x HTTP/1.1\r\nHost: a\r\nB : c\r\n\r\n"), Limits{})
	if want := "client: request head, byte 27: white space in or behind a field name"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if r.Method != PUT || string(r.Target()) != "/x" || string(r.Path()) != "/x" || r.Len() != 1 {
		t.Errorf("after the fault: %v %q, %d fields", r.Method, r.Target(), r.Len())
	}
}

func TestParseRequestAllocates(t *testing.T) {
	buf := []byte(wrkHead)
	var r Request
	got := testing.AllocsPerRun(100, func() {
		if n, err := ParseRequest(&r, buf, DefaultLimits); n == 0 || err != nil {
			t.Fatal(n, err)
		}
		r.Add(Via, buf[:3])
	})
	if got != 0 {
		t.Errorf("ParseRequest and Add allocate %v times, want 0", got)
	}
}

func TestRequestBuilding(t *testing.T) {
	var r Request
	r.SetMethod(POST)
	r.SetTarget([]byte("/a?b"))
	r.SetAuthority([]byte("h"))
	r.Add(Cookie, []byte("c"))
	r.AddNamed("X-D", []byte("d"))
	r.Upgrade, r.Trailers = true, true
	r.SetProtocol([]byte("old"))
	r.SetProtocol([]byte("websocket"))
	want := "POST /a?b HTTP/1.1\r\nHost: h\r\nCookie: c\r\nX-D: d\r\nContent-Length: 0\r\n" +
		"Connection: Upgrade, TE\r\nUpgrade: websocket\r\nTE: trailers\r\n\r\n"
	if got := string(AppendRequest(nil, &r, Destination{})); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	r.Method = HEAD
	if got := string(r.MethodText()); got != "HEAD" {
		t.Errorf("method %q, want HEAD", got)
	}
	r.SetMethodText([]byte("MKCOL"))
	r.Length, r.Upgrade, r.Trailers = Unknown, false, false
	want = "MKCOL /a?b HTTP/1.1\r\nHost: h\r\nCookie: c\r\nX-D: d\r\nTransfer-Encoding: chunked\r\n\r\n"
	if got := string(AppendRequest(nil, &r, Destination{})); got != want || r.Method != OtherMethod {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRequestCopy(t *testing.T) {
	buf := []byte(wrkHead)
	var r, c Request
	c.SetTarget([]byte("/something/before"))
	if _, err := ParseRequest(&r, buf, DefaultLimits); err != nil {
		t.Fatal(err)
	}
	r.Interim = func(int, *Head) {}
	want := string(AppendRequest(nil, &r, Destination{}))
	c.CopyFrom(&r)
	r.CopyFrom(&r)
	for i := range buf {
		buf[i] = '#'
	}
	for name, q := range map[string]*Request{"copy": &c, "copy of itself": &r} {
		if got := string(AppendRequest(nil, q, Destination{})); got != want || q.Interim != nil {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	c.Reset()
	if c.Method != OtherMethod || c.Len() != 0 || len(c.Target()) != 0 || c.Has(Accept) {
		t.Errorf("after Reset: %q, %d fields", c.Target(), c.Len())
	}
}
