package main

import (
	"context"
	"fmt"
)

// skewedURLs are what is asked for by Zipf's law: 490 MB of content, of which
// an eighth fits into smallMemory.
const skewedURLs = 100_000

// skewedBy is what wrk asks the server for, drawn by the seed.
func (b *bench) skewedBy(s *server, w workload, seed int) asked {
	prefix := b.tag(s, w.name)
	return asked{prefix, fmt.Sprintf("BENCH_ZIPF=%s %d %d", prefix, skewedURLs, seed)}
}

// warmUp has the cache full, and turned over a few times: nothing is known of
// hits before.
func (b *bench) warmUp(ctx context.Context, s *server, w workload) error {
	ctx, cancel := context.WithTimeout(ctx, 5*startTime)
	defer cancel()
	_, err := b.store(ctx, s, w, b.skewedBy(s, w, 1), max(b.objects/2, 1))
	return err
}

// skewed asks with the same draws of all servers. What the origin sees is no hit.
func (b *bench) skewed(ctx context.Context, s *server, w workload, round int) (sample, error) {
	a := b.skewedBy(s, w, 2+round)
	before, err := b.origin.count(ctx, a.prefix)
	if err != nil {
		return sample{}, err
	}
	got, err := b.wrk(ctx, s, w, a.variable)
	if err != nil {
		return sample{}, err
	}
	after, err := b.origin.count(ctx, a.prefix)
	if err != nil {
		return sample{}, err
	}
	held, err := s.resident()
	v := sample{Requests: got.Requests, Rate: float64(got.Requests) / got.Duration * 1e6, P50: got.P50, P99: got.P99,
		Fetches: after - before, Held: held}
	v.Hits = 100 * (1 - float64(v.Fetches)/float64(v.Requests))
	return v, err
}
