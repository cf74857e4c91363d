package expr

import "strings"

// maxParts bounds the variables and literals of one text.
const maxParts = 64

// parseParts reads the text of a document from byte at on, which is s there,
// into literals and variables.
func parseParts(source string, at int, s string, in Place) (parts []part, err error) {
	var literal []byte
	flush := func() {
		if len(literal) > 0 {
			parts = append(parts, part{text: string(literal)})
			literal = literal[:0]
		}
	}
	for i := 0; i < len(s); {
		if isControl(s[i]) && in&(inField|InKey) != 0 {
			return nil, &Error{Source: source, At: at + i, Found: s[i : i+1], Why: "a control character, which has no place in " + in.String()}
		}
		if s[i] != '$' {
			literal = append(literal, s[i])
			i++
			continue
		}
		if strings.HasPrefix(s[i:], "$$") {
			literal = append(literal, '$')
			i += 2
			continue
		}
		name, n := variableName(s[i:])
		if n == 0 {
			return nil, &Error{Source: source, At: at + i, Found: firstWord(s[i:]), Why: "expected $name or ${name}, or $$ for a dollar"}
		}
		v, err := variable(source, at+i, name, in)
		if err != nil {
			return nil, err
		}
		flush()
		if parts = append(parts, part{v: v}); len(parts) >= maxParts {
			return nil, &Error{Source: source, At: at + i, Found: s[i : i+n], Why: "more variables than a text may have"}
		}
		i += n
	}
	flush()
	return parts, nil
}

// variableName reads the $name or ${name} that s begins with: the name, and how
// many bytes of s it takes; 0 when there is none.
func variableName(s string) (name string, n int) {
	if strings.HasPrefix(s, "${") {
		end := strings.IndexByte(s, '}')
		if end < 3 || strings.Trim(s[2:end], braced) != "" {
			return "", 0
		}
		return s[2:end], end + 1
	}
	n = 1 + nameEnd(s[1:])
	if n == 1 {
		return "", 0
	}
	if '1' <= s[1] && s[1] <= '9' {
		n = 2 // $10 is $1 and a zero, as nginx has it
	}
	return s[1:n], n
}

// braced are the bytes of a name in braces: those of names of cookies and
// parameters that are of no other name.
const braced = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-."

// nameEnd is how many bytes at the start of s are of a name.
func nameEnd(s string) (n int) {
	for n < len(s) {
		if b := s[n]; b != '_' && (b < '0' || b > '9') && (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') {
			break
		}
		n++
	}
	return n
}

// firstWord is what is shown of s where nothing in it has a name.
func firstWord(s string) string {
	if i := strings.IndexAny(s, " \t\r\n"); i > 0 {
		s = s[:i]
	}
	return s[:min(len(s), 20)]
}

// variable makes the Var that a name means.
func variable(source string, at int, name string, in Place) (*Var, error) {
	fault := &Error{Source: source, At: at, Found: "$" + name}
	known, rest := lookup(strings.ToLower(name))
	switch {
	case known == nil:
		fault.Why, fault.Nearest = "no such variable", nearestVariable(strings.ToLower(name), in)
		return nil, fault
	case known.NotYet != "":
		fault.Why = "not yet: " + known.NotYet
		return nil, fault
	case known.Places&in != in:
		fault.Why = "not in " + in.String() + ", but in " + known.Places.String()
		if in == InKey && known.Depends&OnTime != 0 {
			fault.Why = "not in a key: no two requests have the same, so nothing would be found again"
		}
		return nil, fault
	}
	v := &Var{ID: known.ID, Name: rest, InKey: in == InKey || in == InRedirect && known.ID == URI}
	switch known.ID {
	case Capture:
		v.Name, v.Group = "", int(rest[0]-'0')
	case Cookie_:
		v.Name = name[len(known.Name):] // cookies' names have case (RFC 6265, 5.4)
	case HTTP_, UpstreamHTTP_, SentHTTP_:
		v.Name = strings.ReplaceAll(rest, "_", "-")
	}
	return v, nil
}

// nearestVariable is the variable, with its dollar, that is most like name.
func nearestVariable(name string, in Place) string {
	var known []string
	for i := range variables {
		v := &variables[i]
		if v.Places&in != in || v.NotYet != "" {
			continue
		}
		known = append(known, v.Name)
		if head, ok := strings.CutSuffix(v.Name, "_"); ok {
			if _, after, ok := strings.Cut(name, "_"); ok && nearest(strings.TrimSuffix(name, "_"+after), []string{head}) != "" {
				known = append(known, v.Name+after)
			}
		}
	}
	if best := nearest(name, known); best != "" && best != name {
		return "$" + best
	}
	return ""
}
