package script

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// parseSaw reads what follows "origin saw".
func parseSaw(words []string) (action, error) {
	if len(words) == 2 && (words[1] == "requests" || words[1] == "connections") {
		n, err := strconv.Atoi(words[0])
		if err != nil || n < 0 {
			return nil, fmt.Errorf("origin saw %q: want a number", words[0])
		}
		return func(s *stage) error { return s.origin.sawCount(n, words[1]) }, nil
	}
	if len(words) < 2 {
		return nil, errors.New("origin saw: want N requests, N connections or METHOD TARGET and what it had")
	}
	var checks []func(*exchange, values) error
	for _, word := range words[2:] {
		check, err := parseSawWord(word)
		if err != nil {
			return nil, err
		}
		checks = append(checks, check)
	}
	return func(s *stage) error { return s.origin.sawRequest(words[0], words[1], checks, s.values()) }, nil
}

func parseSawWord(word string) (func(*exchange, values) error, error) {
	if arg, ok := strings.CutPrefix(word, "body="); ok {
		return func(x *exchange, v values) error {
			text, err := v.expand(arg)
			if err != nil {
				return err
			}
			if x.cut {
				return fmt.Errorf("content of the request was cut after %d bytes", len(x.body))
			}
			return differ("content of the request", x.body, text)
		}, nil
	}
	if arg, ok := strings.CutPrefix(word, "head~"); ok {
		return func(x *exchange, v values) error {
			text, err := v.expand(arg)
			if err != nil {
				return err
			}
			return within("head of the request", x.raw, text)
		}, nil
	}
	if word == "incomplete" {
		return func(x *exchange, _ values) error {
			if !x.cut {
				return fmt.Errorf("content of the request: got %d bytes that end properly, want it cut", len(x.body))
			}
			return nil
		}, nil
	}
	w, err := parseWant(word)
	if err != nil {
		return nil, fmt.Errorf("origin saw: %w, body=V, head~V or incomplete", err)
	}
	return func(x *exchange, v values) error { return w.check(x.fields, v) }, nil
}

// sawCount wants n requests or connections till now, after all has settled.
func (o *origin) sawCount(n int, what string) error {
	count := func() int {
		if what == "requests" {
			return len(o.asked)
		}
		return o.dialed
	}
	o.await(o.place.patience(), func() bool { return count() >= n })
	o.place.settle()
	var got int
	o.peek(func() { got = count() })
	if got != n {
		return fmt.Errorf("origin: got %d %s, want %d", got, what, n)
	}
	return nil
}

// sawRequest wants the latest request of method and target to pass checks.
func (o *origin) sawRequest(method, target string, checks []func(*exchange, values) error, v values) error {
	latest := func() *exchange {
		for i := len(o.asked) - 1; i >= 0; i-- {
			if x := o.asked[i]; matches(method, x.method) && matches(target, x.target) {
				return x
			}
		}
		return nil
	}
	if !o.await(o.place.patience(), func() bool { return latest() != nil }) {
		return fmt.Errorf("origin: got no request %s %s", method, target)
	}
	o.place.settle()
	o.mu.Lock()
	defer o.mu.Unlock()
	x := latest()
	var errs []error
	for _, check := range checks {
		if err := check(x, v); err != nil {
			errs = append(errs, fmt.Errorf("request %s %s: %w", x.method, x.target, err))
		}
	}
	return errors.Join(errs...)
}

// idle waits until the origin answers nobody.
func (o *origin) idle() error {
	o.place.settle()
	var busy int
	ok := o.await(o.place.patience(), func() bool {
		busy = 0
		for _, b := range o.open {
			if b {
				busy++
			}
		}
		return busy == 0
	})
	if !ok {
		return fmt.Errorf("origin: got %d exchanges going on, want it idle", busy)
	}
	return nil
}

// reached waits until an exchange stands at the gate called name.
func (o *origin) reached(name string) error {
	if !o.await(o.place.patience(), func() bool { return o.gateLocked(name).waiting > 0 }) {
		return fmt.Errorf("origin: got nobody waiting for %s", name)
	}
	return nil
}
