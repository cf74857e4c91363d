package script

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// An expectation is one word of "expect": what it waits for and what it
// then checks.
type expectation func(c *client, v values) error

func parseExpectations(words []string) ([]expectation, error) {
	if len(words) == 0 {
		return nil, errors.New("expect: want what")
	}
	var es []expectation
	for _, word := range words {
		e, err := parseExpectation(word)
		if err != nil {
			return nil, err
		}
		es = append(es, e)
	}
	return es, nil
}

func parseExpectation(word string) (expectation, error) {
	if isStatus(word) {
		status, _ := strconv.Atoi(word)
		return onHead(func(r *reply, _ values) error {
			if r.status != status {
				return fmt.Errorf("status: got %d, want %d", r.status, status)
			}
			return nil
		}), nil
	}
	if state, ok := states[word]; ok {
		return state, nil
	}
	for _, form := range forms {
		if arg, ok := strings.CutPrefix(word, form.prefix); ok {
			return form.parse(arg)
		}
	}
	w, err := parseWant(word)
	if err != nil {
		return nil, fmt.Errorf("expect: %w, a status, body=V, body~V, sofar=V, prefix=V, head~V, trailer=F:V, interim=N, interim~V, interims=N, complete, incomplete, closed, open or nothing", err)
	}
	return onHead(func(r *reply, v values) error { return w.check(r.fields, v) }), nil
}

// states are the words without a value.
var states = map[string]expectation{
	"complete":   onEnd(func(*reply, values) error { return nil }),
	"incomplete": expectIncomplete,
	"closed":     expectClosed,
	"open":       expectOpen,
	"nothing":    expectNothing,
}

// forms are the words with a prefix and a value, the longer ones first.
var forms = []struct {
	prefix string
	parse  func(arg string) (expectation, error)
}{
	{"body=", func(arg string) (expectation, error) {
		return onEnd(expanded(arg, func(r *reply, want string) error { return differ("content", r.body, want) })), nil
	}},
	{"body~", func(arg string) (expectation, error) {
		return onEnd(expanded(arg, func(r *reply, want string) error { return within("content", r.body, want) })), nil
	}},
	{"prefix=", func(arg string) (expectation, error) { return expectPrefix(arg), nil }},
	{"head~", func(arg string) (expectation, error) {
		return onHead(expanded(arg, func(r *reply, want string) error { return within("head", r.raw, want) })), nil
	}},
	{"sofar=", func(arg string) (expectation, error) { return expectSoFar(arg), nil }},
	{"interim~", func(arg string) (expectation, error) { return expectInterim(arg, false), nil }},
	{"interims=", func(arg string) (expectation, error) {
		n, err := strconv.Atoi(arg)
		return onHead(func(r *reply, _ values) error {
			if len(r.interims) != n {
				return fmt.Errorf("interim answers: got %d, want %d", len(r.interims), n)
			}
			return nil
		}), err
	}},
	{"interim=", func(arg string) (expectation, error) {
		if !isStatus(arg) {
			return nil, fmt.Errorf("interim=%s: want a status", arg)
		}
		return expectInterim("HTTP/1.1 "+arg, true), nil
	}},
	{"trailer=", func(arg string) (expectation, error) {
		w, err := parseWant(arg)
		return onEnd(func(r *reply, v values) error { return w.check(r.trailers, v) }), err
	}},
}

// onHead checks the answer when its head has come.
func onHead(check func(*reply, values) error) expectation {
	return func(c *client, v values) error {
		return c.checked("a head", func(r *reply) bool { return r.headed }, func(r *reply) error {
			if !r.headed {
				return fmt.Errorf("answer without a head: %w", r.fault)
			}
			return check(r, v)
		})
	}
}

// onEnd checks the answer when all of it has come, and that it has.
func onEnd(check func(*reply, values) error) expectation {
	return func(c *client, v values) error {
		c.waited = true
		return c.checked("an answer that ends", (*reply).ended, func(r *reply) error {
			if r.fault != nil {
				return fmt.Errorf("answer with %d bytes of content was cut: %w", len(r.body), r.fault)
			}
			return check(r, v)
		})
	}
}

