// Package lab plays traces of requests against caches of given sizes and
// counts what they hit: the store itself, and the policies that it is measured
// by. It knows nothing of freshness, HTTP or time: a request is a key and a
// size, and what was asked for once may be answered from then on.
//
//	trace, err := lab.ParseGenerator("zipf:alpha=0.9,keys=100000")
//	report, err := lab.Run(ctx, trace, lab.Options{Sizes: []int64{64 << 20}})
//	for _, r := range report.Results {
//		fmt.Println(r.Size, r.Policy, r.HitRatio())
//	}
//
// A trace is read once, whatever its length; every policy at every size plays
// along. So memory is the policies': the store's is the size that it is given,
// since it keeps real bytes; the others keep none, but some 100 to 200 bytes
// for each object that they know.
package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// A Request asks for an object.
type Request struct {
	Key  uint64
	Size int64 // bytes of content
}

// A Trace is a sequence of requests that is read once.
type Trace interface {
	// Next fills r with the next request; io.EOF behind the last.
	Next(r *Request) error
}

// A Policy is a cache that keeps what it likes of what is asked for. It is one
// goroutine's.
type Policy interface {
	// Request asks for r. It returns how many bytes of r were there; a hit is
	// all of them. What was not there is offered to the policy by the same call.
	Request(r Request) (there int64, hit bool)
	// Close gives back what the policy holds, and says whether it could do its work.
	Close() error
}

// Smallest is the least size of a cache.
const Smallest = 4 << 20

// batch is how many requests are handed to the policies at a time.
const batch = 4096

// Options say what plays.
type Options struct {
	// Sizes are those of the caches in bytes, each at least Smallest.
	Sizes []int64
	// Policies are names of Names; nil: all.
	Policies []string
	// Disk is the bytes of the disk that lies under the memory of the policy
	// Tiered; 0: that policy does not play.
	Disk int64
	// Dir is where such disks make folders of their own, removed in the end.
	Dir string
	// MeanObject is the store's (store.ZoneOptions.MeanObject); 0: its default.
	MeanObject int64
	// Warmup is how many requests are played before hits are counted.
	Warmup int64
	// Progress is called now and then with how many requests have been played;
	// nil: nobody is.
	Progress func(requests int64)
}

// A Report is what came of playing a trace.
type Report struct {
	Requests int64    `json:"requests"` // played
	Counted  int64    `json:"counted"`  // played after the warm-up
	Bytes    int64    `json:"bytes"`    // of the counted ones
	Skipped  int64    `json:"skipped"`  // lines of the trace that no cache has a part in
	Results  []Result `json:"results"`  // by size, then in the order of Names
}

// A Result is what one policy at one size hit.
type Result struct {
	Size         int64   `json:"size"`
	Policy       string  `json:"policy"`
	Hits         int64   `json:"hits"`
	HitBytes     int64   `json:"hit_bytes"`
	HitRatio     float64 `json:"hit_ratio"`      // of the requests
	ByteHitRatio float64 `json:"byte_hit_ratio"` // of the bytes

	// Of the store alone; the first three of memory.
	Admitted int64 `json:"admitted_bytes,omitempty"`
	Copied   int64 `json:"copied_bytes,omitempty"` // forward, when slabs were emptied
	Refused  int64 `json:"refused,omitempty"`      // objects and segments that it did not take

	// Of Tiered alone.
	DiskAdmitted int64 `json:"disk_admitted_bytes,omitempty"`
	DiskWritten  int64 `json:"disk_written_bytes,omitempty"`
	DiskPassed   int64 `json:"disk_passed,omitempty"` // records not offered to the disk because too many were waiting
}

// A play is one policy at one size.
type play struct {
	Result

	most   int64 // weight of the largest object that is stored
	policy Policy
}

// Run plays t. Whatever it returns, nothing is left behind. The error is the
// trace's, ctx's, or of a policy that could not be made.
func Run(ctx context.Context, t Trace, o Options) (report *Report, err error) {
	plays, err := o.plays()
	defer func() {
		for _, p := range plays {
			err = errors.Join(err, p.policy.Close())
		}
	}()
	if err != nil {
		return nil, err
	}
	report = new(Report)
	requests := make([]Request, 0, batch)
	for ended := false; !ended; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		requests, err = fill(t, requests[:0])
		if ended = errors.Is(err, io.EOF); err != nil && !ended {
			return nil, err
		}
		counted := requests[min(max(o.Warmup-report.Requests, 0), int64(len(requests))):]
		playAll(plays, requests, len(requests)-len(counted))
		report.count(requests, counted)
		if o.Progress != nil {
			o.Progress(report.Requests)
		}
	}
	report.conclude(t, plays)
	return report, nil
}

