package engine

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// list returns all pages of what passes f, by key.
func list(t *testing.T, e *Engine, f Filter) map[string]Item {
	t.Helper()
	all := map[string]Item{}
	var at store.Cursor
	for more := true; more; {
		var page []Item
		page, at, more = e.Entries(at, &f)
		if f.Limit > 0 && len(page) > f.Limit {
			t.Fatalf("a page of %d, want at most %d", len(page), f.Limit)
		}
		for _, it := range page {
			all[it.Key] = it
		}
	}
	return all
}

// TestEntriesLarge: of large content what is told to be stored is what is.
func TestEntriesLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := newSpread(t, 8)
		defer g.close()
		stored := func(want int64) {
			t.Helper()
			synctest.Wait()
			if got := list(t, g.e, Filter{})["http://origin.test/x"].Stored; got < want || got > want+1000 {
				t.Errorf("got %d bytes stored, want %d and a head", got, want)
			}
		}
		g.quiet("/x", bytesOf(3*seg, 3*seg+9))
		stored(seg)
		g.quiet("/x", bytesOf(8*seg, 8*seg+9))
		stored(seg + 1000)
		g.quiet("/x")
		stored(8*seg + 1000)
	})
}

func TestEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t, func(_ int, r *wire.Request) (*wire.Response, error) {
			switch path := string(r.Path()); path {
			case "/vary":
				return respond("200 OK\r\nCache-Control: max-age=60\r\nVary: Accept-Language", "abc"), nil
			case "/none":
				return respond("200 OK\r\nCache-Control: no-store", "abc"), nil
			case "/query":
				return respond("200 OK\r\nCache-Control: max-age=60", "abc"), nil
			}
			return respond("200 OK\r\nCache-Control: max-age=60\r\nCache-Groups: \"a\", \"b\"", "body of "+string(r.Path())), nil
		})
		defer g.close()
		for n := range 30 {
			g.get(fmt.Sprintf("/e/%d", n))
		}
		g.get("/vary", "Accept-Language: en")
		g.get("/vary", "Accept-Language: de")
		g.get("/none")
		synctest.Wait()
		g.get("/e/7")
		time.Sleep(15 * time.Second)
		g.e.Purge([]byte("http://origin.test/e/9"), true)
		rules := func([]byte) *rfc9111.Policy { return &g.pol.Rules }

		all := list(t, g.e, Filter{Limit: 7, Rules: rules})
		if len(all) != 31 {
			t.Errorf("got %d keys, want 31", len(all))
		}
		it := all["http://origin.test/e/7"]
		if it.Status != 200 || it.Size != 12 || it.Age != 15 || it.TTL != 45 || it.Tags == 0 || it.Heat != 1 || it.Tier != "memory" || it.Variant || it.Soft {
			t.Errorf("got %+v", it)
		}
		if it = all["http://origin.test/e/9"]; !it.Soft {
			t.Errorf("after a soft purge: got %+v", it)
		}
		if it = all["http://origin.test/vary"]; !it.Variant || it.Query {
			t.Errorf("variant: got %+v", it)
		}
		if n := len(list(t, g.e, Filter{Prefix: []byte("http://origin.test/e/1")})); n != 11 {
			t.Errorf("prefix: got %d, want 11", n)
		}
		if n := len(list(t, g.e, Filter{Site: "http://other.test"})); n != 0 {
			t.Errorf("another site: got %d, want 0", n)
		}
		if n := len(list(t, g.e, Filter{OneTier: true, Tier: store.OnDisk})); n != 0 {
			t.Errorf("another tier: got %d, want 0", n)
		}
	})
}
