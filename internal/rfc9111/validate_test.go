package rfc9111

import "testing"

// TestFreshen: facts that are made anew keep what no field says, and of the
// times only the new ones (RFC 9111, 3.2).
func TestFreshen(t *testing.T) {
	const later = t0 + 7_200_000
	const old = "Cache-Control: no-store, max-age=5, s-maxage=6\nDate: " + hourAgo + "\nAge: 9\nExpires: 0\nVary: *\nSet-Cookie: a\nETag: \"a\"\nLast-Modified: " + dayAgo
	for _, merged := range []string{"", "Date: " + dateT0, "Cache-Control: max-age=60\nETag: W/\"a\"", old} {
		var want, got Facts
		want.Reset(203, later-5, later)
		want.Length = 77
		stored := response(t, 203, old)
		stored.Length = 77
		got.Renew(stored, later-5, later)
		for _, f := range []*Facts{&want, &got} {
			lines(t, responseFields, merged, f.Field)
			f.Done()
		}
		if got != want {
			t.Errorf("%q:\n got %+v\nwant %+v", merged, got, want)
		}
	}
}
