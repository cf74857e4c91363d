package differ

import "strings"

// Who is stricter in a class.
const (
	we      = "opencache"
	they    = "net/http"
	neither = "neither"
)

// A class is a way in which the readers differ, by the text of an RFC.
type class struct {
	name     string
	section  string // that decides it
	why      string // what it says, and what follows
	stricter string
	example  sample
	// A difference is of the class when its aspect is one of these ("taken"
	// when there are none), what each reader says holds ours or theirs, and
	// when, which looks at the bytes themselves, agrees.
	aspects      []string
	ours, theirs string
	when         func(d difference) bool
}

func (c *class) holds(d difference) bool {
	aspects := c.aspects
	if len(aspects) == 0 {
		aspects = []string{"taken"}
		if (d.ours == "") != (c.ours == "") || !strings.Contains(d.ours, c.ours) || !strings.Contains(d.theirs, c.theirs) {
			return false
		}
	}
	for _, a := range aspects {
		if a == d.aspect {
			return c.when(d)
		}
	}
	return false
}

// classOf returns the first class that d is of, nil when there is none.
func classOf(d difference) *class {
	for i := range classes {
		if classes[i].holds(d) {
			return &classes[i]
		}
	}
	return nil
}

func request(data string) sample  { return sample{data, ""} }
func response(data string) sample { return sample{data, "GET"} }

