package origin

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	"opencache/internal/wire"
)

// FuzzAnswer lets an upstream say anything and then close. Whatever it is, the
// exchange ends, no place is lost, content with a length is as long as that
// when it is whole, a connection is kept only at the end of what was said, and
// what is taken is what net/http takes for the answer, where it takes one.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		ok2, ok2 + ok2, "HTTP/1.1 200 OK\r\n\r\nx", "HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 103 x\r\nLink: y\r\n\r\n" + ok2, "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\ny",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nETag: x\r\n\r\n",
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nok",
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, said []byte, upgrade bool) {
		if len(said) > flowSize {
			return
		}
		c, s := pipe()
		c.blind = true // or the end would be seen before the request is sent
		_, _ = s.Write(said)
		_ = s.CloseWrite()
		u := &Upstream{Scheme: "http", Addr: "origin:80", Dial: func(context.Context, string, string) (net.Conn, error) { return c, nil }}
		defer func() { _ = u.Close() }()
		r := get(t)
		r.Upgrade = upgrade
		r.Interim = func(status int, h *wire.Head) { h.AppendFields(nil, wire.NameSet{}) }
		resp, err := u.Exchange(context.Background(), r)
		theirs := finalAnswer(said)
		switch {
		case err != nil:
		case theirs != nil && theirs.status != resp.Status:
			t.Errorf("said %q: got status %d, net/http %d", said, resp.Status, theirs.status)
		case resp.Tunnel != nil:
			_, _ = io.ReadAll(resp.Tunnel)
			_ = resp.Tunnel.Close()
		case resp.Body != nil:
			b, err := io.ReadAll(resp.Body)
			if err == nil && resp.Length >= 0 && int64(len(b)) != resp.Length {
				t.Errorf("said %q: %d bytes are whole, want %d", said, len(b), resp.Length)
			}
			if !bytes.Contains(said, b) && resp.Length >= 0 {
				t.Errorf("said %q: content %q is not in it", said, b)
			}
			if err == nil && theirs != nil && !bytes.Equal(b, theirs.content) {
				t.Errorf("said %q: got content %q, net/http %q", said, b, theirs.content)
			}
			_ = resp.Body.Close()
		}
		st := u.Stats()
		if st.Open != st.Idle {
			t.Errorf("said %q: %d open, %d kept", said, st.Open, st.Idle)
		}
		if left := len(c.in.data); st.Idle == 1 && left > 0 {
			t.Errorf("said %q: kept with %d bytes left", said, left)
		}
		if st.Idle == 1 && theirs != nil && theirs.left > 0 {
			t.Errorf("said %q: kept, though net/http says that %d bytes are left", said, theirs.left)
		}
	})
}

// An answered is what net/http makes of an answer to GET.
type answered struct {
	status  int
	content []byte
	left    int // bytes behind it
}

// finalAnswer reads past interim responses; nil when net/http takes nothing.
func finalAnswer(said []byte) *answered {
	src := bytes.NewReader(said)
	br := bufio.NewReader(src)
	for {
		resp, err := http.ReadResponse(br, &http.Request{Method: "GET"})
		if err != nil {
			return nil
		}
		content, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil
		}
		if resp.StatusCode >= 200 || resp.StatusCode == 101 {
			return &answered{resp.StatusCode, content, br.Buffered() + src.Len()}
		}
	}
}
