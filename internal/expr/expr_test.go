package expr_test

import (
	"errors"
	"strings"
	"testing"

	"opencache/internal/expr"
)

// request is a Values of its fields.
type request struct {
	secure            bool
	host, path, query string // of query, the question mark as well
	method            string
	fields            map[string]string
	addr              string
	normalizer        *expr.Normalizer
	scratch           *expr.Scratch
}

// AppendValue is how an edge would do it.
func (r *request) AppendValue(dst []byte, v *expr.Var) []byte {
	switch v.ID {
	case expr.Scheme:
		if r.secure {
			return append(dst, "https"...)
		}
		return append(dst, "http"...)
	case expr.Host:
		if v.InKey {
			return append(dst, strings.ToLower(r.host)...)
		}
		return expr.AppendHost(dst, []byte(r.host))
	case expr.RequestMethod:
		return append(dst, r.method...)
	case expr.RequestURI:
		return append(append(dst, r.path...), r.query...)
	case expr.URI:
		if v.InKey {
			return expr.AppendKeyPath(dst, []byte(r.path))
		}
		return expr.AppendPath(dst, []byte(r.path))
	case expr.Args:
		return append(dst, r.args()...)
	case expr.NormalizedArgs:
		return r.normalizer.Append(dst, r.args(), r.scratch)
	case expr.NormalizedURI:
		dst = append(dst, r.path...)
		if r.query == "" {
			return dst
		}
		n := len(dst)
		if dst = r.normalizer.Append(append(dst, '?'), r.args(), r.scratch); len(dst) == n+1 && r.query != "?" {
			dst = dst[:n]
		}
		return dst
	case expr.IsArgs:
		if len(r.args()) > 0 {
			dst = append(dst, '?')
		}
		return dst
	case expr.Arg_:
		if v.InKey {
			return expr.AppendKeyArg(dst, r.args(), v.Name)
		}
		value, _ := expr.Arg(r.args(), v.Name)
		return append(dst, value...)
	case expr.Cookie_:
		if v.InKey {
			return expr.AppendKeyCookie(dst, []byte(r.fields["cookie"]), v.Name)
		}
		value, _ := expr.Cookie([]byte(r.fields["cookie"]), v.Name)
		return append(dst, value...)
	case expr.HTTP_:
		return append(dst, r.fields[v.Name]...)
	case expr.RemoteAddr:
		return append(dst, r.addr...)
	}
	return dst
}

// args is the query without its question mark.
func (r *request) args() []byte { return []byte(strings.TrimPrefix(r.query, "?")) }

var example = &request{
	host: "WWW.Example.com.:8080", path: "/a//b/../%63%2Fd", query: "?b=1&A=2&a=3&empty=&none", method: "HEAD", addr: "192.0.2.1",
	fields: map[string]string{"cookie": "session=; Tier=x; tier=\"gold\"", "user-agent": "Mozilla Bot/1.0"}, scratch: new(expr.Scratch),
}

func TestText(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"plain text, 100 %", "plain text, 100 %"},
		{"$scheme://$host$request_uri", "http://www.example.com/a//b/../%63%2Fd?b=1&A=2&a=3&empty=&none"},
		{"${scheme}s$$x $$$host", "https$x $www.example.com"},
		{"$uri $document_uri", "/a/c/d /a/c/d"},
		{"[$args][$query_string][$is_args]", "[b=1&A=2&a=3&empty=&none][b=1&A=2&a=3&empty=&none][?]"},
		{"$arg_a $arg_B [$arg_empty] [$arg_none] [$arg_absent]", "2 1 [] [] []"},
		{"$cookie_tier $cookie_Tier [$cookie_session] [$cookie_absent]", "\"gold\" x [] []"},
		{"$http_user_agent $HTTP_User_Agent [$http_accept]", "Mozilla Bot/1.0 Mozilla Bot/1.0 []"},
		{"${http_user-agent} $remote_addr [$geoip_country_code]", "Mozilla Bot/1.0 192.0.2.1 []"},
		{"$request_method", "HEAD"},
	} {
		text, err := expr.ParseText(c.text, expr.InResponse)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got := string(text.Append(nil, example)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.text, got, c.want)
		}
		if got, ok := text.Constant(); ok != (len(text.Vars()) == 0) || ok && got != c.want {
			t.Errorf("%s: got constant %q %t", c.text, got, ok)
		}
	}
}

