package config

import (
	"net/mail"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"opencache/internal/expr"
)

// A rule is what a value must be beside its type, from the tag is: the name of
// a check of this file, "one of" and the values, or a range of numbers.
type rule struct {
	check    func(s string) *trouble
	enum     []string
	kind     string // the name of the check
	ranged   bool
	min, max float64
}

// A trouble is what is wrong with a text.
type trouble struct {
	Fault
	at     int  // the byte of the text where it is seen
	hidden bool // the text is not to be repeated
}

func expected(what string) *trouble { return &trouble{Fault: Fault{Expected: what}} }

// parseRule reads the tag is.
func parseRule(tag string) rule {
	if values, ok := strings.CutPrefix(tag, "one of "); ok {
		return rule{kind: "one of", enum: strings.Fields(values)}
	}
	if low, high, ok := strings.Cut(tag, ".."); ok {
		r := rule{kind: tag, ranged: true}
		r.min, _ = strconv.ParseFloat(low, 64)
		r.max, _ = strconv.ParseFloat(high, 64)
		return r
	}
	r := rule{kind: tag, check: checks[tag]}
	if tag != "" && tag != "positive" && r.check == nil {
		panic("config: no check is called " + tag)
	}
	return r
}

// text checks a string; nil when it is well.
func (r rule) text(s string) *trouble {
	switch {
	case r.enum != nil && !slices.Contains(r.enum, s):
		t := expected(oneOf(r.enum))
		t.Nearest = nearest(s, r.enum)
		return t
	case r.check != nil:
		return r.check(s)
	}
	return nil
}

// check checks a string, where it was not found well before: sites say the same
// patterns and expressions again and again.
func (k *desk) check(r rule, s string) *trouble {
	if k == nil || r.check == nil {
		return r.text(s)
	}
	if _, ok := k.well[checked{r.kind, s}]; ok {
		return nil
	}
	t := r.text(s)
	if t == nil && len(k.well) < maxWell {
		if k.well == nil {
			k.well = map[checked]struct{}{}
		}
		k.well[checked{r.kind, s}] = struct{}{}
	}
	return t
}

// number returns what was expected of a number; empty when it is well.
func (r rule) number(n float64) string {
	switch {
	case r.kind == "positive" && n <= 0:
		return "more than 0"
	case r.ranged && (n < r.min || n > r.max):
		return strconv.FormatFloat(r.min, 'f', -1, 64) + " to " + strconv.FormatFloat(r.max, 'f', -1, 64)
	case r.enum != nil && !slices.Contains(r.enum, strconv.FormatFloat(n, 'f', -1, 64)):
		return oneOf(r.enum)
	}
	return ""
}

// oneOf lists what a value can be, the first of many.
func oneOf(names []string) string {
	const most = 24
	switch {
	case len(names) == 1:
		return names[0]
	case len(names) > most:
		return "one of " + strings.Join(names[:most], ", ") + " and " + strconv.Itoa(len(names)-most) + " more"
	}
	return "one of " + strings.Join(names, ", ")
}

// What checks expect, where it is said in more than one place.
const (
	aName     = "a name of letters, digits, dots, - and _, at most 64"
	aNetwork  = "a network like 192.0.2.0/24 or an address"
	aHostname = "a host like example.com, *.example.com or _; a name beyond ASCII in its xn-- form"
)

