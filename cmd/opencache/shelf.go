package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"

	"opencache/internal/config"
	"opencache/internal/kvs"
)

// A shelf writes what is in use to the folder of the state: the documents, for
// a start without their source, and the report on the tier policy. It writes
// behind what runs, which no disk holds up; of what comes while it writes the
// last is written.
type shelf struct {
	keep *kvs.Keep
	dir  string // empty: nothing is written
	log  *slog.Logger
	next chan shelved // holds one
}

type shelved struct {
	shot *config.Snapshot
	docs []kvs.Document
}

// reportName is the report's file.
const reportName = "_TIER_POLICY_REPORT.txt"

func newShelf(keep *kvs.Keep, dir string, log *slog.Logger) *shelf {
	return &shelf{keep: keep, dir: dir, log: log, next: make(chan shelved, 1)}
}

// put has something written soon. One goroutine calls it.
func (s *shelf) put(shot *config.Snapshot, docs []kvs.Document) {
	select {
	case <-s.next: // it is of yesterday
	default:
	}
	s.next <- shelved{shot, docs}
}

// run writes until ctx ends, and then what is still to be written.
func (s *shelf) run(ctx context.Context) {
	for {
		select {
		case one := <-s.next:
			s.write(one)
		case <-ctx.Done():
			select {
			case one := <-s.next:
				s.write(one)
			default:
			}
			return
		}
	}
}

func (s *shelf) write(one shelved) {
	if s.dir == "" {
		return
	}
	if err := s.keep.Save(one.docs); err != nil {
		s.log.Error("the documents in use are not kept: a start without their source has older ones", "dir", s.keep.Dir, "error", err)
	}
	text := tierReport(one.shot).String()
	path := filepath.Join(s.dir, reportName)
	if was, err := os.ReadFile(path); err == nil && string(was) == text {
		return
	}
	if err := kvs.WriteFile(path, []byte(text)); err != nil {
		s.log.Error("the report on the tier policy is not written", "error", err)
	}
}

// tierReport is what the tier policy does, on a node of so much memory.
func tierReport(shot *config.Snapshot) config.TierReport {
	memory, err := nodeMemory(shot.Node)
	if err != nil {
		memory = 0 // the variable makes no sense: the start says so
	}
	return shot.Node.CacheTierPolicy.Report(shot.Own, shot.Node, memory)
}
