package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"opencache/test/bench/child"
)

// backend is the origin behind all servers.
type backend struct {
	port  int
	child *child.Child
}

func startOrigin(ctx context.Context, o options) (*backend, error) {
	port, err := child.Port()
	if err != nil {
		return nil, err
	}
	command := child.Command{Args: []string{o.origin, "-listen", child.Addr(port)}, Core: o.core(loadCore)}
	if o.pinned {
		command.Env = []string{"GOMAXPROCS=1"}
	}
	c, err := child.Start(command)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := c.Listening(ctx, port); err != nil {
		c.Stop()
		return nil, err
	}
	return &backend{port, c}, nil
}

// count tells how often the path was fetched from the origin. Of paths under
// /each/ all with the same tag count together.
func (b *backend) count(ctx context.Context, path string) (int, error) {
	got, err := get(ctx, "http://"+child.Addr(b.port)+"/__count", nil)
	if err != nil {
		return 0, fmt.Errorf("origin's count: %w", err)
	}
	var counts map[string]int
	if err := json.Unmarshal(got.body, &counts); err != nil {
		return 0, fmt.Errorf("origin's count: %w", err)
	}
	return counts[strings.TrimSuffix(path, "/")], nil
}
