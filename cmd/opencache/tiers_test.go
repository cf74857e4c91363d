package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"opencache/internal/script"
)

// TestTierPlays: an edge asks another one before the origin. Sites whose id
// begins with parent are served by that one, at http://parent.test; the play's
// clients come to the other, which is http://child.test to the parent.
// http://gone.test is a parent that takes no connection.
func TestTierPlays(t *testing.T) {
	script.Run(t, os.DirFS("../../testdata"), "plays/tiers/*.txtar", startTiers)
}

// tiers are two edges, one before the other.
type tiers struct {
	script.Running
	parent  script.Running
	serving sync.WaitGroup // the connections between them
}

func startTiers(env script.Env) (script.Running, error) {
	mine, parents := map[string]string{}, map[string]string{}
	for key, text := range env.Documents {
		switch {
		case strings.HasPrefix(key, siteKeys+"parent"):
			parents[key] = text
		case strings.HasPrefix(key, siteKeys):
			mine[key] = text
		default: // a node's: of both
			mine[key], parents[key] = text, text
		}
	}
	s := &tiers{}
	dial := env.Dial
	env.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, _, _ := strings.Cut(addr, ":")
		to := map[string]script.Running{"parent.test": s.parent, "child.test": s.Running}[host]
		switch {
		case host == "gone.test":
			return nil, errors.New("connection refused")
		case to == nil:
			return dial(ctx, network, addr)
		}
		near, far := net.Pipe()
		s.serving.Go(func() { to.ServeConn(far) })
		return near, nil
	}
	var err error
	env.Documents = parents
	if s.parent, err = startDocuments(env); err != nil {
		return nil, fmt.Errorf("parent: %w", err)
	}
	env.Documents = mine
	if s.Running, err = startDocuments(env); err != nil {
		return nil, errors.Join(err, s.parent.Close())
	}
	return s, nil
}

// Close ends both, the one that asks first.
func (s *tiers) Close() error {
	err := errors.Join(s.Running.Close(), s.parent.Close())
	s.serving.Wait()
	return err
}
