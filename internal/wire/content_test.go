package wire

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// contentOf returns content framed as f on data, which comes as shape gives
// it, through a buffer of size bytes.
func contentOf(data string, f Framing, size int, shape func(io.Reader) io.Reader) (*Content, *Input) {
	in := &Input{Src: shape(strings.NewReader(data)), Buf: make([]byte, size)}
	c := new(Content)
	c.Reset(in, f, Limits{Head: 200, Chunk: 64, Fields: 4})
	return c, in
}

func whole(r io.Reader) io.Reader { return r }

// shapes are the ways in which bytes may come.
var shapes = map[string]func(io.Reader) io.Reader{
	"whole": whole, "byte by byte": iotest.OneByteReader, "half": iotest.HalfReader, "with its error": iotest.DataErrReader,
}

func TestContent(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 1000)
	tests := []struct {
		name, data    string
		framing       Framing
		want, trailer string
		rest          string // what is left for the next message
		err           error  // other than io.EOF: what is inside
	}{
		{"none", "GET", 0, "", "", "GET", nil},
		{"length", "helloGET", 5, "hello", "", "GET", nil},
		{"length, cut short", "hell", 5, "hell", "", "", io.ErrUnexpectedEOF},
		{"length, large", big + "GET", Framing(len(big)), big, "", "GET", nil},
		{"until close", "hello", UntilClose, "hello", "", "", nil},
		{"until close, nothing", "", UntilClose, "", "", "", nil},
		{"until close, large", big, UntilClose, big, "", "", nil},
		{"chunked", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET", Chunked, "hello world", "", "GET", nil},
		{"chunked, large", "3E80\r\n" + big + "\r\n0\r\n\r\n", Chunked, big, "", "", nil},
		{"chunked, empty", "000\r\n\r\nGET", Chunked, "", "", "GET", nil},
		{"RFC 9112, 7.1.1: extensions", "1;a\r\nx\r\n1 ;\tb=\"c;\xff\" \r\ny\r\n0;z\r\n\r\n", Chunked, "xy", "", "", nil},
		{"RFC 9112, 7.1.2: trailers", "1\r\nx\r\n0\r\nX-A: b\r\nDigest:c\r\n\r\nGET", Chunked, "x", "X-A: b\r\nDigest: c\r\n", "GET", nil},
		{
			"RFC 9110, 6.5.1: fields that may not be trailers",
			"0\r\nContent-Length: 3\r\nset-cookie: a\r\nETag: b\r\nHost: c\r\n\r\n", Chunked, "", "ETag: b\r\n", "", nil,
		},
		{"RFC 9110, 6.5.1: only such fields", "0\r\nAuthorization: a\r\n\r\n", Chunked, "", "", "", nil},
		{"chunked, cut in the data", "5\r\nhel", Chunked, "hel", "", "", io.ErrUnexpectedEOF},
		{"chunked, cut behind the data", "5\r\nhello", Chunked, "hello", "", "", io.ErrUnexpectedEOF},
		{"chunked, cut before the last chunk", "5\r\nhello\r\n", Chunked, "hello", "", "", io.ErrUnexpectedEOF},
		{"chunked, cut in the last chunk", "5\r\nhello\r\n0", Chunked, "hello", "", "", io.ErrUnexpectedEOF},
		{"chunked, cut before the end", "5\r\nhello\r\n0\r\n\r", Chunked, "hello", "", "", io.ErrUnexpectedEOF},
		{"chunked, cut in the trailers", "0\r\nA: b\r\n", Chunked, "", "", "", io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		for shape, reader := range shapes {
			for _, size := range []int{1, 7, 64, 32 << 10} {
				c, in := contentOf(tt.data, tt.framing, size, reader)
				got, err := io.ReadAll(c)
				if string(got) != tt.want || !errors.Is(err, tt.err) {
					t.Errorf("%s, %s, buffer %d: %.60q, %v, want %.60q, %v", tt.name, shape, size, got, err, tt.want, tt.err)
				}
				if c.Done() != (tt.err == nil) || c.TotalRead() != int64(len(tt.want)) {
					t.Errorf("%s, %s, buffer %d: done %v, %d bytes", tt.name, shape, size, c.Done(), c.TotalRead())
				}
				var trailer []byte
				if h := c.Trailer(); h != nil {
					trailer = h.AppendFields(nil, NameSet{})
				}
				rest, _ := io.ReadAll(in.Src)
				rest = append(in.Unread(), rest...)
				if string(trailer) != tt.trailer || string(rest) != tt.rest {
					t.Errorf("%s, %s, buffer %d: trailer %q, rest %q, want %q, %q", tt.name, shape, size, trailer, rest, tt.trailer, tt.rest)
				}
			}
		}
	}
}

// TestTrailerNominated: what Connection in the head lists is no trailer for
// the next hop, but for what nobody may take away (RFC 9110, 7.6.1).
func TestTrailerNominated(t *testing.T) {
	for _, tt := range []struct{ fields, want string }{
		{"", "X-A: 1\r\nx-b: 2\r\nETag: \"c\"\r\n"},
		{"Connection: X-B\r\n", "X-A: 1\r\nETag: \"c\"\r\n"},
		{"Connection: close, x-a\r\nConnection: etag\r\n", "x-b: 2\r\n"},
	} {
		var r Response
		head := []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + tt.fields + "\r\n")
		if _, err := ParseResponse(&r, head, GET, Limits{}); err != nil {
			t.Fatal(err)
		}
		c, _ := contentOf("1\r\nx\r\n0\r\nX-A: 1\r\nx-b: 2\r\nETag: \"c\"\r\n\r\n", Chunked, 64, whole)
		c.Of = &r.Head
		if _, err := io.Copy(io.Discard, c); err != nil {
			t.Fatal(err)
		}
		if got := string(c.Trailer().AppendFields(nil, NameSet{})); got != tt.want {
			t.Errorf("%q: trailer %q, want %q", tt.fields, got, tt.want)
		}
	}
}

