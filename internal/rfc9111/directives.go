package rfc9111

// MaxDelta is where delta-seconds saturate: about 68 years, which stands for
// ever (RFC 9111, 1.2.2).
const MaxDelta = 1 << 31

// maxDirective is the length of the longest directive known.
const maxDirective = len("stale-while-revalidate")

// A form is how a directive has its argument.
type form uint8

const (
	bare   form = iota // without
	token              // name=token
	quoted             // name="quoted-string"
	bad                // with something that is no argument
)

// directives walk over the directives of one field line:
// #( token [ "=" ( token / quoted-string ) ] ), RFC 9111, 5.2.
type directives struct {
	rest []byte
	// the directive that next found
	name, arg []byte // arg of a quoted one is without its quotes, still escaped
	form      form
	// broken reports a quoted-string without end: what it hides is not known.
	broken bool
}

// next moves to the next directive. Members that do not begin with a token
// are skipped (RFC 9111, 5.2.3: what is not recognised is ignored).
func (d *directives) next() bool {
	for {
		d.rest = skip(d.rest, isListSpace)
		if len(d.rest) == 0 {
			return false
		}
		n := run(d.rest, isToken)
		d.name, d.arg, d.form = d.rest[:n], nil, bare
		d.rest = d.rest[n:]
		if n > 0 {
			d.argument()
		}
		d.rest = skip(d.rest, isSpace)
		if len(d.rest) > 0 && d.rest[0] != ',' {
			d.form = bad
			d.skipMember()
		}
		if n > 0 {
			return true
		}
	}
}

// HasDirective reports whether the value of a Cache-Control field has the
// directive of that name, in lower case.
func HasDirective(value []byte, name string) bool {
	for d := (directives{rest: value}); d.next(); {
		if equalFold(d.name, name) {
			return true
		}
	}
	return false
}

// argument reads "=" and what follows it.
func (d *directives) argument() {
	if len(d.rest) == 0 || d.rest[0] != '=' {
		return
	}
	d.rest = d.rest[1:]
	if len(d.rest) > 0 && d.rest[0] == '"' {
		n := quotedEnd(d.rest)
		if n == 0 {
			d.form, d.broken, d.rest = bad, true, nil
			return
		}
		d.form, d.arg, d.rest = quoted, d.rest[1:n-1], d.rest[n:]
		return
	}
	n := run(d.rest, isToken)
	d.form, d.arg, d.rest = token, d.rest[:n], d.rest[n:]
	if n == 0 {
		d.form = bad
	}
}

// skipMember moves to the comma that ends a member which is not well formed.
func (d *directives) skipMember() {
	for len(d.rest) > 0 && d.rest[0] != ',' {
		if d.rest[0] != '"' {
			d.rest = d.rest[1:]
			continue
		}
		n := quotedEnd(d.rest)
		if n == 0 {
			d.broken, d.rest = true, nil
			return
		}
		d.rest = d.rest[n:]
	}
}

// lower returns the name in lower case, empty when it is longer than any
// directive known.
func (d *directives) lower(buf *[maxDirective]byte) []byte {
	if len(d.name) > len(buf) {
		return nil
	}
	for i, c := range d.name {
		buf[i] = lower(c)
	}
	return buf[:len(d.name)]
}

// delta returns the argument as seconds. Both forms are accepted, "even if a
// specific form is required for generation" (RFC 9111, 5.2).
func (d *directives) delta() (seconds int64, ok bool) {
	if d.form != token && d.form != quoted {
		return 0, false
	}
	return parseDelta(d.arg, d.form == quoted)
}

// parseDelta reads delta-seconds (RFC 9111, 1.2.2); escaped says that value
// is the inside of a quoted-string.
func parseDelta(value []byte, escaped bool) (seconds int64, ok bool) {
	for i := 0; i < len(value); i++ {
		c := value[i]
		if c == '\\' && escaped && i+1 < len(value) {
			i++
			c = value[i]
		}
		if c < '0' || c > '9' {
			return 0, false
		}
		seconds = min(seconds*10+int64(c-'0'), MaxDelta)
	}
	return seconds, len(value) > 0
}

// firstMember returns the first member of a list that is not empty.
func firstMember(value []byte) []byte {
	value = skip(value, isListSpace)
	n := 0
	for n < len(value) && value[n] != ',' {
		n++
	}
	return trim(value[:n])
}

// quotedEnd returns the length of the quoted-string that value begins with, 0
// when it has no end or holds what it must not (RFC 9110, 5.6.4).
func quotedEnd(value []byte) int {
	for i := 1; i < len(value); i++ {
		switch c := value[i]; {
		case c == '"':
			return i + 1
		case c == '\\':
			i++
			if i == len(value) || !isText(value[i]) {
				return 0
			}
		case !isText(c):
			return 0
		}
	}
	return 0
}

// run returns how many bytes at the start of b are in the class.
func run(b []byte, class func(byte) bool) (n int) {
	for n < len(b) && class(b[n]) {
		n++
	}
	return n
}

// skip returns b without the bytes at its start that are in the class.
func skip(b []byte, class func(byte) bool) []byte { return b[run(b, class):] }

// trim returns b without optional whitespace at both ends.
func trim(b []byte) []byte {
	b = skip(b, isSpace)
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isSpace(c byte) bool     { return c == ' ' || c == '\t' }
func isListSpace(c byte) bool { return c == ',' || isSpace(c) }
func isDigit(c byte) bool     { return '0' <= c && c <= '9' }

// isText: HTAB, SP, VCHAR and obs-text (RFC 9110, 5.6.4).
func isText(c byte) bool { return c >= ' ' && c != 0x7f || c == '\t' }

// isToken: tchar (RFC 9110, 5.6.2).
func isToken(c byte) bool { return tchars[c>>6]&(1<<(c&63)) != 0 }

var tchars = func() (set [4]uint64) {
	const all = "!#$%&'*+-.^_`|~0123456789" +
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for i := range len(all) {
		set[all[i]>>6] |= 1 << (all[i] & 63)
	}
	return set
}()

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// equalFold reports whether b is s, which is in lower case, in any case.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if lower(c) != s[i] {
			return false
		}
	}
	return true
}
