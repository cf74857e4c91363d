// Package expr is the small language of the documents: text with variables as
// nginx has it, conditions, regular expressions in linear time, and what cache
// keys are made with: keys that cannot collide and normalised queries. All of
// it is parsed once, and evaluated without reflection or allocation by asking a
// Values. It knows no request and no document, and imports nothing of ours.
//
//	t, err := expr.ParseText("https://$host$request_uri", expr.InAnswer)
//	b = t.Append(b[:0], request) // request is a Values
//
//	c, err := expr.ParseCondition(`$http_user_agent ~* bot && !$cookie_session`)
//	if c.True(request, &scratch) { … }
//
//	k, err := expr.ParseKey("$host$uri$cookie_tier", expr.KeyOptions{})
//	stored = k.Append(stored[:0], request)
//	shown := expr.PlainKey(stored)
//
// The table of variables: variables.go. What operators may rely on:
// docs/expressions.md.
package expr

import "bytes"

// maxSource bounds a text, a condition or a key, in bytes.
const maxSource = 4096

// Values are a request's, for evaluation.
type Values interface {
	// AppendValue appends the value of v to dst; nothing where the request has
	// none. It must not keep v or change it.
	AppendValue(dst []byte, v *Var) []byte
}

// A Var is a variable that a parsed text holds.
type Var struct {
	ID ID
	// Name is what the name says beyond a prefix: of arg_ and cookie_ as
	// written, of http_, upstream_http_ and sent_http_ the field in lower case
	// with dashes.
	Name string
	// Group is the number of a Capture.
	Group int
	// InKey says that the value is for a cache key: $uri and $host then keep
	// what an origin may tell apart, and fields are those that the origin sees.
	// It is set for $uri where a redirect leads as well.
	InKey bool
	// Ref is the evaluator's own, zero when parsed: what it found for Name, so
	// that it need not look again. It may be set before the first evaluation.
	Ref int
}

// A Scratch is memory that evaluations use again. The zero value is ready; one
// goroutine at a time may use it.
type Scratch struct {
	a, b   []byte
	params []param
}

// A part of a text: literal text, or a variable.
type part struct {
	text string
	v    *Var // nil: text
}

// A Text is text with variables. It is never changed once it is parsed.
type Text struct {
	source string
	in     Place
	parts  []part
}

// ParseText reads s, which is to be evaluated in a place. The error is an *Error.
//
// $name and ${name} are variables, $$ is a dollar. Where the text is a field's
// value, it holds no control character: those of variables are percent-encoded,
// as in a redirect all is that a URI can not hold.
func ParseText(s string, in Place) (*Text, error) {
	if len(s) > maxSource {
		return nil, tooLong(s)
	}
	parts, err := parseParts(s, 0, s, in)
	if err != nil {
		return nil, err
	}
	return &Text{source: s, in: in, parts: parts}, nil
}

// String returns what was parsed.
func (t *Text) String() string { return t.source }

// Append appends the value of t to dst.
func (t *Text) Append(dst []byte, v Values) []byte {
	if t.in&inField == 0 {
		return appendParts(dst, t.parts, v)
	}
	for i := range t.parts {
		p := &t.parts[i]
		if p.v == nil {
			dst = append(dst, p.text...)
			continue
		}
		from := len(dst)
		dst = v.AppendValue(dst, p.v)
		dst = t.encode(dst, from)
	}
	return dst
}

// encode percent-encodes what may not be in dst[from:]: no value of a client's
// ends a field line and begins another.
func (t *Text) encode(dst []byte, from int) []byte {
	bad := 0
	for _, b := range dst[from:] {
		if t.forbids(b) {
			bad++
		}
	}
	if bad == 0 {
		return dst
	}
	r := len(dst)
	for range 2 * bad {
		dst = append(dst, 0)
	}
	for w := len(dst); r > from; {
		r--
		if b := dst[r]; t.forbids(b) {
			w -= 3
			dst[w], dst[w+1], dst[w+2] = '%', hexDigits[b>>4], hexDigits[b&15]
		} else {
			w--
			dst[w] = b
		}
	}
	return dst
}

const hexDigits = "0123456789ABCDEF"

func (t *Text) forbids(b byte) bool {
	if t.in == InRedirect {
		return b <= ' ' || b >= 0x7f
	}
	return isControl(b)
}

// isControl reports what no field's value may hold (RFC 9110, 5.5).
func isControl(b byte) bool { return b < ' ' && b != '\t' || b == 0x7f }

func appendParts(dst []byte, parts []part, v Values) []byte {
	for i := range parts {
		if p := &parts[i]; p.v != nil {
			dst = v.AppendValue(dst, p.v)
		} else {
			dst = append(dst, p.text...)
		}
	}
	return dst
}

// Constant returns the value of t where it is always the same.
func (t *Text) Constant() (value string, ok bool) {
	switch {
	case len(t.parts) == 0:
		return "", true
	case len(t.parts) == 1 && t.parts[0].v == nil:
		return t.parts[0].text, true
	}
	return "", false
}

// Vars returns the variables of t in their order, for Var.Ref to be set.
func (t *Text) Vars() []*Var { return varsOf(t.parts) }

// Depends returns what the value of t depends on.
func (t *Text) Depends() Depends { return dependsOf(t.Vars()) }

func varsOf(parts []part) (vars []*Var) {
	for i := range parts {
		if parts[i].v != nil {
			vars = append(vars, parts[i].v)
		}
	}
	return vars
}

func dependsOf(vars []*Var) (d Depends) {
	for _, v := range vars {
		d |= v.ID.Depends()
	}
	return d
}

// AppendHost appends $host: the host of an authority in lower case, without
// port and without a dot at its end.
func AppendHost(dst, authority []byte) []byte {
	if i := bytes.LastIndexByte(authority, ':'); i >= 0 && i > bytes.LastIndexByte(authority, ']') {
		authority = authority[:i]
	}
	return appendLower(dst, bytes.TrimSuffix(authority, []byte{'.'}))
}

func appendLower(dst, s []byte) []byte {
	for _, b := range s {
		dst = append(dst, lower(b))
	}
	return dst
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		b += 'a' - 'A'
	}
	return b
}

// equalFold compares whatever the case of ASCII letters.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		if lower(b[i]) != lower(s[i]) {
			return false
		}
	}
	return true
}
