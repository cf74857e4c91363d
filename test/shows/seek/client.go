package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
)

// read reads p by one request and compares it.
func (s *show) read(p part) error { return s.ask(fmt.Sprintf("bytes=%d-%d", p.first, p.last), p) }

// ask sends Range and compares the answer with p.
func (s *show) ask(value string, p part) error {
	resp, err := s.get(context.Background(), value)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if got, want := resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-%d/%d", p.first, p.last, s.o.size); resp.StatusCode != 206 || got != want {
		return fmt.Errorf("%s: status %d, Content-Range %q, want %q", value, resp.StatusCode, got, want)
	}
	if err := compare(resp.Body, p); err != nil {
		return fmt.Errorf("%s: %w", value, err)
	}
	return nil
}

// several asks for parts in one request.
func (s *show) several(parts []part) error {
	var list []string
	for _, p := range parts {
		list = append(list, fmt.Sprintf("%d-%d", p.first, p.last))
	}
	value := "bytes=" + strings.Join(list, ",")
	resp, err := s.get(context.Background(), value)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	kind, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/byteranges" || resp.StatusCode != 206 {
		return fmt.Errorf("%s: status %d, Content-Type %q", value, resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	m := multipart.NewReader(resp.Body, params["boundary"])
	for _, p := range parts {
		body, err := m.NextPart()
		if err != nil {
			return fmt.Errorf("%s: %w", value, err)
		}
		if err := compare(body, p); err != nil {
			return fmt.Errorf("%s: %w", value, err)
		}
	}
	if _, err := m.NextPart(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: more parts than asked for, or no end: %w", value, errors.Join(errMore, err))
	}
	return nil
}

func (s *show) get(ctx context.Context, value string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/film", nil)
	if err != nil {
		return nil, err
	}
	if value != "" {
		req.Header.Set("Range", value)
	}
	return s.client.Do(req)
}

// compare reads r to its end, which must have the bytes of p.
func compare(r io.Reader, p part) error {
	got, want := make([]byte, 256<<10), make([]byte, 256<<10)
	for at := p.first; at <= p.last; {
		n, err := io.ReadFull(r, got[:min(int64(len(got)), p.last-at+1)])
		content(want[:n], at)
		if !bytes.Equal(got[:n], want[:n]) {
			return fmt.Errorf("a byte at %d to %d differs", at, at+int64(n)-1)
		}
		if at += int64(n); err != nil && at <= p.last {
			return fmt.Errorf("ended at %d of %d: %w", at, p.last+1, err)
		}
	}
	if n, err := r.Read(got[:1]); n > 0 || err != nil && err != io.EOF {
		return fmt.Errorf("behind the end: %d bytes, %w", n, errors.Join(errMore, err))
	}
	return nil
}

var errMore = errors.New("the answer does not end with its last byte")
