package engine

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

var fuzzPolicy = Policy{Targets: []string{"X-Edge-Control", "CDN-Cache-Control"}}

// FuzzStoredHead: what an upstream may say goes into a record and comes back
// the same; nothing for one hop and no line break gets in; a 304 changes what
// it may change.
func FuzzStoredHead(f *testing.F) {
	for _, s := range [][2]string{
		{"200 OK\r\nCache-Control: max-age=60\r\nETag: \"a\"\r\nX-A: b\r\nx-a: c", "304 Not Modified\r\nETag: \"a\"\r\nX-A: d"},
		{"200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: a/b", "304 x\r\nContent-Type: c\r\nExpires: 0"},
		{"404 Not Found\r\nVary: a, B\r\nSet-Cookie: a\r\nX-Cache: HIT\r\nAge: 5", "304 x\r\nAge: 7\r\nVary: *\r\nConnection: X-A\r\nX-A: b"},
		{"200 OK\r\nAccept-Ranges: none\r\nA: \xff\r\nB:\r\nProxy-Authenticate: x", "304 x\r\nCache-Control: no-store\r\nA:"},
	} {
		f.Add(s[0], s[1], int64(784111777000), uint16(30))
	}
	f.Fuzz(func(t *testing.T, first, second string, asked int64, took uint16) {
		at := time.UnixMilli(asked % 253402300799000).UTC()
		if at.Year() < 0 || at.Year() > 9998 {
			return
		}
		resp, head := digested(first, at, took)
		if head == nil || resp.Status < 200 {
			return
		}
		stored := roundTrip(t, head)
		if got := stored.appendBlock(nil, wire.NameSet{}); !bytes.Equal(got, head.block) {
			t.Fatalf("%q: got block %q, want %q", first, got, head.block)
		}
		for name := range wire.NumNames {
			n := wire.Name(name)
			if n == wire.Other || notStored.Has(n) || withheld(&stored, n) {
				continue
			}
			if resp.Has(n) && !bytes.Equal(stored.value(n), resp.Get(n)) {
				t.Fatalf("%q: %v is %q, want %q", first, n, stored.value(n), resp.Get(n))
			}
		}
		answer, news := digested(second, at.Add(time.Hour), took)
		if news == nil || answer.Status != 304 || !rfc9111.Validates(&head.facts, &news.facts) {
			return
		}
		fresh, _ := head.freshened(answer, news, &fuzzPolicy)
		merged := roundTrip(t, &fresh)
		for name := range wire.NumNames {
			n, want := wire.Name(name), head
			if n == wire.Other || notStored.Has(n) || withheld(&merged, n) || withheld(news, n) || withheld(head, n) {
				continue
			}
			if answer.Has(n) && !notUpdated.Has(n) {
				want = news
			}
			if got, want := valuesOf(&merged, n), valuesOf(want, n); n != wire.Date && !slices.Equal(got, want) {
				t.Fatalf("%q freshened by %q: %v is %q, want %q", first, second, n, got, want)
			}
		}
	})
}

// withheld reports whether h may be without the field by the origin's word.
func withheld(h *storedHead, n wire.Name) bool {
	return h.facts.Withholds(&fuzzPolicy.Rules) && !h.names.Has(n)
}

func valuesOf(h *storedHead, name wire.Name) (values []string) {
	for id, line := range wire.Lines(h.block) {
		if id == name {
			values = append(values, string(line.Value))
		}
	}
	return values
}

// digested parses and digests a response, without the version in front; nil
// when it is none.
func digested(head string, asked time.Time, took uint16) (*wire.Response, *storedHead) {
	resp := new(wire.Response)
	text := "HTTP/1.1 " + head + "\r\n\r\n"
	if n, err := wire.ParseResponse(resp, []byte(text), wire.GET, wire.DefaultLimits); err != nil || n != len(text) {
		return nil, nil
	}
	h := new(storedHead)
	h.digest(resp, asked, asked.Add(time.Duration(took)*time.Millisecond), &fuzzPolicy)
	return resp, h
}

// roundTrip puts h into a record's Meta, checks its block, and reads it.
func roundTrip(t *testing.T, h *storedHead) (got storedHead) {
	t.Helper()
	if err := got.read(h.appendMeta([]byte("before")[6:])); err != nil || got.facts != h.facts || got.names != h.names {
		t.Fatalf("got %+v, %v, want %+v", got, err, h)
	}
	var names wire.NameSet
	for id, line := range wire.Lines(h.block) {
		if strings.ContainsAny(string(line.Name)+string(line.Value), "\r\n\x00") || len(line.Name) == 0 {
			t.Fatalf("block %q: line %q: %q", h.block, line.Name, line.Value)
		}
		if notStored.Has(id) || id == wire.Connection || id == wire.TransferEncoding || id == wire.ContentLength {
			t.Fatalf("block %q holds %q", h.block, line.Name)
		}
		names.Add(id)
	}
	if names != h.names {
		t.Fatalf("block %q: names %b, want %b", h.block, h.names, names)
	}
	return got
}

// FuzzStoredMeta: whatever a record holds, reading it is an error or gives a
// head that can be judged, delivered, and written back the same.
func FuzzStoredMeta(f *testing.F) {
	_, h := digested("200 OK\r\nCache-Control: max-age=60\r\nETag: \"a\"\r\nX-A: b", time.UnixMilli(784111777000), 5)
	meta := h.appendMeta(nil)
	f.Add(meta)
	f.Add(meta[:rfc9111.FactsSize+namesSize])
	f.Add(append(meta, "no colon\r\n: no name\r\nA:b\nno end"...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, meta []byte) {
		var h storedHead
		if h.read(meta) != nil {
			return
		}
		if again := h.appendMeta(nil); !bytes.Equal(again, meta) {
			t.Fatalf("%q written back as %q", meta, again)
		}
		var ask rfc9111.Ask
		ask.Reset(rfc9111.Get)
		ask.Done()
		rfc9111.Judge(&h.facts, &ask, &rfc9111.Policy{}, 0)
		h.strongValidator()
		if got := h.appendBlock(nil, wire.NamesOf(wire.XCache)); len(got) > 3*len(meta)+8 {
			t.Fatalf("%q: %d bytes delivered", meta, len(got))
		}
	})
}
