package origin

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// candidatesOf makes candidates of weights and loads.
func candidatesOf(weights, loads []int) (all []candidate) {
	for i, w := range weights {
		c := candidate{at: i, weight: w * whole, seed: mixed(hashed(fmt.Sprint("http://server", i)))}
		if loads != nil {
			c.load = loads[i]
		}
		all = append(all, c)
	}
	return all
}

func TestLeastConn(t *testing.T) {
	for _, tt := range []struct {
		weights, loads []int
		want           []int
	}{
		{[]int{1, 1, 1}, []int{2, 1, 3}, []int{1}},
		{[]int{1, 1, 1}, []int{1, 2, 1}, []int{0, 2}},
		{[]int{4, 1, 1}, []int{3, 1, 1}, []int{0}},
		{[]int{4, 1, 1}, []int{4, 1, 2}, []int{0, 1}},
		{[]int{4, 1}, []int{0, 0}, []int{0, 1}},
	} {
		var got []int
		for _, c := range lightest(candidatesOf(tt.weights, tt.loads)) {
			got = append(got, c.at)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("weights %v, loads %v: got %v, want %v", tt.weights, tt.loads, got, tt.want)
		}
	}
}

// Over many picks each way gives members their share by weight: of round robin
// to a pick, of what goes by chance or by key to within four deviations.
func TestShares(t *testing.T) {
	const picks = 100_000
	random := rand.New(rand.NewPCG(1, 2))
	weights := []int{5, 1, 3, 1}
	credit := make([]int, len(weights))
	for name, way := range map[string]struct {
		pick  func() int
		exact bool
	}{
		"round robin":   {func() int { return turn(candidatesOf(weights, nil), credit) }, true},
		"one by chance": {func() int { return drawn(candidatesOf(weights, nil), random.Uint64()) }, false},
		"hash":          {func() int { return ownerOf(candidatesOf(weights, nil), random.Uint64()) }, false},
	} {
		count := make([]int, len(weights))
		for range picks {
			count[way.pick()]++
		}
		for i, w := range weights {
			p := float64(w) / 10
			most := 4 * math.Sqrt(picks*p*(1-p))
			if way.exact {
				most = 1
			}
			if off := math.Abs(float64(count[i]) - picks*p); off > most {
				t.Errorf("%s: member %d of weight %d got %d of %d, want %.0f +- %.0f", name, i, w, count[i], picks, picks*p, most)
			}
		}
	}
}

// Of two by chance it is the one with less to do: the busiest is never picked,
// and who is alone always is.
func TestRandomTwo(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	count := make([]int, 4)
	for range 10_000 {
		count[lighterOfTwo(candidatesOf([]int{1, 1, 1, 1}, []int{9, 3, 0, 3}), random.Uint64())]++
	}
	// The idle one wins whenever it is drawn: three of six pairs.
	if count[0] != 0 || count[2] < 4_700 || count[2] > 5_300 {
		t.Errorf("picked %v, want the first never and the third about 5000 times", count)
	}
	if got := lighterOfTwo(candidatesOf([]int{3}, []int{9}), random.Uint64()); got != 0 {
		t.Errorf("alone: got %d", got)
	}
}

// When a member goes, only its keys move, and they go to all others; when its
// weight shrinks, only keys of its own do.
func TestHashMovesLittle(t *testing.T) {
	all := candidatesOf([]int{1, 2, 1, 1, 3}, nil)
	less := slices.Clone(all)
	less[1].weight /= 2
	gained := map[int]int{}
	for i := range 20_000 {
		key := HashKey(fmt.Append(nil, "/video/", i, ".ts"))
		was := ownerOf(all, key)
		is := ownerOf(slices.Delete(slices.Clone(all), 1, 2), key)
		if was != 1 && is != was {
			t.Fatalf("key %d moved from %d to %d, though 1 went", i, was, is)
		}
		if was == 1 {
			gained[is]++
		}
		if now := ownerOf(less, key); now != was && was != 1 {
			t.Fatalf("key %d moved from %d to %d, though 1 has less weight", i, was, now)
		}
	}
	for _, m := range []int{0, 2, 3, 4} {
		if gained[m] < 300 {
			t.Errorf("member %d took over %d keys of %v", m, gained[m], gained)
		}
	}
}

// A key has the same hash in every process.
func TestHashKey(t *testing.T) {
	if got, want := HashKey([]byte("/a?b=c")), HashKey([]byte("/a?b=c")); got != want || got == HashKey([]byte("/a?b=d")) {
		t.Errorf("got %x and %x", got, want)
	}
	if got, want := HashKey([]byte("/a")), uint64(0xe37fd2b7554830fb); got != want {
		t.Errorf("got %#x, want %#x", got, want)
	}
}

// FuzzOwner: whatever the weights and the key, somebody is picked who is there,
// and dropping anybody else does not change who.
func FuzzOwner(f *testing.F) {
	f.Add(uint64(1), uint16(1), uint16(2), uint16(1000))
	f.Add(uint64(math.MaxUint64), uint16(1), uint16(1), uint16(1))
	f.Fuzz(func(t *testing.T, key uint64, a, b, c uint16) {
		all := candidatesOf([]int{max(1, int(a)), max(1, int(b)), max(1, int(c))}, nil)
		was := ownerOf(all, key)
		for i := range all {
			if i == was {
				continue
			}
			if is := ownerOf(slices.Delete(slices.Clone(all), i, i+1), key); is != was {
				t.Errorf("key %d, weights %d %d %d: %d without %d, %d with", key, a, b, c, is, i, was)
			}
		}
	})
}