// TestTextInFields: no client ends a field line by what it asks for.
func TestTextInFields(t *testing.T) {
	r := &request{host: "h", path: "/a%0d%0aX:%20%c3%a9%3Fb%2f/%61", query: "?x", fields: map[string]string{"a": "1\r\n2\t3 \xe9"}}
	for _, c := range []struct {
		in   expr.Place
		want string
	}{
		{expr.InResponse, "/a%0D%0AX: é?b/a 1%0D%0A2\t3 \xe9"},
		{expr.InUpstream, "/a%0D%0AX: é?b/a 1%0D%0A2\t3 \xe9"},
		{expr.InAnswer, "/a\r\nX: é?b/a 1\r\n2\t3 \xe9"},
		{expr.InRedirect, "/a%0D%0AX:%20%C3%A9%3Fb%2F/a 1%0D%0A2%093%20%E9"},
	} {
		text, err := expr.ParseText("$uri $http_a", c.in)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(text.Append(nil, r)); got != c.want {
			t.Errorf("in %s: got %q, want %q", c.in, got, c.want)
		}
	}
}

func TestTextFaults(t *testing.T) {
	for _, c := range []struct {
		text string
		in   expr.Place
		want string
	}{
		{"a $hots", expr.InKey, `at position 3: "$hots": no such variable; did you mean $host?`},
		{"$request_ur", expr.InKey, `at position 1: "$request_ur": no such variable; did you mean $request_uri?`},
		{"$requst_uri", expr.InKey, `at position 1: "$requst_uri": no such variable; did you mean $request_uri?`},
		{"$htp_user_agent", expr.InKey, `at position 1: "$htp_user_agent": no such variable; did you mean $http_user_agent?`},
		{"$whatever", expr.InKey, `at position 1: "$whatever": no such variable`},
		{"$cookie_", expr.InKey, `at position 1: "$cookie_": no such variable`},
		{"a$", expr.InKey, `at position 2: "$": expected $name or ${name}, or $$ for a dollar`},
		{"${host", expr.InKey, `at position 1: "${host": expected $name or ${name}, or $$ for a dollar`},
		{"${} x", expr.InKey, `at position 1: "${}": expected $name or ${name}, or $$ for a dollar`},
		{"$request_id", expr.InKey, `at position 1: "$request_id": not in a key: no two requests have the same, so nothing would be found again`},
		{"$status", expr.InUpstream, `at position 1: "$status": not in an upstream field, but in a response field`},
		{"$1", expr.InResponse, `at position 1: "$1": not in a response field, but in an answer, a redirect`},
		{"$server_addr", expr.InResponse, `at position 1: "$server_addr": not yet: listeners do not tell it`},
		{"a\r\nb", expr.InResponse, `at position 2: "\r": a control character, which has no place in a response field`},
		{strings.Repeat("x", 4097), expr.InKey, `at position 4097: 4097 bytes: expected at most 4096`},
	} {
		_, err := expr.ParseText(c.text, c.in)
		var fault *expr.Error
		if !errors.As(err, &fault) || fault.Error() != c.want {
			t.Errorf("%.40s: got %v, want %s", c.text, err, c.want)
		}
	}
}