func TestChunkedRefused(t *testing.T) {
	tests := []struct {
		name, data string
		status     int // for a client
	}{
		{"no size", "\r\n", 400},
		{"no hex digit", "g\r\n", 400},
		{"sign", "-1\r\n", 400},
		{"prefix", "0x1\r\n", 400},
		{"blank first", " 1\r\nx\r\n", 400},
		{"extension without size", ";a\r\n", 400},
		{"overflow", "8000000000000000\r\n", 400},
		{"wrapping round to 1", "10000000000000001\r\n", 400},
		{"17 digits", "00000000000000001\r\nx\r\n", 400},
		{"LF behind the size", "1\nx\r\n", 400},
		{"LF in an extension", "1;a\nx\r\n", 400},
		{"CR in an extension", "1;a\rb\r\nx\r\n", 400},
		{"NUL in an extension", "1;\x00\r\nx\r\n", 400},
		{"junk behind the size", "1 a\r\nx\r\n", 400},
		{"underscore in the size", "1_0\r\nx\r\n", 400},
		{"size line too long", "1;" + strings.Repeat("a", 64) + "\r\nx\r\n", 400},
		{"no CR LF behind the data", "1\r\nxy\r\n", 400},
		{"LF behind the data", "1\r\nx\n0\r\n\r\n", 400},
		{"CR CR behind the data", "1\r\nx\r\r\n", 400},
		{"LF for the end", "0\r\n\n", 400},
		{"LF behind a trailer", "0\r\nA: b\n\r\n", 400},
		{"CR in a trailer", "0\r\nA: b\rc\r\n\r\n", 400},
		{"obs-fold in a trailer", "0\r\nA: b\r\n c\r\n\r\n", 400},
		{"no name in a trailer", "0\r\n: b\r\n\r\n", 400},
		{"no trailer", "0\r\nGET / HTTP/1.1\r\n\r\n", 400},
		{"trailers too large", "0\r\nA: " + strings.Repeat("a", 200) + "\r\n\r\n", 431},
		{"too many trailers", "0\r\n" + strings.Repeat("A: b\r\n", 5) + "\r\n", 431},
		{"extensions without end", strings.Repeat("1;"+strings.Repeat("a", 60)+"\r\nx\r\n", 2000), 400},
	}
	for _, tt := range tests {
		for shape, reader := range shapes {
			for _, side := range []Side{Client, Upstream} {
				c, _ := contentOf(tt.data, Chunked, 64, reader)
				c.Side = side
				status := tt.status
				if side == Upstream {
					status = 502
				}
				_, err := io.Copy(io.Discard, c)
				var e *Error
				if !errors.As(err, &e) || e.Side != side || e.Status != status || errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%s, %s: %.80q: %v, want %v, status %d", tt.name, shape, tt.data, err, side, status)
				}
				if _, again := c.Read(make([]byte, 1)); again != err || c.Done() || c.Trailer() != nil {
					t.Errorf("%s, %s: then %v, done %v, trailer %v", tt.name, shape, again, c.Done(), c.Trailer())
				}
			}
		}
	}
}

