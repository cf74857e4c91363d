package nginxconf

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// An object is a JSON object whose members are written in their order, each
// behind the lines it was made of.
type object []member

type member struct {
	key   string
	value any // object, []object, or what encoding/json knows
	from  []*Directive
	say   string // a comment in place of from
	off   bool   // it is written as a comment
}

// put adds a member and what it was made of.
func (o *object) put(key string, value any, from ...*Directive) {
	*o = append(*o, member{key: key, value: value, from: from})
}

// has reports whether o has a member of that name.
func (o object) has(key string) bool {
	for _, m := range o {
		if m.key == key {
			return true
		}
	}
	return false
}

// document is o as the text of a document.
func (o object) document(head string) []byte {
	var b bytes.Buffer
	for line := range strings.SplitSeq(head, "\n") {
		b.WriteString("// " + line + "\n")
	}
	o.write(&b, "")
	b.WriteString("\n")
	return b.Bytes()
}

func (o object) write(b *bytes.Buffer, indent string) {
	if len(o) == 0 {
		b.WriteString("{}")
		return
	}
	b.WriteString("{\n")
	above := ""
	for i := range o {
		said := o[i].comments(indent + "  ")
		if said != above { // several of one line are below it
			b.WriteString(said)
		}
		above = said
		o[i].write(b, indent+"  ")
	}
	b.WriteString(indent + "}")
}

// comments are the lines above a member.
func (m *member) comments(indent string) string {
	var lines []string
	if m.say != "" {
		lines = append(lines, indent+"// "+m.say+"\n")
	}
	for _, d := range m.from {
		if d == nil {
			continue
		}
		if line := indent + "// " + d.place() + " " + d.String() + "\n"; !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// same is o in a form that tells what it says, not where that stood.
func (o object) same() string {
	var b strings.Builder
	for _, m := range o {
		b.WriteString(quoted(m.key) + ":")
		switch v := m.value.(type) {
		case object:
			b.WriteString("{" + v.same() + "}")
		case []object:
			for _, one := range v {
				b.WriteString("{" + one.same() + "}")
			}
		default:
			b.WriteString(quoted(v))
		}
		b.WriteString(",")
	}
	return b.String()
}

func (m *member) write(b *bytes.Buffer, indent string) {
	if !m.off {
		b.WriteString(indent)
		m.body(b, indent)
		return
	}
	var own bytes.Buffer
	m.body(&own, "")
	for line := range strings.SplitSeq(strings.TrimSuffix(own.String(), "\n"), "\n") {
		b.WriteString(indent + "// " + line + "\n")
	}
}

// body writes name, value and comma.
func (m *member) body(b *bytes.Buffer, indent string) {
	b.WriteString(quoted(m.key) + ": ")
	switch v := m.value.(type) {
	case object:
		v.write(b, indent)
	case []object:
		b.WriteString("[\n")
		for _, one := range v {
			b.WriteString(indent + "  ")
			one.write(b, indent+"  ")
			b.WriteString(",\n")
		}
		b.WriteString(indent + "]")
	case []string:
		for i, s := range v {
			b.WriteString(map[bool]string{true: "[", false: ", "}[i == 0] + quoted(s))
		}
		b.WriteString(map[bool]string{true: "[]", false: "]"}[len(v) == 0])
	default:
		b.WriteString(quoted(v))
	}
	b.WriteString(",\n")
}

// quoted is a value in JSON; those of this package can all be said in it.
func quoted(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "null"
	}
	return strings.TrimSpace(b.String())
}
