package engine

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"opencache/internal/rfc9111"
)

// runsOf reads "0-4/a 6-9/b": ranges and the version of each, which counts the
// letters from 1; what a range is cut off of begins where :N says.
func runsOf(t *testing.T, text string) (rs runs) {
	t.Helper()
	for word := range strings.FieldsSeq(text) {
		var r run
		var letter rune
		if n, _ := fmt.Sscanf(word, "%d-%d/%c:%d", &r.First, &r.Last, &letter, &r.base); n < 3 {
			t.Fatalf("%q: %d", word, n)
		} else if n == 3 {
			r.base = r.First
		}
		r.version = uint64(letter - 'a' + 1)
		rs = append(rs, r)
	}
	return rs
}

func TestRunsWith(t *testing.T) {
	for _, tt := range []struct{ have, add, want string }{
		{"", "3-5/a", "3-5/a"},
		{"3-5/a", "7-9/b", "3-5/a 7-9/b"},
		{"3-5/a", "0-1/b", "0-1/b 3-5/a"},
		{"3-5/a", "6-9/b", "3-5/a 6-9/b"},
		{"3-5/a", "3-5/b", "3-5/a"},
		{"3-5/a", "4-4/b", "3-5/a"},
		{"3-5/a", "2-6/b", "2-6/b"},
		{"3-5/a", "5-6/b", "3-4/a 5-6/b"},
		{"3-5/a", "0-3/b", "0-3/b 4-5/a:3"},
		{"0-2/a 4-5/b 7-9/c", "1-8/d", "0-0/a 1-8/d 9-9/c:7"},
		{"0-2/a 4-5/b 7-9/c", "0-9/d", "0-9/d"},
		{"0-2/a 7-9/c", "4-5/d", "0-2/a 4-5/d 7-9/c"},
	} {
		have, want := runsOf(t, tt.have), runsOf(t, tt.want)
		before := slices.Clone(have)
		if got := have.with(runsOf(t, tt.add)[0]); !slices.Equal(got, want) {
			t.Errorf("%q with %q: got %v, want %v", tt.have, tt.add, got, want)
		}
		if !slices.Equal(have, before) {
			t.Errorf("%q with %q: it changed to %v", tt.have, tt.add, have)
		}
	}
	var many runs
	for i := range int64(maxRuns + 10) {
		many = many.with(run{rfc9111.Part{First: i * 100, Last: i*100 + i}, i * 100, uint64(i + 1)})
	}
	if len(many) != maxRuns || many[0].First != 1000 {
		t.Errorf("%d runs from %d, want %d without the smallest", len(many), many[0].First, maxRuns)
	}
	tiny := run{rfc9111.Part{First: 50, Last: 50}, 50, 1000}
	if many = many.with(tiny); len(many) != maxRuns || many[0] != tiny {
		t.Errorf("the newest is not among %v", many[:2])
	}
	if got := many.bounded(100, tiny); got.size() > 100 || got[0] != tiny {
		t.Errorf("bounded to 100 bytes: %v", got)
	}
}

// FuzzRuns holds runs against a plain array of who has each byte.
func FuzzRuns(f *testing.F) {
	f.Add([]byte("\x01\x03\x05\x02\x05\x09\x03\x00\x04"), uint8(2), uint8(30))
	f.Add([]byte("\x00\x00\x20\x02\x05\x09\x07\x06\x08\x00\x01\x02"), uint8(0), uint8(255))
	f.Add(bytes.Repeat([]byte("\x01\x08\x01"), 100), uint8(1), uint8(1))
	f.Fuzz(func(t *testing.T, script []byte, first, size uint8) {
		const length = 256
		var rs runs
		var has [length]bool
		for i := 0; i+2 < len(script); i += 3 {
			p := rfc9111.Part{First: int64(script[i+1])}
			p.Last = min(p.First+int64(script[i+2]%32), length-1)
			there := script[i]%4 > 0
			if there {
				rs = rs.with(run{p, p.First, uint64(i + 1)})
			} else {
				rs = rs.without(p)
			}
			for b := p.First; b <= p.Last; b++ {
				has[b] = there
			}
		}
		for i, r := range rs {
			if r.First > r.Last || r.base > r.First || i > 0 && r.First <= rs[i-1].Last {
				t.Fatalf("out of order: %v", rs)
			}
		}
		if len(rs) > maxRuns {
			t.Fatalf("%d runs", len(rs))
		}
		full := len(rs) < maxRuns/2 // else some have gone for being small
		for b := range int64(length) {
			if r, ok := rs.at(b); ok != (r.First <= b && b <= r.Last && r.version != 0) || ok && !has[b] || full && ok != has[b] {
				t.Fatalf("byte %d: %v, %t, want %t; %v", b, r, ok, has[b], rs)
			}
		}
		p := rfc9111.Part{First: int64(first)}
		p.Last = min(p.First+int64(size), length-1)
		want := rfc9111.Part{First: -1}
		for b := p.First; b <= p.Last; b++ {
			if _, ok := rs.at(b); !ok {
				if want.First < 0 {
					want.First = b
				}
				want.Last = b
			}
		}
		if got, lacks := rs.lack(p); lacks != (want.First >= 0) || lacks && got != want {
			t.Fatalf("lack of %v: got %v, %t, want %v; %v", p, got, lacks, want, rs)
		}
		got, rest, err := readRuns(append(rs.append(nil), "rest"...), length)
		if err != nil || string(rest) != "rest" || !slices.Equal(got, rs) {
			t.Fatalf("%v: read %v, %q, %v", rs, got, rest, err)
		}
		_, _, _ = readRuns(script, length) // must not panic
	})
}