// Blanks behind a size are what some servers pad it with.
func TestChunkPadding(t *testing.T) {
	for side, want := range map[Side]bool{Client: false, Upstream: true} {
		c, _ := contentOf("1  \r\nx\r\n0 \r\n\r\n", Chunked, 64, whole)
		c.Side = side
		if got, err := io.ReadAll(c); (err == nil) != want || want && string(got) != "x" {
			t.Errorf("%v: %q, %v", side, got, err)
		}
	}
}

func TestContentBefore(t *testing.T) {
	c, _ := contentOf("hello", 5, 64, whole)
	calls := 0
	c.Before = func() error { calls++; return nil }
	if c.Discard(100) || calls != 0 {
		t.Errorf("Discard took content that nobody had asked for, or asked %d times", calls)
	}
	if got, err := io.ReadAll(iotest.OneByteReader(c)); string(got) != "hello" || err != nil || calls != 1 {
		t.Errorf("%q, %v after %d calls, want hello after 1", got, err, calls)
	}
	c, _ = contentOf("hello", 5, 64, whole)
	c.Before = func() error { return os.ErrPermission }
	for range 2 {
		if n, err := c.Read(make([]byte, 9)); n != 0 || err != os.ErrPermission {
			t.Errorf("Read = %d, %v, want Before's error", n, err)
		}
	}
	c, _ = contentOf("", 0, 64, whole)
	c.Before = func() error { t.Error("Before called without content"); return nil }
	if _, err := c.Read(make([]byte, 9)); err != io.EOF {
		t.Errorf("Read: %v, want EOF", err)
	}
}

func TestContentDiscard(t *testing.T) {
	tests := []struct {
		data    string
		framing Framing
		limit   int64
		want    bool
		total   int64
	}{
		{"", 0, 0, true, 0},
		{"hello", 5, 5, true, 5},
		{"hello", 5, 1<<63 - 1, true, 5},
		{"hello", 5, 4, false, 0},
		{"hel", 5, 5, false, 3},
		{"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", Chunked, 5, true, 5},
		{"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", Chunked, 4, false, 5},
		{"hello", UntilClose, 5, true, 5},
		{"hello", UntilClose, 3, false, 4},
	}
	for _, tt := range tests {
		for shape, reader := range shapes {
			c, _ := contentOf(tt.data, tt.framing, 64, reader)
			if got := c.Discard(tt.limit); got != tt.want || c.TotalRead() != tt.total {
				t.Errorf("%q, %s: Discard(%d) = %v after %d bytes, want %v, %d", tt.data, shape, tt.limit, got, c.TotalRead(), tt.want, tt.total)
			}
		}
	}
}

func TestContentZero(t *testing.T) {
	var c Content
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF || !c.Done() || c.Trailer() != nil || !c.Discard(0) {
		t.Errorf("Read of the zero Content = %d, %v, done %v", n, err, c.Done())
	}
}

