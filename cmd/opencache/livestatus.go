package main

import (
	"time"

	"opencache/internal/geo"
	"opencache/internal/kvs"
	"opencache/internal/telemetry"
)

// A liveStatus is what /oc-cgi/status shows of documents.
type liveStatus struct {
	Source      string `json:"source"`
	SourceError string `json:"sourceError,omitzero"` // it is away
	POP         string `json:"pop,omitzero"`
	State       string `json:"state,omitzero"` // folder of what is kept

	LastReload  time.Time     `json:"lastReload,omitzero"` // when documents were put to use last
	Successful  bool          `json:"lastReloadSuccessful"`
	LastSuccess time.Time     `json:"lastSuccess,omitzero"` // and all were good
	Reloads     uint64        `json:"reloads"`
	Failed      uint64        `json:"reloadsWithFaults"`
	Took        float64       `json:"lastReloadSeconds"`
	Sites       int           `json:"sites"`
	Parsed      int           `json:"documentsParsed"` // by the last reload: those that changed
	Documents   documentCount `json:"documents"`
	Faults      []liveFault   `json:"faults"`
	MoreFaults  int           `json:"moreFaults,omitzero"` // that are not shown
	Warnings    []string      `json:"warnings,omitzero"`
	Restart     []string      `json:"needsRestart,omitzero"` // what of the node's document counts from the next start on
	Geo         []geo.Status  `json:"geo,omitzero"`          // the databases of the node's document
}

// A documentCount is how many documents are in what state.
type documentCount struct {
	Good  int `json:"good"`
	Stale int `json:"stale"` // at fault: an older version is in use
	Bad   int `json:"bad"`   // at fault, and none is in use
}

// A liveFault is a document that is at fault.
type liveFault struct {
	Document string   `json:"document,omitzero"`
	At       string   `json:"at,omitzero"`
	InUse    bool     `json:"olderVersionInUse"`
	Faults   []string `json:"faults"`
}

// shownFaults is how many faults and warnings a status shows.
const shownFaults = 200

// note has the status tell of what was settled.
func (l *liveConfig) note(s *kvs.Settled, begun time.Time) {
	runs := keysOf(s.Documents)
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &l.state
	t.LastReload, t.Took = l.now(), l.now().Sub(begun).Seconds()
	t.Reloads++
	if t.Successful = len(s.Faults)+len(l.rest) == 0; t.Successful {
		t.LastSuccess = t.LastReload
	} else {
		t.Failed++
	}
	t.Sites, t.Parsed = len(l.shot.Sites), l.parsed
	t.Documents = documentCount{Good: len(s.Documents) - s.Stale, Stale: s.Stale, Bad: s.Bad}
	t.Faults, t.Warnings, t.MoreFaults = []liveFault{}, nil, 0
	for _, f := range s.Faults {
		if len(t.Faults) == shownFaults {
			t.MoreFaults++
			continue
		}
		t.Faults = append(t.Faults, liveFault{f.Key, f.Where, runs[f.Key], linesOf(f.Err)})
	}
	for _, f := range l.rest {
		t.Faults = append(t.Faults, liveFault{Faults: []string{f.String()}})
	}
	for _, w := range l.shot.Warnings[:min(len(l.shot.Warnings), shownFaults)] {
		t.Warnings = append(t.Warnings, w.String())
	}
}

// stands returns how things stand.
func (l *liveConfig) stands() liveStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.state
	t.Faults = append([]liveFault{}, t.Faults...)
	return t
}

// part are the metrics of documents, and of the way from their source to their use.
func (l *liveConfig) part() telemetry.Part {
	return telemetry.Part{Samples: l.samples, Families: []telemetry.Family{
		{Name: "config_documents", Help: "Documents, by state: good; stale: at fault, an older version is in use; bad: at fault, and none is.", Labels: []string{"state"}},
		{Name: "config_sites", Help: "Sites that are served."},
		{Name: "config_source_up", Help: "1: the source of documents answers."},
		{Name: "config_last_reload_successful", Help: "1: all documents were good when they were put to use last."},
		{Name: "config_last_reload_timestamp_seconds", Help: "When documents were put to use last."},
		{Name: "config_last_reload_success_timestamp_seconds", Help: "When documents were put to use last and all of them were good."},
		{Name: "config_last_reload_duration_seconds", Help: "How long that took."},
		{Name: "config_reloads_total", Help: "How often documents were put to use, by outcome: good; faulty: some were at fault.", Counter: true, Labels: []string{"outcome"}},
		{Name: "kvs_update_seconds", Help: "From the moment that the source told of other documents until they were in use.", Histogram: &l.updates},
	}}
}

// updateBounds are the bounds of the histogram of updates.
var updateBounds = []time.Duration{
	5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond,
	250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// samples emits the metrics of documents.
func (l *liveConfig) samples(emit telemetry.Emit) {
	t := l.stands()
	at := func(t time.Time) float64 {
		if t.IsZero() {
			return 0
		}
		return float64(t.UnixNano()) / 1e9
	}
	emit(0, float64(t.Documents.Good), "good")
	emit(0, float64(t.Documents.Stale), "stale")
	emit(0, float64(t.Documents.Bad), "bad")
	emit(1, float64(t.Sites))
	emit(2, one(t.SourceError == ""))
	emit(3, one(t.Successful))
	emit(4, at(t.LastReload))
	emit(5, at(t.LastSuccess))
	emit(6, t.Took)
	emit(7, float64(t.Reloads-t.Failed), "good")
	emit(7, float64(t.Failed), "faulty")
}
