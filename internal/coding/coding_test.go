package coding

import (
	"testing"

	"opencache/internal/wire"
)

func ask(lines ...string) *wire.Request {
	r := &wire.Request{}
	r.SetMethod(wire.GET)
	for _, line := range lines {
		r.Add(wire.AcceptEncoding, []byte(line))
	}
	return r
}

func TestChoose(t *testing.T) {
	all := &Policy{}
	gzipOnly := &Policy{Codings: []Coding{Gzip}}
	for _, tt := range []struct {
		p     *Policy
		lines []string
		want  string
	}{
		{all, nil, "identity"},
		{all, []string{""}, "identity"},
		{all, []string{"gzip"}, "gzip"},
		{all, []string{"x-gzip"}, "gzip"},
		{all, []string{"GZIP"}, "gzip"},
		{all, []string{"gzip, deflate, br, zstd"}, "zstd"},
		{all, []string{"gzip, deflate, br"}, "br"},
		{all, []string{"gzip", "br"}, "br"},
		{all, []string{"gzip;q=1.0, br;q=0.9, zstd;q=0.1"}, "gzip"},
		{all, []string{"gzip;q=0.001"}, "gzip"},
		{all, []string{"gzip;q=0"}, "identity"},
		{all, []string{"gzip; q=0.5 , identity"}, "identity"},
		{all, []string{"gzip;q=0.5, identity;q=0.5"}, "gzip"},
		{all, []string{"identity"}, "identity"},
		{all, []string{"deflate"}, "identity"},
		{all, []string{"*"}, "zstd"},
		{all, []string{"*;q=0"}, "refused"},
		{all, []string{"gzip, *;q=0"}, "gzip"},
		{all, []string{"zstd;q=0, *;q=0.5"}, "br"},
		{all, []string{"identity;q=0"}, "refused"},
		{all, []string{"identity;q=0, br"}, "br"},
		{gzipOnly, []string{"br, zstd"}, "identity"},
		{gzipOnly, []string{"br, *"}, "gzip"},
		{gzipOnly, []string{"identity;q=0, br"}, "refused"},
		{all, []string{"gzip;q=2, br;q=abc, zstd;"}, "identity"},
		{all, []string{"gzip;q=0.1234"}, "identity"},
		{all, []string{"gzip;level=9"}, "identity"},
		{all, []string{",, ,gzip ,"}, "gzip"},
		{all, []string{"gzip;q=0, gzip"}, "gzip"},
	} {
		got := "refused"
		if c, ok := tt.p.Choose(ask(tt.lines...)); ok {
			got = c.String()
		}
		if got != tt.want {
			t.Errorf("%q of %v: got %q, want %q", tt.lines, tt.p.Codings, got, tt.want)
		}
	}
}

func TestSettle(t *testing.T) {
	for _, tt := range []struct {
		line, part, want string
	}{
		{"gzip, br;q=0.2", "", "gzip"},
		{"deflate", "", "identity"},
		{"identity;q=0", "", "identity;q=0"},
		{"gzip, br", "bytes=0-1", "identity"},
		{"gzip, identity;q=0", "bytes=0-1", "gzip, identity;q=0"},
	} {
		r := ask(tt.line)
		if tt.part != "" {
			r.Add(wire.Range, []byte(tt.part))
		}
		(&Policy{}).Settle(r)
		if got := string(r.Get(wire.AcceptEncoding)); got != tt.want || r.Count(wire.AcceptEncoding) != 1 {
			t.Errorf("%q, range %q: got %q, want %q", tt.line, tt.part, got, tt.want)
		}
	}
}

func TestSettleAllocatesNothing(t *testing.T) {
	r, p := ask("gzip, deflate, br, zstd"), &Policy{}
	var one wire.Request
	if n := testing.AllocsPerRun(100, func() { one.CopyFrom(r); p.Settle(&one) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzChoose has any field give a coding that it does not refuse by name.
func FuzzChoose(f *testing.F) {
	for _, seed := range []string{"gzip, br;q=0.5", "*;q=0", "identity;q=0,*", "gzip;q=0,gzip;q=1", ";;,=", "zstd;q=0.000"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		p := &Policy{}
		r := ask(line)
		c, ok := p.Choose(r)
		if !ok {
			return
		}
		if w := weigh(r)[c]; w.at == 0 {
			t.Fatalf("%q: %v is refused", line, c)
		}
		p.Settle(r)
		if again, ok := p.Choose(r); !ok || again != c {
			t.Fatalf("%q: settled on %v, then %v", line, c, again)
		}
	})
}
