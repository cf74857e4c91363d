// Package differ compares what internal/wire and net/http make of the same
// bytes: whether each takes a message, and if both do, what each takes it for.
// Every difference belongs to a class that names the section of an RFC by which
// it is decided; one of no class is a failure. The classes are a table,
// docs/differences.md, which a test keeps up to date:
//
//	go test ./test/differ                             every class has its example, both ways
//	go test ./test/differ -run TestDocument -update   write docs/differences.md
//	go test ./test/differ -fuzz FuzzRequest           look for a difference of no class
//
// net/http stands for http.ReadRequest and http.ReadResponse with the content
// read to its end; its Server checks a few things more (Host, field values).
package differ

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"opencache/internal/wire"
)

// An outcome is what one reader makes of a message: the aspects of its
// meaning, or why it does not take it. A message that is cut short is not taken.
type outcome struct {
	refused string
	meaning map[string]string
}

func (o *outcome) taken() bool { return o.refused == "" }

// A sample is a message for both readers. method is that of the request that
// a response answers; it is empty for a request.
type sample struct{ data, method string }

// A difference is one thing that the readers do not agree in: "taken", or an
// aspect of the meaning. ours and theirs are what each says of it; for "taken"
// why it does not take the message, empty when it does.
type difference struct {
	sample
	aspect       string
	ours, theirs string
}

func (d difference) String() string {
	return fmt.Sprintf("%q (%s) differs in %s: opencache %q, net/http %q", d.data, d.method, d.aspect, d.ours, d.theirs)
}

// compare returns in what the readers differ.
func compare(s sample) (found []difference) {
	var a, b outcome
	if s.method == "" {
		a, b = ourRequest(s.data), theirRequest(s.data)
	} else {
		a, b = ourResponse(s.data, s.method), theirResponse(s.data, s.method)
	}
	switch {
	case a.taken() != b.taken():
		return []difference{{s, "taken", a.refused, b.refused}}
	case !a.taken():
		return nil
	}
	for _, aspect := range slices.Sorted(maps.Keys(a.meaning)) {
		if ours, theirs := a.meaning[aspect], b.meaning[aspect]; ours != theirs {
			found = append(found, difference{s, aspect, ours, theirs})
		}
	}
	return found
}

func ourRequest(data string) outcome {
	var r wire.Request
	n, err := wire.ParseRequest(&r, []byte(data), wire.Limits{})
	if err != nil || n == 0 {
		return outcome{refused: reason(err)}
	}
	query, _ := r.Query()
	decoded, err := url.PathUnescape(string(r.Path()))
	if err != nil {
		decoded = err.Error()
	}
	o := outcome{meaning: map[string]string{
		"method": string(r.MethodText()), "target": string(r.Target()), "path": decoded, "query": string(query),
		"host": string(r.Authority()), "version": strconv.Itoa(int(r.Minor)),
		"scheme": strconv.FormatBool(r.Secure), "length": strconv.FormatInt(r.Length, 10),
		"persistence": strconv.FormatBool(r.Close), "fields": ourFields(&r.Head),
	}}
	o.ourContent(data[n:], r.Framing(), wire.Client)
	return o
}

func ourResponse(data, method string) outcome {
	var r wire.Response
	m := map[string]wire.Method{"GET": wire.GET, "HEAD": wire.HEAD, "CONNECT": wire.CONNECT}[method]
	n, err := wire.ParseResponse(&r, []byte(data), m, wire.Limits{})
	if err != nil || n == 0 {
		return outcome{refused: reason(err)}
	}
	o := outcome{meaning: map[string]string{
		"status": strconv.Itoa(r.Status), "version": strconv.Itoa(int(r.Minor)),
		"length": strconv.FormatInt(r.Length, 10), "persistence": strconv.FormatBool(r.Close), "fields": ourFields(&r.Head),
	}}
	o.ourContent(data[n:], r.Framing(), wire.Upstream)
	return o
}

func reason(err error) string {
	if err == nil {
		return "cut short"
	}
	return err.Error()
}

// ourContent reads the content behind a head.
func (o *outcome) ourContent(data string, f wire.Framing, side wire.Side) {
	src := strings.NewReader(data)
	in := &wire.Input{Src: src, Buf: make([]byte, 4<<10)}
	var c wire.Content
	c.Side = side
	c.Reset(in, f, wire.DefaultLimits)
	content, err := io.ReadAll(&c)
	if err != nil {
		o.refused = err.Error()
		return
	}
	o.meaning["content"] = string(content)
	o.meaning["leftover"] = strconv.Itoa(len(in.Unread()) + src.Len())
	o.meaning["trailers"] = ""
	if h := c.Trailer(); h != nil {
		o.meaning["trailers"] = ourFields(h)
	}
}

func ourFields(h *wire.Head) string {
	fields := http.Header{}
	for i := range h.Len() {
		_, name, value, _ := h.At(i)
		fields.Add(textproto.CanonicalMIMEHeaderKey(string(name)), string(value))
	}
	return sorted(fields)
}

func theirRequest(data string) outcome {
	src := strings.NewReader(data)
	br := bufio.NewReaderSize(src, 4<<10)
	r, err := http.ReadRequest(br)
	if err != nil {
		return outcome{refused: err.Error()}
	}
	o := outcome{meaning: map[string]string{
		"method": r.Method, "target": r.RequestURI, "path": r.URL.Path, "query": r.URL.RawQuery,
		"host": r.Host, "version": strconv.Itoa(r.ProtoMinor),
		"scheme": strconv.FormatBool(strings.EqualFold(r.URL.Scheme, "https")), "length": strconv.FormatInt(r.ContentLength, 10),
		"persistence": strconv.FormatBool(r.Close), "fields": sorted(r.Header),
	}}
	o.theirContent(r.Body, br, src)
	o.meaning["trailers"] = sorted(r.Trailer)
	return o
}

func theirResponse(data, method string) outcome {
	src := strings.NewReader(data)
	br := bufio.NewReaderSize(src, 4<<10)
	r, err := http.ReadResponse(br, &http.Request{Method: method})
	if err != nil {
		return outcome{refused: err.Error()}
	}
	o := outcome{meaning: map[string]string{
		"status": strconv.Itoa(r.StatusCode), "version": strconv.Itoa(r.ProtoMinor),
		"length": strconv.FormatInt(r.ContentLength, 10), "persistence": strconv.FormatBool(r.Close), "fields": sorted(r.Header),
	}}
	o.theirContent(r.Body, br, src)
	o.meaning["trailers"] = sorted(r.Trailer)
	return o
}

func (o *outcome) theirContent(body io.ReadCloser, br *bufio.Reader, src *strings.Reader) {
	content, err := io.ReadAll(body)
	if err != nil {
		o.refused = err.Error()
		return
	}
	o.meaning["content"] = string(content)
	o.meaning["leftover"] = strconv.Itoa(br.Buffered() + src.Len())
}

// sorted writes fields down, but for those that net/http takes out of them: it
// has Host, Transfer-Encoding, Trailer and (of responses) Connection elsewhere.
func sorted(fields http.Header) string {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		switch name {
		case "Host", "Transfer-Encoding", "Trailer", "Connection":
			continue
		}
		for _, value := range fields[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	return b.String()
}
