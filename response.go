package opencache

import (
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync/atomic"

	"opencache/internal/engine"
	"opencache/internal/wire"
)

// A lifted is an answer that is all in memory: it is the Sink of what is
// answered from the store at once, and the Body of the Response made of it.
type lifted struct {
	resp   http.Response
	fate   fate
	body   []byte
	lost   bool // some of it could not be had
	read   int
	closed atomic.Bool
}

var (
	_ wire.Sink     = (*lifted)(nil)
	_ io.ReadCloser = (*lifted)(nil)
	_ io.WriterTo   = (*lifted)(nil)
)

// hit answers r when the store can do so at once; nil when it can not.
func (v *errand) hit(e *engine.Engine, r *http.Request) *http.Response {
	a := new(lifted)
	v.reply.Sink = a
	out, ok := e.ServeHit(&v.req, &v.reply, &v.route)
	if !ok || v.reply.Err != nil || a.lost {
		v.reply = wire.Reply{Fields: v.reply.Fields[:0]}
		return nil
	}
	a.fate.Context, a.fate.out = r.Context(), outcomeOf(&out)
	a.resp = http.Response{
		StatusCode: v.reply.Status, Status: statusText(v.reply.Status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: headerOfFields(v.reply.Fields), Body: http.NoBody, Request: r.WithContext(&a.fate),
	}
	setLength(&a.resp, v.reply.Length, r.Method)
	if len(a.body) > 0 {
		a.resp.Body = a
	}
	return &a.resp
}

// Interim drops an interim response: the final one is here.
func (a *lifted) Interim(int, []byte) error { return nil }

// Start implements wire.Sink.
func (a *lifted) Start() error { return nil }

// Write implements wire.Sink.
func (a *lifted) Write(p []byte) (int, error) {
	a.body = append(a.body, p...)
	return len(p), nil
}

// Span implements wire.Sink.
func (a *lifted) Span(s wire.Span) error {
	defer s.Release()
	at := len(a.body)
	if at == 0 {
		a.body = make([]byte, s.N)
	} else {
		a.body = append(a.body, make([]byte, s.N)...)
	}
	err := s.Copy(a.body[at:])
	if err != nil {
		a.body, a.lost = a.body[:at], true
	}
	return err
}

// Flush implements wire.Sink.
func (a *lifted) Flush() error { return nil }

// End implements wire.Sink.
func (a *lifted) End(trailer *wire.Head) error {
	if trailer != nil {
		a.resp.Trailer = headerOf(trailer)
	}
	return nil
}

// Abort implements wire.Sink.
func (a *lifted) Abort() {}

// Hijack implements wire.Sink.
func (a *lifted) Hijack() (io.ReadWriteCloser, error) { return nil, http.ErrNotSupported }

// Read implements io.Reader.
func (a *lifted) Read(p []byte) (int, error) {
	switch {
	case a.closed.Load():
		return 0, http.ErrBodyReadAfterClose
	case a.read == len(a.body):
		return 0, io.EOF
	}
	n := copy(p, a.body[a.read:])
	a.read += n
	return n, nil
}

// WriteTo implements io.WriterTo.
func (a *lifted) WriteTo(w io.Writer) (int64, error) {
	if a.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	rest := a.body[a.read:]
	n, err := w.Write(rest)
	a.read += n
	return int64(n), err
}

// Close implements io.Closer.
func (a *lifted) Close() error {
	a.closed.Store(true)
	return nil
}

// statusText returns Response.Status for a status code.
func statusText(status int) string {
	switch status {
	case http.StatusOK: // nearly always
		return "200 OK"
	case http.StatusNotModified:
		return "304 Not Modified"
	case http.StatusPartialContent:
		return "206 Partial Content"
	}
	return strconv.Itoa(status) + " " + http.StatusText(status)
}

// setLength sets what resp says of the size of its content, as http.Transport
// does: n is a Reply's Length.
func setLength(resp *http.Response, n int64, method string) {
	switch {
	case !hasContent(resp.StatusCode):
		return
	case n >= 0:
		resp.Header["Content-Length"] = []string{strconv.FormatInt(n, 10)}
	}
	resp.ContentLength = n
	if method == http.MethodHead && n < 0 {
		resp.ContentLength = -1
	}
}

// headerOfFields returns field lines in wire form as a Header. All of it lies
// in two pieces of memory.
func headerOfFields(block []byte) http.Header {
	text := string(block)
	count := 1 // Content-Length
	for i := range len(text) {
		if text[i] == '\n' {
			count++
		}
	}
	h := make(http.Header, count)
	values := make([]string, 0, count)
	for line := range strings.SplitSeq(text, "\n") {
		name, value, ok := strings.Cut(line, ":")
		if !ok { // behind the last one
			continue
		}
		key := wire.Lookup(name).String()
		if key == "" {
			key = textproto.CanonicalMIMEHeaderKey(name)
		}
		value = textproto.TrimString(value)
		if old, ok := h[key]; ok {
			h[key] = append(old, value)
		} else {
			values = append(values, value)
			h[key] = values[len(values)-1 : len(values) : len(values)]
		}
	}
	return h
}