func expanded(arg string, check func(r *reply, want string) error) func(*reply, values) error {
	return func(r *reply, v values) error {
		text, err := v.expand(arg)
		if err != nil {
			return err
		}
		return check(r, text)
	}
}

func within(what string, got []byte, want string) error {
	if bytes.Contains(got, []byte(want)) {
		return nil
	}
	return fmt.Errorf("%s: got %s, want %q in it", what, show(got), want)
}

// checked waits for the current answer and runs check under the mutex.
func (c *client) checked(what string, done func(*reply) bool, check func(*reply) error) (err error) {
	if err := c.until(what, done); err != nil {
		return err
	}
	c.peek(func() { err = check(c.replyLocked()) })
	return err
}

// expectIncomplete wants a client that reads strictly to have noticed.
func expectIncomplete(c *client, _ values) error {
	c.waited = true
	err := c.checked("an answer that is cut", (*reply).ended, func(r *reply) error {
		if r.fault == nil {
			return fmt.Errorf("answer: got %d and %d bytes of content that end properly, want it cut", r.status, len(r.body))
		}
		return nil
	})
	if errors.Is(err, errNoAnswer) {
		return nil // the connection ended before it began
	}
	return err
}

func expectClosed(c *client, _ values) error {
	if c.conn == nil {
		return errors.New("client was never connected")
	}
	if !c.await(c.place.patience(), func() bool { return c.over != nil }) {
		return errors.New("connection: got open, want closed")
	}
	return nil
}

func expectOpen(c *client, _ values) (err error) {
	if c.conn == nil {
		return errors.New("client was never connected")
	}
	c.place.settle()
	c.peek(func() {
		if c.over != nil {
			err = fmt.Errorf("connection: got closed (%w), want open", c.over)
		}
	})
	return err
}

func expectNothing(c *client, _ values) (err error) {
	if c.conn == nil || c.current < 0 {
		return errors.New("no request was sent") // that nothing answers would say nothing
	}
	c.place.settle()
	c.peek(func() {
		if r := c.replyLocked(); r != nil {
			err = fmt.Errorf("answer: got %q with %d bytes of content, want nothing yet", r.start, len(r.body))
		}
	})
	return err
}

func expectSoFar(arg string) expectation {
	return func(c *client, v values) error {
		text, err := v.expand(arg)
		if err != nil {
			return err
		}
		enough := func(r *reply) bool { return r.headed && len(r.body) >= len(text) }
		if err := c.until(fmt.Sprintf("%d bytes of content", len(text)), enough); err != nil {
			return err
		}
		c.place.settle() // more than wanted is as wrong
		c.peek(func() { err = differ("content so far", c.replyLocked().body, text) })
		return err
	}
}

// expectPrefix wants the content, whole or cut, to be a beginning of arg:
// never other bytes.
func expectPrefix(arg string) expectation {
	return func(c *client, v values) error {
		text, err := v.expand(arg)
		if err != nil {
			return err
		}
		c.waited = true
		return c.checked("an answer that ends", (*reply).ended, func(r *reply) error {
			if r.whole {
				return differ("content", r.body, text)
			}
			return differ("content till its cut", r.body, text[:min(len(text), len(r.body))])
		})
	}
}

// expectInterim wants an interim answer whose head has arg in it.
func expectInterim(arg string, prefix bool) expectation {
	return func(c *client, v values) error {
		text, err := v.expand(arg)
		if err != nil {
			return err
		}
		has := func(r *reply) bool {
			for _, m := range r.interims {
				if at := bytes.Index(m.raw, []byte(text)); at == 0 || at > 0 && !prefix {
					return true
				}
			}
			return false
		}
		return c.checked("an interim answer", func(r *reply) bool { return r.headed || has(r) }, func(r *reply) error {
			if !has(r) {
				return fmt.Errorf("interim answers: got %d of them without %q", len(r.interims), text)
			}
			return nil
		})
	}
}
