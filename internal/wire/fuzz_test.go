package wire

import (
	"bytes"
	"io"
	"regexp"
	"slices"
	"strings"
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
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\ncontent-length:5\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"PUT /%zz/%2 HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
		"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
		"PURGE /%7e HTTP/1.1\r\nHost: a\r\nContent-Length: 007\r\n\r\n",
	} {
		f.Add(s)
	}
}

// The grammar once more, as RFC 9112 and RFC 9110 have it, in expressions over
// text in which each byte is one character.
const (
	tcharRE  = "[!#$%&'*+.^_`|~0-9A-Za-z-]"
	vcharRE  = `[\t -~\x{80}-\x{ff}]`
	fieldsRE = `((?:` + tcharRE + `+:[\t ]*(?:` + vcharRE + `*)\r\n)*)\r\n`
	pcharRE  = `(?:[0-9A-Za-z._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})`
	hostRE   = `[0-9A-Za-z._~-]+(?::[0-9]{1,4})?`
)

var (
	// whatever is taken is of this form
	looseRequest = regexp.MustCompile(`^(?:\r\n)?(` + tcharRE + `+) ([!"$->?-~]+) HTTP/1\.([0-9])\r\n` + fieldsRE + `$`)
	looseStatus  = regexp.MustCompile(`^HTTP/1\.([0-9]) ([1-5][0-9]{2})(?: ` + vcharRE + `*)?\r\n` + fieldsRE + `$`)
	triplet      = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
	fieldRE      = regexp.MustCompile(`(?:^|\n)(` + tcharRE + `+):[\t ]*(` + vcharRE + `*?)[\t ]*\r`)
	// whatever is of this form, has one Host and no field for framing, is taken
	strictRequest = regexp.MustCompile(`^(?:GET|POST|X-[a-z]+) (?:/` + pcharRE + `*)+(?:\?(?:` + pcharRE + `|[/?])*)? HTTP/1\.1\r\n` +
		`Host: ` + hostRE + `\r\n((?:X-` + tcharRE + `*:[\t ]*` + vcharRE + `*\r\n)*)\r\n`)
	strictStatus = regexp.MustCompile(`^HTTP/1\.1 [1-5][0-9]{2} ` + vcharRE + `*\r\n((?:X-` + tcharRE + `*:[\t ]*` + vcharRE + `*\r\n)*)\r\n`)
)

// latin1 makes each byte a character, as expressions see them.
func latin1(b string) string {
	r := make([]rune, len(b))
	for i := range len(b) {
		r[i] = rune(b[i])
	}
	return string(r)
}

// framingOf takes the fields of a head apart in its own way: the values of
// those for framing, which must not contradict each other.
func framingOf(t *testing.T, head, fields string) (lengths, codings, hosts []string) {
	t.Helper()
	for _, m := range fieldRE.FindAllStringSubmatch(fields, -1) {
		switch strings.ToLower(m[1]) {
		case "content-length":
			lengths = append(lengths, m[2])
		case "transfer-encoding":
			codings = append(codings, m[2])
		case "host":
			hosts = append(hosts, m[2])
		}
	}
	if len(lengths) > 1 || len(codings) > 1 || len(lengths) > 0 && len(codings) > 0 {
		t.Fatalf("%q: taken with lengths %q and codings %q", head, lengths, codings)
	}
	if len(codings) == 1 && !strings.EqualFold(codings[0], "chunked") {
		t.Fatalf("%q: taken with the coding %q", head, codings)
	}
	if len(lengths) == 1 && strings.Trim(lengths[0], "0123456789") != "" {
		t.Fatalf("%q: taken with the length %q", head, lengths)
	}
	return lengths, codings, hosts
}

// inside checks that what h says lies in the head of n bytes.
func inside(t *testing.T, h *Head, head string) {
	t.Helper()
	for i := range h.Len() {
		_, name, value, _ := h.At(i)
		if len(name) == 0 || !strings.Contains(head, string(name)+":") || !strings.Contains(head, string(value)) {
			t.Fatalf("%q: field %q with value %q is not in it", head, name, value)
		}
	}
}

// FuzzParseRequest: a head is refused, or incomplete with each of its prefixes,
// or taken and then of the grammar, framed in one way, and the same to the
// next parser when it is sent on.
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
		if text := latin1(data); n == 0 && len(data) < 1_000 && strictRequest.MatchString(text) {
			t.Fatalf("ParseRequest(%q) = %d, %v, though it is all right", data, n, err)
		}
		if n > 0 {
			requestIsSound(t, &r, data[:n])
		}
		if n > 0 && len(r.Authority()) > 0 {
			sameAgain(t, &r, data)
		}
	})
}

