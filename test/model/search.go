package model

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// A search is a URL variation config (draft-ietf-httpbis-no-vary-search, Data
// model): which parameters of a query tell resources apart.
type search struct {
	params   []string // these do not; except: only these do
	except   bool
	anyOrder bool
}

// searchOf obtains the config of a response. ok is false for the default one,
// by which whole queries are compared.
func searchOf(f Fields) (s search, ok bool) {
	text := strings.TrimSpace(strings.Join(f.All("No-Vary-Search"), ","))
	lists, kinds := 0, map[string]string{}
	for text != "" {
		key := token(text, "abcdefghijklmnopqrstuvwxyz*", "abcdefghijklmnopqrstuvwxyz0123456789_-.*")
		if key == "" {
			return s, false
		}
		text = text[len(key):]
		value, strs := "?1", []string(nil)
		var fine bool
		switch {
		case strings.HasPrefix(text, "=("):
			strs, text, fine = innerList(text[2:])
			value = "("
		case strings.HasPrefix(text, "="):
			value, _, text, fine = bare(text[1:])
		default:
			fine = true
		}
		if !fine {
			return s, false
		}
		if text, fine = behindParameters(text); !fine {
			return s, false
		}
		if key == "params" || key == "except" {
			s.params, s.except = strs, key == "except"
			if kinds[key] == "" {
				lists++
			}
		}
		kinds[key] = value
		text = strings.TrimLeft(text, " \t")
		if text != "" {
			rest := strings.TrimLeft(strings.TrimPrefix(text, ","), " \t")
			if text[0] != ',' || rest == "" {
				return s, false
			}
			text = rest
		}
	}
	for key, value := range kinds {
		if key == "key-order" && value != "?0" && value != "?1" || (key == "params" || key == "except") && value != "(" {
			return s, false
		}
	}
	s.anyOrder = kinds["key-order"] == "?1"
	for i := range s.params {
		s.params[i] = decode(s.params[i])
	}
	return s, lists == 1 || lists == 0 && s.anyOrder
}

// innerList reads the strings of an inner list behind its parenthesis.
func innerList(s string) (list []string, rest string, ok bool) {
	for {
		s = strings.TrimLeft(s, " ")
		switch {
		case strings.HasPrefix(s, ")"):
			return list, s[1:], true
		case !strings.HasPrefix(s, `"`):
			return nil, "", false
		}
		text, behind, ended := unquote(s)
		if !ended || behind == "" || behind[0] != ' ' && behind[0] != ')' {
			return nil, "", false
		}
		list, s = append(list, text), behind
	}
}

// decode does what a form's parser does to a name or a value.
func decode(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b.WriteByte(' ')
		case s[i] == '%' && i+2 < len(s):
			if text, err := url.PathUnescape(s[i : i+3]); err == nil {
				b.WriteString(text)
				i += 2
				continue
			}
			b.WriteByte('%')
		default:
			b.WriteByte(s[i])
		}
	}
	if text := b.String(); utf8.ValidString(text) {
		return text
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

// equivalent reports whether two URLs are, modulo s.
func (s *search) equivalent(a, b string) bool {
	pathA, queryA, _ := strings.Cut(a, "?")
	pathB, queryB, _ := strings.Cut(b, "?")
	return pathA == pathB && slices.Equal(s.pairs(queryA), s.pairs(queryB))
}

func (s *search) pairs(query string) (pairs [][2]string) {
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		if name = decode(name); slices.Contains(s.params, name) == s.except {
			pairs = append(pairs, [2]string{name, decode(value)})
		}
	}
	if s.anyOrder {
		slices.SortStableFunc(pairs, func(x, y [2]string) int { return strings.Compare(x[0], y[0]) })
	}
	return pairs
}

// sameTarget reports whether the response with the fields f, to a request for
// of, is one for url, too.
func sameTarget(f Fields, of, url string) bool {
	if of == url {
		return true
	}
	s, ok := searchOf(f)
	return ok && s.equivalent(of, url)
}

// alike reports whether URLs differ by their queries at most.
func alike(a, b string) bool {
	pathA, _, _ := strings.Cut(a, "?")
	pathB, _, _ := strings.Cut(b, "?")
	return pathA == pathB
}
