package wire

import (
	"bytes"
	"iter"
)

// A Line is a field line in wire form, taken apart.
type Line struct{ Name, Value []byte }

// Lines yields the field lines of a block in wire form as AppendFields makes
// it: interned name, name, value.
func Lines(block []byte) iter.Seq2[Name, Line] {
	return func(yield func(Name, Line) bool) {
		for left := block; len(left) > 0; {
			id, name, value, rest := SplitLine(left)
			if !yield(id, Line{name, value}) {
				return
			}
			left = rest
		}
	}
}

// SplitLine takes the first field line of a block apart. A line without a
// colon is all name; the last one may lack its end.
func SplitLine(block []byte) (id Name, name, value, rest []byte) {
	line := block
	if i := bytes.IndexByte(block, '\n'); i >= 0 {
		line, rest = block[:i], block[i+1:]
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	name = line
	if i := bytes.IndexByte(line, ':'); i >= 0 {
		name, value = line[:i], trim(line[i+1:])
	}
	return Lookup(name), name, value, rest
}
