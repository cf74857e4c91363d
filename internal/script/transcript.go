package script

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	transcriptMax = 2000 // lines; further ones are counted
	shownMax      = 400  // bytes of one message shown
)

// transcript is what happened at both ends, in order, with the play's time.
type transcript struct {
	now   func() time.Time
	start time.Time

	mu      sync.Mutex // guards the fields below
	lines   []string
	dropped int
}

func newTranscript(now func() time.Time) *transcript {
	return &transcript{now: now, start: now()}
}

// add notes what who did.
func (t *transcript) add(who, format string, args ...any) {
	line := fmt.Sprintf("%8s  %-8s %s", t.now().Sub(t.start), who, fmt.Sprintf(format, args...))
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == transcriptMax {
		t.dropped++
		return
	}
	t.lines = append(t.lines, line)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.Join(t.lines, "\n") + "\n"
	if t.dropped > 0 {
		text += fmt.Sprintf("… and %d lines more\n", t.dropped)
	}
	return text
}

// logger returns a logger whose records become lines.
func (t *transcript) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(logLines{t}, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

type logLines struct{ t *transcript }

func (l logLines) Write(p []byte) (int, error) {
	l.t.add("log", "%s", bytes.TrimSuffix(p, []byte("\n")))
	return len(p), nil
}

// show quotes the beginning of b.
func show(b []byte) string {
	if len(b) <= shownMax {
		return fmt.Sprintf("%q", b)
	}
	return fmt.Sprintf("%q… %d bytes", b[:shownMax], len(b))
}
