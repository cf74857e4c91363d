package main

import (
	"embed"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
)

//go:embed testdata
var files embed.FS

// A corpus is the cases, in the order of file names and of each file.
type corpus struct {
	requests, responses []*testCase
	abstracts           map[string]string // what a technique is, by its name
}

// A testCase is one case of a file of testdata. A file is one technique; the
// lines before its first case say what it is. A case is
//
//	== NAME | RFC SECTION | WANT
//	raw bytes, with Go's escapes; the line's own end is not part of them
//	!DIRECTIVE
//
// Behind the second bar stands what must happen. $ID in raw bytes is a word
// that no other case has; a target with "smuggled" in it must never be a
// request's. Lines that begin with "#" are comments.
//
// Requests want, between "or":
//
//	refused STATUS [after N]  answered with it and closed; N requests before it forwarded
//	forwarded N [closed]      N whole requests reach the origin and are answered, in order; closed: so is the connection
//	answered STATUS           the proxy's own answer, nothing forwarded
//	dropped                   closed without an answer, nothing whole forwarded
//	waits                     no answer, nothing whole forwarded: the request is not complete
//
// and have the directives
//
//	!next          what follows goes out in another segment
//	!await         what follows goes out after an answer, an interim one also
//	!fin           end the sending side here
//	!repeat N TEXT TEXT N times
//	!head          the first request is HEAD
//	!noprobe       no probe on this connection: it would be content
//	!early         the origin answers before it has read the content
//	!status N      the origin answers so
//	!most N        requests that may reach the origin at most; else what is wanted, or 1
//	!sees KEY=VALUE  of the first request at the origin: method, target, body, host
//	               (where Host is kept); whoever shows it another one is ambiguous
//	!ours KEY=VALUE  the same, for opencache alone; also lacks=FIELD, field=NAME: VALUE
//
// Responses want what the client may see:
//
//	STATUS         the proxy's own 5xx
//	cut            an answer that is visibly incomplete
//	whole STATUS [BODY]
//	! before a want: the RFC allows it, but opencache does otherwise
//
// and have the directives
//
//	!ask TEXT      the request's bytes; without it a GET of /$ID
//	!close !reset  end the connection in order, or by RST
//	!later         what follows goes out when the client has its answer
//	!alone         no other request may come on this connection; so it is behind
//	               502 and cut without a word, but for
//	!framed        its end is clear, though the answer is not to be had
//	!repeat N TEXT
type testCase struct {
	technique, name, rfc string
	want                 []want
	steps                []step
	noprobe, early       bool
	alone, framed        bool
	head                 string // method that the first answer is to
	ask                  string
	status               int
	most                 int // negative: as wanted
	sees, ours           []pair
}

func (c *testCase) String() string { return c.technique + "/" + c.name }

// A want is one thing that may happen.
type want struct {
	what   string // refused, forwarded, answered, dropped, waits; status, cut, whole
	status int
	n      int // requests forwarded
	closed bool
	body   string
	others bool // not by opencache
}

// A step is bytes to send, or what to do between them.
type step struct {
	send []byte
	do   string // next, await, fin; close, reset, later
}

// load reads the cases whose name contains part.
func load(part string) (*corpus, error) {
	c := &corpus{abstracts: map[string]string{}}
	var faults []error
	for _, kind := range []string{"requests", "responses"} {
		dir := path.Join("testdata", kind)
		entries, err := files.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			text, err := files.ReadFile(path.Join(dir, e.Name()))
			if err != nil {
				return nil, err
			}
			technique := strings.TrimSuffix(e.Name(), ".txt")
			cases, abstract, err := parse(technique, string(text), kind == "responses")
			faults = append(faults, err)
			c.abstracts[kind+"/"+technique] = abstract
			for _, tc := range cases {
				switch {
				case !strings.Contains(tc.String(), part):
				case kind == "requests":
					c.requests = append(c.requests, tc)
				default:
					c.responses = append(c.responses, tc)
				}
			}
		}
	}
	return c, errors.Join(faults...)
}

