package script

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// parseSteps reads the steps of a rule; an early first one is r's.
func (r *rule) parseSteps(lines [][]string, p *play) error {
	for i, words := range lines {
		if len(words) == 1 && words[0] == "early" && i == 0 {
			r.early = true
			continue
		}
		s, err := parseStep(words, p)
		if err != nil {
			return err
		}
		r.steps = append(r.steps, s)
	}
	if len(r.steps) == 0 {
		return errors.New("an origin's answer has no step")
	}
	return nil
}

func parseStep(words []string, p *play) (step, error) {
	if len(words) == 0 {
		return nil, errors.New("empty step")
	}
	if isStatus(words[0]) {
		return parseAnswer(words, false)
	}
	verb, args := words[0], words[1:]
	switch verb {
	case "head":
		if len(args) == 0 || !isStatus(args[0]) {
			return nil, errors.New("head: want a status")
		}
		return parseAnswer(args, true)
	case "last-chunk":
		return parseLastChunk(args)
	case "close", "reset", "stall":
		if len(args) != 0 {
			return nil, fmt.Errorf("%s takes no word, got %q", verb, args)
		}
		return map[string]step{"close": closing, "reset": resetting, "stall": stalling}[verb], nil
	}
	if len(args) != 1 {
		return nil, fmt.Errorf("step %q: want a status or a step with one word", strings.Join(words, " "))
	}
	return parseShort(verb, args[0], p)
}

// parseShort reads the steps of one argument.
func parseShort(verb, arg string, p *play) (step, error) {
	switch verb {
	case "send":
		return withBytes(arg, (*exchange).write), nil
	case "chunk":
		return withBytes(arg, func(x *exchange, b []byte) error { return x.write(chunk(b)) }), nil
	case "receive":
		return withBytes(arg, (*exchange).receive), nil
	case "read":
		n, err := strconv.ParseInt(arg, 10, 32)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("read %q: want a number of bytes", arg)
		}
		return func(x *exchange) error { return x.readBody(n) }, nil
	case "wait":
		return func(x *exchange) error { return x.o.pass(arg) }, nil
	case "delay":
		d, err := time.ParseDuration(arg)
		if err != nil || d < 0 {
			return nil, fmt.Errorf("delay %q: want a time such as 200ms", arg)
		}
		if d > quietMax && p.only != memory {
			return nil, fmt.Errorf("delay %s: above %s only after \"only memory\"", d, quietMax)
		}
		return func(x *exchange) error { return x.o.delay(d) }, nil
	}
	return nil, fmt.Errorf("unknown step %q", verb)
}

func isStatus(word string) bool {
	n, err := strconv.Atoi(word)
	return err == nil && len(word) == 3 && n >= 100
}

// withBytes makes a step of do, with what arg stands for.
func withBytes(arg string, do func(*exchange, []byte) error) step {
	return func(x *exchange) error {
		text, err := x.o.words().expand(arg)
		if err != nil {
			return err
		}
		return do(x, []byte(text))
	}
}

func chunk(b []byte) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "%x\r\n%s\r\n", len(b), b)
	return out.Bytes()
}

func (x *exchange) receive(want []byte) error {
	got := make([]byte, len(want))
	n, err := io.ReadFull(x.br, got)
	x.o.log.add("origin", "> %s", show(got[:n]))
	if bytes.Equal(got, want) {
		return nil
	}
	if err == nil {
		err = errors.New("other bytes")
	}
	err = fmt.Errorf("origin: received %q, want %q: %w", got[:n], want, err)
	x.o.fault(err)
	return err
}

func closing(*exchange) error { return errEnd }

func resetting(x *exchange) error {
	reset(x.conn)
	return errEnd
}

// stalling says nothing and waits for the end of the connection.
func stalling(x *exchange) error {
	_, err := io.Copy(io.Discard, x.br)
	x.o.log.add("origin", "stalled until the connection ended: %v", err)
	return errEnd
}

