package wire

import (
	"slices"
	"testing"
)

// roomy takes whatever a head within the default limits is sent on as.
var roomy = Limits{Line: 1 << 20, Head: 1 << 20, Fields: 1 << 12}

func requestSeeds(f *testing.F) {
	for _, s := range []string{
		wrkHead,
		"\r\nPOST http://a:1/b?c HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\n\r\nabc",
		"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\nTE: trailers\r\nConnection: TE, x\r\nX: y\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: [::1]\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
		"OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n",
		"GET / HTTP/1.1\nHost: a\n\n",
	} {
		f.Add(s)
	}
}

func FuzzParseRequest(f *testing.F) {
	requestSeeds(f)
	f.Fuzz(func(t *testing.T, data string) {
		buf := []byte(data)
		var r Request
		n, err := ParseRequest(&r, buf, Limits{})
		if n < 0 || n > len(buf) || n > 0 && err != nil {
			t.Fatalf("ParseRequest(%q) = %d, %v", data, n, err)
		}
		if string(buf) != data {
			t.Fatalf("ParseRequest changed %q to %q", data, buf)
		}
		for i := range prefixes(buf, n) {
			var p Request
			m, perr := ParseRequest(&p, buf[:i], Limits{})
			if m != 0 || perr != nil && err == nil {
				t.Fatalf("ParseRequest(%q) = %d, %v, though of all %d, %v", buf[:i], m, perr, n, err)
			}
		}
		if n > 0 && len(r.Authority()) > 0 {
			sameAgain(t, &r, data)
		}
	})
}

// prefixes yields lengths of prefixes: all of a short buffer, some of a long.
func prefixes(buf []byte, n int) func(func(int) bool) {
	end := len(buf)
	if n > 0 {
		end = n
	}
	return func(yield func(int) bool) {
		for i := 0; i < end; i += 1 + end/300 {
			if !yield(i) {
				return
			}
		}
	}
}

// sameAgain checks that r as it is sent on means the same to the next parser.
func sameAgain(t *testing.T, r *Request, data string) {
	t.Helper()
	sent := AppendRequest(nil, r, Destination{})
	var q Request
	if n, err := ParseRequest(&q, sent, roomy); n != len(sent) || err != nil {
		t.Fatalf("%q sent as %q: %d, %v", data, sent, n, err)
	}
	rq, rok := r.Query()
	qq, qok := q.Query()
	if string(r.MethodText()) != string(q.MethodText()) || string(r.Authority()) != string(q.Authority()) ||
		string(r.Path()) != string(q.Path()) || string(rq) != string(qq) || rok != qok {
		t.Fatalf("%q sent as %q: start line differs", data, sent)
	}
	if r.Length != q.Length || r.Upgrade != q.Upgrade || r.Trailers != q.Trailers || r.Names() != q.Names() {
		t.Fatalf("%q sent as %q: digests differ", data, sent)
	}
	if a, b := r.AppendFields(nil, NameSet{}), q.AppendFields(nil, NameSet{}); !slices.Equal(a, b) {
		t.Fatalf("%q: fields %q, sent as %q", data, a, b)
	}
}

func FuzzParseResponse(f *testing.F) {
	for _, s := range []string{
		originHead,
		"HTTP/1.0 304 Not Modified\r\nConnection: x, y\r\nX: y\r\n\r\n",
		"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 101 \r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
	} {
		f.Add(s, uint8(GET))
		f.Add(s, uint8(HEAD))
	}
	f.Fuzz(func(t *testing.T, data string, method uint8) {
		buf, m := []byte(data), Method(method)
		var r Response
		n, err := ParseResponse(&r, buf, m, Limits{})
		if n < 0 || n > len(buf) || n > 0 && err != nil || string(buf) != data {
			t.Fatalf("ParseResponse(%q) = %d, %v", data, n, err)
		}
		for i := range prefixes(buf, n) {
			var p Response
			k, perr := ParseResponse(&p, buf[:i], m, Limits{})
			if k != 0 || perr != nil && err == nil {
				t.Fatalf("ParseResponse(%q) = %d, %v, though of all %d, %v", buf[:i], k, perr, n, err)
			}
		}
		if n == 0 {
			return
		}
		var q Response
		sent := append(r.AppendFields(AppendStatus(nil, r.Status), NameSet{}), "\r\n"...)
		if k, err := ParseResponse(&q, sent, m, roomy); k != len(sent) || err != nil || q.Status != r.Status || q.Names() != r.Names() {
			t.Fatalf("%q sent as %q: %d, %v", data, sent, k, err)
		}
		if a, b := r.AppendFields(nil, NameSet{}), q.AppendFields(nil, NameSet{}); !slices.Equal(a, b) {
			t.Fatalf("%q: fields %q, sent as %q", data, a, b)
		}
	})
}
