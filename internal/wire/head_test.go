package wire

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestLookup(t *testing.T) {
	for n := Name(1); int(n) < NumNames; n++ {
		if len(n.String()) == 0 || len(n.String()) > nameMax {
			t.Errorf("name %d is %q, longer than %d or none", n, n.String(), nameMax)
			continue
		}
		for _, s := range []string{n.String(), strings.ToLower(n.String()), strings.ToUpper(n.String())} {
			if got := Lookup(s); got != n {
				t.Errorf("Lookup(%q) = %v, want %v", s, got, n)
			}
			if got := Lookup([]byte(s)); got != n {
				t.Errorf("Lookup([]byte(%q)) = %v, want %v", s, got, n)
			}
		}
		if got := Lookup(n.String() + "x"); got != Other {
			t.Errorf("Lookup(%q) = %v, want none", n.String()+"x", got)
		}
	}
	for _, s := range []string{"", "x", "hos\x14", "Hosu", strings.Repeat("Host", 100), "if\rmatch"} {
		if got := Lookup(s); got != Other {
			t.Errorf("Lookup(%q) = %v, want none", s, got)
		}
	}
}

// Names that share a place cost a comparison each.
func TestLookupProbes(t *testing.T) {
	for n := Name(1); int(n) < NumNames; n++ {
		probes := 1
		for h := hashName(n.String()); interned[h] != n; h = (h + 1) & internMask {
			probes++
		}
		if probes > 4 {
			t.Errorf("%v takes %d probes", n, probes)
		}
	}
}

