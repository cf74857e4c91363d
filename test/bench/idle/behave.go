package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// fetch gets a path, which must be answered 200 with this content.
func fetch(ctx context.Context, c *http.Client, link string, want []byte) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return err
	}
	response, err := c.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	got, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return fmt.Errorf("GET %s: %w", link, err)
	case response.StatusCode != http.StatusOK || !bytes.Equal(got, want):
		return fmt.Errorf("GET %s: got %d with %d bytes, want 200 with the origin's %d", link, response.StatusCode, len(got), len(want))
	}
	return nil
}

// prime has the cache store what the slow clients will ask for.
func prime(ctx context.Context, addr string) error {
	for path, size := range map[string]int{"/1k": small, "/10m": large} {
		if err := fetch(ctx, http.DefaultClient, "http://"+addr+path, content(size)); err != nil {
			return err
		}
	}
	return nil
}

// A conduct is how the well-behaved fared.
type conduct struct {
	asked, answered int64
	median, worst   time.Duration
}

func (c conduct) String() string {
	return fmt.Sprintf("%d of %d requests answered with what the origin has, median %.1f ms, worst %.1f ms",
		c.answered, c.asked, float64(c.median.Microseconds())/1e3, float64(c.worst.Microseconds())/1e3)
}

// behave makes n requests: one half over connections of their own, one half
// over kept ones; every tenth is for something that the cache has not got.
func behave(ctx context.Context, addr string, n int) (conduct, error) {
	fresh := &http.Transport{DisableKeepAlives: true}
	kept := &http.Transport{MaxIdleConnsPerHost: dialers}
	defer kept.CloseIdleConnections()
	want := content(small)
	times := make([]time.Duration, n)
	var answered atomic.Int64
	err := each(n, func(i int) error {
		client := &http.Client{Transport: fresh}
		if i%2 == 1 {
			client.Transport = kept
		}
		link := "http://" + addr + "/1k"
		if i%20 < 2 {
			link += fmt.Sprintf("?miss=%d", i)
		}
		begin := time.Now()
		err := fetch(ctx, client, link, want)
		times[i] = time.Since(begin)
		if err == nil {
			answered.Add(1)
		}
		return err
	})
	slices.Sort(times)
	return conduct{int64(n), answered.Load(), times[n/2], times[n-1]}, err
}

// limited is what the cache's metrics say of limits: their names are the
// cache's to choose, so all lines are shown that count something limited,
// refused or closed.
func limited(ctx context.Context, addr string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/oc-cgi/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("metrics: got status %d, %w", response.StatusCode, err)
	}
	return pick(string(text)), nil
}

// pick returns the lines of limits and connections that are not 0.
func pick(text string) (lines []string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		name, _, _ := strings.Cut(line, "{")
		if !strings.HasPrefix(line, "#") && !strings.HasSuffix(line, " 0") &&
			(strings.Contains(name, "limited") || strings.Contains(name, "refused") || strings.Contains(name, "connections")) {
			lines = append(lines, line)
		}
	}
	return lines
}
