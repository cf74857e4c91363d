package wire

import (
	"errors"
	"strings"
	"testing"
)

func TestResponseFraming(t *testing.T) {
	tests := []struct {
		section string
		method  Method
		head    string
		length  int64
		framing Framing
		close   bool
	}{
		{"RFC 9112, 6.3, item 6", GET, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", 5, 5, false},
		{"RFC 9112, 6.3, item 4", GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n", Unknown, Chunked, false},
		{"RFC 9112, 6.3, item 8", GET, "HTTP/1.1 200 OK\r\n", Unknown, UntilClose, true},
		{"RFC 9112, 6.3, item 8, HTTP/1.0", GET, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", Unknown, UntilClose, true},
		{"RFC 9112, 9.3", GET, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n", 0, 0, false},
		{"RFC 9112, 9.3, HTTP/1.0", GET, "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n", 1, 1, true},
		{"RFC 9112, 9.6", GET, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n", 1, 1, true},
		{"RFC 9112, 6.3, item 1, HEAD", HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", 5, 0, false},
		{"RFC 9112, 6.3, item 1, HEAD without length", HEAD, "HTTP/1.1 200 OK\r\n", Unknown, 0, false},
		{"RFC 9112, 6.3, item 1, HEAD chunked", HEAD, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", Unknown, 0, false},
		{"RFC 9112, 6.3, item 1, 304", GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n", 5, 0, false},
		{"RFC 9112, 6.3, item 1, 204", GET, "HTTP/1.1 204 No Content\r\n", 0, 0, false},
		{"RFC 9112, 6.3, item 1, 204 to HEAD", HEAD, "HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n", 0, 0, false},
		{"RFC 9112, 6.3, item 1, 103", GET, "HTTP/1.1 103 Early Hints\r\n", 0, 0, false},
		{"RFC 9112, 6.3, item 2", CONNECT, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n", 0, 0, false},
		{"RFC 9112, 4: no reason", GET, "HTTP/1.1 299 \r\nContent-Length: 1\r\n", 1, 1, false},
		{"RFC 9112, 4: no space either", GET, "HTTP/1.1 299\r\nContent-Length: 1\r\n", 1, 1, false},
		{"RFC 9112, 4: obs-text", GET, "HTTP/1.1 404 Gibt\t's \xe4\r\nContent-Length: 1\r\n", 1, 1, false},
		{"RFC 9110, 2.5", GET, "HTTP/1.4 200 OK\r\nContent-Length: 1\r\n", 1, 1, false},
	}
	for _, tt := range tests {
		var r Response
		head := tt.head + "\r\n"
		n, err := ParseResponse(&r, []byte(head), tt.method, Limits{})
		if n != len(head) || err != nil {
			t.Errorf("%s: ParseResponse(%q) = %d, %v", tt.section, head, n, err)
			continue
		}
		if r.Length != tt.length || r.Framing() != tt.framing || r.Close != tt.close || r.Names() != (NameSet{}) {
			t.Errorf("%s: %q: length %d, framing %d, close %v, names %b; want %d, %d, %v, none", tt.section, head,
				r.Length, r.Framing(), r.Close, r.Names(), tt.length, tt.framing, tt.close)
		}
	}
}

func TestResponseRefused(t *testing.T) {
	ok := func(fields string) string { return "HTTP/1.1 200 OK\r\n" + fields + "\r\n" }
	tests := []struct{ section, head string }{
		{"RFC 9112, 4: no status line", "<html>"},
		{"RFC 9112, 4: empty line first", "\r\nHTTP/1.1 200 OK\r\n"},
		{"RFC 9112, 4: no status", "HTTP/1.1 OK\r\n"},
		{"RFC 9112, 4: two digits", "HTTP/1.1 20 OK\r\n"},
		{"RFC 9112, 4: four digits", "HTTP/1.1 2000 OK\r\n"},
		{"RFC 9112, 4: two spaces", "HTTP/1.1  200 OK\r\n"},
		{"RFC 9112, 4: tab", "HTTP/1.1\t200 OK\r\n"},
		{"RFC 9112, 4: sign", "HTTP/1.1 +20 OK\r\n"},
		{"RFC 9110, 15: status below 100", "HTTP/1.1 099 OK\r\n"},
		{"RFC 9110, 15: status above 599", "HTTP/1.1 600 OK\r\n"},
		{"RFC 9112, 4: control byte in the reason", "HTTP/1.1 200 O\x01K\r\n"},
		{"RFC 9112, 2.2: bare CR in the reason", "HTTP/1.1 200 O\rK\r\n"},
		{"RFC 9112, 2.2: bare LF", "HTTP/1.1 200 OK\n"},
		{"RFC 9112, 2.3: other major", "HTTP/2.0 200 OK\r\n"},
		{"RFC 9112, 2.3: other name", "HTTQ/1.1 200 OK\r\n"},
		{"RFC 9112, 2.3: ICY", "ICY 200 OK\r\n"},
		{"RFC 9112, 6.3, item 3", ok("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n")},
		{"RFC 9112, 6.3, item 5", ok("Content-Length: 1\r\nContent-Length: 1\r\n")},
		{"RFC 9112, 6.3, item 5, list", ok("Content-Length: 1,1\r\n")},
		{"RFC 9112, 6.1: other coding", ok("Transfer-Encoding: gzip, chunked\r\n")},
		{"RFC 9112, 6.3, item 4: not chunked", ok("Transfer-Encoding: gzip\r\n")},
		{"RFC 9112, 6.1: HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"RFC 9112, 5.2: obs-fold", ok("A: b\r\n c\r\n")},
		{"RFC 9112, 5.1: space before the colon", ok("A : b\r\n")},
		{"RFC 9110, 5.5: NUL", ok("A: \x00\r\n")},
		{"status line too long", "HTTP/1.1 200 " + strings.Repeat("x", 600)},
		{"head too large", ok("A: " + strings.Repeat("x", 1100) + "\r\n")},
		{"too many fields", ok(strings.Repeat("A:\r\n", 9))},
	}
	for _, tt := range tests {
		var r Response
		n, err := ParseResponse(&r, []byte(tt.head), GET, Limits{Line: 512, Head: 1024, Fields: 8})
		var e *Error
		if n != 0 || !errors.As(err, &e) || e.Side != Upstream || e.Status != 502 {
			t.Errorf("%s: ParseResponse(%q) = %d, %v, want 502", tt.section, tt.head, n, err)
		}
	}
}

func TestResponseSwitching(t *testing.T) {
	var r, c Response
	head := []byte("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nX: y\r\nHost: z\r\n\r\n")
	if n, err := ParseResponse(&r, head, GET, Limits{}); n != len(head) || err != nil {
		t.Fatalf("ParseResponse(%q) = %d, %v", head, n, err)
	}
	c.CopyFrom(&r)
	r.Reset()
	if got := string(c.Protocol()); got != "websocket" || c.Status != 101 {
		t.Errorf("%d, protocol %q, want 101, websocket", c.Status, got)
	}
	if got := string(c.AppendFields(nil, NameSet{})); got != "X: y\r\nHost: z\r\n" {
		t.Errorf("fields %q", got)
	}
	if r.Protocol() != nil || r.Status != 0 {
		t.Errorf("after Reset: status %d", r.Status)
	}
	r.SetProtocol([]byte("h2c"))
	if got := string(r.Protocol()); got != "h2c" || r.Has(Upgrade) {
		t.Errorf("protocol %q, want h2c, hidden", got)
	}
}

func TestParseResponseAllocates(t *testing.T) {
	buf := []byte(originHead)
	var r Response
	got := testing.AllocsPerRun(100, func() {
		if n, err := ParseResponse(&r, buf, GET, DefaultLimits); n == 0 || err != nil {
			t.Fatal(n, err)
		}
	})
	if got != 0 {
		t.Errorf("ParseResponse allocates %v times, want 0", got)
	}
}
