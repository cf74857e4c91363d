package edge

import (
	"bytes"
	"slices"

	"opencache/internal/config"
	"opencache/internal/expr"
	"opencache/internal/wire"
)

// A headerEdit is what documents do to the fields of answers: a site's and a
// route's changes together, adds first, then removes. nil: nothing.
type headerEdit struct {
	fixed   wire.Edits // names that go, and lines that are always the same
	written []written  // lines that are evaluated
}

// A written field has a value that is evaluated for each answer.
type written struct {
	name string
	text *expr.Text
}

// editOf compiles lists of changes, the weaker ones first: whoever removes a
// field wins over whoever adds it, and of several that add it the last.
func (p *parsed) editOf(lists ...[]config.Header) (*headerEdit, error) {
	var adds []config.Header
	removed := map[string]bool{}
	for _, list := range lists {
		for _, h := range list {
			if h.Action == "remove" {
				removed[lowerOf(h.Name)] = true
				continue
			}
			adds = slices.DeleteFunc(adds, func(a config.Header) bool { return lowerOf(a.Name) == lowerOf(h.Name) })
			adds = append(adds, h)
		}
	}
	if len(adds)+len(removed) == 0 {
		return nil, nil
	}
	e := &headerEdit{}
	for _, h := range adds {
		if removed[lowerOf(h.Name)] {
			continue
		}
		text, err := p.parseText(h.Value, expr.InResponse)
		if err != nil {
			return nil, err
		}
		if value, ok := text.Constant(); ok {
			e.fixed.Set(h.Name, value)
			continue
		}
		e.fixed.Remove(h.Name)
		e.written = append(e.written, written{h.Name, text})
	}
	for name := range removed {
		e.fixed.Remove(name)
	}
	return e, nil
}

// apply edits the field lines of an answer; has is of which names there are some.
func (e *headerEdit) apply(fields []byte, has wire.NameSet, v *values) []byte {
	if e == nil {
		return fields
	}
	// Values are of the fields as they were: one may be made of another.
	v.fields = fields
	v.text = v.text[:0]
	for i := range e.written {
		w := &e.written[i]
		at := len(v.text)
		v.text = append(append(v.text, w.name...), ": "...)
		begin := len(v.text)
		v.text = w.text.Append(v.text, v)
		if len(v.text) == begin { // as with nginx: an empty value is no field
			v.text = v.text[:at]
			continue
		}
		clean(v.text[begin:])
		v.text = append(v.text, "\r\n"...)
	}
	v.fields = nil
	return append(e.fixed.Apply(fields, has), v.text...)
}

// clean makes a value of what a request said one that is a field's: no control
// character can begin a line of its own.
func clean(value []byte) {
	for i, b := range value {
		if b < ' ' && b != '\t' || b == 0x7f {
			value[i] = ' '
		}
	}
}

func lowerOf(s string) string { return string(appendLower(nil, []byte(s))) }

// speculation says what becomes of Speculation-Rules, by which an origin has
// browsers fetch ahead.
type speculation string

const (
	stripAll speculation = "strip"
	passAll  speculation = "pass"
)

// strip drops the field, or otherwise what Cloudflare added: lists of rules
// below its own paths, which mean nothing here.
func (s speculation) strip(fields []byte, has wire.NameSet) []byte {
	if s == passAll || !has.Has(wire.Other) {
		return fields
	}
	const name = "Speculation-Rules"
	var drop wire.Edits
	for id, line := range wire.Lines(fields) {
		if id == wire.Other && wire.EqualFold(line.Name, name) && (s == stripAll || bytes.Contains(line.Value, []byte("/cdn-cgi/speculation"))) {
			drop.Remove(name)
			return drop.Apply(fields, has)
		}
	}
	return fields
}