// withFields is a request with more field lines, and what is behind its head.
func withFields(fields, content string) sample {
	return request("POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + content)
}

func chunks(content string) sample { return withFields("Transfer-Encoding: chunked\r\n", content) }

// agreed are messages that both readers take for the same, or neither takes.
var agreed = []sample{
	request("GET /a/b?c=d&e HTTP/1.1\r\nHost: a:80\r\nAccept: */*\r\naccept: x, y\r\nConnection: close\r\n\r\n"),
	request("GET http://a/b%20c HTTP/1.1\r\nHost: b\r\n\r\nGET / HTTP/1.1\r\n"),
	request("HEAD https://[::1]:443/?x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
	request("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"),
	request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
	withFields("Content-Length: 5\r\n", "helloGET"),
	chunks("5;a=b\r\nhello\r\n0\r\nX-A: b\r\n\r\nGET"),
	withFields("Content-Length: +1\r\n", "a"), withFields("Content-Length: 1, 1\r\n", "a"), withFields("Content-Length: 9\r\n", "cut"),
	withFields("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), withFields("Transfer-Encoding: identity\r\n", ""),
	withFields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
	withFields("A: b\x00c\r\n", ""), withFields("A: b\rc\r\n", ""), withFields(": b\r\n", ""), withFields("Host: b\r\n", ""),
	chunks("1\na\r\n0\r\n\r\n"), chunks("ffffffffffffffff\r\n"), chunks("0x1\r\na\r\n0\r\n\r\n"),
	response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"a\"\r\n\r\nhelloHTTP/1.1"),
	response("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\nETag: x\r\n\r\nx"),
	response("HTTP/1.0 404 Not Found\r\n\r\nuntil the end"),
	response("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nx"), response("HTTP/1.1 103 x\r\nLink: y\r\n\r\nHTTP/1.1 200"),
	{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP", "HEAD"},
}

// classes are all the ways in which the readers may differ; the order counts
// where a difference is of several.
var classes = []class{
	{
		name: "bare LF ends a line", section: "RFC 9112, 2.2", stricter: we, example: request("GET / HTTP/1.1\nHost: a\n\n"),
		why:  "a recipient MAY take it; whoever is behind a reader that does not sees another message",
		ours: "line feed without carriage return", when: matches(`(^|[^\r])\n`),
	},
	{
		name: "bare LF ends a status line", section: "RFC 9112, 2.2", stricter: we, example: response("HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"),
		why: "as above", ours: "status line", when: matches(`^[^\n]*[^\r]\n`),
	},
	{
		name: "folded field line (obs-fold)", section: "RFC 9112, 5.2", stricter: we, example: withFields("A: b\r\n c\r\n", ""),
		why:  "a server MUST refuse it or put spaces in its place; refused from origins too, where a proxy may discard the message",
		ours: "folded field line", when: matches(`\n[ \t]`),
	},
	{
		name: "white space before the colon", section: "RFC 9112, 5.1", stricter: we, example: withFields("Content-Length : 1\r\n", "a"),
		why:  "a server MUST refuse it; a proxy MUST take it off a response before handing it on, and this one does not hand it on",
		ours: "white space in or behind a field name", when: matches(`\n[^\n:]*[ \t][^\n]*:`),
	},
	{
		name: "no Host", section: "RFC 9112, 3.2", stricter: we, example: request("GET / HTTP/1.1\r\n\r\n"),
		why: "a server MUST answer 400", ours: "no Host", when: func(d difference) bool { return count(d, "Host") == 0 },
	},
	{
		name: "Host that is no host", section: "RFC 9112, 3.2", stricter: we, example: request("GET / HTTP/1.1\r\nHost: u@a b\r\n\r\n"),
		why: "a server MUST answer 400 to an invalid value", ours: "Host is not host[:port]", when: badHost,
	},
	{
		name: "another major version in a request", section: "RFC 9110, 2.5", stricter: we, example: request("GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
		why:  "this parser is for major version 1; above it the answer is 505 (RFC 9110, 15.6.6), below it 400",
		ours: "HTTP version", when: matches(`^(\r\n)?[^ ]+ [^ ]* HTTP/[02-9]\.[0-9]\r?\n`),
	},
	{
		name: "\"*\" for a method other than OPTIONS", section: "RFC 9112, 3.2.4", stricter: we, example: request("GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
		why: "asterisk form is for OPTIONS alone", ours: "target is neither a path", when: matches(`^(\r\n)?[^ ]+ \* `),
	},
	{
		name: "target with another scheme, or http without an authority", section: "RFC 9112, 3.2.2", stricter: we, example: request("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
		why:  "a cache of http and https has no answer for other schemes",
		ours: "target is neither a path", when: matches(`^(\r\n)?[^ ]+ [A-Za-z][A-Za-z0-9+.-]*:`),
	},
	{
		name: "fragment in the target", section: "RFC 9112, 3.2", stricter: we, example: request("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
		why: "none of the four forms has one", ours: "\"#\"", when: matches(`^(\r\n)?[^ ]+ [^ ]*#`),
	},
	{
		name: "bytes above ASCII in the target", section: "RFC 3986, 2", stricter: we, example: request("GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n"),
		why: "a URI is made of ASCII characters", ours: "not visible ASCII", when: matches(`^(\r\n)?[^ ]+ [^ ]*[^\x00-\x7f]`),
	},
	{
		name: "user information in the target", section: "RFC 9110, 4.2.4", stricter: we, example: request("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
		why: "\"treat its presence as an error\"", ours: "authority of the target", when: matches(`^(\r\n)?[^ ]+ (?i:https?)://[^/? ]*@`),
	},
	{
		name: "absolute form without a host, or with one that is none", section: "RFC 9110, 4.2.1", stricter: we,
		example: request("GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n"),
		why:     "an empty host MUST be rejected; a port above 65535, a zone and bytes outside of RFC 3986, 3.2.2 name no host either",
		ours:    "authority of the target", when: badTargetHost,
	},
	{
		name: "CONNECT without host and port", section: "RFC 9112, 3.2.3", stricter: we, example: request("CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n"),
		why: "authority form is the host and port of the tunnel's end", ours: "target", when: badConnect,
	},
	{
		name: "an expectation other than 100-continue", section: "RFC 9110, 10.1.1", stricter: we, example: withFields("Expect: x\r\n", ""),
		why: "a server MAY answer 417; handing it on would promise what nobody keeps", ours: "expectation", when: matches(`(?i)\nexpect:`),
	},
	{
		name: "Transfer-Encoding together with Content-Length", section: "RFC 9112, 6.3, item 3", stricter: we,
		example: withFields("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
		why:     "\"ought to be handled as an error\": it is how requests are smuggled",
		ours:    "Transfer-Encoding together with Content-Length", when: bothFramings,
	},
	{
		name: "Transfer-Encoding in HTTP/1.0", section: "RFC 9112, 6.1", stricter: we,
		example: request("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		why:     "its framing MUST be treated as faulty; net/http ignores the field",
		ours:    "Transfer-Encoding", when: func(d difference) bool { return count(d, "Transfer-Encoding") > 0 && old(d) },
	},
	{
		name: "Content-Length twice", section: "RFC 9112, 6.3, item 5", stricter: we,
		example: withFields("Content-Length: 1\r\nContent-Length: 1\r\n", "a"),
		why:     "equal ones MAY be taken for one; nobody in earnest sends them",
		ours:    "Content-Length repeated", when: func(d difference) bool { return count(d, "Content-Length") > 1 },
	},
	{
		name: "white space behind a chunk size in a request", section: "RFC 9112, 7.1", stricter: we, example: chunks("1 \r\na\r\n0\r\n\r\n"),
		why:  "the grammar has none; from origins, some of which pad, it is taken",
		ours: "chunk-size line that is not allowed", when: matches(`[0-9A-Fa-f][ \t]+\r\n`),
	},
	{
		name: "control bytes in a chunk extension", section: "RFC 9112, 7.1.1", stricter: we, example: chunks("1;\x00\r\na\r\n0\r\n\r\n"),
		why: "they are in no token and no quoted-string", ours: "chunk-size line that is not allowed", when: matches(`;[^\r\n]*[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]`),
	},
	{
		name: "a size, or number of field lines, above the limit", section: "RFC 9110, 5.4", stricter: we,
		example: withFields(strings.Repeat("A: b\r\n", 300), ""),
		why:     "414, 431 or 502; here net/http has none: it leaves that to who reads",
		ours:    "than allowed", when: func(d difference) bool { return len(d.data) > 1000 },
	},
	{
		name: "another major version in a response", section: "RFC 9110, 2.5", stricter: we, example: response("HTTP/2.0 200 OK\r\n\r\n"),
		why: "as for requests", ours: "status line", when: matches(`^HTTP/[02-9]\.[0-9] `),
	},
	{
		name: "a status code outside of 100 to 599", section: "RFC 9110, 15", stricter: we, example: response("HTTP/1.1 999 OK\r\n\r\n"),
		why:  "a client is to take it for a 5xx, and a cache would have to guess whether content follows",
		ours: "status line", when: matches(`^HTTP/1\.[0-9] (0|[6-9])[0-9][0-9]( [^\n]*)?\r\n`),
	},
	{
		name: "a status line with a sign, or more than one space", section: "RFC 9112, 4", stricter: we, example: response("HTTP/1.1  +20 OK\r\n\r\n"),
		why:  "the code is three digits; its own lenience in white space it gives to whoever does not mind",
		ours: "status line", when: matches(`^HTTP/1\.[0-9] ( |[+-]| *[+-][0-9][0-9])`),
	},
	{
		name: "control bytes in a reason phrase", section: "RFC 9112, 4", stricter: we, example: response("HTTP/1.1 200 O\x01K\r\n\r\n"),
		why: "it is HTAB, SP, VCHAR and obs-text", ours: "reason phrase", when: matches(`^HTTP/1\.[0-9] [0-9]{3} [^\n]*[\x00-\x08\x0b-\x1f\x7f]`),
	},
	{
		name: "an empty line before the request line", section: "RFC 9112, 2.2", stricter: they, example: request("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
		why: "a server SHOULD ignore at least one", theirs: "malformed HTTP request", when: matches(`^\r\n[^\r\n]`),
	},
	{
		name: "percent triplets in the host of the target", section: "RFC 3986, 3.2.2", stricter: they,
		example: request("GET http://a%2db/ HTTP/1.1\r\nHost: a\r\n\r\n"),
		why:     "a reg-name may hold them; they are handed on as they came",
		theirs:  "invalid URL escape", when: matches(`^(\r\n)?[^ ]+ ((?i:https?)://)?[^/? ]*%`),
	},
	{
		name: "Trailer that announces framing fields", section: "RFC 9110, 6.6.2", stricter: they,
		example: withFields("Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n", "0\r\n\r\n"),
		why:     "it is a hint that nothing rests on: such fields are dropped from trailer sections (RFC 9110, 6.5.1)",
		theirs:  "bad trailer key", when: matches(`(?i)\ntrailer:[^\n]*(content-length|transfer-encoding|trailer)`),
	},
	{
		name: "white space before the semicolon of a chunk extension", section: "RFC 9112, 7.1.1", stricter: they, example: chunks("1 ;a\r\na\r\n0\r\n\r\n"),
		why: "the grammar has it, as bad white space that a recipient MUST parse (RFC 9110, 5.6.3)", theirs: "invalid byte in chunk length", when: matches(`\n[0-9A-Fa-f]+[ \t]+;`),
	},
	{
		name: "long trailer sections and extensions", section: "RFC 9112, 7.1", stricter: they,
		example: chunks("0\r\nA: " + strings.Repeat("b", 5000) + "\r\n\r\n"),
		why:     "each bounds them in its own way: net/http by its buffer, opencache by the limit of heads and 64 KiB of excess",
		when: func(d difference) bool {
			return len(d.data) > 1000 && strings.Contains(strings.ToLower(d.data), "chunked")
		},
	},
	{
		name: "minor versions above 1", section: "RFC 9110, 2.5", stricter: neither, example: request("GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
		why: "they are processed as the highest that is known: 1", aspects: []string{"version"}, when: matches(` HTTP/1\.[2-9]\r|^HTTP/1\.[2-9]`),
	},
	{
		name: "absolute form with an empty path", section: "RFC 9112, 3.2.1", stricter: neither, example: request("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n"),
		why:     "an empty path is \"/\", and \"*\" for OPTIONS (3.2.4); net/http leaves it empty",
		aspects: []string{"path"}, when: matches(`^(\r\n)?[^ ]+ (?i:https?)://[^/? ]+(\?[^ ]*)? `),
	},
	{
		name: "Pragma: no-cache", section: "RFC 9111, 5.4", stricter: neither, example: withFields("Pragma: no-cache\r\n", ""),
		why: "net/http adds \"Cache-Control: no-cache\"; here rfc9111 reads Pragma", aspects: []string{"fields"}, when: pragma,
	},
	{
		name: "fields that may not be trailers", section: "RFC 9110, 6.5.1", stricter: we, example: chunks("0\r\nContent-Type: b\r\nETag: c\r\n\r\n"),
		why: "a recipient MUST NOT merge what is not known to allow it: they are dropped", aspects: []string{"trailers"}, when: untrailing,
	},
	{
		name: "Content-Length of what has no content", section: "RFC 9110, 8.6", stricter: neither,
		example: response("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
		why:     "in a 304 it tells the length of the 200, in a 1xx or 204 it tells nothing; neither reader takes content for it",
		aspects: []string{"length"}, when: matches(`^HTTP/1\.[0-9] +(1[0-9][0-9]|204|304)`),
	},
	{
		name: "content behind a 2xx to CONNECT", section: "RFC 9112, 6.3, item 2", stricter: neither,
		example: sample{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "CONNECT"},
		why:     "the tunnel begins behind the head; net/http leaves that to its Transport",
		aspects: []string{"length", "content", "leftover", "trailers", "persistence", "taken"}, when: func(d difference) bool { return d.method == "CONNECT" && d.data[9] == '2' },
	},
}
