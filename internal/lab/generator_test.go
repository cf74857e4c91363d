package lab

import (
	"slices"
	"strings"
	"testing"
)

// The same words are the same trace; other seeds are others.
func TestGeneratorRepeats(t *testing.T) {
	for _, kind := range Generators() {
		const small = ":requests=20000,keys=1000,shift=500"
		a, err := readAll(generate(t, kind+small))
		if err != nil || len(a) != 20000 {
			t.Fatalf("%s: got %d requests, %v", kind, len(a), err)
		}
		b, _ := readAll(generate(t, kind+small))
		c, _ := readAll(generate(t, kind+small+",seed=2"))
		if !slices.Equal(a, b) || slices.Equal(a, c) {
			t.Errorf("%s: the same seed differs, or another does not", kind)
		}
		sizes := map[uint64]int64{}
		for _, r := range a {
			if was, ok := sizes[r.Key]; ok && was != r.Size {
				t.Fatalf("%s: key %d of %d and %d bytes", kind, r.Key, was, r.Size)
			}
			sizes[r.Key] = r.Size
		}
	}
}

// What each kind is made for is in it.
func TestGenerators(t *testing.T) {
	type census struct {
		single, most, large float64 // parts: requests asked once, of the most popular key, of requests above 1 MiB
	}
	take := func(spec string) census {
		counts, large := map[uint64]int{}, 0.0
		all, _ := readAll(generate(t, spec))
		for _, r := range all {
			counts[r.Key]++
			if r.Size > 1<<20 {
				large++
			}
		}
		single, most := 0, 0
		for _, n := range counts {
			if n == 1 {
				single++
			}
			most = max(most, n)
		}
		n := float64(len(all))
		return census{float64(single) / n, float64(most) / n, large / n}
	}
	zipf := take("zipf:keys=1000,requests=50000")
	steep := take("zipf:keys=1000,requests=50000,alpha=1.2")
	wonders := take("wonders:keys=1000,requests=50000")
	shift := take("shift:keys=1000,requests=50000,shift=100")
	cdn := take("cdn:keys=20000,requests=50000")
	switch {
	case zipf.single > 0.01 || zipf.large != 0:
		t.Errorf("zipf: got %+v", zipf)
	case steep.most < 2*zipf.most:
		t.Errorf("zipf, 1.2: got %+v, and %+v with 0.9", steep, zipf)
	case wonders.single < 0.29 || wonders.single > 0.32:
		t.Errorf("wonders: got %+v", wonders)
	case shift.most > zipf.most/2:
		t.Errorf("shift: got %+v, and %+v without", shift, zipf)
	case cdn.large < 0.002 || cdn.large > 0.02:
		t.Errorf("cdn: got %+v", cdn)
	}
	scan, _ := readAll(generate(t, "scan:requests=1000,scankeys=100,scan=1"))
	for i, r := range scan {
		if want := scanBase + uint64(i%100); r.Key != want {
			t.Fatalf("scan: request %d is for %x, want %x", i, r.Key, want)
		}
	}
}

func TestParseGenerator(t *testing.T) {
	g := generate(t, "cdn:alpha=1.1,keys=10,requests=1e3,wonders=0.5,scan=0.25,scankeys=7,shift=9,size=1400,seed=3")
	want := Generator{Alpha: 1.1, Keys: 10, Requests: 1000, Wonders: 0.5, Scan: 0.25, ScanKeys: 7, Shift: 9, Size: 1400, Seed: 3}
	if g.Alpha != want.Alpha || g.Keys != want.Keys || g.Requests != want.Requests || g.Wonders != want.Wonders || g.Scan != want.Scan ||
		g.ScanKeys != want.ScanKeys || g.Shift != want.Shift || g.Size != want.Size || g.Seed != want.Seed {
		t.Errorf("got %+v, want %+v", g, want)
	}
	for text, want := range map[string]string{
		"":                         `generator "": expected one of zipf, wonders, scan, shift, cdn`,
		"pareto":                   `generator "pareto": expected one of`,
		"zipf:":                    `generator zipf: "": expected alpha, keys,`,
		"zipf:beta=1":              `generator zipf: "beta=1": expected alpha, keys,`,
		"zipf:alpha":               `generator zipf: alpha="": expected a number from 0 to 3`,
		"zipf:alpha=NaN":           `alpha="NaN": expected a number from 0 to 3`,
		"zipf:keys=0":              `keys="0": expected a number from 1 to 1e+07`,
		"zipf:size=huge":           `size="huge": expected a number from 1 to`,
		"zipf:wonders=0.6,scan=.5": `wonders and scan are more than 1 together`,
	} {
		if _, err := ParseGenerator(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

// Whatever is said of a generator is one or an error.
func FuzzParseGenerator(f *testing.F) {
	for _, seed := range []string{"zipf", "cdn:alpha=1.1,keys=10", "scan:scankeys=1e9", "zipf:,", "shift:shift=1,size=cdn", "zipf:alpha=-0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		g, err := ParseGenerator(text)
		if err != nil || g.Keys > 1000 {
			return
		}
		g.Requests = min(g.Requests, 100)
		if got, err := readAll(g); err != nil || len(got) != int(g.Requests) {
			t.Errorf("%q: got %d requests, %v", text, len(got), err)
		}
	})
}
