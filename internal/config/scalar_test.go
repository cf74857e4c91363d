package config

import (
	"encoding/json"
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	for _, c := range []struct {
		text string
		want time.Duration
		back string
	}{
		{`"90s"`, 90 * time.Second, `"1m30s"`},
		{`"7d"`, 7 * 24 * time.Hour, `"7d"`},
		{`"24h"`, 24 * time.Hour, `"1d"`},
		{`"1h30m"`, 90 * time.Minute, `"1h30m"`},
		{`"1h0m30s"`, time.Hour + 30*time.Second, `"1h0m30s"`},
		{`"10m"`, 10 * time.Minute, `"10m"`},
		{`0`, 0, `"0s"`},
		{`1.5`, 1500 * time.Millisecond, `"1.5s"`},
	} {
		var d Duration
		if err := json.Unmarshal([]byte(c.text), &d); err != nil || time.Duration(d) != c.want {
			t.Errorf("%s: got %v, %v, want %v", c.text, time.Duration(d), err, c.want)
		}
		if got, err := json.Marshal(d); err != nil || string(got) != c.back {
			t.Errorf("%s back: got %s, %v, want %s", c.text, got, err, c.back)
		}
	}
	for _, text := range []string{`"5"`, `"-5s"`, `"d"`, `"1.5d"`, `true`, `-1`, `[]`, `1e300`, `"99999d"`} {
		var d Duration
		if err := json.Unmarshal([]byte(text), &d); err == nil {
			t.Errorf("%s: got %v, want an error", text, d)
		}
	}
}

func TestSize(t *testing.T) {
	for _, c := range []struct {
		text string
		want Size
		back string
	}{
		{`"64M"`, 64 << 20, `"64M"`}, {`"1024K"`, 1 << 20, `"1M"`}, {`1000`, 1000, `"1000"`}, {`"1t"`, 1 << 40, `"1T"`}, {`0`, 0, `"0"`},
	} {
		var s Size
		if err := json.Unmarshal([]byte(c.text), &s); err != nil || s != c.want {
			t.Errorf("%s: got %d, %v, want %d", c.text, s, err, c.want)
		}
		if got, err := json.Marshal(s); err != nil || string(got) != c.back {
			t.Errorf("%s back: got %s, %v, want %s", c.text, got, err, c.back)
		}
	}
	for _, text := range []string{`"64X"`, `"M"`, `"-1"`, `"1KK"`, `1.5`, `true`, `"9999999999G"`} {
		var s Size
		if err := json.Unmarshal([]byte(text), &s); err == nil {
			t.Errorf("%s: got %d, want an error", text, s)
		}
	}
}

func TestTTL(t *testing.T) {
	for text, want := range map[string]TTL{`"off"`: {Off: true}, `"1h"`: {For: Duration(time.Hour)}, `0`: {}} {
		var got TTL
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", text, got, err, want)
		}
		b, err := json.Marshal(want)
		var back TTL
		if err != nil || json.Unmarshal(b, &back) != nil || back != want {
			t.Errorf("%s back: got %s, %v", text, b, err)
		}
	}
}
