package nginxconf

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"opencache/internal/config"
	"opencache/internal/expr"
)

// A scope is a block with those around it: a directive that it does not have
// is that of the nearest one around that does.
type scope struct {
	around *scope
	block  *Directive
	vars   map[string]variable // that set made, as of the end of the block
	maps   map[string]*Directive
	name   string // $server_name
	ended  error  // why what stands behind may not be reached
}

// within is the scope of a block that stands in s.
func (s *scope) within(d *Directive) *scope {
	in := &scope{around: s, block: d, vars: map[string]variable{}, maps: s.maps, name: s.name, ended: s.ended}
	for name, v := range s.vars {
		in.vars[name] = v
	}
	return in
}

// own returns the directives of a name that stand in the block itself.
func (s *scope) own(name string) (list []*Directive) {
	for i := range s.block.Block {
		if d := &s.block.Block[i]; d.Name == name {
			list = append(list, d)
		}
	}
	return list
}

// all returns the directives of a name that hold in the block.
func (s *scope) all(name string) []*Directive {
	for ; s != nil; s = s.around {
		if list := s.own(name); len(list) > 0 {
			return list
		}
	}
	return nil
}

// one returns the directive of a name that holds, nil when there is none.
func (s *scope) one(name string) *Directive {
	if list := s.all(name); len(list) > 0 {
		return list[len(list)-1]
	}
	return nil
}

// is reports whether the directive of a name holds and says value first.
func (s *scope) is(name, value string) bool {
	d := s.one(name)
	return d != nil && d.arg(0) == value
}

// errVariable is of a variable that has no meaning here.
type errVariable string

func (e errVariable) Error() string { return "$" + string(e) + " is not known here" }

// text is nginx's text with variables as ours: variables that set gave a
// constant stand as that.
func (s *scope) text(in string, place expr.Place) (string, error) {
	out, err := s.fill(in, 0)
	if err != nil {
		return "", err
	}
	if _, err := expr.ParseText(out, place); err != nil {
		return "", whyOf(err)
	}
	return out, nil
}

// whyOf is an expression's fault without the expression.
func whyOf(err error) error {
	var e *expr.Error
	if errors.As(err, &e) {
		return fmt.Errorf("%q: %s", e.Found, e.Why)
	}
	return err
}

// fill puts values in place of variables that are none of ours.
func (s *scope) fill(in string, depth int) (string, error) {
	if depth > 8 {
		return "", errors.New("variables made of variables made of variables")
	}
	var b strings.Builder
	for in != "" {
		before, rest, ok := strings.Cut(in, "$")
		b.WriteString(before)
		if !ok {
			break
		}
		name, tail := variableIn(rest)
		if name == "" {
			return "", errors.New("a $ without a name")
		}
		in = tail
		v, set := s.vars[name]
		switch {
		case name == "server_name":
			b.WriteString(s.name)
		case set && v.known:
			value, err := s.fill(v.text, depth+1)
			if err != nil {
				return "", err
			}
			b.WriteString(value)
		case set || s.maps[name] != nil:
			return "", errVariable(name)
		case tail != "" && (nameByte(tail[0]) || tail[0] == '-'):
			b.WriteString("${" + name + "}")
		default:
			b.WriteString("$" + name)
		}
	}
	return b.String(), nil
}

func nameByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// variableIn returns the name that stands behind a dollar, and what follows.
func variableIn(s string) (name, tail string) {
	if strings.HasPrefix(s, "{") {
		name, tail, ok := strings.Cut(s[1:], "}")
		if !ok {
			return "", s
		}
		return name, tail
	}
	n := 0
	for n < len(s) && nameByte(s[n]) && (n == 0 || s[0] < '0' || s[0] > '9') {
		n++
	}
	return s[:n], s[n:]
}

// duration reads nginx's: 10, 10s, 1h30m, 1d, 1w, 1M, 1y, 100ms.
func duration(s string) (config.Duration, error) {
	units := map[string]float64{"ms": 0.001, "s": 1, "": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "M": 30 * 86400, "y": 365 * 86400}
	total := 0.0
	for rest := strings.ReplaceAll(s, " ", ""); ; {
		n := 0
		for n < len(rest) && '0' <= rest[n] && rest[n] <= '9' {
			n++
		}
		u := n
		for u < len(rest) && (rest[u] < '0' || rest[u] > '9') {
			u++
		}
		count, err := strconv.ParseUint(rest[:n], 10, 40)
		unit, ok := units[rest[n:u]]
		if total += float64(count) * unit; err != nil || !ok || total > 3e9 {
			return 0, fmt.Errorf("%q is no time", s)
		}
		if rest = rest[u:]; rest == "" {
			return config.Duration(total * 1e9), nil
		}
	}
}

// size reads nginx's: 10, 8k, 1m, 2g.
func size(s string) (config.Size, error) {
	n, err := config.ParseSize(s)
	if err != nil || strings.HasSuffix(strings.ToLower(s), "t") {
		return 0, fmt.Errorf("%q is no size", s)
	}
	return n, nil
}
