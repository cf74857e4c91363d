package rfc9111

import "testing"

// browser is what a browser sends that the rules read.
var browser = []struct {
	id    Field
	value []byte
}{
	{None, []byte("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36")},
	{None, []byte("text/html,application/xhtml+xml")},
	{None, []byte("gzip, deflate, br, zstd")},
	{CacheControl, []byte("max-age=0")},
	{IfModifiedSince, []byte("Sun, 01 Jun 2025 11:00:00 GMT")},
}

func digest(a *Ask) {
	a.Reset(Get)
	for i := range browser {
		if browser[i].id != None {
			a.Field(browser[i].id, browser[i].value)
		}
	}
	a.Done()
}

// TestNoAllocations: nothing on the way of a hit allocates.
func TestNoAllocations(t *testing.T) {
	f := response(t, 200, "Cache-Control: public, max-age=60\nETag: \"a\"\nDate: "+dateT0+"\nLast-Modified: "+hourAgo)
	f.Length = 1000
	var stored [FactsSize]byte
	f.Put(stored[:])
	var (
		ask   Ask
		facts Facts
		p     Policy
		key   = make([]byte, 0, 256)
		lines = values("gzip;q=0.8, br, deflate")
		tags  = []byte(`"x", W/"y", "a"`)
		bytes = []byte("bytes=5-")
		tag   = []byte(`"a"`)
		short = []byte("Sunday, 01-Jun-25 11:00:00 GMT")
	)
	for name, hit := range map[string]func(){
		"plain": func() {
			digest(&ask)
			Judge(&facts, &ask, &p, t0)
		},
		"conditional": func() {
			ask.Reset(Get)
			ask.Field(IfNoneMatch, tags)
			ask.Done()
			Judge(&facts, &ask, &p, t0)
		},
		"range": func() {
			ask.Reset(Get)
			ask.Field(Range, bytes)
			ask.Field(IfRange, tag)
			ask.Done()
			Judge(&facts, &ask, &p, t0)
		},
		"obsolete date": func() {
			ask.Reset(Get)
			ask.Field(IfModifiedSince, short)
			ask.Done()
			Judge(&facts, &ask, &p, t0)
		},
		"stale on error": func() { StaleOnError(&facts, &ask, &p, Failure{On500, t0 + 100_000}) },
		"varied":         func() { key = AppendVaried(key[:0], "accept-encoding", lines) },
	} {
		if n := testing.AllocsPerRun(100, func() {
			if err := facts.Get(stored[:]); err != nil {
				t.Fatal(err)
			}
			hit()
		}); n != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, n)
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	f := response(b, 200, "Cache-Control: public, max-age=60\nETag: \"a\"\nDate: "+dateT0+"\nLast-Modified: "+hourAgo)
	f.Length = 1000
	a := request(b, Get, "")
	var p Policy
	for b.Loop() {
		Judge(f, a, &p, t0+5000)
	}
}

func BenchmarkAsk(b *testing.B) {
	var a Ask
	for b.Loop() {
		digest(&a)
	}
}

func BenchmarkAskNoneMatch(b *testing.B) {
	var a Ask
	tag := []byte(`"5f3b-61c9a1b2c3d40"`)
	for b.Loop() {
		a.Reset(Get)
		a.Field(IfNoneMatch, tag)
		a.Done()
	}
}

func BenchmarkGet(b *testing.B) {
	f := response(b, 200, "Cache-Control: public, max-age=60\nETag: \"a\"\nDate: "+dateT0)
	var buf [FactsSize]byte
	f.Put(buf[:])
	for b.Loop() {
		if err := f.Get(buf[:]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVaried(b *testing.B) {
	v := values("gzip, deflate, br, zstd")
	key := make([]byte, 0, 128)
	for b.Loop() {
		key = AppendVaried(key[:0], "accept-encoding", v)
	}
}
