package rfc9111

import "testing"

func TestMoreRecent(t *testing.T) {
	for _, tt := range []struct {
		f, g string
		want bool
	}{
		{"Date: " + dateT0, "Date: " + hourAgo, true},
		{"Date: " + hourAgo, "Date: " + dateT0, false},
		{"Date: " + dateT0, "Date: " + dateT0, false},
		{"", "Date: " + hourAgo, true}, // received at t0 (RFC 9110, 6.6.1)
		{"Date: x", "Date: " + hourLater, false},
		{"Date: " + hourAgo + "\nLast-Modified: " + dateT0, "Date: " + dateT0 + "\nAge: 7200", false},
	} {
		if got := MoreRecent(response(t, 200, tt.f), response(t, 200, tt.g)); got != tt.want {
			t.Errorf("9111 4: %q after %q: got %v, want %v", tt.f, tt.g, got, tt.want)
		}
	}
}
