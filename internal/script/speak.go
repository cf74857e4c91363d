package script

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// An utterance is what one client does in a command.
type utterance func(c *client, v values) error

// namesMax bounds a range of clients.
const namesMax = 2000

var clientName = regexp.MustCompile(`^([a-z][a-z-]*)([0-9]*)(?:\.\.([a-z][a-z-]*)([0-9]+))?$`)

// parseNames reads "c2" or "c1..c100".
func parseNames(text string) ([]string, error) {
	m := clientName.FindStringSubmatch(text)
	if m == nil {
		return nil, fmt.Errorf("%q: want a client such as c1, or c1..c9", text)
	}
	if m[3] == "" {
		return []string{text}, nil
	}
	from, errFrom := strconv.Atoi(m[2])
	to, errTo := strconv.Atoi(m[4])
	if m[1] != m[3] || errFrom != nil || errTo != nil || to < from || to-from >= namesMax {
		return nil, fmt.Errorf("%q: want clients such as c1..c9, up to %d", text, namesMax)
	}
	var names []string
	for n := from; n <= to; n++ {
		names = append(names, m[1]+strconv.Itoa(n))
	}
	return names, nil
}

// parseClient reads the command of a client, with its name or without.
func parseClient(words []string) (action, error) {
	names := []string{"c1"}
	if prefix, ok := strings.CutSuffix(words[0], ":"); ok {
		var err error
		if names, err = parseNames(prefix); err != nil {
			return nil, err
		}
		words = words[1:]
	}
	if len(words) == 0 {
		return nil, errors.New("want what the client does")
	}
	u, err := parseUtterance(words[0], words[1:])
	if err != nil {
		return nil, err
	}
	return func(s *stage) error {
		if err := s.start(nil); err != nil {
			return err
		}
		for _, name := range names {
			if err := u(s.client(name), s.values()); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	}, nil
}

func parseUtterance(verb string, args []string) (utterance, error) {
	switch verb {
	case "get", "head", "post", "put", "patch", "delete", "options", "purge", "query", "trace", "connect":
		return parseRequest(strings.ToUpper(verb), args)
	case "raw", "send":
		return parseBytes(verb, args)
	case "expect":
		es, err := parseExpectations(args)
		return func(c *client, v values) error {
			var errs []error
			for _, e := range es {
				errs = append(errs, e(c, v))
			}
			return errors.Join(errs...)
		}, err
	}
	u, ok := utterances[verb]
	if !ok {
		return nil, fmt.Errorf("unknown command %q", verb)
	}
	if len(args) != 0 {
		return nil, fmt.Errorf("%s takes no word, got %q", verb, args)
	}
	return u, nil
}

// utterances are those without a word.
var utterances = map[string]utterance{
	"wait": func(c *client, _ values) error { return c.waitCurrent() },
	"next": func(c *client, _ values) error {
		if c.current < 0 {
			return errors.New("no request was sent")
		}
		c.current, c.waited = c.current+1, false
		return nil
	},
	"stop":   func(c *client, _ values) error { c.change(func() { c.paused = true }); return nil },
	"resume": func(c *client, _ values) error { c.change(func() { c.paused = false }); return nil },
	"finish": func(c *client, _ values) error {
		if c.conn == nil {
			return errors.New("client is not connected")
		}
		c.flushed()
		c.log.add(c.name, "closes its writing side")
		_ = c.conn.(halfCloser).CloseWrite() // the subject may have closed it
		return nil
	},
	"leave": func(c *client, _ values) error {
		c.log.add(c.name, "leaves")
		c.close()
		return nil
	},
	"vanish": func(c *client, _ values) error {
		if c.conn != nil {
			c.log.add(c.name, "vanishes")
			reset(c.conn)
			c.close()
		}
		return nil
	},
}

// parseBytes reads "raw V [&]" and "send V".
func parseBytes(verb string, args []string) (utterance, error) {
	background := len(args) == 2 && args[1] == "&" && verb == "raw"
	if len(args) != 1 && !background {
		return nil, fmt.Errorf("%s: want one word of bytes", verb)
	}
	return func(c *client, v values) error {
		text, err := v.expand(args[0])
		if err != nil {
			return err
		}
		if verb == "send" {
			// Never on a new connection in place of one that ended: these
			// bytes may be the middle of a request.
			if c.conn == nil {
				if err := c.connect(); err != nil {
					return err
				}
			}
			c.write([]byte(text))
			return nil
		}
		method, _, _ := strings.Cut(text, " ")
		return c.ask(method, []byte(text), !background)
	}, nil
}

// A request is what "get" and its like send.
type request struct {
	method, target, version string
	fields                  []want
	noHost                  bool
	body                    string
	hasBody, background     bool
}

func parseRequest(method string, args []string) (utterance, error) {
	if len(args) == 0 {
		return nil, fmt.Errorf("%s: want a target", strings.ToLower(method))
	}
	r := request{method: method, target: args[0], version: "HTTP/1.1"}
	for i, word := range args[1:] {
		if body, ok := strings.CutPrefix(word, "body="); ok {
			r.body, r.hasBody = body, true
			continue
		}
		switch word {
		case "&":
			if i != len(args)-2 {
				return nil, errors.New("& stands at the end")
			}
			r.background = true
			continue
		case "http/1.0", "http/1.1":
			r.version = strings.ToUpper(word)
			continue
		case "!Host":
			r.noHost = true
			continue
		}
		w, err := parseWant(word)
		if err != nil {
			return nil, err
		}
		if w.rel != equal {
			return nil, fmt.Errorf("%q: a request is written with Field:value", word)
		}
		r.fields = append(r.fields, w)
	}
	return r.send, nil
}

// send writes the request and, unless in the background, waits for its
// answer.
func (r request) send(c *client, v values) error {
	target, err := v.expand(r.target)
	if err != nil {
		return err
	}
	body, err := v.expand(r.body)
	if err != nil {
		return err
	}
	fs, err := expandFields(r.fields, v)
	if err != nil {
		return err
	}
	if _, ok := fs.get("Host"); !ok && !r.noHost {
		fs = append(fields{{"Host", "cache.test"}}, fs...)
	}
	_, length := fs.get("Content-Length")
	_, coded := fs.get("Transfer-Encoding")
	carries := r.method == http.MethodPost || r.method == http.MethodPut || r.method == http.MethodPatch
	if (r.hasBody || carries) && !length && !coded {
		fs = append(fs, field{"Content-Length", strconv.Itoa(len(body))})
	}
	out := bytes.NewBuffer(head(r.method+" "+target+" "+r.version, fs))
	if coded && body != "" {
		out.Write(chunk([]byte(body)))
	} else {
		out.WriteString(body)
	}
	if coded {
		out.WriteString("0\r\n\r\n")
	}
	return c.ask(r.method, out.Bytes(), !r.background)
}
