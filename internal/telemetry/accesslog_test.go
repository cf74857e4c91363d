package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A gate is a writer that lets nothing through while it is shut.
type gate struct {
	mu  sync.Mutex
	buf bytes.Buffer
	err error
}

func (g *gate) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return 0, g.err
	}
	return g.buf.Write(p)
}

func (g *gate) lines() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return bytes.Count(g.buf.Bytes(), []byte("\n"))
}

func open(t *testing.T, o LogOptions) *AccessLog {
	t.Helper()
	l, err := OpenLog(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestAccessLogFlushesEachSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &gate{}
		l := open(t, LogOptions{Out: out})
		l.Write(sample())
		synctest.Wait()
		if got := out.lines(); got != 0 {
			t.Errorf("at once: got %d lines, want 0", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := out.lines(); got != 1 {
			t.Errorf("after a second: got %d lines, want 1", got)
		}
		l.Write(sample())
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if got := out.lines(); got != 2 {
			t.Errorf("after Close: got %d lines, want 2", got)
		}
		l.Write(sample())
		if got := l.Dropped(); got != 1 {
			t.Errorf("after Close: got %d dropped, want 1", got)
		}
	})
}

// Full blocks go out together, before the second is over when there are enough
// of them, and one by one when the queue has no more.
func TestAccessLogFullBlocksGoOut(t *testing.T) {
	for _, tt := range []struct{ queue, fill, want int }{{0, 1, 0}, {0, writeTogether - 1, 0}, {0, writeTogether, writeTogether}, {1, 1, 1}, {8 * blockSize, 2, 2}} {
		synctest.Test(t, func(t *testing.T) {
			out := &gate{}
			l := open(t, LogOptions{Out: out, Queue: tt.queue, Flush: time.Hour})
			each := blockSize / len(appendJSON(nil, sample()))
			for range tt.fill*each + 1 {
				l.Write(sample())
			}
			synctest.Wait()
			if got, want := out.lines(), tt.want*each; got != want {
				t.Errorf("queue of %d, %d blocks: got %d lines, want %d", tt.queue, tt.fill, got, want)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A disk that does not answer holds up nobody; what does not fit is counted.
func TestAccessLogSlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &gate{}
		l := open(t, LogOptions{Out: out, Queue: 1})
		out.mu.Lock()
		const n = 2000
		for range n {
			l.Write(sample())
		}
		dropped := l.Dropped()
		if dropped == 0 || dropped == n {
			t.Errorf("got %d of %d dropped, want some", dropped, n)
		}
		out.mu.Unlock()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if got := uint64(out.lines()) + l.Dropped(); got != n {
			t.Errorf("got %d lines and dropped ones, want %d", got, n)
		}
	})
}

func TestAccessLogConcurrent(t *testing.T) {
	out := &gate{}
	l := open(t, LogOptions{Out: out, Queue: 8 << 20})
	const writers, each = 8, 500
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for k := range each {
				r := sample()
				r.RequestID = fmt.Appendf(nil, "%d-%d", i, k)
				l.Write(r)
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	last := map[string]int{}
	for line := range strings.Lines(out.buf.String()) {
		_, id, _ := strings.Cut(line, `"request_id":"`)
		var w string
		var k int
		if _, err := fmt.Sscanf(strings.Replace(id, "-", " ", 1), "%s %d", &w, &k); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if k != last[w] {
			t.Fatalf("writer %s: got record %d, want %d", w, k, last[w])
		}
		last[w]++
	}
	for w, n := range last {
		if n != each {
			t.Errorf("writer %s: got %d records, want %d", w, n, each)
		}
	}
	if l.Dropped() != 0 || len(last) != writers {
		t.Errorf("got %d dropped and %d writers, want 0 and %d", l.Dropped(), len(last), writers)
	}
}

func TestAccessLogReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	l := open(t, LogOptions{Path: path, Flush: time.Hour})
	l.Write(sample())
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	for range 3 { // one that finds another under way loses nothing
		if err := l.Reopen(); err != nil {
			t.Fatal(err)
		}
	}
	l.Write(sample())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path + ".1")
	after, _ := os.ReadFile(path)
	if n := bytes.Count(before, []byte("\n")) + bytes.Count(after, []byte("\n")); n != 2 || len(before) == 0 {
		t.Errorf("got %d lines, %d bytes of them in the old file, want 2 lines and the first in the old file", n, len(before))
	}
	if err := l.Reopen(); err != nil {
		t.Errorf("Reopen after Close: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm() &^ 0o640; got != 0 {
		t.Errorf("mode %v, want 0640 at most", info.Mode())
	}
}

func TestAccessLogErrors(t *testing.T) {
	if _, err := OpenLog(LogOptions{Path: filepath.Join(t.TempDir(), "none", "access.log")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: got %v", err)
	}
	out := &gate{err: io.ErrShortWrite}
	l := open(t, LogOptions{Out: out})
	l.Write(sample())
	l.Write(sample())
	if err := l.Close(); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("Close: got %v, want %v", err, io.ErrShortWrite)
	}
	if err := l.Close(); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("Close again: got %v, want %v", err, io.ErrShortWrite)
	}
	if got := l.Dropped(); got != 2 {
		t.Errorf("got %d dropped, want 2", got)
	}
	var none *AccessLog
	none.Write(sample())
	if err := errors.Join(none.Reopen(), none.Close()); err != nil || none.Dropped() != 0 {
		t.Errorf("nil log: %v", err)
	}
}
