package telemetry

import (
	"fmt"
	"strings"
)

// Combined is the text of logs in the combined format of nginx and Apache.
const Combined = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"`

// A Format is how a log writes a Record: as text with variables. nil: as JSON.
type Format struct {
	parts []formatPart
}

// A formatPart is literal text, or a field where there is one.
type formatPart struct {
	text  string
	field *field
}

// formatMax bounds the text of a Format, in bytes.
const formatMax = 4 << 10

// ParseFormat reads a text in which $name and ${name} are fields of the access
// log, and $$ is a dollar. What is empty is written as a dash, and what others
// have chosen is escaped as nginx does, so that a line stays one.
func ParseFormat(text string) (*Format, error) {
	if len(text) > formatMax {
		return nil, fmt.Errorf("log text: %d bytes, expected at most %d", len(text), formatMax)
	}
	if strings.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("log text: %.40q: expected one line", text)
	}
	f := &Format{}
	for rest := text; rest != ""; {
		literal, behind, found := strings.Cut(rest, "$")
		f.literal(literal)
		if !found {
			break
		}
		if strings.HasPrefix(behind, "$") {
			f.literal("$")
			rest = behind[1:]
			continue
		}
		name, n := fieldName(behind)
		one := fieldOf(name)
		if one == nil {
			return nil, fmt.Errorf("log text: %q at byte %d: expected a field of the access log, or $$ for a dollar", "$"+behind[:n], len(text)-len(behind)-1)
		}
		f.parts = append(f.parts, formatPart{field: one})
		rest = behind[n:]
	}
	return f, nil
}

func (f *Format) literal(text string) {
	if text != "" {
		f.parts = append(f.parts, formatPart{text: text})
	}
}

// fieldName reads the name or {name} that s begins with, and how much of s it
// takes.
func fieldName(s string) (name string, n int) {
	if inner, ok := strings.CutPrefix(s, "{"); ok {
		if name, _, ok = strings.Cut(inner, "}"); ok {
			return name, len(name) + 2
		}
		return "", min(len(s), 20)
	}
	for n < len(s) && (s[n] == '_' || s[n] >= 'a' && s[n] <= 'z' || s[n] >= '0' && s[n] <= '9') {
		n++
	}
	return s[:n], n
}

// fieldOf is the field of a name, nil when there is none.
func fieldOf(name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

// append appends a Record as a line, its newline included.
func (f *Format) append(dst []byte, r *Record) []byte {
	begin := len(dst)
	for i := range f.parts {
		p := &f.parts[i]
		if p.field == nil {
			dst = append(dst, p.text...)
			continue
		}
		mark := len(dst)
		if dst = p.field.value(dst, r, inText); len(dst) == mark {
			dst = append(dst, '-')
		}
		if len(dst)-begin >= blockSize { // a text may name the same field a thousand times
			dst = dst[:begin+blockSize-1]
			break
		}
	}
	return append(dst, '\n')
}