func TestContentClose(t *testing.T) {
	c, _ := contentOf("hello", 5, 64, whole)
	c.Interrupt = func() { t.Error("Interrupt though no Read was running") }
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if n, err := c.Read(make([]byte, 9)); n != 0 || err != os.ErrClosed || c.Done() || c.Discard(9) {
		t.Errorf("Read behind Close = %d, %v, done %v", n, err, c.Done())
	}
	c, _ = contentOf("hello", 5, 64, whole)
	if _, err := io.ReadAll(c); err != nil {
		t.Error(err)
	}
	if _ = c.Close(); !c.Done() {
		t.Error("Close behind the end undoes it")
	}
}

func TestContentInterrupted(t *testing.T) {
	for _, framing := range []Framing{9, Chunked, UntilClose} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			defer func() { _, _ = near.Close(), far.Close() }()
			c := new(Content)
			c.Interrupt = func() { _ = near.SetReadDeadline(time.Unix(1, 0)) }
			c.Reset(&Input{Src: near, Buf: make([]byte, 64)}, framing, Limits{})
			read := make(chan error)
			go func() {
				_, err := io.ReadAll(c)
				read <- err
			}()
			synctest.Wait()
			_, _ = c.Close(), c.Close()
			if err := <-read; err != os.ErrClosed || c.Done() {
				t.Errorf("framing %d: interrupted Read: %v, want %v", framing, err, os.ErrClosed)
			}
		})
	}
}

func TestContentTimeout(t *testing.T) {
	for side, status := range map[Side]int{Client: 408, Upstream: 504} {
		c, _ := contentOf("", 5, 64, func(io.Reader) io.Reader { return iotest.ErrReader(os.ErrDeadlineExceeded) })
		c.Side = side
		_, err := c.Read(make([]byte, 1))
		var e *Error
		if !errors.As(err, &e) || e.Status != status || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v: %v, want status %d", side, err, status)
		}
	}
}

// A head that borrows the Input's buffer is to be left alone.
func TestInputBase(t *testing.T) {
	src := strings.NewReader("HEADhello, world, how do you do")
	in := &Input{Src: src, Buf: make([]byte, 10)}
	if err := in.Fill(); err != nil {
		t.Fatal(err)
	}
	in.R, in.Base = 4, 4
	var c Content
	c.Reset(in, 20, Limits{})
	got, err := io.ReadAll(iotest.OneByteReader(&c))
	if string(got) != "hello, world, how do" || err != nil || string(in.Buf[:4]) != "HEAD" {
		t.Errorf("%q, %v, head %q", got, err, in.Buf[:4])
	}
	in.R, in.W, in.Base = 0, 10, 0
	if err := in.Fill(); err != io.ErrShortBuffer {
		t.Errorf("Fill of a full buffer: %v, want %v", err, io.ErrShortBuffer)
	}
	in.R = 8
	if err := in.Fill(); err != nil || string(in.Unread()[:4]) == "HEAD" || in.R != 0 {
		t.Errorf("Fill does not move: %q, %v", in.Unread(), err)
	}
	in = &Input{Src: iotest.ErrReader(nil), Buf: make([]byte, 10)}
	if err := in.Fill(); err != io.ErrNoProgress {
		t.Errorf("Fill from a reader that gives nothing: %v, want %v", err, io.ErrNoProgress)
	}
}

func TestContentAllocates(t *testing.T) {
	src := bytes.NewReader(nil)
	data := []byte("hello")
	chunks := []byte("5\r\nhello\r\n0\r\nA: b\r\n\r\n")
	in := &Input{Src: src, Buf: make([]byte, 512)}
	var c Content
	p := make([]byte, 64)
	got := testing.AllocsPerRun(100, func() {
		src.Reset(data)
		c.Reset(in, 5, DefaultLimits)
		if n, err := c.Read(p); n != 5 || err != nil || !c.Done() {
			t.Fatal(n, err)
		}
		src.Reset(chunks)
		c.Reset(in, Chunked, DefaultLimits)
		if n, err := c.Read(p); n != 5 || err != nil || !c.Done() || c.Trailer() == nil {
			t.Fatal(n, err)
		}
	})
	if got != 0 {
		t.Errorf("content allocates %v times, want 0", got)
	}
}
