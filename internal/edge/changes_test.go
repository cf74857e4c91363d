package edge

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"opencache/internal/origin"
)

// TestChanges: a server that fails again and again is told once in ten seconds,
// and that it is back only where it was told that it fails.
func TestChanges(t *testing.T) {
	var b bytes.Buffer
	now := time.Unix(1000, 0)
	c := changes{log: slog.New(slog.NewTextHandler(&b, nil)), server: "http://o.test", now: func() time.Time { return now }}
	for _, step := range []struct {
		after time.Duration
		state origin.State
		want  string
	}{
		{0, origin.Up, ""},
		{0, origin.Ejected, "level=WARN msg=\"a server fails and is left out while there are others\" server=http://o.test state=ejected untold=0"},
		{time.Second, origin.Up, "level=INFO msg=\"a server is back\" server=http://o.test"},
		{time.Second, origin.Ejected, ""},
		{time.Second, origin.Up, ""},
		{7 * time.Second, origin.Down, "state=down untold=1"},
		{time.Hour, origin.Up, "is back"},
	} {
		b.Reset()
		now = now.Add(step.after)
		c.tell(step.state)
		if got := b.String(); !strings.Contains(got, step.want) || (step.want == "") != (got == "") {
			t.Errorf("%v at %v: got %q, want %q", step.state, now.Unix(), got, step.want)
		}
	}
}
