package engine

import (
	"bytes"

	"opencache/internal/wire"
)

// A link is a member of a Link field.
type link struct {
	text     []byte // as it stands in the field
	rel      []byte // its relation types, with spaces between
	anchored bool   // it is not about the response's own resource
}

// nextLink takes the first link off the value of a Link field (RFC 8288, 3).
// When there is none, or it can not be read, ok is false: where it ends, and
// with it the list, is then not known.
func nextLink(list []byte) (l link, rest []byte, ok bool) {
	list = bytes.TrimLeft(list, " \t,")
	end := bytes.IndexByte(list, '>')
	if end < 0 || list[0] != '<' {
		return link{}, nil, false
	}
	sawRel := false
	at := skipBlank(list, end+1)
	for at < len(list) && list[at] == ';' {
		var name, value []byte
		name, value, at = linkParam(list, skipBlank(list, at+1))
		switch {
		case at < 0:
			return link{}, nil, false
		case wire.EqualFold(name, "rel") && !sawRel: // of several the first counts (RFC 8288, 3.3)
			l.rel, sawRel = value, true
		case wire.EqualFold(name, "anchor"):
			l.anchored = true
		}
		at = skipBlank(list, at)
	}
	if at < len(list) && list[at] != ',' {
		return link{}, nil, false
	}
	l.text = bytes.TrimRight(list[:at], " \t")
	return l, list[at:], true
}

// linkParam reads the parameter at list[at:], which may be empty, and returns
// where it ends: -1 when it can not be read. A value in quotes comes without
// them, its escapes as they are: no relation type has any.
func linkParam(list []byte, at int) (name, value []byte, end int) {
	from := at
	for at < len(list) && isTokenByte(list[at]) {
		at++
	}
	name = list[from:at]
	after := skipBlank(list, at)
	if len(name) == 0 || after == len(list) || list[after] != '=' {
		return name, nil, at
	}
	at = skipBlank(list, after+1)
	if at < len(list) && list[at] == '"' {
		for i := at + 1; i < len(list); i++ {
			switch list[i] {
			case '\\':
				i++
			case '"':
				return name, list[at+1 : i], i + 1
			}
		}
		return nil, nil, -1
	}
	from = at
	for at < len(list) && isTokenByte(list[at]) {
		at++
	}
	if at == from {
		return nil, nil, -1
	}
	return name, list[from:at], at
}

func skipBlank(b []byte, at int) int {
	for at < len(b) && (b[at] == ' ' || b[at] == '\t') {
		at++
	}
	return at
}
