package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Duration is a length of time: a string like 90s, 15m, 12h, 7d, 1h30m, or a
// number of seconds.
type Duration time.Duration

// ParseDuration reads a Duration.
func ParseDuration(s string) (Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, errors.New("expected a duration like 30s, 15m, 12h or 7d")
		}
		return Duration(time.Duration(n) * 24 * time.Hour), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, errors.New("expected a duration like 30s, 15m, 12h or 7d")
	}
	return Duration(d), nil
}

// UnmarshalJSON reads a string or a number of seconds.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	var err error
	switch v := v.(type) {
	case string:
		*d, err = ParseDuration(v)
		return err
	case float64:
		if v >= 0 && v < 1e9 {
			*d = Duration(v * float64(time.Second))
			return nil
		}
	}
	return errors.New("expected a duration like 30s, 15m, 12h or 7d")
}

// MarshalJSON writes the string.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// String returns the shortest text that ParseDuration reads as d.
func (d Duration) String() string {
	t := time.Duration(d)
	if day := 24 * time.Hour; t > 0 && t%day == 0 {
		return strconv.FormatInt(int64(t/day), 10) + "d"
	}
	s := t.String()
	for _, tail := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, tail) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// A Size is a number of bytes: a number, or a string like 512K, 64M, 10G, 1T;
// powers of 1024.
type Size int64

// ParseSize reads a Size.
func ParseSize(s string) (Size, error) {
	digits := strings.TrimRight(s, "KMGTkmgt")
	n, err := strconv.ParseInt(digits, 10, 64)
	shift, ok := map[string]int{"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[strings.ToUpper(s[len(digits):])]
	if err != nil || !ok || n < 0 || n > 1<<62>>shift {
		return 0, errors.New("expected a size like 512K, 64M, 10G or 1T")
	}
	return Size(n << shift), nil
}

// UnmarshalJSON reads a string or a number of bytes.
func (s *Size) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	n, err := ParseSize(text)
	*s = n
	return err
}

// MarshalJSON writes the string.
func (s Size) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// String returns the shortest text that ParseSize reads as s.
func (s Size) String() string {
	units := "TGMK"
	for i := range units {
		if shift := 40 - 10*i; s > 0 && s%(1<<shift) == 0 {
			return fmt.Sprintf("%d%c", s>>shift, units[i])
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// A TTL is a Duration, or off: not stored.
type TTL struct {
	For Duration
	Off bool
}

// UnmarshalJSON reads a Duration or "off".
func (t *TTL) UnmarshalJSON(b []byte) error {
	if string(b) == `"off"` {
		*t = TTL{Off: true}
		return nil
	}
	*t = TTL{}
	return t.For.UnmarshalJSON(b)
}

// MarshalJSON writes it as it is read.
func (t TTL) MarshalJSON() ([]byte, error) {
	if t.Off {
		return []byte(`"off"`), nil
	}
	return t.For.MarshalJSON()
}
