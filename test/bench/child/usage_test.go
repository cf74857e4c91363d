package child

import (
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const rest = " S 7 1 1 0 -1 4194560 5 0 0 0 12 3 0 0 20 0 1 0 100 1000 10"
	for _, tt := range []struct {
		text   string
		parent int
		ticks  time.Duration
		ok     bool
	}{
		{"42 (nginx)" + rest, 7, 150 * time.Millisecond, true},
		{"42 (a b) c)" + rest, 7, 150 * time.Millisecond, true},
		{"42 (nginx) S 7 1", 0, 0, false},
		{"42 (nginx) S x 1 1 0 -1 4194560 5 0 0 0 12 3 0", 0, 0, false},
		{"", 0, 0, false},
	} {
		p, err := parseStat(tt.text)
		if (err == nil) != tt.ok || p.parent != tt.parent || p.ticks != tt.ticks {
			t.Errorf("%q: got %+v, %v, want parent %d, ticks %v, ok %v", tt.text, p, err, tt.parent, tt.ticks, tt.ok)
		}
	}
}

func TestKilobytes(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int64
		ok   bool
	}{
		{"Rss:  8 kB\nPss:     123 kB\n", 123, true},
		{"Pss_Anon: 5 kB\nPss: 6 kB", 6, true},
		{"Rss: 8 kB\n", 0, false},
		{"Pss: many kB\n", 0, false},
	} {
		got, err := kilobytes([]byte(tt.text), "Pss:")
		if (err == nil) != tt.ok || got != tt.want {
			t.Errorf("%q: got %d, %v, want %d, ok %v", tt.text, got, err, tt.want, tt.ok)
		}
	}
}

func TestBytesRead(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int64
		ok   bool
	}{
		{"rchar: 9\nread_bytes: 4096\nwrite_bytes: 1\n", 4096, true},
		{"rchar: 9\ncancelled_read_bytes: 7\n", 0, false},
		{"read_bytes: many\n", 0, false},
	} {
		got, err := bytesRead([]byte(tt.text))
		if (err == nil) != tt.ok || got != tt.want {
			t.Errorf("%q: got %d, %v, want %d, ok %v", tt.text, got, err, tt.want, tt.ok)
		}
	}
}

// A process can be asked about itself.
func TestUsage(t *testing.T) {
	pid := os.Getpid()
	if got, err := CPU(pid); err != nil || got <= 0 {
		t.Errorf("CPU: got %v, %v, want more than 0", got, err)
	}
	resident, err := Resident(pid)
	if err != nil || resident <= 0 {
		t.Errorf("Resident: got %d, %v, want more than 0", resident, err)
	}
	if err := ResetPeak(pid); err != nil {
		t.Errorf("ResetPeak: %v", err)
	}
	if got, err := Peak(pid); err != nil || got <= 0 {
		t.Errorf("Peak: got %d, %v, want more than 0", got, err)
	}
	if _, err := CPU(1 << 30); err == nil {
		t.Error("CPU of no process: got no error")
	}
}
