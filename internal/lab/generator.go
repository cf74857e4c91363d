package lab

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// A Generator makes a trace of random requests, the same one in each run. Its
// kinds differ by what they begin with; each can be told all of it.
type Generator struct {
	Alpha    float64 // Zipf's exponent: the key of rank n is asked for as 1/n^Alpha
	Keys     int     // that are ranked
	Requests int64
	Wonders  float64 // part of the requests that are for keys that nobody asks for again
	Scan     float64 // part of the requests that go round and round ScanKeys others
	ScanKeys int
	Shift    int64 // after so many requests a hundredth of the keys change places; 0: never
	Size     int64 // of all objects in bytes; 0: small, up to 64 KiB; SizeCDN: as below
	Seed     uint64

	rng     *rand.Rand
	sums    []float64 // of the popularity of keys up to a rank
	keys    []uint64  // by rank
	done    int64
	fresh   uint64 // keys beyond those that are ranked
	scanned int
}

// SizeCDN is the mix of sizes of a CDN: seven of 1,000 objects are large ones of
// many segments, 3 MiB in the middle and 64 MiB at most.
const SizeCDN = -1

var _ Trace = (*Generator)(nil)

const (
	keysMax     = 10_000_000
	requestsMax = 10_000_000_000

	// What the keys of scans and those that nobody asks for again begin with.
	scanBase = 1 << 40
	ownBase  = 1 << 41
)

// kinds are what generators begin with.
var kinds = []struct {
	name string
	g    Generator
}{
	{"zipf", Generator{}},
	{"wonders", Generator{Wonders: 0.3}},
	{"scan", Generator{Scan: 0.25, ScanKeys: 50_000}},
	{"shift", Generator{Shift: 10_000}},
	{"cdn", Generator{Wonders: 0.2, Size: SizeCDN}},
}

// Generators are the names of the kinds.
func Generators() (names []string) {
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

// ParseGenerator reads "KIND" or "KIND:name=value,name=value".
func ParseGenerator(text string) (*Generator, error) {
	name, rest, more := strings.Cut(text, ":")
	i := slices.Index(Generators(), name)
	if i < 0 {
		return nil, fmt.Errorf("generator %q: expected one of %s", name, strings.Join(Generators(), ", "))
	}
	g := kinds[i].g
	g.Seed, g.Keys, g.Requests, g.Alpha = 1, 100_000, 1_000_000, 0.9
	if more {
		for part := range strings.SplitSeq(rest, ",") {
			if err := g.set(part); err != nil {
				return nil, fmt.Errorf("generator %s: %w", name, err)
			}
		}
	}
	return &g, nil
}

// set takes one name=value.
func (g *Generator) set(part string) (err error) {
	name, value, _ := strings.Cut(part, "=")
	between := func(low, high float64) (v float64) {
		if v, err = strconv.ParseFloat(value, 64); err != nil || !(v >= low && v <= high) {
			err = fmt.Errorf("%s=%q: expected a number from %v to %v", name, value, low, high)
		}
		return v
	}
	switch name {
	case "alpha":
		g.Alpha = between(0, 3)
	case "keys":
		g.Keys = int(between(1, keysMax))
	case "requests":
		g.Requests = int64(between(1, requestsMax))
	case "wonders":
		g.Wonders = between(0, 1)
	case "scan":
		g.Scan = between(0, 1)
	case "scankeys":
		g.ScanKeys = int(between(1, keysMax))
	case "shift":
		g.Shift = int64(between(0, requestsMax))
	case "seed":
		g.Seed = uint64(between(0, 1<<53))
	case "size":
		switch value {
		case "small":
			g.Size = 0
		case "cdn":
			g.Size = SizeCDN
		default:
			g.Size = int64(between(1, sizeMax))
		}
	default:
		err = fmt.Errorf("%q: expected alpha, keys, requests, wonders, scan, scankeys, shift, size or seed, and a value", part)
	}
	if err == nil && g.Wonders+g.Scan > 1 {
		err = errors.New("wonders and scan are more than 1 together: expected parts of the requests")
	}
	return err
}

// begin does what costs memory: 16 bytes a key.
func (g *Generator) begin() {
	g.rng = rand.New(rand.NewPCG(g.Seed, 9))
	g.sums, g.keys = make([]float64, g.Keys), make([]uint64, g.Keys)
	sum := 0.0
	for i := range g.sums {
		sum += math.Pow(float64(i+1), -g.Alpha)
		g.sums[i] = sum
		g.keys[i] = uint64(i)
	}
}

// Next is Trace's.
func (g *Generator) Next(r *Request) error {
	if g.done >= g.Requests {
		return io.EOF
	}
	if g.rng == nil {
		g.begin()
	}
	g.done++
	if g.Shift > 0 && g.done%g.Shift == 0 {
		g.shift()
	}
	switch p := g.rng.Float64(); {
	case p < g.Wonders:
		g.fresh++
		r.Key = ownBase + g.fresh
	case p < g.Wonders+g.Scan:
		r.Key = scanBase + uint64(g.scanned)
		g.scanned = (g.scanned + 1) % max(g.ScanKeys, 1)
	default:
		rank := sort.SearchFloat64s(g.sums, g.rng.Float64()*g.sums[len(g.sums)-1])
		r.Key = g.keys[min(rank, len(g.keys)-1)]
	}
	r.Size = g.sizeOf(r.Key)
	return nil
}

// shift lets a hundredth of the keys, spread over the popular half, change
// places with any.
func (g *Generator) shift() {
	for range max(g.Keys/100, 1) {
		i, j := g.rng.IntN((g.Keys+1)/2), g.rng.IntN(g.Keys)
		g.keys[i], g.keys[j] = g.keys[j], g.keys[i]
	}
}

// sizeOf is the size of an object, which depends on the key alone.
func (g *Generator) sizeOf(key uint64) int64 {
	if g.Size > 0 {
		return g.Size
	}
	rng := rand.New(rand.NewPCG(key, 3))
	if g.Size == SizeCDN && rng.Float64() < 0.007 {
		return int64(min(math.Exp(14.96+1.1*rng.NormFloat64()), 64<<20))
	}
	return int64(min(max(math.Exp(9.2+1.3*rng.NormFloat64()), 200), 64<<10))
}
