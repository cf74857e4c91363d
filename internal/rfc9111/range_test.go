package rfc9111

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// asking returns the ask of a GET with a Range.
func asking(value string) *Ask {
	var a Ask
	a.Reset(Get)
	a.Field(Range, []byte(value))
	a.Done()
	return &a
}

func TestParseRange(t *testing.T) {
	const whole = 200
	tests := []struct {
		section, value string
		length         int64
		status         int
		first, last    int64 // of a 206
	}{
		{"9110 14.1.2", "bytes=0-499", 10000, 206, 0, 499},
		{"9110 14.1.2", "bytes=500-999", 10000, 206, 500, 999},
		{"9110 14.1.2: suffix", "bytes=-500", 10000, 206, 9500, 9999},
		{"9110 14.1.2: open", "bytes=9500-", 10000, 206, 9500, 9999},
		{"9110 14.1.2: beyond the end", "bytes=9500-20000", 10000, 206, 9500, 9999},
		{"9110 14.1.2: suffix longer than all", "bytes=-20000", 10000, 206, 0, 9999},
		{"9110 14.1.2: first byte", "bytes=0-0", 1, 206, 0, 0},
		{"9110 14.1.2: large numerals", "bytes=0-99999999999999999999999", 10, 206, 0, 9},
		{"9110 14.1.2: large numerals", "bytes=-99999999999999999999999", 10, 206, 0, 9},
		{"9110 14.1.2: large numerals", "bytes=99999999999999999999999-", 10, 416, 0, 0},
		{"9110 14.1.2: not satisfiable", "bytes=10-", 10, 416, 0, 0},
		{"9110 14.1.2: not satisfiable", "bytes=10-20", 10, 416, 0, 0},
		{"9110 14.1.2: no bytes", "bytes=-0", 10, 416, 0, 0},
		{"9110 14.2: no content", "bytes=0-", 0, whole, 0, 0},
		{"length not known", "bytes=0-1", Absent, whole, 0, 0},
		{"9110 14.1: unit in any case", "Bytes=1-2", 10, 206, 1, 2},
		{"9110 5.6.1: spaces, empty members", "bytes= ,1-2 , ", 10, 206, 1, 2},
		{"9110 14.1.1: last < first", "bytes=5-4", 10, whole, 0, 0},
		{"9110 14.1.1: one invalid", "bytes=0-1,5-4", 10, whole, 0, 0},
		{"9110 14.1.1: one invalid", "bytes=0-1,x", 10, whole, 0, 0},
		{"9110 14.2: other unit", "items=0-1", 10, whole, 0, 0},
		{"syntax", "", 10, whole, 0, 0},
		{"syntax", "bytes", 10, whole, 0, 0},
		{"syntax", "bytes=", 10, whole, 0, 0},
		{"syntax", "bytes=,", 10, whole, 0, 0},
		{"syntax", "bytes=-", 10, whole, 0, 0},
		{"syntax", "bytes=1", 10, whole, 0, 0},
		{"syntax", "bytes=1 -2", 10, whole, 0, 0},
		{"syntax", "bytes=1- 2", 10, whole, 0, 0},
		{"syntax", "bytes=1-2-3", 10, whole, 0, 0},
		{"syntax", "bytes=--2", 10, whole, 0, 0},
		{"syntax", "bytes=+1-2", 10, whole, 0, 0},
		{"syntax", "bytes=0x1-2", 10, whole, 0, 0},
		{"syntax", "bytes =1-2", 10, whole, 0, 0},
		{"syntax", "bytes=1-2 3-4", 10, whole, 0, 0},
		{"syntax", "bytes=1-2;3", 10, whole, 0, 0},
	}
	var ok Facts
	ok.Reset(200, t0, t0)
	for _, tt := range tests {
		got := Select(&ok, asking(tt.value), tt.length)
		want := Selection{Status: tt.status, Last: -1}
		switch tt.status {
		case 206:
			want = Selection{206, tt.first, tt.last, 1}
		case whole:
			want.Last = max(tt.length, 0) - 1
		}
		if got != want {
			t.Errorf("%s: %q of %d: got %+v, want %+v", tt.section, tt.value, tt.length, got, want)
		}
	}
}

