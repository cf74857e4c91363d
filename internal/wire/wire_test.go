package wire

import (
	"context"
	"testing"
)

func TestMethodProperties(t *testing.T) {
	tests := []struct {
		m                Method
		safe, idempotent bool
	}{
		{GET, true, true}, {HEAD, true, true}, {OPTIONS, true, true}, {TRACE, true, true}, {QUERY, true, true},
		{PUT, false, true}, {DELETE, false, true},
		{POST, false, false}, {PATCH, false, false}, {CONNECT, false, false}, {PURGE, false, false}, {OtherMethod, false, false},
	}
	for _, tt := range tests {
		if tt.m.Safe() != tt.safe || tt.m.Idempotent() != tt.idempotent {
			t.Errorf("%v: safe %v, idempotent %v, want %v, %v", tt.m, tt.m.Safe(), tt.m.Idempotent(), tt.safe, tt.idempotent)
		}
	}
}

func TestNameSet(t *testing.T) {
	s := NamesOf(Other, Accept, XRequestID)
	if !s.Has(Other) || !s.Has(XRequestID) || s.Has(Age) {
		t.Errorf("set %b", s)
	}
	if !s.Overlaps(NamesOf(XRequestID, Age)) || s.Overlaps(NamesOf(Age, ETag)) {
		t.Errorf("Overlaps of %b", s)
	}
	if s.Remove(Accept); s != NamesOf(Other, XRequestID) {
		t.Errorf("set %b after Remove", s)
	}
}

func TestRequestFraming(t *testing.T) {
	for length, want := range map[int64]Framing{0: 0, 7: 7, Unknown: Chunked} {
		r := Request{Length: length}
		if got := r.Framing(); got != want {
			t.Errorf("framing of length %d is %d, want %d", length, got, want)
		}
	}
}

func TestRequestContext(t *testing.T) {
	var r Request
	if r.Context() != context.Background() {
		t.Error("no background context without Watch")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r.Watch = func() context.Context { return ctx }
	if r.Context() != ctx {
		t.Error("not the context of Watch")
	}
}

func TestHeadAll(t *testing.T) {
	r := parseAll(t, "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nVia: c\r\nAge: d\r\n\r\n")
	var got []Name
	for n := range r.All() {
		if n == Age {
			break
		}
		got = append(got, n)
	}
	if len(got) != 2 || got[0] != Other || got[1] != Via {
		t.Errorf("names %v, want none and Via", got)
	}
	r.Del(Via)
	r.Del(Other)
	r.Del(Cookie)
	if got := string(r.AppendFields(nil, NamesOf(Other))); got != "A: b\r\nAge: d\r\n" {
		t.Errorf("fields %q", got)
	}
}

type counter int

func (c *counter) Release()           { *c++ }
func (c *counter) Expose() int        { return -1 }
func (c *counter) Pressure() Pressure { return Keep }

func TestSpan(t *testing.T) {
	var c counter
	s := Span{Mem: []byte("hello"), Off: 10, N: 5, Owner: &c}
	part := s.Slice(1, 3)
	if string(part.Mem) != "ell" || part.Off != 11 || part.N != 3 {
		t.Errorf("slice %q at %d, %d bytes", part.Mem, part.Off, part.N)
	}
	file := Span{Off: 10, N: 5}.Slice(2, 2)
	if file.Mem != nil || file.Off != 12 || file.N != 2 {
		t.Errorf("slice of a file %+v", file)
	}
	part.Release()
	file.Release()
	if c != 1 {
		t.Errorf("released %d times, want once", c)
	}
}
