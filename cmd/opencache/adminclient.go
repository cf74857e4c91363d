package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

// adminOptions say which running cache a command is for.
type adminOptions struct {
	Admin          string `default:"${adminDefault}" placeholder:"ADDR" help:"Address of the running cache's administration: host:port or unix:/path (default ${default})."`
	AdminTokenFile string `placeholder:"FILE" help:"File with the token that the cache asks of clients that are not on its machine."`
}

// An adminClient asks the administration of a running cache.
type adminClient struct {
	addr, token string
	http        http.Client
}

// adminTimeout bounds one question, its answer included.
const adminTimeout = 10 * time.Second

// mostAnswer bounds what is read of an answer.
const mostAnswer = 64 << 20

// errNoAdmin: what answers is not the administration of a cache.
var errNoAdmin = errors.New("no administration of opencache answers there")

// client returns a client for the cache that o names.
func (o *adminOptions) client() (*adminClient, error) {
	c := &adminClient{addr: o.Admin, http: http.Client{Timeout: adminTimeout}}
	if o.Admin == "" || o.Admin == "off" {
		return nil, usageError{fmt.Errorf("--admin: %q: expected the address of a running cache's administration, like %s", o.Admin, adminDefault)}
	}
	if path, unix := strings.CutPrefix(o.Admin, "unix:"); unix {
		c.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}}
	} else if _, _, err := net.SplitHostPort(o.Admin); err != nil {
		return nil, usageError{fmt.Errorf("--admin: %q: expected host:port or unix:/path", o.Admin)}
	}
	if o.AdminTokenFile != "" {
		text, err := os.ReadFile(o.AdminTokenFile)
		if err != nil {
			return nil, usageError{fmt.Errorf("--admin-token-file: %w", err)}
		}
		c.token = strings.TrimSpace(string(text))
	}
	return c, nil
}

// get asks for a path and reads the answer's JSON into v.
func (c *adminClient) get(ctx context.Context, path string, v any) error {
	return c.ask(ctx, http.MethodGet, path, nil, v)
}

// post sends in as JSON to a path and reads the answer's JSON into v.
func (c *adminClient) post(ctx context.Context, path string, in, v any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return c.ask(ctx, http.MethodPost, path, body, v)
}

func (c *adminClient) ask(ctx context.Context, method, path string, body []byte, v any) error {
	host := c.addr
	if strings.HasPrefix(host, "unix:") {
		host = "localhost"
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+host+path, bytes.NewReader(body))
	if err != nil {
		return usageError{fmt.Errorf("--admin: %q: expected host:port or unix:/path", c.addr)}
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return c.unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil {
		return c.unreachable(err)
	}
	if resp.StatusCode != http.StatusOK {
		return c.refused(path, resp, text)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%s: %w", c.addr, errNoAdmin)
	}
	return nil
}

// unreachable says in words why nothing was answered.
func (c *adminClient) unreachable(err error) error {
	var dns *net.DNSError
	var timeout net.Error
	why := err
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOENT):
		why = errors.New("nothing listens there; is the cache running, and is this its --admin?")
	case errors.As(err, &dns):
		why = fmt.Errorf("the name %q is not known", dns.Name)
	case errors.As(err, &timeout) && timeout.Timeout():
		why = fmt.Errorf("no answer within %s", adminTimeout)
	}
	return fmt.Errorf("%s: %w", c.addr, why)
}

// refused is what an answer other than 200 says.
func (c *adminClient) refused(path string, resp *http.Response, text []byte) error {
	var said refusal
	switch {
	case resp.StatusCode == http.StatusUnauthorized && c.token == "":
		return fmt.Errorf("%s: it asks for a token: give --admin-token-file", c.addr)
	case resp.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%s: it does not take the token of --admin-token-file", c.addr)
	case resp.StatusCode == http.StatusBadRequest && json.Unmarshal(text, &said) == nil && said.Error != "":
		return usageError{fmt.Errorf("%s: %s", c.addr, said.Error)}
	case json.Unmarshal(text, &said) == nil && said.Error != "":
		return fmt.Errorf("%s: %s", c.addr, said.Error)
	case resp.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%s: %s", c.addr, strings.TrimSpace(string(text[:min(len(text), 200)])))
	}
	return fmt.Errorf("%s: %s: %s: %w", c.addr, path, resp.Status, errNoAdmin)
}