// TestRanges: what several ranges become.
func TestRanges(t *testing.T) {
	many := func(n, step int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf("%d-%d", i*step, i*step))
		}
		return "bytes=" + strings.Join(list, ",")
	}
	tests := []struct {
		section, value string
		length         int64
		status         int
		parts          string
	}{
		{"14.1.2: first and last", "bytes=0-0,-1", 10000, 206, "0-0 9999-9999"},
		{"14.1.2: spaces", "bytes= 0-999, 4500-5499, -1000", 10000, 206, "0-999 4500-5499 9000-9999"},
		{"15.3.7.2: order as asked", "bytes=-1000,0-999", 10000, 206, "9000-9999 0-999"},
		{"14.1.2: adjacent", "bytes=500-600,601-999", 10000, 206, "500-999"},
		{"14.1.2: overlapping", "bytes=500-700,601-999", 10000, 206, "500-999"},
		{"15.3.7.2: contained", "bytes=500-999,600-700", 10000, 206, "500-999"},
		{"15.3.7.2: containing", "bytes=600-700,500-999", 10000, 206, "500-999"},
		{"15.3.7.2: gap of 79", "bytes=0-9,89-99", 10000, 206, "0-99"},
		{"15.3.7.2: gap of 80", "bytes=0-9,90-99", 10000, 206, "0-9 90-99"},
		{"15.3.7.2: gap of 80, the other way", "bytes=90-99,0-9", 10000, 206, "90-99 0-9"},
		{"15.3.7.2: in the place of the first", "bytes=5000-5009,0-9,5010-5019,1000-1009", 10000, 206, "5000-5019 0-9 1000-1009"},
		{"15.3.7.2: one joins two", "bytes=0-99,1000-1099,500-599,90-1010", 10000, 206, "0-1099"},
		{"15.3.7.2: one joins the last two", "bytes=5000-5099,1000-1099,1300-1399,1090-1310", 10000, 206, "5000-5099 1000-1399"},
		{"14.1.2: unsatisfiable left out", "bytes=0-9,20000-", 10000, 206, "0-9"},
		{"14.1.2: unsatisfiable left out", "bytes=-0,500-,0-9", 1000, 206, "500-999 0-9"},
		{"15.5.17: none is satisfiable", "bytes=10-,20-30,-0", 10, 416, ""},
		{"14.2: no content", "bytes=0-0,-1", 0, 200, ""},
		{"length not known", "bytes=0-0,-1", Absent, 200, ""},
		{"14.1.1: one invalid", "bytes=0-1,500-400", 1000, 200, ""},
		{"14.1.1: one invalid", "bytes=0-1,x", 1000, 200, ""},
		{"14.2: other unit", "items=0-1,500-600", 1000, 200, ""},
		{"17.15: as many as may be", many(MaxRanges, 100), 10000, 206, strings.ReplaceAll(strings.TrimPrefix(many(MaxRanges, 100), "bytes="), ",", " ")},
		{"17.15: more", many(MaxRanges+1, 100), 10000, 200, ""},
		{"17.15: more, all the same", many(MaxRanges+1, 0), 10000, 200, ""},
		{"5.6.1: empty members", "bytes=,0-0,,500-500,", 1000, 206, "0-0 500-500"},
	}
	var ok Facts
	ok.Reset(200, t0, t0)
	for _, tt := range tests {
		a := asking(tt.value)
		got := Select(&ok, a, tt.length)
		if got.Status != tt.status {
			t.Errorf("9110 %s: %q of %d: got %+v, want %d", tt.section, tt.value, tt.length, got, tt.status)
			continue
		}
		if tt.status != 206 {
			continue
		}
		var list [MaxRanges]Part
		var text []string
		low, high := int64(math.MaxInt64), int64(-1)
		for _, p := range list[:a.Parts(tt.length, &list)] {
			text = append(text, fmt.Sprintf("%d-%d", p.First, p.Last))
			low, high = min(low, p.First), max(high, p.Last)
		}
		want := Selection{206, low, high, len(text)}
		if s := strings.Join(text, " "); s != tt.parts || got != want {
			t.Errorf("9110 %s: %q of %d: got %q, %+v, want %q, %+v", tt.section, tt.value, tt.length, s, got, tt.parts, want)
		}
	}
	// A second line makes a list that Range is not.
	a := asking("bytes=0-0,500-500")
	a.Field(Range, []byte("bytes=0-0"))
	if got := Select(&ok, a, 1000).Status; got != 200 {
		t.Errorf("two lines: got %d, want 200", got)
	}
}

