package library

import (
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// fails are the checks that another cache is known not to pass: what
// docs/library.md says of it stands on this.
var fails = map[string][]string{
	"gregjones": {
		"variants of one URL stay side by side",
		"a second Cache-Control line counts",
		"an unsafe request drops what is stored",
		"and what its Location names",
		"Age is told",
		"an upstream's Age counts",
		"heuristic freshness",
		"only-if-cached and stale is 504",
		"must-revalidate forbids it",
		"stale-while-revalidate does not wait, and outlives the request",
		"a request's If-None-Match is answered 304",
		"HEAD is answered by a stored GET",
		"a range is answered by what is stored",
		"QUERY is cached by its content",
		"100 requests at once ask the origin once",
		"no field of the cache's own bookkeeping is shown",
		"the length of what is stored is known, however it came",
	},
	"sandrolain": {
		"a second Cache-Control line counts",
		"an upstream's Age counts",
		"heuristic freshness",
		"only-if-cached and stale is 504",
		"must-revalidate forbids it",
		"a request's If-None-Match is answered 304",
		"HEAD is answered by a stored GET",
		"a range is answered by what is stored",
		"QUERY is cached by its content",
		"100 requests at once ask the origin once",
		"no field of the cache's own bookkeeping is shown",
		"the length of what is stored is known, however it came",
	},
	"bartventer": {
		"a second Cache-Control line counts",
		"a second Vary line counts",
		"a body that is closed early is not stored",
		"only-if-cached and stale is 504",
		"stale-if-error",
		"stale-while-revalidate does not wait, and outlives the request",
		"a 304 keeps the content and brings fields",
		"a request's If-None-Match is answered 304",
		"HEAD is answered by a stored GET",
		"a range is answered by what is stored",
		"QUERY is cached by its content",
		"100 requests at once ask the origin once",
		"a miss streams",
		"the length of what is stored is known, however it came",
	},
}

// TestChecks runs every check against every cache and prints the table that
// docs/library.md shows.
func TestChecks(t *testing.T) {
	log.SetOutput(io.Discard)
	defer log.SetOutput(os.Stderr)
	var table strings.Builder
	fmt.Fprint(&table, "| check |")
	for _, c := range Caches() {
		fmt.Fprintf(&table, " %s |", c.Name)
	}
	fmt.Fprint(&table, "\n| --- |", strings.Repeat(" --- |", len(Caches())), "\n")
	passed := map[string]int{}
	for _, check := range Checks() {
		fmt.Fprintf(&table, "| %s", check.Name)
		if check.Section != "" {
			fmt.Fprintf(&table, " (%s)", check.Section)
		}
		fmt.Fprint(&table, " |")
		for _, cache := range Caches() {
			err := run(t, check, cache)
			if err == nil {
				passed[cache.Name]++
				fmt.Fprint(&table, " yes |")
			} else {
				fmt.Fprint(&table, " no |")
			}
			if known := slices.Contains(fails[cache.Name], check.Name); known != (err != nil) {
				t.Errorf("%s: %s: got %v; known to fail: %v", cache.Name, check.Name, err, known)
			} else if err != nil {
				t.Logf("%s: %s: %v", cache.Name, check.Name, err)
			}
		}
		fmt.Fprint(&table, "\n")
	}
	fmt.Fprintf(&table, "| of %d |", len(Checks()))
	for _, c := range Caches() {
		fmt.Fprintf(&table, " %d |", passed[c.Name])
	}
	t.Logf("\n%s", &table)
}

func run(t *testing.T, check Check, cache Cache) (err error) {
	t.Run(cache.Name+"/"+strings.ReplaceAll(check.Name, " ", "-"), func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &Play{t: t, origin: check.Origin, vary: cache.Vary}
			p.rt = cache.New(t, p)
			err = check.Client(p)
		})
	})
	return err
}