func TestEqualFold(t *testing.T) {
	tests := []struct {
		a, b string
		want bool
	}{
		{"", "", true},
		{"aZ-9", "Az-9", true},
		{"a", "ab", false},
		{"@", "`", false},
		{"[", "{", false},
		{"^", "~", false},
		{"\xc4", "\xe4", false},
		{"\r", "-", false},
	}
	for _, tt := range tests {
		if got := EqualFold(tt.a, []byte(tt.b)); got != tt.want {
			t.Errorf("EqualFold(%q, %q) = %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestMethods(t *testing.T) {
	for m := OtherMethod; int(m) < len(methods); m++ {
		if got := lookupMethod([]byte(m.String())); got != m {
			t.Errorf("lookupMethod(%q) = %v", m.String(), got)
		}
	}
	if got := lookupMethod([]byte("get")); got != OtherMethod { // RFC 9110, 9.1
		t.Errorf("lookupMethod(get) = %v, want none", got)
	}
}

// What is added to a head must not get into the buffer that it borrows.
func TestHeadBorrows(t *testing.T) {
	head := "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n"
	buf := []byte(head + "the next request")
	var r Request
	for range 2 {
		n, err := ParseRequest(&r, buf, Limits{})
		if n != len(head) || err != nil {
			t.Fatal(n, err)
		}
		a := r.At
		r.Add(Via, []byte("1.1 x"))
		r.SetTarget([]byte("/other"))
		if _, name, value, ok := a(1); string(name) != "A" || string(value) != "b" || !ok {
			t.Errorf("field 1 is %q: %q", name, value)
		}
		if want := "GET /other HTTP/1.1\r\nHost: a\r\nA: b\r\nVia: 1.1 x\r\n\r\n"; string(AppendRequest(nil, &r, Destination{})) != want {
			t.Errorf("got %q, want %q", AppendRequest(nil, &r, Destination{}), want)
		}
		if string(buf) != head+"the next request" {
			t.Fatalf("the borrowed buffer is %q now", buf)
		}
	}
	var h Head
	h.CopyFrom(&r.Head)
	r.Reset()
	r.Add(Age, []byte("0"))
	if got := string(h.AppendFields(nil, NamesOf(Via))); got != "A: b\r\n" {
		t.Errorf("copy is %q", got)
	}
	if string(buf) != head+"the next request" {
		t.Errorf("the borrowed buffer is %q now", buf)
	}
}

func TestHeadLeavesConnectionBuffer(t *testing.T) {
	buf := []byte("HTTP/1.1 200 OK\r\nA: b\r\n\r\ncontent")
	want := string(buf)
	var r Response
	for range 2 {
		if _, err := ParseResponse(&r, buf, GET, Limits{}); err != nil {
			t.Fatal(err)
		}
		r.Reset()
		r.Add(Via, []byte("1.1 x"))
		if string(buf) != want {
			t.Fatalf("the borrowed buffer is %q, want %q", buf, want)
		}
	}
}

func TestAppend(t *testing.T) {
	tests := []struct {
		got  []byte
		want string
	}{
		{AppendStatus(nil, 200), "HTTP/1.1 200 OK\r\n"},
		{AppendStatus(nil, 511), "HTTP/1.1 511 Network Authentication Required\r\n"},
		{AppendStatus(nil, 299), "HTTP/1.1 299 \r\n"},
		{AppendStatus(nil, 599), "HTTP/1.1 599 \r\n"},
		{AppendField(nil, ETag, `"a"`), "ETag: \"a\"\r\n"},
		{AppendNamed(nil, []byte("X-A"), []byte("b")), "X-A: b\r\n"},
		{AppendLength(nil, 1<<62), "Content-Length: 4611686018427387904\r\n"},
		{AppendDate(nil, 784111777), "Sun, 06 Nov 1994 08:49:37 GMT"},
		{AppendDate([]byte("Date: "), 0), "Date: Thu, 01 Jan 1970 00:00:00 GMT"},
		{AppendChunk(nil, 0xbeef), "beef\r\n"},
		{AppendLastChunk(nil, nil), "0\r\n\r\n"},
	}
	for _, tt := range tests {
		if string(tt.got) != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
	var h Head
	h.Add(ETag, []byte("x"))
	if got := string(AppendLastChunk(nil, &h)); got != "0\r\nETag: x\r\n\r\n" {
		t.Errorf("last chunk %q", got)
	}
}

func TestReasons(t *testing.T) {
	differ := map[int]string{413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable", 418: "", 422: "Unprocessable Content", 104: "Upload Resumption Supported"}
	for status := 100; status < 600; status++ {
		want := http.StatusText(status)
		if other, ok := differ[status]; ok {
			want = other
		}
		got := strings.TrimSuffix(string(AppendStatus(nil, status))[len("HTTP/1.1 200 "):], "\r\n")
		if got != want {
			t.Errorf("reason of %d is %q, want %q", status, got, want)
		}
	}
}

func TestAppendAllocates(t *testing.T) {
	dst := make([]byte, 0, 4096)
	block := []byte("Server: x\r\nETag: \"a\"\r\nX-Foo: bar\r\n")
	now := time.Now().Unix()
	got := testing.AllocsPerRun(100, func() {
		dst = AppendStatus(dst[:0], 404)
		dst = AppendField(dst, ETag, `"a"`)
		dst = AppendDate(dst, now)
		dst = AppendLength(dst, 77777)
		dst = AppendChunk(dst, 77777)
		for n, line := range Lines(block) {
			if n == ETag {
				dst = append(dst, line.Value...)
			}
		}
	})
	if got != 0 {
		t.Errorf("appending allocates %v times, want 0", got)
	}
}

func TestLines(t *testing.T) {
	type line struct {
		id          Name
		name, value string
	}
	want := []line{{ETag, "etag", `"a:b"`}, {Other, "X-A", ""}, {Other, "junk", ""}, {Via, "Via", "1.1 x"}}
	var got []line
	for id, l := range Lines([]byte("etag: \"a:b\"\r\nX-A:\r\njunk\r\nVia: 1.1 x")) {
		got = append(got, line{id, string(l.Name), string(l.Value)})
	}
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("line %d is %v, want %v", i, got[i], want[i])
		}
	}
	for range Lines([]byte("a: b\r\nc: d\r\n")) {
		break
	}
}
