package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"opencache/internal/config"
	"opencache/internal/edge"
	"opencache/internal/kvs"
	"opencache/internal/telemetry"
)

// A liveConfig follows a source of documents and has what they say
// obeyed. What it can not use it keeps in the last version that it could, and
// says so; what runs goes on whatever comes. One goroutine, that of run, does
// all of it but for stands and look.
type liveConfig struct {
	source kvs.Source
	keep   kvs.Keep
	// compile makes ready what a snapshot says, and returns what is wrong in
	// it and how to put it to use. nil: all is as the snapshot finds it.
	compile func(*config.Snapshot) (use func() error, faults []config.Fault)
	// used is told of what came to use; nil: nobody is.
	used func(*config.Snapshot, []kvs.Document)
	log  *slog.Logger
	now  func() time.Time

	set  config.Set
	last kvs.Last
	shot config.Snapshot // that was judged last
	use  func() error
	rest []config.Fault // of no document

	short   error    // what could not be done when documents were put to use last
	parsed  int      // documents, for the set that is being taken
	restart []string // what counts from the next start on; compile sets it
	owned   []string // the policy's zones that sites have of their own, as far as was logged

	updates telemetry.Histogram // how long each took

	again   chan struct{} // to the source
	believe atomic.Bool   // an empty set is meant
	away    bool          // the source is, as far as was logged
	faulty  map[string]string

	mu    sync.Mutex // guards the field below
	state liveStatus
}

// newLive returns a configuration that begins with what is kept. POP names the
// node's document.
func newLive(source kvs.Source, keep kvs.Keep, pop string, log *slog.Logger) *liveConfig {
	l := &liveConfig{source: source, keep: keep, log: log, now: time.Now, set: config.Set{POP: pop}, again: make(chan struct{}, 1), faulty: map[string]string{}}
	kept, err := l.keep.Load(kvs.Options{})
	if err != nil {
		log.Error("documents that were kept can not be read, and are left out", "dir", keep.Dir, "error", err)
	}
	l.last.Restore(kept)
	l.updates.Bounds = updateBounds
	l.state = liveStatus{Source: source.String(), POP: pop, State: keep.Dir}
	return l
}

// look has the source looked at now. What it then holds is believed, were it nothing.
func (l *liveConfig) look() {
	l.believe.Store(true)
	select {
	case l.again <- struct{}{}:
	default: // it is about to
	}
}

// first waits until there is something to begin with: what the source holds
// or, when it is away, what was kept. Then it returns what of it is good.
// Without either it waits on, and logs why.
func (l *liveConfig) first(ctx context.Context, news <-chan sourceNews) (*config.Snapshot, kvs.Set, error) {
	for {
		var set kvs.Set
		select {
		case <-ctx.Done():
			return nil, set, ctx.Err()
		case n := <-news:
			l.hear(n.err)
			if set = n.set; n.err != nil || len(set.Documents) == 0 && len(l.last.Kept()) > 0 {
				set = kvs.Set{Documents: l.last.Kept()}
				if n.err != nil && len(set.Documents) == 0 {
					continue
				}
				l.log.Warn("the source has nothing: beginning with what was kept", "documents", len(set.Documents), "source", l.source.String())
			}
		}
		// What was kept stays known until all of it was compiled: this is
		// only to know the node.
		trial := l.last
		if _, err := trial.Settle(set, l.judge); err != nil {
			return nil, set, err
		}
		return &l.shot, set, nil
	}
}

// A sourceNews is what a source told.
type sourceNews struct {
	set kvs.Set
	err error
}

// watch has the source tell until ctx ends.
func (l *liveConfig) watch(ctx context.Context, news chan<- sourceNews) {
	l.source.Watch(ctx, l.again, func(set kvs.Set, err error) {
		select {
		case news <- sourceNews{set, err}:
		case <-ctx.Done():
		}
	})
}

// run takes what the source tells until ctx ends.
func (l *liveConfig) run(ctx context.Context, news <-chan sourceNews) {
	for {
		select {
		case <-ctx.Done():
			return
		case n := <-news:
			if l.hear(n.err); n.err == nil {
				l.take(n.set)
			}
			l.believe.Store(false)
		}
	}
}

// hear notes whether the source is there.
func (l *liveConfig) hear(err error) {
	switch {
	case err != nil && !l.away:
		l.log.Warn("the source of documents is away: what runs goes on", "source", l.source.String(), "error", err)
	case err == nil && l.away:
		l.log.Info("the source of documents is back", "source", l.source.String())
	}
	l.away = err != nil
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.SourceError = ""
	if err != nil {
		l.state.SourceError = err.Error()
	}
}

// take puts a set to use, as far as it is good.
func (l *liveConfig) take(set kvs.Set) {
	begun := l.now()
	l.parsed = 0
	if l.believe.Load() && len(set.Documents)+len(set.Faults) == 0 {
		l.last.Forget()
	}
	settled, err := l.last.Settle(set, l.judge)
	if errors.Is(err, kvs.ErrEmptied) {
		l.hear(err)
		return
	}
	if l.use != nil {
		err := l.use()
		if err != nil && fmt.Sprint(err) != fmt.Sprint(l.short) {
			l.log.Warn("not all limits of zones are kept", "error", err)
		}
		l.short = err
	}
	l.tell(&settled)
	l.tellPolicy()
	l.note(&settled, begun)
	l.updates.Observe(l.now().Sub(begun))
	l.log.Info("documents are in use", "sites", len(l.shot.Sites), "older", settled.Stale, "left_out", settled.Bad, "parsed", l.parsed, "took", l.now().Sub(begun))
	if l.used != nil {
		shot := l.shot
		l.used(&shot, settled.Documents)
	}
}

