// Command policies plays the simulator's generators against all policies at
// several sizes, prints a table for docs/simulator.md, and ends with 1 when the
// store's hit ratio is not within the bounds of the design: at most half a
// point below S3-FIFO item by item, one below 256 MiB, and not below
// W-TinyLFU; or when a disk writes more than 1.5 bytes for one that it admits.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"opencache/internal/lab"
)

// noise is by how much runs of W-TinyLFU and of the store differ.
const noise = 0.1

var traces = []struct {
	spec string
	mean int64 // --mean-object; 0: the default
}{
	{"zipf:alpha=0.8", 0},
	{"zipf:alpha=0.9", 0},
	{"zipf:alpha=1.0", 0},
	{"zipf:alpha=1.1", 0},
	{"zipf:alpha=1.2", 0},
	{"wonders", 0},
	{"wonders:keys=400000,size=1400", 1 << 10},
	{"scan", 0},
	{"shift", 0},
	{"cdn", 0},
}

func main() {
	requests := flag.Int64("requests", 1_000_000, "in each trace; three tenths warm up")
	sizes := flag.String("sizes", "64,256,1024", "MiB")
	kind := flag.String("kind", "", "traces that begin so; all")
	flag.Parse()
	missed, err := table(*requests, strings.Split(*sizes, ","), *kind)
	if err != nil {
		fmt.Fprintln(os.Stderr, "policies:", err)
		os.Exit(2)
	}
	more, err := tiers(*requests, *kind)
	if err != nil {
		fmt.Fprintln(os.Stderr, "policies:", err)
		os.Exit(2)
	}
	if missed += more; missed > 0 {
		fmt.Printf("\n%d bounds missed\n", missed)
		os.Exit(1)
	}
	fmt.Println("\nall bounds kept")
}

// table prints a row for each trace of a kind and size, and returns how many
// bounds are missed.
func table(requests int64, sizes []string, kind string) (missed int, err error) {
	var o lab.Options
	for _, text := range sizes {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return 0, fmt.Errorf("size %q: expected MiB", text)
		}
		o.Sizes = append(o.Sizes, n<<20)
	}
	names := slices.DeleteFunc(lab.Names(), func(name string) bool { return name == lab.Tiered })
	fmt.Printf("| trace | MiB | %s | to S3-FIFO | to W-TinyLFU | bytes, %[1]s | copied |\n", strings.Join(names, " | "))
	fmt.Println("|" + strings.Repeat(" --- |", 2*len(names)+5))
	for _, trace := range traces {
		if !strings.HasPrefix(trace.spec, kind) {
			continue
		}
		o.MeanObject = trace.mean
		results, err := play(trace.spec, requests, o)
		if err != nil {
			return missed, err
		}
		for at := range o.Sizes {
			missed += row(trace.spec, results[at*len(names):][:len(names)])
		}
	}
	return missed, nil
}

// play plays a trace of so many requests; three tenths warm up.
func play(spec string, requests int64, o lab.Options) ([]lab.Result, error) {
	g, err := lab.ParseGenerator(spec)
	if err != nil {
		return nil, err
	}
	g.Requests, o.Warmup = requests, requests*3/10
	report, err := lab.Run(context.Background(), g, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spec, err)
	}
	return report.Results, nil
}

// What a disk is played with.
const (
	diskMemory    = 64 << 20
	diskSize      = 1 << 30
	amplification = 1.5
)

// tiers prints what memory over a disk hits, beside S3-FIFO of the disk's size,
// and how often the disk writes a byte that it admits. It returns how many
// bounds are missed.
func tiers(requests int64, kind string) (missed int, err error) {
	fmt.Println("\n| trace | memory | with 1 GiB of disk | S3-FIFO of 1 GiB | bytes, memory | with disk | S3-FIFO | written of admitted |")
	fmt.Println("|" + strings.Repeat(" --- |", 8))
	for _, spec := range []string{"zipf:alpha=0.9", "wonders", "scan", "shift", "cdn"} {
		if !strings.HasPrefix(spec, kind) {
			continue
		}
		own, err := play(spec, requests, lab.Options{Sizes: []int64{diskMemory}, Policies: []string{"opencache", lab.Tiered}, Disk: diskSize})
		if err != nil {
			return missed, err
		}
		other, err := play(spec, requests, lab.Options{Sizes: []int64{diskSize}, Policies: []string{"s3-fifo"}})
		if err != nil {
			return missed, err
		}
		memory, tiered, item := own[0], own[1], other[0]
		written := float64(tiered.DiskWritten) / float64(max(tiered.DiskAdmitted, 1))
		text := fmt.Sprintf("%.3f", written)
		if float64(tiered.DiskWritten) > amplification*float64(tiered.DiskAdmitted) {
			text = "**" + text + "**"
			missed++
		}
		fmt.Printf("| %s | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f | %s |\n", spec, 100*memory.HitRatio, 100*tiered.HitRatio, 100*item.HitRatio,
			100*memory.ByteHitRatio, 100*tiered.ByteHitRatio, 100*item.ByteHitRatio, text)
	}
	return missed, nil
}

// row prints one trace at one size, and returns how many bounds are missed. A
// difference that misses one is bold.
func row(trace string, results []lab.Result) (missed int) {
	by := map[string]lab.Result{}
	hits, bytes := "", ""
	for _, r := range results {
		by[r.Policy] = r
		hits += fmt.Sprintf(" %.1f |", 100*r.HitRatio)
		bytes += fmt.Sprintf(" %.1f |", 100*r.ByteHitRatio)
	}
	own := by["opencache"]
	points := 0.5
	if own.Size < 256<<20 {
		points = 1
	}
	differences := ""
	for _, bound := range []struct {
		policy string
		points float64
	}{{"s3-fifo", points}, {"w-tinylfu", noise}} {
		d := 100 * (own.HitRatio - by[bound.policy].HitRatio)
		text := fmt.Sprintf("%+.2f", d)
		if d < -bound.points {
			text = "**" + text + "**"
			missed++
		}
		differences += " " + text + " |"
	}
	fmt.Printf("| %s | %d |%s%s%s %.2f |\n", trace, own.Size>>20, hits, differences, bytes, float64(own.Copied)/float64(max(own.Admitted, 1)))
	return missed
}