// parse reads one file.
func parse(technique, text string, responses bool) (cases []*testCase, abstract string, err error) {
	var faults []error
	names := map[string]bool{}
	var c *testCase
	for i, row := range strings.Split(text, "\n") {
		at := func(err error) {
			if err != nil {
				faults = append(faults, fmt.Errorf("%s, line %d: %w", technique, i+1, err))
			}
		}
		switch {
		case row == "" || row[0] == '#':
		case strings.HasPrefix(row, "== "):
			c = &testCase{technique: technique, most: -1, head: "GET"}
			at(c.header(row[3:], responses))
			if names[c.name] {
				at(fmt.Errorf("%s is there already", c.name))
			}
			names[c.name] = true
			cases = append(cases, c)
		case c == nil:
			abstract = strings.TrimSpace(abstract + " " + row)
		case row[0] == '!':
			at(c.directive(row[1:]))
		default:
			at(c.bytes(row, 1))
		}
	}
	return cases, abstract, errors.Join(faults...)
}

func (c *testCase) header(text string, responses bool) error {
	parts := strings.SplitN(text, " | ", 3)
	if len(parts) != 3 {
		return fmt.Errorf("%q is not NAME | RFC SECTION | WANT", text)
	}
	c.name, c.rfc = parts[0], parts[1]
	for _, alternative := range strings.Split(parts[2], " or ") {
		read := requestWant
		if responses {
			read = responseWant
		}
		w, err := read(alternative)
		if err != nil {
			return err
		}
		c.want = append(c.want, w)
	}
	return nil
}

func requestWant(text string) (w want, err error) {
	f := strings.Fields(text)
	w.what = f[0]
	switch {
	case len(f) == 1 && (w.what == "dropped" || w.what == "waits"):
		w.closed = w.what == "dropped"
		return w, nil
	case w.what == "refused" && len(f) == 4 && f[2] == "after":
		w.n, err = strconv.Atoi(f[3])
	case w.what == "forwarded" && len(f) == 3 && f[2] == "closed":
		w.closed = true
	case len(f) != 2 || w.what != "refused" && w.what != "forwarded" && w.what != "answered":
		return w, fmt.Errorf("want %q", text)
	}
	n, err2 := strconv.Atoi(f[1])
	if w.what == "forwarded" {
		w.n = n
	} else {
		w.status = n
	}
	w.closed = w.closed || w.what == "refused"
	return w, errors.Join(err, err2)
}

func responseWant(text string) (w want, err error) {
	text, w.others = strings.CutPrefix(text, "!")
	f := strings.SplitN(text, " ", 3)
	w.what = f[0]
	switch {
	case w.what == "cut" && len(f) == 1:
	case w.what == "whole" && len(f) > 1:
		if w.status, err = strconv.Atoi(f[1]); err == nil && len(f) == 3 {
			w.body, err = unescape(f[2])
		}
	default:
		w.what = "status"
		w.status, err = strconv.Atoi(text)
	}
	return w, err
}

func (c *testCase) directive(text string) (err error) {
	word, rest, _ := strings.Cut(text, " ")
	switch word {
	case "next", "await", "fin", "close", "reset", "later":
		c.steps = append(c.steps, step{do: word})
	case "repeat":
		times, what, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(times)
		return errors.Join(err, c.bytes(what, n))
	case "head":
		c.head = "HEAD"
	case "noprobe":
		c.noprobe = true
	case "early":
		c.early = true
	case "alone":
		c.alone = true
	case "framed":
		c.framed = true
	case "ask":
		c.ask, err = unescape(rest)
		if strings.HasPrefix(rest, "HEAD") {
			c.head = "HEAD"
		}
	case "status":
		c.status, err = strconv.Atoi(rest)
	case "most":
		c.most, err = strconv.Atoi(rest)
	case "sees", "ours":
		key, value, ok := strings.Cut(rest, "=")
		if !ok {
			return fmt.Errorf("!sees %q", rest)
		}
		value, err = unescape(value)
		if word == "ours" {
			c.ours = append(c.ours, pair{key, value})
		} else {
			c.sees = append(c.sees, pair{key, value})
		}
	default:
		return fmt.Errorf("no directive !%s", word)
	}
	return err
}

// bytes adds text, n times, to what is sent.
func (c *testCase) bytes(text string, n int) error {
	raw, err := unescape(text)
	if err != nil {
		return err
	}
	if len(c.steps) == 0 || c.steps[len(c.steps)-1].do != "" {
		c.steps = append(c.steps, step{})
	}
	last := &c.steps[len(c.steps)-1]
	last.send = append(last.send, strings.Repeat(raw, n)...)
	return nil
}

// unescape reads Go's escapes; quotation marks stand for themselves.
func unescape(text string) (string, error) {
	raw, err := strconv.Unquote(`"` + strings.ReplaceAll(text, `"`, `\x22`) + `"`)
	if err != nil {
		return "", fmt.Errorf("%s: %w", text, err)
	}
	return raw, nil
}
