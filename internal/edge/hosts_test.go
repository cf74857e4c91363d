package edge

import (
	"fmt"
	"strings"
	"testing"
	"unsafe"
)

func TestHosts(t *testing.T) {
	var table hostTable
	sites := map[string]*site{}
	for _, name := range []string{"a.test", "www.a.test", "*.a.test", "*.b.a.test", "*.test", "[::1]", "192.0.2.1"} {
		sites[name] = &site{}
		if taken := table.add(name, sites[name]); taken != nil {
			t.Fatalf("%s: taken", name)
		}
	}
	check := func(authority, want string) {
		t.Helper()
		host, _ := hostOf([]byte(authority), nil)
		got := table.find(host)
		for name, s := range sites {
			if s == got && name != want {
				t.Errorf("%s: got the site of %s, want that of %q", authority, name, want)
			}
		}
		if got == nil && want != "" {
			t.Errorf("%s: got none, want the site of %s", authority, want)
		}
	}
	for authority, want := range map[string]string{
		"a.test": "a.test", "A.Test": "a.test", "a.test:8080": "a.test", "a.test.": "a.test", "A.TEST.:80": "a.test",
		"www.a.test": "www.a.test", "x.a.test": "*.a.test", "x.y.a.test": "*.a.test", "x.b.a.test": "*.b.a.test", "b.a.test": "*.a.test",
		"other.test": "*.test", "a.b.c.d.e.f.test": "*.test", "test": "", "": "", "a.test.example": "", ".test": "*.test", "xa.test": "*.test",
		"[::1]": "[::1]", "[::1]:8080": "[::1]", "192.0.2.1:80": "192.0.2.1",
	} {
		check(authority, want)
	}
	other := &site{}
	if taken := table.add("_", other); taken != nil || table.find([]byte("nobody.example")) != other {
		t.Error("the site for every other host is not found")
	}
	for _, name := range []string{"a.test", "*.test", "_"} {
		if table.add(name, &site{}) == nil {
			t.Errorf("%s: given twice", name)
		}
	}
	if table.add("a.test", sites["a.test"]) != nil {
		t.Error("a site that names a host twice takes it from itself")
	}
}

// TestHostNames: many names, of every length around that of a slot, are each
// found and no other is.
func TestHostNames(t *testing.T) {
	var table hostTable
	sites := map[string]*site{}
	for i := range 2000 {
		name := fmt.Sprintf("%s-%d.test", strings.Repeat("n", i%64), i)
		sites[name] = &site{}
		if taken := table.add(name, sites[name]); taken != nil {
			t.Fatalf("%s: taken", name)
		}
	}
	for name, want := range sites {
		if got := table.find([]byte(name)); got != want {
			t.Errorf("%s: got another site", name)
		}
		for _, other := range []string{"x" + name, name + "x", name[1:]} {
			if got := table.find([]byte(other)); got != sites[other] {
				t.Errorf("%s: got a site, want that of its name", other)
			}
		}
		if table.add(name, &site{}) != want {
			t.Errorf("%s: given twice", name)
		}
	}
	if got := unsafe.Sizeof(hostSlot{}); got != 64 {
		t.Errorf("a slot has %d bytes, want a line of a processor's cache: 64", got)
	}
}

func TestHostOfKeepsScratch(t *testing.T) {
	scratch := make([]byte, 0, 64)
	for _, authority := range []string{"a.test", "A.TEST:80"} {
		in := []byte(authority)
		if n := testing.AllocsPerRun(100, func() { _, scratch = hostOf(in, scratch) }); n != 0 {
			t.Errorf("%s: got %v allocations, want 0", authority, n)
		}
	}
}

// Looking costs no more with many sites than with few; compare the two.
func BenchmarkMatch10(b *testing.B)    { benchMatch(b, 10) }
func BenchmarkMatch10000(b *testing.B) { benchMatch(b, 10_000) }

func benchMatch(b *testing.B, n int) {
	var table hostTable
	var asked [][]byte
	for i := range n {
		s := &site{}
		table.add(fmt.Sprintf("www.site-%d.example", i), s)
		table.add(fmt.Sprintf("*.site-%d.example", i), s)
		if i%(n/10) == 0 { // the same number of hosts, so that it is not the processor's cache that is compared
			asked = append(asked, fmt.Appendf(nil, "WWW.site-%d.example:8080", i), fmt.Appendf(nil, "x.y.site-%d.example", i))
		}
	}
	var scratch, host []byte
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		host, scratch = hostOf(asked[i%len(asked)], scratch)
		if table.find(host) == nil {
			b.Fatal(string(host))
		}
		i++
	}
}
