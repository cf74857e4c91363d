package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"opencache/test/bench/child"
)

const (
	restTime   = 500 * time.Millisecond // without a change: memory has come to rest
	settleTime = 5 * time.Second        // for that, at most
	idleTime   = 12 * time.Second       // what idles is idle: a server may tidy up only then
	openers    = 64                     // connections being opened at a time
)

// fill has the server store objects of 1 KiB until it was sent as many as the
// options say, and divides what the memory has grown by by how many more it has
// then: all are asked for once more, since what was sent may have been dropped.
// Memory is read of a server that idles, or what a collector or an allocator had
// not tidied up at one moment would be counted against what it had at another:
// one may keep more than all the objects differ by.
func (b *bench) fill(ctx context.Context, s *server, w workload) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*startTime)
	defer cancel()
	// What a server keeps for its own work is there before it is measured.
	warm, sent := b.tag(s, w.name+"-warm"), b.tag(s, w.name)
	first, err := b.store(ctx, s, w, asked{warm, "BENCH_EACH=" + warm}, b.objects/4)
	if err != nil {
		return sample{}, err
	}
	had, err := b.sweep(ctx, s, warm, first, "1k")
	if err != nil {
		return sample{}, err
	}
	before, err := idled(ctx, s)
	if err != nil {
		return sample{}, err
	}
	n, err := b.store(ctx, s, w, asked{sent, "BENCH_EACH=" + sent}, b.objects)
	if err != nil {
		return sample{}, err
	}
	after, err := idled(ctx, s)
	if err != nil {
		return sample{}, err
	}
	has, err1 := b.sweep(ctx, s, sent, n, "1k")
	old, err2 := b.sweep(ctx, s, warm, first, "1k")
	grown := has + old - had
	if err := errors.Join(err1, err2); err != nil || grown <= 0 {
		return sample{}, errors.Join(fmt.Errorf("%d of %d objects are stored, %d more than before", has, n, grown), err)
	}
	return sample{Requests: grown, Fetches: n, Bytes: float64(after-before) / float64(grown)}, nil
}

// asked is what wrk asks for: the prefix that it is counted by, and the variable
// that tells wrk. See report.lua.
type asked struct{ prefix, variable string }

// store has the server fetch n objects, or a few more, and returns how many.
func (b *bench) store(ctx context.Context, s *server, w workload, a asked, n int) (stored int, err error) {
	before, err := b.origin.count(ctx, a.prefix) // of the same before it was started again
	if err != nil {
		return 0, err
	}
	load, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan struct{})
	var cut error // why the load has ended
	endless := *b
	endless.duration = 5 * startTime
	go func() {
		defer close(ended)
		_, cut = endless.wrk(load, s, w, a.variable)
	}()
	for stored < n && err == nil {
		select {
		case <-ended:
			err = fmt.Errorf("%d objects stored: %w", stored, errors.Join(errors.New("the load has ended"), cut))
		case <-time.After(grain):
			stored, err = b.origin.count(ctx, a.prefix)
			stored -= before
		}
	}
	stop()
	<-ended
	if err != nil {
		return 0, err
	}
	stored, err = b.origin.count(ctx, a.prefix)
	return stored - before, err
}

// idle opens connections, asks once on each, and divides by their number what
// the memory has grown by.
func (b *bench) idle(ctx context.Context, s *server, w workload) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*startTime)
	defer cancel()
	before, err := settle(ctx, s)
	if err != nil {
		return sample{}, err
	}
	conns, err := b.openIdle(ctx, s, w)
	defer func() {
		for _, conn := range conns {
			if conn != nil {
				_ = conn.Close() // all is said
			}
		}
	}()
	if err != nil {
		return sample{}, err
	}
	after, err := idled(ctx, s)
	return sample{Requests: w.conns, Bytes: float64(after-before) / float64(w.conns)}, err
}

func (b *bench) openIdle(ctx context.Context, s *server, w workload) ([]net.Conn, error) {
	conns, errs := make([]net.Conn, w.conns), make([]error, w.conns)
	token := make(chan struct{}, openers)
	var every sync.WaitGroup
	for i := range conns {
		token <- struct{}{}
		every.Go(func() {
			conns[i], errs[i] = openOne(ctx, s, w)
			<-token
		})
	}
	every.Wait()
	for i, err := range errs {
		if err != nil {
			return conns, fmt.Errorf("connection %d: %w", i, err)
		}
	}
	return conns, nil
}

// openOne opens a connection that has had one answer.
func openOne(ctx context.Context, s *server, w workload) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", child.Addr(s.site.Port))
	if err != nil {
		return nil, err
	}
	if at, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(at) // the connection is open
	}
	if s.site.Mode == secure {
		conn = tls.Client(conn, clientTLS())
	}
	if _, err := conn.Write(requestText(s.site.Port, w)); err != nil {
		return conn, err
	}
	response, err := http.ReadResponse(bufio.NewReaderSize(conn, 2<<10), nil)
	if err != nil {
		return conn, err
	}
	n, err := io.Copy(io.Discard, response.Body)
	if err == nil && (n != w.size || response.StatusCode != w.status || response.Close) {
		err = fmt.Errorf("got %d with %d bytes, close %v, want %d with %d on a connection that stays",
			response.StatusCode, n, response.Close, w.status, w.size)
	}
	return conn, errors.Join(err, response.Body.Close())
}

// idled waits until the server idles, and settles.
func idled(ctx context.Context, s *server) (int64, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(idleTime):
	}
	return settle(ctx, s)
}

// settle waits until the server's memory has been at rest, within a part in
// five hundred, and returns it.
func settle(ctx context.Context, s *server) (int64, error) {
	end := time.Now().Add(settleTime)
	last, err := s.resident()
	since := time.Now()
	for err == nil && time.Since(since) < restTime && time.Now().Before(end) {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(10 * grain):
		}
		var now int64
		if now, err = s.resident(); now > last+last/500 || now < last-last/500 {
			last, since = now, time.Now()
		}
	}
	if err != nil {
		return 0, err
	}
	return s.resident()
}

// blocks is what the files under dir take. No folder takes nothing.
func blocks(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && info.Mode().IsRegular() {
			sum += st.Blocks * 512
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("files of the cache: %w", err)
	}
	return sum, nil
}