// requestIsSound holds a request that was taken against the grammar.
func requestIsSound(t *testing.T, r *Request, head string) {
	t.Helper()
	m := looseRequest.FindStringSubmatch(latin1(head))
	if m == nil {
		t.Fatalf("%q: taken, though of no request's grammar", head)
	}
	if string(r.MethodText()) != m[1] || string(r.Target()) != m[2] || r.Minor != min(m[3][0]-'0', 1) {
		t.Fatalf("%q: got method %q, target %q, minor version %d", head, r.MethodText(), r.Target(), r.Minor)
	}
	if strings.Contains(triplet.ReplaceAllString(string(r.Path()), ""), "%") {
		t.Fatalf("%q: path %q has a percent sign that begins no triplet", head, r.Path())
	}
	lengths, codings, hosts := framingOf(t, head, m[4])
	switch {
	case len(hosts) > 1 || len(hosts) == 0 && r.Minor > 0:
		t.Fatalf("%q: taken with %d Host", head, len(hosts))
	case len(codings) > 0 && (r.Length != Unknown || r.Minor == 0),
		len(codings) == 0 && len(lengths) == 0 && r.Length != 0,
		len(lengths) > 0 && strings.TrimLeft(string(AppendLength(nil, r.Length)[len("Content-Length: "):]), "0") != strings.TrimLeft(lengths[0], "0")+"\r\n":
		t.Fatalf("%q: length %d with lengths %q, codings %q", head, r.Length, lengths, codings)
	}
	inside(t, &r.Head, head)
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
	if r.Length != q.Length || r.Upgrade != q.Upgrade || r.Trailers != q.Trailers || r.Names() != q.Names() ||
		q.Continue != (r.Continue && r.Length != 0) {
		t.Fatalf("%q sent as %q: digests differ", data, sent)
	}
	if a, b := r.AppendFields(nil, NameSet{}), q.AppendFields(nil, NameSet{}); !slices.Equal(a, b) {
		t.Fatalf("%q: fields %q, sent as %q", data, a, b)
	}
	if again := AppendRequest(nil, &q, Destination{}); !bytes.Equal(again, sent) {
		t.Fatalf("%q sent as %q, and by the next as %q", data, sent, again)
	}
}

// FuzzParseResponse is FuzzParseRequest for responses.
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
		if text := latin1(data); n == 0 && len(data) < 1_000 && strictStatus.MatchString(text) {
			t.Fatalf("ParseResponse(%q) = %d, %v, though it is all right", data, n, err)
		}
		if n == 0 {
			return
		}
		responseIsSound(t, &r, m, data[:n])
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

// responseIsSound holds a response that was taken against the grammar and RFC
// 9112, 6.3.
func responseIsSound(t *testing.T, r *Response, m Method, head string) {
	t.Helper()
	match := looseStatus.FindStringSubmatch(latin1(head))
	if match == nil {
		t.Fatalf("%q: taken, though of no response's grammar", head)
	}
	lengths, codings, _ := framingOf(t, head, match[3])
	want := UntilClose
	switch {
	case m == HEAD || r.Status < 200 || r.Status == 204 || r.Status == 304 || m == CONNECT && r.Status < 300:
		want = 0
	case len(codings) > 0:
		want = Chunked
	case len(lengths) > 0:
		want = Framing(r.Length)
	}
	if r.Framing() != want || want == UntilClose && !r.Close {
		t.Fatalf("%q: framing %d, close %v, want %d", head, r.Framing(), r.Close, want)
	}
	inside(t, &r.Head, head)
}

// chunkRE is a chunk-size line, and the end of the data before it.
var chunkRE = regexp.MustCompile(`^([0-9A-Fa-f]{1,16})(?:[\t ]*;[\t -~\x{80}-\x{ff}]*|[\t ]*)\r\n`)

// unchunk decodes chunked content as RFC 9112, 7.1.3 puts it; ok is false when
// it is cut short or of another grammar. It knows no limits.
func unchunk(data string) (content, rest string, ok bool) {
	var b strings.Builder
	for {
		m := chunkRE.FindStringSubmatch(latin1(data))
		if m == nil {
			return "", "", false
		}
		size := uint64(0)
		for _, c := range m[1] {
			size = size<<4 | uint64(strings.IndexRune("0123456789abcdef", c|0x20))
		}
		data = data[len([]rune(m[0])):]
		if size == 0 {
			break
		}
		if size > uint64(len(data)) || !strings.HasPrefix(data[size:], "\r\n") {
			return "", "", false
		}
		b.WriteString(data[:size])
		data = data[size+2:]
	}
	for {
		i := strings.Index(data, "\r\n")
		if i < 0 {
			return "", "", false
		}
		if data = data[i+2:]; i == 0 {
			return b.String(), data, true
		}
	}
}

