package rfc9111

import (
	"testing"
	"time"
)

// TestLocalZone: "A cache recipient MUST NOT allow local time zones to
// influence the calculation" (RFC 9111, 4.2).
func TestLocalZone(t *testing.T) {
	defer func(was *time.Location) { time.Local = was }(time.Local)
	for _, offset := range []int{-12 * 3600, 0, 5*3600 + 1800, 14 * 3600} {
		time.Local = time.FixedZone("there", offset)
		for _, value := range []string{dateT0, "Sunday, 01-Jun-25 12:00:00 GMT", "Sun Jun  1 12:00:00 2025"} {
			if got, ok := ParseDate([]byte(value), t0); !ok || got != t0 {
				t.Errorf("%d s from GMT: %q: got %d, %v, want %d", offset, value, got, ok, t0)
			}
		}
		f := response(t, 200, "Date: "+hourAgo+"\nExpires: "+hourLater)
		if age := CurrentAge(f, t0); age != 3600 {
			t.Errorf("%d s from GMT: age: got %d, want 3600", offset, age)
		}
		if got, _ := Lifetime(f, &Policy{}); got != 7200 {
			t.Errorf("%d s from GMT: lifetime: got %d, want 7200", offset, got)
		}
	}
}
