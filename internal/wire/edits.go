package wire

import "bytes"

// Edits are changes to the field lines of a head in wire form: lines that are
// dropped by their name, and constant ones that are appended. They are made
// once, by Set and Remove, and only read from then on. The zero Edits change
// nothing.
type Edits struct {
	drop   NameSet
	others []string // names that are not interned
	lines  []byte
}

// Set has one line of that name stand in place of all there are. The value
// must not hold CR, LF or NUL; framing and what is for one connection
// (RFC 9110, 7.6.1) are the Sink's, and must not be set.
func (e *Edits) Set(name, value string) {
	e.Remove(name)
	e.lines = append(append(append(append(e.lines, name...), ": "...), value...), "\r\n"...)
}

// Remove drops all lines of that name, also what was Set before.
func (e *Edits) Remove(name string) {
	id := Lookup(name)
	if id == Other && !e.dropsOther(name) {
		e.others = append(e.others, name)
	} else if id != Other {
		e.drop.Add(id)
	}
	only := Edits{drop: NamesOf(id), others: []string{name}}
	e.lines = only.strip(e.lines)
}

// Apply returns fields as they are changed, in the same memory where that
// suffices. has are names that may be among them, Other for all that are not
// interned.
func (e *Edits) Apply(fields []byte, has NameSet) []byte {
	return append(e.Strip(fields, has), e.lines...)
}

// Strip is Apply without the lines that are appended.
func (e *Edits) Strip(fields []byte, has NameSet) []byte {
	if has.Overlaps(e.drop) || len(e.others) > 0 && has.Has(Other) {
		return e.strip(fields)
	}
	return fields
}

func (e *Edits) strip(fields []byte) []byte {
	kept := fields[:0]
	for left := fields; len(left) > 0; {
		n := bytes.IndexByte(left, '\n') + 1
		if n == 0 {
			n = len(left)
		}
		if !e.drops(left[:n]) {
			kept = append(kept, left[:n]...)
		}
		left = left[n:]
	}
	return kept
}

func (e *Edits) drops(line []byte) bool {
	name := line[:max(bytes.IndexByte(line, ':'), 0)]
	if id := Lookup(name); id != Other {
		return e.drop.Has(id)
	}
	return e.dropsOther(string(name)) // no copy: it does not escape
}

func (e *Edits) dropsOther(name string) bool {
	for _, other := range e.others {
		if EqualFold(name, other) {
			return true
		}
	}
	return false
}
