package kvs

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
)

// Last knows of each document the last version that was found good. The zero
// value knows none. One goroutine at a time may use it.
type Last struct {
	good map[string]Document
	had  bool // the last set held documents
}

// A Judge finds out which of the documents, together, are no good, and why.
// It is asked with one version of each; those it finds fault with are
// exchanged and it is asked again, until it finds none. An answer without
// faults is what will run.
type Judge func(docs []Document) map[string]error

// A Settled is what to run.
type Settled struct {
	Documents []Document // by key: the newest good version of each
	Faults    []Fault    // by key: what is wrong with newer ones, and with what has no good one
	Stale     int        // documents that run in an older version
	Bad       int        // that do not run at all
}

// ErrEmptied says that a source which held documents holds none. That is not
// believed: a folder that is not mounted looks so, and a Directus that no
// longer shows its records.
var ErrEmptied = errors.New("no documents where there were some: taken for a source that is away")

// Restore tells of versions that were good once: those that a Keep kept.
func (l *Last) Restore(docs []Document) {
	l.good = make(map[string]Document, len(docs))
	for _, d := range docs {
		l.good[d.Key] = d
	}
}

// Kept returns the versions that were good last, by key.
func (l *Last) Kept() []Document {
	docs := make([]Document, 0, len(l.good))
	for _, d := range l.good {
		docs = append(docs, d)
	}
	sortByKey(docs)
	return docs
}

// Settle finds what to run now that a source holds s. What s does not name is
// forgotten. It returns ErrEmptied, and changes nothing, when that would be
// all; a caller that means it calls Forget before.
func (l *Last) Settle(s Set, judge Judge) (Settled, error) {
	if len(s.Documents)+len(s.Faults) == 0 && (l.had || len(l.good) > 0) {
		return Settled{}, ErrEmptied
	}
	docs := slices.Clone(s.Documents)
	faults := slices.Clone(s.Faults)
	for _, f := range s.Faults {
		if old, ok := l.good[f.Key]; ok && f.Key != "" && !hasKey(s.Documents, f.Key) {
			docs = append(docs, old)
		}
	}
	sortByKey(docs)
	docs = slices.CompactFunc(docs, func(a, b Document) bool { return a.Key == b.Key })
	docs, found := l.agree(docs, judge)
	faults = append(faults, found...)
	slices.SortStableFunc(faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Where, b.Where))
	})
	l.had = true
	l.good = make(map[string]Document, len(docs))
	for _, d := range docs {
		l.good[d.Key] = d
	}
	r := Settled{Documents: docs, Faults: faults}
	r.count(l.good)
	return r, nil
}

// Forget has an empty set believed.
func (l *Last) Forget() { l.good, l.had = nil, false }

// agree exchanges documents that are no good for their last good versions,
// and leaves out those that have none, until judge finds no fault. Each turn
// takes away one version at least.
func (l *Last) agree(docs []Document, judge Judge) ([]Document, []Fault) {
	var faults []Fault
	for {
		bad := judge(docs)
		next := docs[:0:0]
		for _, d := range docs {
			err := bad[d.Key]
			if err == nil {
				next = append(next, d)
				continue
			}
			old, ok := l.good[d.Key]
			again := ok && !sameText(old, d)
			if again || !hasFault(faults, d.Key) {
				faults = append(faults, Fault{d.Key, d.Where, err})
			}
			if again {
				next = append(next, old)
			}
		}
		if len(next) == len(docs) && slices.EqualFunc(next, docs, sameText) {
			return docs, faults
		}
		docs = next
	}
}

// count looks how many documents run in an older version or not at all.
// What has no key counts as neither.
func (r *Settled) count(runs map[string]Document) {
	last := ""
	for _, f := range r.Faults {
		if f.Key == last {
			continue
		}
		last = f.Key
		if _, ok := runs[f.Key]; ok {
			r.Stale++
		} else {
			r.Bad++
		}
	}
}

func sortByKey(docs []Document) {
	slices.SortStableFunc(docs, func(a, b Document) int { return cmp.Compare(a.Key, b.Key) })
}

// hasKey reports whether docs, sorted by key, hold one.
func hasKey(docs []Document, key string) bool {
	_, ok := slices.BinarySearchFunc(docs, key, func(d Document, key string) int { return cmp.Compare(d.Key, key) })
	return ok
}

func hasFault(faults []Fault, key string) bool {
	return slices.ContainsFunc(faults, func(f Fault) bool { return f.Key == key })
}

func sameText(a, b Document) bool {
	return a.Key == b.Key && bytes.Equal(a.Text, b.Text)
}
