package rfc9111

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Off is the time to live of what is never stored.
const Off int64 = -1

// Valid is how long responses are fresh by their status code. The zero Valid
// covers none.
type Valid struct {
	spans []validSpan // the most specific first
}

// A validSpan is what holds for the codes from lo up to hi.
type validSpan struct {
	lo, hi  int16
	seconds int64
}

// Set has responses be fresh for so many seconds, or Off, when their status is
// a code like "200", of a class like "2xx", or "any". The most specific that
// was set holds, whatever the order.
func (v *Valid) Set(status string, seconds int64) error {
	s := validSpan{100, 599, Off}
	if seconds != Off {
		s.seconds = clamp(seconds)
	}
	status = strings.ToLower(status)
	n, err := strconv.ParseUint(status, 10, 16)
	switch {
	case status == "any":
	case len(status) == 3 && status[1:] == "xx" && '1' <= status[0] && status[0] <= '5':
		s.lo = 100 * int16(status[0]-'0')
		s.hi = s.lo + 99
	case err == nil && len(status) == 3 && n >= 100 && n <= 599:
		s.lo, s.hi = int16(n), int16(n)
	default:
		return fmt.Errorf("status %q: a code like 200, a class like 2xx, or any is expected", status)
	}
	if i := slices.IndexFunc(v.spans, func(o validSpan) bool { return o.lo == s.lo && o.hi == s.hi }); i >= 0 {
		v.spans[i] = s
		return nil
	}
	v.spans = append(v.spans, s)
	slices.SortStableFunc(v.spans, func(a, b validSpan) int { return int(a.hi-a.lo) - int(b.hi-b.lo) })
	return nil
}

// ttl returns how many seconds responses with that status are fresh, or Off;
// Absent when it is not covered. v may be nil.
func (v *Valid) ttl(status int) (seconds int64, covered bool) {
	if v == nil {
		return 0, false
	}
	for i := range v.spans {
		if s := &v.spans[i]; int(s.lo) <= status && status <= int(s.hi) {
			return s.seconds, true
		}
	}
	return 0, false
}

// Covers reports whether v gives responses with that status a time to live. v
// may be nil.
func (v *Valid) Covers(status int) bool {
	ttl, ok := v.ttl(status)
	return ok && ttl != Off
}
