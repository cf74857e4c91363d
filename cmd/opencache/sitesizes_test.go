package main

import (
	"maps"
	"strings"
	"testing"
)

func TestSiteSizes(t *testing.T) {
	for _, c := range []struct {
		text   string
		others int64
		named  map[string]int64
		fault  string
	}{
		{"64M", 64 << 20, nil, ""},
		{"0", 0, nil, ""},
		{"64M\nShop.example=1G", 64 << 20, map[string]int64{"shop.example": 1 << 30}, ""},
		{"https://a.example:8443=2M", 0, map[string]int64{"https://a.example:8443": 2 << 20}, ""},
		{"[::1]:80=0", 0, map[string]int64{"[::1]:80": 0}, ""},
		{"64", 0, nil, "at least 1M"},
		{"64Q", 0, nil, "no size"},
		{"=64M", 0, nil, "no site"},
		{"ftp://x=64M", 0, nil, "no site"},
		{"a/b=64M", 0, nil, "no site"},
		{"1M\n2M", 0, nil, "found two"},
		{"a=1M\nA=2M", 0, nil, "found two"},
	} {
		var s siteSizes
		err := s.UnmarshalText([]byte(c.text))
		if c.fault != "" {
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("%q: got %v, want %q", c.text, err, c.fault)
			}
			continue
		}
		named := map[string]int64{}
		for _, one := range s {
			if one.site != "" {
				named[one.site] = sizeIn(s.config(one.site))
			}
		}
		if others := sizeIn(s.config("")); err != nil || others != c.others || !maps.Equal(named, c.named) {
			t.Errorf("%q: got %d, %v, %v, want %d, %v", c.text, others, named, err, c.others, c.named)
		}
	}
	o := serveOptions{SiteLimit: siteSizes{{"a", 1 << 20}}}
	if err := o.checkSites(); err == nil {
		t.Error("a named site without --preserve-host: want a fault")
	}
	o.PreserveHost = true
	if err := o.checkSites(); err != nil {
		t.Error(err)
	}
}
