package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

const (
	settleStep = 500 * time.Millisecond
	settleFor  = 7 * time.Second // longer than a connection waits before it parks
	settleMax  = 30 * time.Second
	settled    = 0.005 // a smaller part than this is no change
)

var errNoRSS = errors.New("no VmRSS")

// resident is the memory that the process has in use, in KiB.
func resident(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("process %d: %w", pid, err)
	}
	kib, err := parseRSS(text)
	if err != nil {
		return 0, fmt.Errorf("process %d: %w", pid, err)
	}
	return kib, nil
}

func parseRSS(status []byte) (int, error) {
	for line := range bytes.Lines(status) {
		if rest, found := bytes.CutPrefix(line, []byte("VmRSS:")); found {
			number, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
			return strconv.Atoi(string(number))
		}
	}
	return 0, errNoRSS
}

// files is how many file descriptors the process has open.
func files(pid int) (int, error) {
	dir, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0, fmt.Errorf("process %d: %w", pid, err)
	}
	return len(dir), nil
}

// rest waits until the memory of the process has come to rest, and returns it.
// It waits settleMax at most: then what is there is what is measured.
func rest(ctx context.Context, pid int) (kib int, err error) {
	tick := time.NewTicker(settleStep)
	defer tick.Stop()
	end := time.Now().Add(settleMax)
	since, level := time.Now(), 0
	for {
		if kib, err = resident(pid); err != nil {
			return 0, err
		}
		if change := kib - level; float64(max(change, -change)) > settled*float64(level) {
			since, level = time.Now(), kib
		}
		if time.Since(since) > settleFor || time.Now().After(end) {
			return kib, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// collect has the process at the administration's address collect garbage.
func collect(ctx context.Context, admin string) error {
	ctx, cancel := context.WithTimeout(ctx, settleMax)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/debug/pprof/heap?gc=1", nil)
	if err != nil {
		return fmt.Errorf("administration: %w", err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("administration: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("administration: got status %d, %w", response.StatusCode, err)
	}
	return nil
}