// FuzzContent: chunked content is the same however it comes and is asked for,
// what is behind it is left over, and another decoder agrees.
func FuzzContent(f *testing.F) {
	for _, s := range []string{
		"5\r\nhello\r\n0\r\n\r\nGET", "1;a=\"b\"\r\nx\r\n0\r\nA: b\r\n\r\n", "0\r\nA: b\n\r\n", "fffffffffffffffff\r\n",
		"5\r\nhello\r\n7fffffffffffffff\r\nX", "1\nx\r\n0\r\n\r\n", "2 \r\nab\r\n0\r\n\r\n", "0\r\nTE: x\r\nB:\t\xff\r\n\r\n", "00000000000000001\r\n",
		"1;\x00\r\nx\r\n0\r\n\r\n", "1 ;a\r\nx\r\n0\r\n\r\n", "1\r\nx\n0\r\n\r\n", "1\r\nxy\r\n0\r\n\r\n", "1;\n\r\nx\r\n0\r\n\r\n",
	} {
		f.Add(s, uint8(16), uint8(3), false)
		f.Add(s, uint8(1), uint8(0), true)
	}
	f.Fuzz(func(t *testing.T, data string, size, piece uint8, upstream bool) {
		type outcome struct{ content, trailer, rest, err string }
		run := func(buffer, piece int, shape func(io.Reader) io.Reader) (o outcome) {
			c, in := contentOf(data, Chunked, buffer, shape)
			if upstream {
				c.Side = Upstream
			}
			got, err := readBy(c, piece)
			o.content = string(got)
			if err != nil {
				o.err = err.Error()
				return o
			}
			if h := c.Trailer(); h != nil {
				o.trailer = string(h.AppendFields(nil, NameSet{}))
			}
			rest, _ := io.ReadAll(in.Src)
			o.rest = string(in.Unread()) + string(rest)
			return o
		}
		want := run(64<<10, 1<<16, whole)
		for shape, reader := range shapes {
			if got := run(int(size)+1, int(piece)+1, reader); got != want {
				t.Errorf("%q, %s, buffer %d, by %d: %+v, but whole %+v", data, shape, int(size)+1, int(piece)+1, got, want)
			}
		}
		content, rest, ok := unchunk(data)
		if want.err == "" && (!ok || content != want.content || rest != want.rest) {
			t.Errorf("%q: %+v, another decoder %q, rest %q, %v", data, want, content, rest, ok)
		}
	})
}

// readBy reads all of r by pieces of n bytes.
func readBy(r io.Reader, n int) (all []byte, err error) {
	p := make([]byte, n)
	for {
		n, err := r.Read(p)
		all = append(all, p[:n]...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// FuzzDiscard: content that is dropped ends where content that is read does,
// or is not said to have ended.
func FuzzDiscard(f *testing.F) {
	f.Add("5\r\nhello\r\n0\r\n\r\nGET", int64(-1), uint16(100), uint8(3))
	f.Add("5\r\nhello\r\n0\r\nA: b\r\n\r\n", int64(-1), uint16(4), uint8(0))
	f.Add("hello, world", int64(5), uint16(5), uint8(1))
	f.Add("hello", int64(9), uint16(100), uint8(200))
	f.Add("hello", int64(-2), uint16(3), uint8(2))
	f.Fuzz(func(t *testing.T, data string, framing int64, limit uint16, size uint8) {
		if framing < -2 {
			return
		}
		read, one := contentOf(data, Framing(framing), 1<<16, whole)
		content, err := io.ReadAll(read)
		left := len(one.Unread()) + one.Src.(*strings.Reader).Len()
		c, in := contentOf(data, Framing(framing), int(size)+1, whole)
		whole := c.Discard(int64(limit))
		if whole != c.Done() || whole && err != nil {
			t.Fatalf("%q, framing %d: Discard = %v, done %v, though reading ends in %v", data, framing, whole, c.Done(), err)
		}
		if c.TotalRead() > int64(limit) && whole && int64(len(content)) > int64(limit) {
			t.Fatalf("%q, framing %d: dropped %d bytes, limit %d", data, framing, c.TotalRead(), limit)
		}
		if err == nil && !whole && len(content) <= int(limit) {
			t.Fatalf("%q, framing %d: content of %d bytes not dropped, limit %d", data, framing, len(content), limit)
		}
		if got := len(in.Unread()) + in.Src.(*strings.Reader).Len(); whole && (got != left || c.TotalRead() != int64(len(content))) {
			t.Fatalf("%q, framing %d: %d bytes dropped, %d left, but reading gives %d and leaves %d", data, framing, c.TotalRead(), got, len(content), left)
		}
	})
}