func TestCondition(t *testing.T) {
	for _, c := range []struct {
		text string
		want bool
	}{
		{"$arg_a", true},
		{"$arg_absent", false},
		{"$arg_absent $arg_a", true},
		{"$arg_absent $cookie_session", false},
		{"$arg_empty$arg_a", true},
		{"!$arg_a", false},
		{"! $arg_absent", true},
		{"0", false}, {"1", true}, {`""`, false}, {"''", false}, {"00", true},
		{"$arg_a = 2", true}, {"$arg_a != 2", false}, {"$arg_a = '2'", true}, {`$arg_absent = ""`, true},
		{"$arg_a = $arg_b", false}, {"$arg_a != $arg_b", true}, {`"$arg_b$arg_a" = 12`, true},
		{"$http_user_agent ~ bot", false}, {"$http_user_agent ~* bot", true},
		{"$http_user_agent !~ bot", true}, {"$http_user_agent !~* bot", false},
		{"$http_user_agent ~* (bot|crawl)", true}, {"($http_user_agent ~* (bot|crawl)) && $arg_a", true},
		{`$http_user_agent ~ "Mozilla Bot"`, true}, {`$uri ~ ^/a/[^]x)]/d$`, true},
		{"$arg_absent && $arg_a || $arg_b", true}, {"$arg_absent && ($arg_a || $arg_b)", false},
		{"$arg_b || $arg_a && $arg_absent", true},
		{"!($arg_a && $arg_absent)", true}, {"!!$arg_a", true},
		{"$request_method = HEAD && !$cookie_session", true},
	} {
		cond, err := expr.ParseCondition(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got := cond.True(example, new(expr.Scratch)); got != c.want {
			t.Errorf("%s: got %t, want %t", c.text, got, c.want)
		}
		if got, ok := cond.Constant(); ok && got != c.want {
			t.Errorf("%s: constant %t, want %t", c.text, got, c.want)
		}
	}
	if (*expr.Condition)(nil).True(nil, nil) {
		t.Error("nil: got true")
	}
}

func TestConditionFaults(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "at position 1: expected a value"},
		{"$arg_a &&", "at position 10: expected a value"},
		{"$arg_a = ", "at position 10: expected a value"},
		{"$arg_a ~ ", "at position 10: expected a regular expression"},
		{"= x", `at position 1: "=": expected white space around an operator, and quotes around a text that holds one`},
		{"!= x", `at position 1: "!=": expected a value in front of the operator`},
		{"$arg_a=2", `at position 7: "=2": expected white space around an operator, and quotes around a text that holds one`},
		{"$arg_a = 2&&$arg_b", `at position 11: "&&$arg_b": expected white space around an operator, and quotes around a text that holds one`},
		{"$arg_a ~ 2||$arg_b", `at position 11: "||$arg_b": expected white space around an operator, and quotes around a regular expression that holds one`},
		{"($arg_a", "at position 8: expected a parenthesis that ends the one at position 1"},
		{"$arg_a)", `at position 7: ")": expected && or || or the end`},
		{"$arg_a = two words", `at position 14: "words": expected a variable: this is always the same; a text with spaces needs quotes`},
		{"$arg_a and $arg_b", `at position 8: "and": expected a variable: this is always the same; a text with spaces needs quotes`},
		{`$arg_a = "x`, `at position 10: "\"x": a quote that does not end`},
		{`$arg_a = "x"y`, `at position 13: "y": expected white space behind a quote`},
		{"-f $request_filename", `at position 1: "-f": tests of files are not for a cache: its files are the origin's`},
		{"$arg_a && $cokie_x", `at position 11: "$cokie_x": no such variable; did you mean $cookie_x?`},
		{"$arg_a ~ (?=x)", `at position 10: "(?=": lookahead can not be matched in linear time`},
		{`$arg_a ~ "x("`, `at position 13: "x(": missing closing )`},
		{strings.Repeat("(", 40) + "$arg_a" + strings.Repeat(")", 40), `at position 33: "(((((((($arg_a))))))": nested too deeply`},
		{strings.Repeat("!", 40) + "$arg_a", `at position 33: "!!!!!!!!$arg_a": nested too deeply`},
	} {
		_, err := expr.ParseCondition(c.text)
		var fault *expr.Error
		if !errors.As(err, &fault) || fault.Error() != c.want {
			t.Errorf("%.40s: got %v, want %s", c.text, err, c.want)
		}
	}
}