// An answer is a whole answer or a head alone.
type answer struct {
	status int
	fields []want // name and value
	no     map[string]bool
	body   string
	bare   bool // the head alone
}

func parseAnswer(words []string, bare bool) (step, error) {
	status, _ := strconv.Atoi(words[0]) // isStatus
	a := answer{status: status, no: map[string]bool{}, bare: bare}
	for _, word := range words[1:] {
		if body, ok := strings.CutPrefix(word, "body="); ok && !bare {
			a.body = body
			continue
		}
		w, err := parseWant(word)
		switch {
		case err != nil:
			return nil, err
		case w.rel == absent:
			a.no[http.CanonicalHeaderKey(w.name)] = true
		case w.rel == equal:
			a.fields = append(a.fields, w)
		default:
			return nil, fmt.Errorf("%q: an answer is written with Field:value", word)
		}
	}
	return a.write, nil
}

// write sends the answer and, when nothing frames its content, ends the
// connection.
func (a answer) write(x *exchange) error {
	v := x.o.words()
	body, err := v.expand(a.body)
	if err != nil {
		return err
	}
	fs, err := expandFields(a.fields, v)
	if err != nil {
		return err
	}
	if _, ok := fs.get("Date"); !ok && !a.no["Date"] && a.status >= 200 {
		date, _ := v.expand("{date}")
		fs = append(fs, field{"Date", date})
	}
	ends := false
	if !a.bare && a.carries() {
		fs, body, ends = a.frame(fs, body)
	}
	out := head(fmt.Sprintf("HTTP/1.1 %d %s", a.status, http.StatusText(a.status)), fs)
	if !a.bare && a.carries() && x.method != http.MethodHead {
		out = append(out, body...)
	}
	if err := x.write(out); err != nil {
		return err
	}
	connection, _ := fs.get("Connection")
	if ends || !a.bare && strings.EqualFold(connection, "close") {
		return errEnd
	}
	return nil
}

// carries tells whether answers of this status have content.
// RFC 9110, 6.4.1.
func (a answer) carries() bool {
	return a.status >= 200 && a.status != http.StatusNoContent && a.status != http.StatusNotModified
}

// frame adds the framing that the play leaves to the origin, and says
// whether only the connection's end frames the content.
func (a answer) frame(fs fields, body string) (_ fields, framed string, ends bool) {
	if _, ok := fs.get("Content-Length"); ok {
		return fs, body, false
	}
	if _, ok := fs.get("Transfer-Encoding"); ok {
		if body != "" {
			body = string(chunk([]byte(body)))
		}
		return fs, body + "0\r\n\r\n", false
	}
	if a.no["Content-Length"] {
		return fs, body, true
	}
	return append(fs, field{"Content-Length", strconv.Itoa(len(body))}), body, false
}

func parseLastChunk(words []string) (step, error) {
	var trailers []want
	for _, word := range words {
		w, err := parseWant(word)
		if err != nil {
			return nil, err
		}
		if w.rel != equal {
			return nil, fmt.Errorf("%q: a trailer is written with Field:value", word)
		}
		trailers = append(trailers, w)
	}
	return func(x *exchange) error {
		fs, err := expandFields(trailers, x.o.words())
		if err != nil {
			return err
		}
		return x.write(head("0", fs))
	}, nil
}

func expandFields(wants []want, v values) (fields, error) {
	var fs fields
	for _, w := range wants {
		value, err := v.expand(w.value)
		if err != nil {
			return nil, err
		}
		fs = append(fs, field{w.name, value})
	}
	return fs, nil
}

// head writes a head: the start line, fields and an empty line.
func head(start string, fs fields) []byte {
	var b bytes.Buffer
	b.WriteString(start + "\r\n")
	for _, f := range fs {
		fmt.Fprintf(&b, "%s: %s\r\n", f.name, f.value)
	}
	b.WriteString("\r\n")
	return b.Bytes()
}
