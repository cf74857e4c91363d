package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"opencache/internal/edge"
)

// mostLine bounds a line of a file of requests.
const mostLine = 1 << 20

// requests are those to be compared, each once, and how many lines were none
// or too many.
func (c *diffCmd) requests(was, is *compiled) (list []edge.Question, skipped int, err error) {
	switch {
	case c.URLs != "":
		return c.lines(c.URLs, urlLine, true)
	case c.Log != "":
		l := &logReader{scheme: c.Scheme}
		for _, one := range []*compiled{was, is} {
			for _, text := range one.shot.Good {
				l.agent = l.agent || bytes.Contains(text, []byte("http_user_agent"))
				l.referer = l.referer || bytes.Contains(text, []byte("http_referer"))
				l.address = l.address || bytes.Contains(text, []byte("remote_addr"))
			}
		}
		return c.lines(c.Log, l.line, false)
	}
	list = likelyRequests(&was.shot, &is.shot)
	if len(list) > c.Most {
		return list[:c.Most], len(list) - c.Most, nil
	}
	if len(list) == 0 {
		return nil, 0, errors.New("diff: no site in either: expected some, or --urls")
	}
	return list, 0, nil
}

// lines reads a file of requests. Lines that are none are counted, unless
// strict.
func (c *diffCmd) lines(name string, read func([]byte) (*edge.Question, error), strict bool) (list []edge.Question, skipped int, err error) {
	in := io.Reader(os.Stdin)
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, 0, err
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	seen := map[string]bool{}
	s := bufio.NewScanner(in)
	s.Buffer(nil, mostLine)
	for n := 1; s.Scan(); n++ {
		q, err := read(s.Bytes())
		switch {
		case err != nil && strict:
			return nil, 0, fmt.Errorf("diff: %s:%d: %w", name, n, err)
		case err != nil:
			skipped++
			continue
		case q == nil:
			continue
		}
		key := fmt.Sprint(requestName(q), q.From, q.Status)
		if seen[key] {
			continue
		}
		if len(list) == c.Most {
			skipped++
			continue
		}
		seen[key] = true
		list = append(list, *q)
	}
	if err := s.Err(); err != nil {
		return nil, 0, fmt.Errorf("diff: %s: %w", name, err)
	}
	if len(list) == 0 {
		return nil, 0, fmt.Errorf("diff: %s: no request in it: expected some, a line each", name)
	}
	return list, skipped, nil
}

// urlLine reads a URL, perhaps behind a method; nil: a comment, or nothing.
func urlLine(line []byte) (*edge.Question, error) {
	text := strings.TrimSpace(string(line))
	if text == "" || strings.HasPrefix(text, "#") {
		return nil, nil
	}
	method, url, ok := strings.Cut(text, " ")
	if !ok {
		method, url = "GET", text
	}
	q := &edge.Question{Method: method, URL: strings.TrimSpace(url)}
	return q, q.Check()
}

// A logReader reads lines of an access log. Of what would make nearly all
// requests different from each other it takes what documents speak of.
type logReader struct {
	scheme                  string
	agent, referer, address bool
}

func (l *logReader) line(line []byte) (*edge.Question, error) {
	var rec struct {
		Remote   string `json:"remote_addr"`
		Method   string `json:"request_method"`
		Host     string `json:"host"`
		Target   string `json:"request_uri"`
		Upstream int    `json:"upstream_status"`
		Agent    string `json:"http_user_agent"`
		Referer  string `json:"http_referer"`
	}
	if err := json.Unmarshal(line, &rec); err != nil {
		return nil, err
	}
	q := &edge.Question{Method: rec.Method, URL: l.scheme + "://" + rec.Host + rec.Target}
	if rec.Upstream >= 200 && rec.Upstream < 600 {
		q.Status = rec.Upstream
	}
	if l.agent && rec.Agent != "" {
		q.Fields = append(q.Fields, "User-Agent: "+rec.Agent)
	}
	if l.referer && rec.Referer != "" {
		q.Fields = append(q.Fields, "Referer: "+rec.Referer)
	}
	if l.address {
		q.From, _ = netip.ParseAddr(rec.Remote) // none: this machine
	}
	if rec.Method == "" || rec.Host == "" || !strings.HasPrefix(rec.Target, "/") {
		return nil, errors.New("no request")
	}
	return q, q.Check()
}