// judge is a kvs.Judge: it reads and compiles, and remembers the outcome.
func (l *liveConfig) judge(docs []kvs.Document) map[string]error {
	texts := make(map[string][]byte, len(docs))
	for _, d := range docs {
		texts[d.Key] = d.Text
	}
	l.shot, l.use, l.rest = l.set.Load(texts), nil, nil
	l.parsed += l.shot.Parsed
	faults := slices.Concat(l.shot.Faults, notYet(docs, l.set.POP))
	if l.compile != nil {
		var more []config.Fault
		l.use, more = l.compile(&l.shot)
		faults = slices.Concat(faults, more)
	}
	bad := map[string]faultList{}
	for _, f := range faults {
		if _, ok := texts[f.Document]; !ok {
			l.rest = append(l.rest, f)
			continue
		}
		bad[f.Document] = append(bad[f.Document], f)
	}
	errs := make(map[string]error, len(bad))
	for key, list := range bad {
		errs[key] = list
	}
	return errs
}

// notYet are the sections of the node's documents, each by itself, that
// nothing obeys.
func notYet(docs []kvs.Document, pop string) (faults []config.Fault) {
	for _, d := range docs {
		if d.Key != nodeKey && d.Key != popKeys+pop {
			continue
		}
		if doc, wrong := config.Parse(d.Key, d.Text, config.Limits{}); len(wrong) == 0 {
			faults = append(faults, edge.NotYet(d.Key, doc.Node)...)
		}
	}
	return faults
}

// popKeys is what keys of the documents of PoPs begin with.
const popKeys = "opencache:nodeConfig:"

// A faultList is all that is wrong with one document.
type faultList []config.Fault

func (l faultList) Error() string { return strings.Join(l.lines(), "; ") }

// lines are the faults without the document's name, which stands beside them.
func (l faultList) lines() (lines []string) {
	for _, f := range l {
		lines = append(lines, strings.TrimLeft(strings.TrimPrefix(f.String(), f.Document), ": "))
	}
	return lines
}

// tell logs what is wrong with documents once, until it changes, and that it
// no longer is.
func (l *liveConfig) tell(s *kvs.Settled) {
	runs := keysOf(s.Documents)
	now := map[string]string{}
	for i := 0; i < len(s.Faults); {
		f := s.Faults[i]
		name, lines := cmp.Or(f.Key, f.Where), linesOf(f.Err)
		for i++; i < len(s.Faults) && f.Key != "" && s.Faults[i].Key == f.Key; i++ {
			lines = append(lines, linesOf(s.Faults[i].Err)...)
		}
		becomes := "it is left out"
		switch {
		case runs[f.Key]:
			becomes = "an older version goes on"
		case f.Key == "":
			becomes = "it is passed over"
		}
		if now[name] = becomes + strings.Join(lines, "; "); l.faulty[name] != now[name] {
			l.log.Error("a document is at fault: "+becomes, "document", name, "at", f.Where, "faults", lines)
		}
	}
	for _, f := range l.rest {
		if name := f.String(); l.faulty[name] == "" {
			l.log.Error("documents together are at fault", "fault", name)
		}
		now[f.String()] = "together"
	}
	for _, name := range slices.Sorted(maps.Keys(l.faulty)) {
		if now[name] == "" {
			l.log.Info("no longer at fault", "document", name)
		}
	}
	l.faulty = now
}

// tellPolicy logs what changed of what an operator of the fleet should know:
// which zones of the policy sites have of their own, and what needs a restart.
func (l *liveConfig) tellPolicy() {
	var owned []string
	if p := l.shot.Node.CacheTierPolicy; p != nil {
		owned = p.Conflicts(l.shot.Own)
	}
	if len(owned) > 0 && !slices.Equal(owned, l.owned) {
		l.log.Info("zones of the tier policy that sites have of their own: the sites' stay", "zones", owned[:min(len(owned), shownConflicts)], "all", len(owned))
	}
	l.owned = owned
	l.mu.Lock()
	was := l.state.Restart
	l.state.Restart = l.restart
	l.mu.Unlock()
	if len(l.restart) > 0 && !slices.Equal(was, l.restart) {
		l.log.Warn("the node's document says what only a restart can do", "fields", l.restart)
	}
}

// shownConflicts is how many of them a line of the log names.
const shownConflicts = 20

func keysOf(docs []kvs.Document) map[string]bool {
	keys := make(map[string]bool, len(docs))
	for _, d := range docs {
		keys[d.Key] = true
	}
	return keys
}

// linesOf is an error of a document as a list.
func linesOf(err error) []string {
	var list faultList
	if errors.As(err, &list) {
		return list.lines()
	}
	return []string{err.Error()}
}
