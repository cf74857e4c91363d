package wire

import (
	"strings"
	"testing"
)

func TestCleanPath(t *testing.T) {
	tests := []struct{ path, want string }{
		// RFC 3986, 5.2.4
		{"/a/b/c/./../../g", "/a/g"},
		{"mid/content=5/../6", "mid/6"},
		// RFC 3986, 5.4: the references' paths merged with "/b/c/d;p"
		{"/b/c/g", "/b/c/g"},
		{"/b/c/./g", "/b/c/g"},
		{"/b/c/g/", "/b/c/g/"},
		{"/b/c/.", "/b/c/"},
		{"/b/c/./", "/b/c/"},
		{"/b/c/..", "/b/"},
		{"/b/c/../", "/b/"},
		{"/b/c/../g", "/b/g"},
		{"/b/c/../..", "/"},
		{"/b/c/../../", "/"},
		{"/b/c/../../g", "/g"},
		{"/b/c/../../../g", "/g"},
		{"/b/c/../../../../g", "/g"},
		{"/./g", "/g"},
		{"/../g", "/g"},
		{"/b/c/g.", "/b/c/g."},
		{"/b/c/.g", "/b/c/.g"},
		{"/b/c/g..", "/b/c/g.."},
		{"/b/c/..g", "/b/c/..g"},
		{"/b/c/./../g", "/b/g"},
		{"/b/c/./g/.", "/b/c/g/"},
		{"/b/c/g/./h", "/b/c/g/h"},
		{"/b/c/g/../h", "/b/c/h"},
		{"/b/c/g;x=1/./y", "/b/c/g;x=1/y"},
		{"/b/c/g;x=1/../y", "/b/c/y"},
		// RFC 3986, 6.2.2.3
		{"/a/%2e%2E/b", "/b"},
		{"/a/.%2e/b", "/b"},
		{"/a/%2e", "/a/"},
		{"/a/%2f../b", "/a/%2f../b"},
		{"/a%2F..%2Fb", "/a%2F..%2Fb"},
		{"/a/%2e%2e%2e", "/a/%2e%2e%2e"},
		{"/a/...", "/a/..."},
		{"/%2", "/%2"},
		// what stays
		{"//a//b/", "//a//b/"},
		{"//..", "/"},
		{"/a//../b", "/a/b"},
		{"//../../x", "/x"},
		{"/", "/"},
		{"", ""},
		{"*", "*"},
		{"..", ""},
		{"../../a", "a"},
		{"./.", ""},
	}
	for _, tt := range tests {
		if got := string(CleanPath([]byte("/x/"), []byte(tt.path))); got != "/x/"+tt.want {
			t.Errorf("CleanPath(%q) = %q, want %q", tt.path, got, "/x/"+tt.want)
		}
		if got := HasDots([]byte(tt.path)); got != (tt.path != tt.want) {
			t.Errorf("HasDots(%q) = %v", tt.path, got)
		}
	}
}

func FuzzCleanPath(f *testing.F) {
	for _, s := range []string{"/a/b/../c", "/%2e%2E/..", "//..//.", "a/../b", "..", "/.%2", "/a/%2e./"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got := string(CleanPath(nil, []byte(path)))
		if again := string(CleanPath(nil, []byte(got))); again != got {
			t.Errorf("CleanPath(%q) = %q, and of that %q", path, got, again)
		}
		if HasDots([]byte(got)) {
			t.Errorf("CleanPath(%q) = %q has dots", path, got)
		}
		if !HasDots([]byte(path)) && got != path {
			t.Errorf("CleanPath(%q) = %q though there are no dots", path, got)
		}
		if strings.HasPrefix(path, "/") != strings.HasPrefix(got, "/") && strings.HasPrefix(path, "/") {
			t.Errorf("CleanPath(%q) = %q lost the root", path, got)
		}
		for _, segment := range strings.Split(got, "/") {
			if s := strings.ReplaceAll(strings.ToLower(segment), "%2e", "."); s == "." || s == ".." {
				t.Errorf("CleanPath(%q) = %q has segment %q", path, got, segment)
			}
		}
	})
}
