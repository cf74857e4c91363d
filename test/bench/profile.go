package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"opencache/test/bench/child"
)

const profileLines = 15

// profiles profiles opencache under the workload for one more round, when the
// options say so, and keeps the first lines of what it says.
func (b *bench) profiles(ctx context.Context, w workload) error {
	if !b.profile || w.memory() {
		return nil
	}
	for _, s := range b.servers {
		if s == nil || s.site.Admin == 0 {
			continue
		}
		if err := b.profileOne(ctx, s, w); err != nil {
			return fmt.Errorf("profile of %s: %w", s.name, err)
		}
	}
	return nil
}

func (b *bench) profileOne(ctx context.Context, s *server, w workload) error {
	longer := *b
	longer.duration = max(b.duration, time.Second).Round(time.Second)
	type fetched struct {
		profile []byte
		err     error
	}
	done := make(chan fetched, 1)
	go func() {
		var f fetched
		f.profile, f.err = fetchProfile(ctx, s.site.Admin, longer.duration)
		done <- f
	}()
	_, err := longer.once(ctx, s, w, b.rounds)
	f := <-done
	switch {
	case err != nil:
		return err
	case f.err != nil:
		return f.err
	}
	raw := filepath.Join(b.out, "profile-"+w.name+".pprof")
	if err := os.MkdirAll(b.out, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(raw, f.profile, 0o644); err != nil {
		return err
	}
	text, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", b.bin, raw).Output()
	if err != nil {
		return fmt.Errorf("go tool pprof: %w", err)
	}
	return os.WriteFile(strings.TrimSuffix(raw, ".pprof")+".txt", head(text, profileLines), 0o644)
}

func fetchProfile(ctx context.Context, port int, length time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, length+startTime)
	defer cancel()
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%.0f", child.Addr(port), length.Seconds())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // read to its end or failed
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: got %s", url, response.Status)
	}
	return io.ReadAll(io.LimitReader(response.Body, 64<<20))
}

// head is the first lines of a text.
func head(text []byte, lines int) []byte {
	n := 0
	for range lines {
		i := bytes.IndexByte(text[n:], '\n')
		if i < 0 {
			return text
		}
		n += i + 1
	}
	return text[:n]
}