// plays are the policies at their sizes. With an error they are those that
// could be made.
func (o *Options) plays() (plays []*play, err error) {
	for _, size := range o.Sizes {
		if size < Smallest {
			return plays, fmt.Errorf("size of %d bytes: expected at least %d", size, Smallest)
		}
		for _, m := range makers {
			if o.Policies != nil && !slices.Contains(o.Policies, m.name) || m.name == Tiered && o.Disk == 0 {
				continue
			}
			// As in the engine, one object does not take more than half.
			most := size / 2
			if m.name == Tiered {
				most = max(size, o.Disk) / 2
			}
			p, err := m.make(size, o)
			if err != nil {
				return plays, fmt.Errorf("%s of %d bytes: %w", m.name, size, err)
			}
			plays = append(plays, &play{Result: Result{Size: size, Policy: m.name}, most: most, policy: p})
		}
	}
	return plays, nil
}

// Tiered is the name of the store with memory over disk; a size is that of its
// memory. It plays when there is a disk.
const Tiered = "opencache+disk"

// A maker makes policies of a name.
type maker struct {
	name string
	make func(size int64, o *Options) (Policy, error)
}

var makers = []maker{
	{"lru", func(size int64, _ *Options) (Policy, error) { return newLRU(size), nil }},
	{"s3-fifo", func(size int64, _ *Options) (Policy, error) { return newItemwise(size), nil }},
	{"w-tinylfu", func(size int64, _ *Options) (Policy, error) { return newTinyLFU(size) }},
	{"opencache", func(size int64, o *Options) (Policy, error) { return newVolume(size, o.MeanObject) }},
	{Tiered, func(size int64, o *Options) (Policy, error) { return newTiered(size, o) }},
}

// Names are the policies that there are, in the order of reports.
func Names() (names []string) {
	for _, m := range makers {
		names = append(names, m.name)
	}
	return names
}

// fill reads a batch. It ends early with the trace's error.
func fill(t Trace, requests []Request) ([]Request, error) {
	for len(requests) < cap(requests) {
		var r Request
		if err := t.Next(&r); err != nil {
			return requests, err
		}
		requests = append(requests, r)
	}
	return requests, nil
}

// playAll has every play play the requests, as many at a time as there are
// processors. Hits of the first warm ones are not counted.
func playAll(plays []*play, requests []Request, warm int) {
	var next atomic.Int64
	var done sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(plays)) {
		done.Go(func() {
			for i := next.Add(1); int(i) <= len(plays); i = next.Add(1) {
				plays[i-1].play(requests, warm)
			}
		})
	}
	done.Wait()
}

func (p *play) play(requests []Request, warm int) {
	for i, r := range requests {
		if weight(r.Size) > p.most {
			continue
		}
		there, hit := p.policy.Request(r)
		if i < warm {
			continue
		}
		p.HitBytes += there
		if hit {
			p.Hits++
		}
	}
}

func (r *Report) count(requests, counted []Request) {
	r.Requests += int64(len(requests))
	r.Counted += int64(len(counted))
	for _, q := range counted {
		r.Bytes += q.Size
	}
}

// conclude makes the results.
func (r *Report) conclude(t Trace, plays []*play) {
	if l, ok := t.(*Log); ok {
		r.Skipped = l.Skipped
	}
	for _, p := range plays {
		p.HitRatio = float64(p.Hits) / float64(max(r.Counted, 1))
		p.ByteHitRatio = float64(p.HitBytes) / float64(max(r.Bytes, 1))
		if v, ok := p.policy.(*volume); ok {
			v.tell(&p.Result)
		}
		r.Results = append(r.Results, p.Result)
	}
}

// weight is what an object takes of a cache, the same for all policies: a
// record of the store with a key of 16 bytes.
func weight(size int64) int64 { return (size + 48 + 16 + 15) &^ 15 }