func TestParseContentRange(t *testing.T) {
	tests := []struct {
		section, value        string
		first, last, complete int64
		ok                    bool
	}{
		{"9110 14.4", "bytes 42-1233/1234", 42, 1233, 1234, true},
		{"9110 14.4: length not known", "bytes 42-1233/*", 42, 1233, Absent, true},
		{"9110 14.4: all", "bytes 0-0/1", 0, 0, 1, true},
		{"9110 14.1: unit in any case", "Bytes 0-0/1", 0, 0, 1, true},
		{"9110 14.4: unsatisfied-range", "bytes */1234", 0, 0, 0, false},
		{"9110 14.4: last before first", "bytes 5-4/10", 0, 0, 0, false},
		{"9110 14.4: length not above last", "bytes 0-9/9", 0, 0, 0, false},
		{"9110 14.4: other unit", "items 0-1/2", 0, 0, 0, false},
		{"9110 14.1.2: overflow", "bytes 0-1/99999999999999999999", 0, 0, 0, false},
		{"9110 14.1.2: overflow", "bytes 0-99999999999999999999/*", 0, 0, 0, false},
		{"9110 14.1.2: overflow", "bytes 99999999999999999999-99999999999999999999/*", 0, 0, 0, false},
		{"syntax", "", 0, 0, 0, false},
		{"syntax", "bytes", 0, 0, 0, false},
		{"syntax", "bytes ", 0, 0, 0, false},
		{"syntax", "bytes=0-1/2", 0, 0, 0, false},
		{"syntax", "bytes  0-1/2", 0, 0, 0, false},
		{"syntax", "bytes 0-/2", 0, 0, 0, false},
		{"syntax", "bytes -1/2", 0, 0, 0, false},
		{"syntax", "bytes 0-1", 0, 0, 0, false},
		{"syntax", "bytes 0-1/", 0, 0, 0, false},
		{"syntax", "bytes 0-1/2 ", 0, 0, 0, false},
		{"syntax", "bytes 0-1/**", 0, 0, 0, false},
		{"syntax", "bytes 0 - 1/2", 0, 0, 0, false},
		{"two in a line", "bytes 0-1/2, bytes 0-1/2", 0, 0, 0, false},
	}
	for _, tt := range tests {
		p, complete, ok := ParseContentRange([]byte(tt.value))
		if ok != tt.ok || ok && (p != Part{tt.first, tt.last} || complete != tt.complete) {
			t.Errorf("%s: %q: got %v of %d, %t, want %d-%d of %d, %t", tt.section, tt.value, p, complete, ok, tt.first, tt.last, tt.complete, tt.ok)
		}
	}
}

// FuzzRange: parts lie in the content, none is nearer to another than partGap,
// together they hold what each range asks for, and one part less than the
// whole is what the same range asked for alone gives.
func FuzzRange(f *testing.F) {
	for _, s := range []string{
		"bytes=0-1", "bytes=-5", "bytes=5-", "bytes=0-1,2-3", "items=1", "bytes=99999999999999999999-",
		"bytes=0-0,-1", "bytes=900-,500-501,0-1,-3", "bytes=0-99,1000-1099,500-599,90-1010", "bytes=-0,1-,",
	} {
		f.Add([]byte(s), int64(10))
		f.Add([]byte(s), int64(1000))
		f.Add([]byte(s), int64(math.MaxInt64))
	}
	var ok Facts
	ok.Reset(200, t0, t0)
	f.Fuzz(func(t *testing.T, value []byte, length int64) {
		a := asking(string(value))
		got := Select(&ok, a, length)
		if got.Status != 206 {
			if got.First != 0 || got.Parts != 0 || got.Status == 200 && got.Last != max(length, 0)-1 {
				t.Fatalf("%q of %d: got %+v", value, length, got)
			}
			return
		}
		var list [MaxRanges]Part
		parts := list[:a.Parts(length, &list)]
		if len(parts) != got.Parts || got.Parts > a.asked.n {
			t.Fatalf("%q of %d: got %v, want %+v", value, length, parts, got)
		}
		for _, e := range a.asked.list[:a.asked.n] {
			p, ok := e.in(length)
			if ok && !slices.ContainsFunc(parts, func(q Part) bool { return q.First <= p.First && p.Last <= q.Last }) {
				t.Fatalf("%q of %d: %v is not in %v", value, length, p, parts)
			}
		}
		sorted := slices.SortedFunc(slices.Values(parts), func(p, q Part) int { return int(max(-1, min(1, p.First-q.First))) })
		if sorted[0].First != got.First || sorted[len(sorted)-1].Last != got.Last {
			t.Fatalf("%q of %d: got %+v of %v", value, length, got, parts)
		}
		for i, p := range sorted {
			if p.First < 0 || p.Last < p.First || p.Last >= length || i > 0 && p.First-sorted[i-1].Last <= partGap {
				t.Fatalf("%q of %d: got %v", value, length, parts)
			}
		}
	})
}

// FuzzContentRange: what is accepted is a range, and comes back the same.
func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-1/2", "bytes 0-1/*", "bytes */2", "bytes 1-0/2", "bytes 0-1/1", "bytes 9-99999999999999999999/*"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		p, complete, ok := ParseContentRange(value)
		if !ok {
			return
		}
		if p.First < 0 || p.Last < p.First || complete != Absent && complete <= p.Last {
			t.Fatalf("%q: got %v of %d", value, p, complete)
		}
		text := fmt.Sprintf("bytes %d-%d/%d", p.First, p.Last, complete)
		if complete == Absent {
			text = fmt.Sprintf("bytes %d-%d/*", p.First, p.Last)
		}
		if q, again, ok := ParseContentRange([]byte(text)); !ok || q != p || again != complete {
			t.Fatalf("%q: got %v of %d, %t from %q", value, q, again, ok, text)
		}
	})
}
