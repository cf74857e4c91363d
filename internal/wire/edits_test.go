package wire

import (
	"strings"
	"testing"
)

func TestEdits(t *testing.T) {
	all := NameSet{^uint64(0), ^uint64(0)}
	const head = "Server: a\r\nX-One: 1\r\nset-cookie: b\r\nX-one: 2\r\nETag: c\r\n"
	for _, tt := range []struct {
		what, want string
		edit       func(*Edits)
		has        NameSet
	}{
		{"nothing", head, func(*Edits) {}, all},
		{"interned", "X-One: 1\r\nset-cookie: b\r\nX-one: 2\r\nETag: c\r\n", func(e *Edits) { e.Remove("server") }, all},
		{"others", "Server: a\r\nset-cookie: b\r\nETag: c\r\n", func(e *Edits) { e.Remove("X-ONE"); e.Remove("x-one") }, all},
		{"set", "Server: a\r\nset-cookie: b\r\nETag: c\r\nX-One: 3\r\n", func(e *Edits) { e.Set("X-One", "3") }, all},
		{"set anew", head + "A: \r\n", func(e *Edits) { e.Set("a", "1"); e.Set("A", "") }, all},
		{"set, and another removed", "Server: a\r\nX-One: 1\r\nX-one: 2\r\nETag: c\r\nX-Two: d\r\nSet-Cookie: e\r\n",
			func(e *Edits) { e.Set("X-Two", "d"); e.Set("Set-Cookie", "e"); e.Remove("X-Three") }, all},
		{"removed behind", "Server: a\r\nX-One: 1\r\nX-one: 2\r\nETag: c\r\n", func(e *Edits) { e.Set("Set-Cookie", "d"); e.Remove("Set-Cookie") }, all},
		{"not there, as is said", head, func(e *Edits) { e.Remove("Server"); e.Remove("X-One") }, NamesOf(ETag)},
	} {
		var e Edits
		tt.edit(&e)
		if got := string(e.Apply([]byte(head), tt.has)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.what, got, tt.want)
		}
	}
	var e Edits
	e.Set("X-One", "3")
	e.Remove("Server")
	buf := append(make([]byte, 0, 256), head...)
	if n := testing.AllocsPerRun(100, func() { e.Apply(buf[:len(head)], all) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestKeep(t *testing.T) {
	var r Request
	head := "GET / HTTP/1.1\r\nHost: a\r\nConnection: x-hop\r\nX-Hop: 1\r\nCookie: b\r\nX-One: 1\r\nAccept: c\r\nx-two: 2\r\n\r\n"
	if _, err := ParseRequest(&r, []byte(head), Limits{}); err != nil {
		t.Fatal(err)
	}
	r.Keep(func(id Name, name []byte) bool { return id == Accept || strings.EqualFold(string(name), "X-Two") })
	if got, want := string(r.AppendFields(nil, NameSet{})), "Accept: c\r\nx-two: 2\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if r.Has(Cookie) || !r.Has(Accept) || !r.Has(Other) {
		t.Errorf("names: %v", r.Names())
	}
	if string(r.Authority()) != "a" || r.Len() != 5 {
		t.Errorf("hidden fields are gone: authority %q, %d lines", r.Authority(), r.Len())
	}
	r.Keep(func(id Name, _ []byte) bool { return id == Accept })
	if r.Has(Other) {
		t.Error("Other is among the names")
	}
}
