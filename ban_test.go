package opencache

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// tagged answers with the segments of the path as tags.
func tagged(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Surrogate-Key", strings.ReplaceAll(r.URL.Path, "/", " "))
	serveContent(w, r)
}

// What a Ban names is gone for both sides of a Store, and nothing else; for a
// Transport's own, for that alone.
func TestBan(t *testing.T) {
	store := newStore(t)
	rt := &Transport{Base: &asked{HandlerFunc: tagged}, Policy: Policy{Store: store, Log: quiet}}
	h := Handler(http.HandlerFunc(tagged), rt.Policy)
	urls := []string{"http://a.test/x/1", "http://a.test/x/2?q=1", "http://b.test/y/1"}
	ask := func() (gone []string) {
		for _, u := range urls {
			resp, _ := get(t, rt, u)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", u, nil))
			for side, status := range map[string]string{"transport": resp.Header.Get("X-Cache-Status"), "handler": w.Header().Get("X-Cache-Status")} {
				if status != "HIT" {
					gone = append(gone, side+" "+u+" "+status)
				}
			}
			if resp.Header.Get("Surrogate-Key") == "" {
				t.Error("a Transport's answer has lost a field")
			}
		}
		slices.Sort(gone)
		return gone
	}
	for _, tt := range []struct {
		ban  Ban
		of   func(Ban) error
		gone []string
	}{
		{Ban{Tags: []string{"1"}}, store.Ban, []string{"handler 0 MISS", "handler 2 MISS", "transport 0 MISS", "transport 2 MISS"}},
		{Ban{Tags: []string{"none", "y"}, Soft: true}, store.Ban, []string{"handler 2 REVALIDATED", "transport 2 REVALIDATED"}},
		{Ban{Prefix: "http://A.test/x/"}, rt.Ban, []string{"transport 0 MISS", "transport 1 MISS"}},
		{Ban{Prefix: "http://a.test/x/2?q"}, store.Ban, []string{"handler 1 MISS", "transport 1 MISS"}},
		{Ban{Pattern: "^/[xy]/1$"}, rt.Ban, []string{"transport 0 MISS", "transport 2 MISS"}},
		{Ban{Tags: []string{"X"}}, rt.Ban, nil},
	} {
		ask()
		if gone := ask(); gone != nil {
			t.Fatalf("%+v: before it: got %q gone", tt.ban, gone)
		}
		if err := tt.of(tt.ban); err != nil {
			t.Errorf("%+v: %v", tt.ban, err)
		}
		var want []string
		for _, g := range tt.gone {
			side, rest, _ := strings.Cut(g, " ")
			want = append(want, side+" "+urls[rest[0]-'0']+rest[1:])
		}
		if gone := ask(); !slices.Equal(gone, want) {
			t.Errorf("%+v: got %q gone, want %q", tt.ban, gone, want)
		}
	}
}

func TestBanRefusals(t *testing.T) {
	for _, of := range []func(Ban) error{newStore(t).Ban, (&Transport{Policy: Policy{Store: newStore(t)}}).Ban} {
		for _, tt := range []struct {
			ban  Ban
			want string
		}{
			{Ban{}, "exactly one"},
			{Ban{Soft: true}, "exactly one"},
			{Ban{Tags: []string{"a"}, Pattern: "b"}, "exactly one"},
			{Ban{Prefix: "/a"}, "expected http[s]"},
			{Ban{Prefix: "http://a.test/#b"}, "expected http[s]"},
			{Ban{Pattern: "a("}, "position 3"},
		} {
			if err := of(tt.ban); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%+v: got %v, want %q", tt.ban, err, tt.want)
			}
		}
	}
}