// checks are those that the tag is names.
var checks = map[string]func(string) *trouble{
	"name":          simple(isName, aName),
	"label":         simple(isLabel, "a text of at most 256 printable characters"),
	"hostname":      checkHostname,
	"origin url":    checkServer,
	"server name":   simple(isServerName, "a host like origin.example, or an address"),
	"url":           checkURL,
	"token":         simple(isToken, "a token"),
	"location":      checkLocation,
	"regexp":        checkRegexp,
	"key":           checkKey,
	"condition":     checkCondition(expr.ParseCondition),
	"log condition": checkCondition(expr.ParseLogCondition),
	"upstream text": checkText(expr.InUpstream),
	"response text": checkText(expr.InResponse),
	"request text":  checkText(expr.InCondition),
	"answer text":   checkText(expr.InAnswer),
	"redirect text": checkText(expr.InRedirect),
	"field":         simple(isToken, "the name of a field"),
	"field or *":    simple(isToken, "the name of a field, or *"), // * is a token
	"answer field":  checkAnswerField,
	"field value":   hide(simple(isFieldValue, "a value without control characters")),
	"method":        simple(isMethod, "a method in capitals, like GET"),
	"directive":     checkDirective,
	"parameter":     simple(isLabel, "the name of a parameter"),
	"status":        simple(isStatus, `a status like "200", a class like "2xx", or "any"`),
	"extension":     simple(isExtension, "an extension without a dot, like css"),
	"path":          simple(isPath, "a path"),
	"target":        simple(isTarget, "a path with or without a query, like /health, without blanks"),
	"authority":     simple(isAuthority, "a host, with or without a port"),
	"file name":     simple(isFileName, "the name of a file, without a folder"),
	"origin":        simple(isOrigin, "an origin like https://a.example, or *"),
	"ciphers":       simple(isCiphers, "OpenSSL's names of ciphers, separated by colons"),
	"address":       simple(isAddress, "host:port, :port or unix:/path"),
	"address or off": simple(func(s string) bool { return s == "off" || isAddress(s) },
		"host:port, unix:/path or off"),
	"rate":           simple(isRate, "requests in a time like 10/s, 100/m, 1000/h or 10000/d"),
	"realm":          simple(isRealm, "printable characters without quotes"),
	"network":        simple(isNetwork, aNetwork),
	"country":        simple(isCountry, "two capital letters, like DE"),
	"variable":       simple(isVariable, "the name of a variable of the environment"),
	"email":          simple(isEmail, "an address like admin@example.com"),
	"media type":     simple(isMediaType, "a media type like text/html or text/*"),
	"directive name": simple(isToken, "the name of a directive, like max-age"),
}

func simple(ok func(string) bool, what string) func(string) *trouble {
	return func(s string) *trouble {
		if ok(s) {
			return nil
		}
		return expected(what)
	}
}

func hide(check func(string) *trouble) func(string) *trouble {
	return func(s string) *trouble {
		t := check(s)
		if t != nil {
			t.hidden = true
		}
		return t
	}
}

func isName(s string) bool {
	return s != "" && len(s) <= 64 && strings.IndexFunc(s, func(c rune) bool { return !isNameByte(c) }) < 0
}

func isLabel(s string) bool {
	return s != "" && len(s) <= 256 && utf8.ValidString(s) && strings.IndexFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f }) < 0
}

// isToken is RFC 9110's token.
func isToken(s string) bool {
	return s != "" && strings.IndexFunc(s, func(c rune) bool {
		return c <= ' ' || c > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
	}) < 0
}

func isFieldValue(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) < 0
}

func isMethod(s string) bool { return isToken(s) && s == strings.ToUpper(s) }

func isStatus(s string) bool {
	return s == "any" || len(s) == 3 && '1' < s[0] && s[0] <= '5' &&
		(s[1:] == "xx" || '0' <= s[1] && s[1] <= '9' && '0' <= s[2] && s[2] <= '9')
}

func isExtension(s string) bool { return isName(s) && s[0] != '.' }

func isPath(s string) bool { return s != "" && !strings.ContainsRune(s, 0) && len(s) < 4096 }

// isTarget takes what a request can ask for (RFC 9112, 3.2.1).
func isTarget(s string) bool {
	return strings.HasPrefix(s, "/") && len(s) < 4096 && strings.IndexFunc(s, func(c rune) bool { return c <= ' ' || c > '~' || c == '#' }) < 0
}

func isAuthority(s string) bool {
	return isHost(s) || isAddress(s) && !strings.HasPrefix(s, "unix:") && !strings.HasPrefix(s, ":") && !strings.HasPrefix(s, "*")
}

func isFileName(s string) bool {
	return isPath(s) && s != "." && s != ".." && !strings.Contains(s, "/")
}

func isOrigin(s string) bool {
	if s == "*" || s == "null" {
		return true
	}
	u, err := url.Parse(s)
	return err == nil && u.Scheme != "" && u.Host != "" && u.User == nil && u.Path == "" && u.RawQuery == "" && u.Fragment == "" &&
		s == strings.ToLower(s)
}

