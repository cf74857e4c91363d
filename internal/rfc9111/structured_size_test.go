package rfc9111

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// TestStructuredSizes: what RFC 9651 wants every parser to take at least.
func TestStructuredSizes(t *testing.T) {
	many := func(n int, format, between string) string {
		var all []string
		for i := range n {
			all = append(all, strings.ReplaceAll(format, "N", fmt.Sprint(i)))
		}
		return strings.Join(all, between)
	}
	key := strings.Repeat("k", 64)
	for _, tt := range []struct{ section, value string }{
		{"3.2: 1024 members", many(1024, "kN=N", ", ")},
		{"3.2: keys of 64 characters", many(100, strings.Repeat("k", 60)+"N=1", ",")},
		{"3.1.1: 256 members of an inner list", "a=(" + many(256, `"N"`, " ") + ")"},
		{"3.1.2: 256 parameters", "a=1;" + many(256, "pN=N", ";")},
		{"3.1.2: their keys of 64 characters", "a=1;" + key + "=1"},
		{"3.3.3: Strings of 1024", `a="` + strings.Repeat("s", 1024) + `"`},
		{"3.3.4: Tokens of 512", "a=" + strings.Repeat("t", 512)},
		{"3.3.5: Byte Sequences of 16384", "a=:" + base64.StdEncoding.EncodeToString(make([]byte, 16384)) + ":"},
		{"3.3.7: the first day", "a=@-62135596800"},
		{"3.3.7: the last day", "a=@253402214400"},
	} {
		if _, ok := dictionary(asLines([]string{tt.value})); !ok {
			t.Errorf("RFC 9651, %s: %.40q… of %d bytes: got invalid", tt.section, tt.value, len(tt.value))
		}
	}
	if l, ok := list(asLines([]string{many(1024, `"N"`, ", ")})); !ok || len(l) != 1024 {
		t.Errorf("RFC 9651, 3.1: 1024 members: got %d, %v", len(l), ok)
	}
}
