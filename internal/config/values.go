package config

import (
	"bytes"

	"github.com/tailscale/hujson"
)

// A desk is what who reads many documents uses again from one to the next. The
// values on it are those of one document at a time. nil: nothing is used again.
type desk struct {
	members  []hujson.ObjectMember
	elements []hujson.ArrayElement
	objects  []hujson.Object
	arrays   []hujson.Array
	well     map[checked]struct{} // what was found well
}

// A checked text passed the check of that name.
type checked struct{ kind, text string }

// maxWell bounds what a desk remembers.
const maxWell = 1 << 14

// clear takes the last document off the desk.
func (d *desk) clear() {
	clear(d.members)
	clear(d.elements)
	clear(d.objects)
	clear(d.arrays)
	d.members, d.elements, d.objects, d.arrays = d.members[:0], d.elements[:0], d.objects[:0], d.arrays[:0]
}

// valuesOf returns what hujson.Parse does, but without white space and
// comments, for half of the work and little that is to be collected. It is for
// texts that are well: false leaves everything else, and what is rare, to that.
func (d *desk) valuesOf(text []byte) (root hujson.Value, ok bool) {
	p := quick{desk: d, text: text}
	if !p.space() || !p.value(&root) || !p.space() || p.at != len(text) {
		return hujson.Value{}, false
	}
	return root, true
}

// quick reads values. The text is UTF-8, and not deeper than is allowed.
type quick struct {
	*desk
	text []byte
	at   int
}

// space goes to what is neither white space nor a comment.
func (p *quick) space() bool {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		case '/':
			rest := p.text[p.at:]
			begin, end := "//", "\n"
			if len(rest) > 1 && rest[1] == '*' {
				begin, end = "/*", "*/"
			}
			if !bytes.HasPrefix(rest, []byte(begin)) {
				return false
			}
			n := bytes.Index(rest[2:], []byte(end))
			if n < 0 {
				return false
			}
			p.at += 2 + n + len(end)
		default:
			return true
		}
	}
	return true
}

// next is the byte that is next, 0 at the end.
func (p *quick) next() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *quick) value(v *hujson.Value) bool {
	v.StartOffset = p.at
	var ok bool
	switch p.next() {
	case '{':
		v.Value, ok = p.object()
	case '[':
		v.Value, ok = p.array()
	default:
		v.Value, ok = p.literal()
	}
	v.EndOffset = p.at
	return ok
}

// object reads members. Those of the objects in it come behind it, and go when
// these are done: what is kept is a copy.
func (p *quick) object() (hujson.ValueTrimmed, bool) {
	var few [16]hujson.ObjectMember
	members := few[:0]
	for p.at++; ; {
		if !p.space() {
			return nil, false
		}
		if p.next() == '}' {
			break
		}
		members = append(members, hujson.ObjectMember{})
		m := &members[len(members)-1]
		if p.next() != '"' || !p.value(&m.Name) || !p.space() || p.next() != ':' {
			return nil, false
		}
		p.at++
		if !p.space() || !p.value(&m.Value) || !p.space() {
			return nil, false
		}
		if p.next() == ',' {
			p.at++
		} else if p.next() != '}' {
			return nil, false
		}
	}
	p.at++
	o := room(&p.objects, 1)
	o[0].Members = room(&p.members, len(members))
	copy(o[0].Members, members)
	return &o[0], true
}

func (p *quick) array() (hujson.ValueTrimmed, bool) {
	var few [16]hujson.ArrayElement
	elements := few[:0]
	for p.at++; ; {
		if !p.space() {
			return nil, false
		}
		if p.next() == ']' {
			break
		}
		elements = append(elements, hujson.ArrayElement{})
		if !p.value(&elements[len(elements)-1]) || !p.space() {
			return nil, false
		}
		if p.next() == ',' {
			p.at++
		} else if p.next() != ']' {
			return nil, false
		}
	}
	p.at++
	a := room(&p.arrays, 1)
	a[0].Elements = room(&p.elements, len(elements))
	copy(a[0].Elements, elements)
	return &a[0], true
}

// room returns n zero values of a slab, and a slab that has room for more. What
// was lent before stays where it is.
func room[T any](slab *[]T, n int) []T {
	if len(*slab)+n > cap(*slab) {
		*slab = make([]T, 0, max(2*cap(*slab), n, 64))
	}
	from := len(*slab)
	*slab = (*slab)[:from+n]
	return (*slab)[from : from+n : from+n]
}

// literal reads a string, a number or a word.
func (p *quick) literal() (hujson.ValueTrimmed, bool) {
	from := p.at
	if p.next() == '"' {
		n := bytes.IndexByte(p.text[from+1:], '"')
		if n < 0 {
			return nil, false
		}
		body := p.text[from+1 : from+1+n]
		if plainString(body) {
			p.at += n + 2
			return hujson.Literal(p.text[from:p.at:p.at]), true
		}
		for p.at++; p.next() != '"'; p.at++ {
			if p.next() == '\\' {
				p.at++
			}
			if p.at >= len(p.text) {
				return nil, false
			}
		}
		p.at++
	} else {
		for p.at < len(p.text) && isWord(p.text[p.at]) {
			p.at++
		}
	}
	lit := hujson.Literal(p.text[from:p.at:p.at])
	return lit, lit.IsValid()
}

// plainString says that a string is as it stands.
func plainString(body []byte) bool {
	for _, c := range body {
		if c < ' ' || c == '\\' {
			return false
		}
	}
	return true
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '+' || c == '.'
}