func isCiphers(s string) bool {
	return s != "" && strings.IndexFunc(s, func(c rune) bool { return !isNameByte(c) && !strings.ContainsRune(":+!@=", c) }) < 0
}

// isAddress takes what net.Listen does, as far as text shows.
func isAddress(s string) bool {
	if file, ok := strings.CutPrefix(s, "unix:"); ok {
		return isPath(file)
	}
	colon := strings.LastIndexByte(s, ':')
	if colon < 0 {
		return false
	}
	host, port := s[:colon], s[colon+1:]
	if inner, ok := strings.CutPrefix(host, "["); ok {
		addr, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		return err == nil && addr.Is6() && strings.HasSuffix(inner, "]") && isPort(port)
	}
	return (host == "" || host == "*" || isHost(host)) && isPort(port)
}

func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

func isNetwork(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	_, err := netip.ParsePrefix(s)
	return err == nil
}

func isCountry(s string) bool {
	return len(s) == 2 && 'A' <= s[0] && s[0] <= 'Z' && 'A' <= s[1] && s[1] <= 'Z'
}

func isVariable(s string) bool {
	return s != "" && !strings.ContainsAny(s, "=\x00") && len(s) <= 256
}

func isEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s
}

// isHost takes names of DNS and addresses of version 4.
func isHost(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.IndexFunc(label, func(c rune) bool { return !isNameByte(c) }) >= 0 {
			return false
		}
	}
	return true
}

func checkHostname(s string) *trouble {
	name := strings.TrimPrefix(s, "*.")
	switch {
	case s == "_" || isHost(name) && !strings.Contains(name, "*"):
		return nil
	case strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]"):
		if addr, err := netip.ParseAddr(s[1 : len(s)-1]); err == nil && addr.Is6() {
			return nil
		}
	case strings.Contains(s, "://"):
		return expected(aHostname + "; no scheme")
	case strings.Contains(s, ":"):
		return expected(aHostname + "; no port")
	}
	return expected(aHostname)
}

// checkServer takes http[s]://host[:port][/base]. What could be a password is
// not repeated.
func isServerName(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil || isHost(s) && !strings.Contains(s, "*")
}

func checkServer(s string) *trouble {
	const what = "http[s]://host[:port][/base]"
	u, err := url.Parse(s)
	t := &trouble{Fault: Fault{Expected: what}, hidden: strings.ContainsAny(s, "@?")}
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return t
	case u.User != nil:
		t.Expected = what + ", without a user or password"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		t.Expected = what + ", without a query or fragment"
	case u.Port() != "" && (!isPort(u.Port()) || u.Port() == "0"), strings.HasSuffix(u.Host, ":"):
		t.Expected = what + ", its port from 1 to 65535"
	default:
		if addr, err := netip.ParseAddr(u.Hostname()); err != nil && !isHost(u.Hostname()) || err == nil && addr.Zone() != "" {
			return t
		}
		return nil
	}
	return t
}

func checkURL(s string) *trouble {
	u, err := url.Parse(s)
	t := &trouble{Fault: Fault{Expected: "http[s]://host[:port]/path"}, hidden: strings.ContainsAny(s, "@?")}
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return t
	case u.User != nil:
		t.Expected += ", without a user or password"
		return t
	}
	return nil
}

// checkAnswerField takes the fields of answers that a document may change. The
// others say how a message is cut, and only who sends it knows that.
func checkAnswerField(s string) *trouble {
	if !isToken(s) {
		return expected("the name of a field")
	}
	switch strings.ToLower(s) {
	case "connection", "content-length", "content-range", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade":
		return expected("a field that does not frame the message")
	}
	return nil
}

// checkDirective takes one directive of Cache-Control as it stands: a token,
// perhaps with = and a token or a quoted string.
func checkDirective(s string) *trouble {
	name, value, has := strings.Cut(s, "=")
	if isToken(name) && (!has || isToken(value) || len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' &&
		isFieldValue(value) && !strings.ContainsAny(value[1:len(value)-1], `"\`)) {
		return nil
	}
	return expected("a directive like must-revalidate or max-stale=60")
}
