package rfc9111

import (
	"bytes"
	"math"
	"testing"
	"time"
)

// FuzzDirectives: any Cache-Control is read to its end, splits into lines
// without loss of what restricts, and all that is derived is in range.
func FuzzDirectives(f *testing.F) {
	for _, s := range []string{
		"max-age=60, no-store", `no-cache="a, b", s-maxage="5"`, `foo="\"", private`, `a="`, "max-age =5", ",,;=\"x\"",
		"stale-while-revalidate=5, stale-if-error=9999999999999", "public, must-understand, immutable", "max-stale, min-fresh=1",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		var facts Facts
		facts.Reset(200, t0, t0)
		facts.Field(CacheControl, value)
		facts.Done()
		if !facts.valid() {
			t.Fatalf("%q: out of range: %+v", value, facts)
		}
		var ask Ask
		ask.Reset(Get)
		ask.Field(CacheControl, value)
		ask.Field(Pragma, value)
		ask.Done()
		for _, n := range []int64{ask.maxAge, ask.maxStale, ask.minFresh, ask.staleIfError} {
			if !isDelta(n) {
				t.Fatalf("%q: out of range: %d", value, n)
			}
		}
		v := Judge(&facts, &ask, &Policy{}, t0+1000)
		if v.Do == Deliver && v.TTL <= 0 && forbidsStale(&facts, &Policy{}) != OK {
			t.Fatalf("%q: stale though forbidden: %+v", value, v)
		}
		// A directive in front changes nothing about those behind it.
		var more Facts
		more.Reset(200, t0, t0)
		more.Field(CacheControl, append([]byte("x, "), value...))
		more.Done()
		if more != facts {
			t.Fatalf("%q: got %+v behind another directive, want %+v", value, more, facts)
		}
	})
}

// FuzzDate: what is accepted comes back the same from the preferred format.
func FuzzDate(f *testing.F) {
	for _, s := range []string{
		"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
		"Thu, 29 Feb 2024 23:59:60 GMT", "Tuesday, 29-Feb-00 00:00:00 GMT", "0", "Sat, 01 Jan 0000 00:00:00 GMT",
	} {
		f.Add([]byte(s), t0)
	}
	f.Fuzz(func(t *testing.T, value []byte, now int64) {
		ms, ok := ParseDate(value, now%lastTime)
		if !ok {
			return
		}
		// A short year may come before the year 0 of a far-off now.
		at := time.UnixMilli(ms).UTC()
		if at.Year() < 0 || at.Year() > 9999 {
			return
		}
		text := at.Format("Mon, 02 Jan 2006 15:04:05 GMT")
		if got, ok := ParseDate([]byte(text), now); !ok || got != ms {
			t.Fatalf("%q: got %d, %v from %q, want %d", value, got, ok, text, ms)
		}
	})
}

// FuzzFacts: foreign bytes never panic; those accepted are what Put writes,
// and no calculation on them overflows.
func FuzzFacts(f *testing.F) {
	var facts Facts
	facts.Reset(200, t0, t0)
	var seed [FactsSize]byte
	facts.Put(seed[:])
	f.Add(seed[:])
	facts.Field(CacheControl, []byte("max-age=60, s-maxage=9, must-revalidate"))
	facts.Field(Date, []byte(dateT0))
	facts.Field(ETag, []byte(`W/"a"`))
	facts.Put(seed[:])
	f.Add(seed[:])
	f.Add([]byte{layout})
	f.Fuzz(func(t *testing.T, src []byte) {
		var facts Facts
		if facts.Get(src) != nil {
			return
		}
		var dst [FactsSize]byte
		facts.Put(dst[:])
		if !bytes.Equal(dst[:], src[:FactsSize]) {
			t.Fatalf("%x: put back as %x", src, dst)
		}
		var ask Ask
		ask.Reset(Get)
		ask.Field(Range, []byte("bytes=0-"))
		ask.Done()
		for _, now := range []int64{firstTime, 0, t0, lastTime} {
			v := Judge(&facts, &ask, &Policy{Heuristic: 100, HeuristicMax: math.MaxInt64, DefaultTTL: math.MaxInt64}, now)
			if v.Age < 0 || v.Age > MaxDelta || v.TTL > MaxDelta || v.TTL < -MaxDelta {
				t.Fatalf("%x at %d: got %+v", src, now, v)
			}
		}
	})
}

// FuzzLists: tags, Vary and varied values are read to their end, and a list
// is the same in one line and with a line for an empty member in front.
func FuzzLists(f *testing.F) {
	for _, s := range []string{`"a", W/"b"`, "*", `"a`, "gzip;q=0.5, br", "Accept, *", "a b"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		var facts Facts
		facts.Reset(200, t0, t0)
		facts.Field(ETag, value)
		facts.Field(Vary, value)
		facts.Done()
		if _, any := VaryNames([][]byte{value}); any != facts.has(varyAny) {
			t.Fatalf("%q: Vary: got %v, the facts say %v", value, any, facts.has(varyAny))
		}
		var ask Ask
		ask.Reset(Get)
		ask.Field(IfNoneMatch, value)
		ask.Field(IfRange, value)
		ask.Done()
		if facts.ETag.Present {
			if status := Select(&facts, &ask, 1).Status; status != 304 {
				t.Fatalf("%q: does not match itself: %d", value, status)
			}
		}
		one := AppendVaried(nil, "accept-encoding", [][]byte{value})
		two := AppendVaried(nil, "accept-encoding", [][]byte{append([]byte(" "), value...)})
		if !bytes.Equal(one, two) {
			t.Fatalf("%q: got %x with a space in front, want %x", value, two, one)
		}
	})
}
