package rfc9111

import (
	"encoding/binary"
	"slices"
	"strings"
)

// VaryNames returns the field names that the lines of a Vary field nominate,
// in lower case, sorted, each once. any reports that nothing can match: there
// is a "*" (RFC 9111, 4.1), or a member that is no name.
func VaryNames(values [][]byte) (names []string, any bool) {
	for _, value := range values {
		if !readVary(value, func(name []byte) { names = append(names, strings.ToLower(string(name))) }) {
			return nil, true
		}
	}
	slices.Sort(names)
	return slices.Compact(names), false
}

// VaryWithin reports whether the lines of a Vary field nominate no field but
// those that the lines of another do: requests that match by the latter match
// by the former (RFC 9111, 4.1).
func VaryWithin(values, of [][]byte) bool {
	names, any := VaryNames(values)
	all, anyOf := VaryNames(of)
	if any || anyOf {
		return anyOf
	}
	return !slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(all, name) })
}

// readVary yields the names in one line of Vary; it reports false when there
// is "*" or a member that is no name.
func readVary(value []byte, name func([]byte)) bool {
	for value = skip(value, isListSpace); len(value) > 0; value = skip(value, isListSpace) {
		n := run(value, isToken)
		if n == 0 || n == 1 && value[0] == '*' {
			return false
		}
		name(value[:n])
		value = skip(value[n:], isSpace)
		if len(value) > 0 && value[0] != ',' {
			return false
		}
	}
	return true
}

// How a varied field is written into a key.
const (
	variedAbsent = iota // the request has none: matches nothing but absence
	variedRaw           // the value, lines joined
	variedCodings
	variedLanguages
	variedMedia // media ranges up to a zero byte
)

// AppendVaried appends to dst the part of a variant's key for the request
// field named name (in lower case), whose lines are values; none means that
// the request has no such field. Two requests get the same bytes only if
// their fields match by RFC 9111, 4.1; the encoding of several fields one
// after another is injective.
//
// Lines are joined, with whitespace at their ends removed. Of Accept-Encoding
// also case, order and how weights are spelt are normalised (RFC 9110,
// 12.5.3), since all of them mean nothing there. Of Accept-Language the same
// but for the order, which some take for a priority (RFC 9110, 12.5.4); of
// Accept whitespace, the case of names, and weights (12.5.1).
func AppendVaried[Name string | []byte](dst []byte, name Name, values [][]byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(name)))
	dst = append(dst, name...)
	if len(values) == 0 {
		return append(dst, variedAbsent)
	}
	switch string(name) {
	case "accept-encoding":
		c := choices{sorted: true}
		if c.read(values) {
			return c.append(append(dst, variedCodings))
		}
	case "accept-language":
		var c choices
		if c.read(values) {
			return c.append(append(dst, variedLanguages))
		}
	case "accept":
		if media, ok := appendMedia(append(dst, variedMedia), values); ok {
			return append(media, 0) // which no field value has
		}
	}
	size := 2 * (len(values) - 1)
	for _, v := range values {
		size += len(trim(v))
	}
	dst = append(dst, variedRaw)
	dst = binary.AppendUvarint(dst, uint64(size))
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(dst, trim(v)...)
	}
	return dst
}

// choices are the members of Accept-Encoding or Accept-Language.
type choices struct {
	list   [16]choice
	n      int
	sorted bool // their order means nothing
}

type choice struct {
	name   []byte
	weight uint16 // in thousandths
}

// read takes the lines of the field; it reports false when they are not well
// formed or too many for here.
func (c *choices) read(values [][]byte) bool {
	for _, v := range values {
		for v = skip(v, isListSpace); len(v) > 0; v = skip(v, isListSpace) {
			n := run(v, isToken)
			if n == 0 || c.n == len(c.list) {
				return false
			}
			m := choice{name: v[:n], weight: 1000}
			v = skip(v[n:], isSpace)
			if len(v) > 0 && v[0] == ';' {
				var ok bool
				if m.weight, v, ok = takeWeight(skip(v[1:], isSpace)); !ok {
					return false
				}
				v = skip(v, isSpace)
			}
			if len(v) > 0 && v[0] != ',' {
				return false
			}
			c.insert(m)
		}
	}
	return true
}

// insert puts m into its place.
func (c *choices) insert(m choice) {
	i := c.n
	for ; c.sorted && i > 0 && m.before(&c.list[i-1]); i-- {
		c.list[i] = c.list[i-1]
	}
	c.list[i] = m
	c.n++
}

// before orders by name in lower case, then by weight.
func (m *choice) before(o *choice) bool {
	for i := range min(len(m.name), len(o.name)) {
		if a, b := lower(m.name[i]), lower(o.name[i]); a != b {
			return a < b
		}
	}
	if len(m.name) != len(o.name) {
		return len(m.name) < len(o.name)
	}
	return m.weight < o.weight
}

// append writes the members: number, then name and weight of each.
func (c *choices) append(dst []byte) []byte {
	dst = append(dst, byte(c.n))
	for i := range c.list[:c.n] {
		m := &c.list[i]
		dst = binary.AppendUvarint(dst, uint64(len(m.name)))
		for _, b := range m.name {
			dst = append(dst, lower(b))
		}
		dst = binary.LittleEndian.AppendUint16(dst, m.weight)
	}
	return dst
}

// takeWeight reads "q=" qvalue off the start of v (RFC 9110, 12.4.2).
func takeWeight(v []byte) (weight uint16, rest []byte, ok bool) {
	if len(v) < 3 || lower(v[0]) != 'q' || v[1] != '=' || v[2] != '0' && v[2] != '1' {
		return 0, v, false
	}
	weight = uint16(v[2]-'0') * 1000
	v = v[3:]
	if len(v) == 0 || v[0] != '.' {
		return weight, v, true
	}
	v = v[1:]
	for unit := uint16(100); unit > 0 && len(v) > 0 && isDigit(v[0]); unit /= 10 {
		weight += uint16(v[0]-'0') * unit
		v = v[1:]
	}
	return weight, v, weight <= 1000
}
