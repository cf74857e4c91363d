package expr_test

import (
	"errors"
	"strings"
	"testing"

	"opencache/internal/expr"
)

func TestNormalize(t *testing.T) {
	utm := expr.Normalize{Drop: []string{"UTM_source", "fbclid"}, DropRegex: "^x_", Sort: expr.ByValue}
	byName := expr.Normalize{Sort: expr.ByName}
	for _, c := range []struct {
		o           expr.Normalize
		query, want string
	}{
		{expr.Normalize{}, "b&a&utm_source=x", "b&a&utm_source=x"},
		{utm, "", ""},
		{utm, "utm_source=1", ""},
		{utm, "Utm_Source=1&FBCLID", ""},
		{utm, "b=2&a=1&utm_source=1", "a=1&b=2"},
		{utm, "utm%5Fsource=1&utm%5fSource=1&a", "a"},
		{utm, "x_y=1&X_y=2&%78_z=3&+x_=4", "+x_=4&X_y=2"},
		{utm, "a=2&a=1&a&a=&a=1", "a&a=&a=1&a=1&a=2"},
		{utm, "b=1&&a=1&", "&&a=1&b=1"},
		{utm, "a=%31&a=1&a=%26", "a=%26&a=%31&a=1"},
		{utm, "a;b=1&a=b;c=d", "a=b;c=d&a;b=1"},
		{utm, "=utm_source&==&=", "=&==&=utm_source"},
		{utm, "utm_source%=1&%", "%&utm_source%=1"},
		{byName, "b=1&a=2&a=1&a", "a=2&a=1&a&b=1"},
		{byName, "b=1", "b=1"},
		{utm, strings.Repeat("b&a&", 128) + "utm_source=1", strings.Repeat("b&a&", 128) + "utm_source=1"},
	} {
		n, err := expr.NewNormalizer(c.o)
		if err != nil {
			t.Fatal(err)
		}
		var s expr.Scratch
		for range 2 {
			if got := string(n.Append([]byte("before"), []byte(c.query), &s)); got != "before"+c.want {
				t.Errorf("%+v %q: got %q, want %q", c.o, c.query, got[len("before"):], c.want)
			}
		}
	}
	if got := string((*expr.Normalizer)(nil).Append(nil, []byte("b&a"), nil)); got != "b&a" {
		t.Errorf("nil: got %q", got)
	}
	var fault *expr.Error
	if _, err := expr.NewNormalizer(expr.Normalize{DropRegex: "(?!x)"}); !errors.As(err, &fault) {
		t.Errorf("a bad pattern: got %v", err)
	}
	if _, err := expr.NewNormalizer(expr.Normalize{Drop: make([]string, 1025)}); err == nil {
		t.Error("too many names: got no error")
	}
}
