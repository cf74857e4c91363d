// Package kvs reads sets of documents from where an operator keeps them: a
// folder of files, etcd, or the items of a Directus. A document is a key and a
// text; what they mean is not known here (internal/config reads them). A
// Source tells of the whole set at first and at each change; Last remembers
// of each document the newest version that somebody found good, and Keep has
// those survive a restart.
//
//	source, err := kvs.Open("etcd://10.0.0.1:2379/prod", kvs.Options{Prefix: "opencache:"})
//	if err != nil {
//		return err
//	}
//	source.Watch(ctx, nil, func(s kvs.Set, err error) {
//		if err != nil {
//			log.Warn("what runs goes on", "source", source, "error", err)
//			return
//		}
//		settled := last.Settle(s, judge)
//	})
package kvs

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A Document is a text under a key.
type Document struct {
	Key  string
	Text []byte // not to be changed: sets share it
	// Revision differs when the text does: etcd's number, or a digest.
	Revision string
	// Where names the document for people: a file's path, an address and key.
	Where string
}

// A Set is all that a source holds at one moment.
type Set struct {
	Documents []Document // by key, each once
	Faults    []Fault    // what is there and is no document
}

// A Fault is what is wrong with one document.
type Fault struct {
	Key   string // empty: what is there has none
	Where string
	Err   error
}

// Error names the document and what is wrong.
func (f Fault) Error() string { return cmp.Or(f.Key, f.Where) + ": " + f.Err.Error() }

// Unwrap returns what is wrong.
func (f Fault) Unwrap() error { return f.Err }

// A Source is a place for documents.
type Source interface {
	// String names the source, without secrets.
	String() string
	// Watch tells of the whole set as soon as there is one, whenever something
	// changed, and when the source is back; and of an error while there is
	// none to be had. The latter changes nothing in what was told before. What
	// comes over again has it look at once, and tell. It tells from one
	// goroutine, waits for tell, and returns when ctx ends, with nothing left behind.
	Watch(ctx context.Context, again <-chan struct{}, tell func(Set, error))
}

// Options are how sources are read. The zero value works.
type Options struct {
	// Prefix is what documents' keys begin with; other keys of an etcd or a
	// Directus are somebody else's, other files are reported.
	Prefix string
	// Poll is how often a Directus is asked. Default 60s, a tenth more or less.
	Poll time.Duration
	// Net is how often a folder is looked through, and etcd asked whether it
	// is there, beside what they tell by themselves. Default 5s.
	Net time.Duration
	// Token is what a Directus is shown. Default none.
	Token Secret
	// Timeout is for one request to etcd or a Directus. Default 10s.
	Timeout time.Duration
	// MaxDocument is the longest text. Default 1 MiB; a longer one is a fault.
	MaxDocument int
	// MaxDocuments is how many a set may hold. Default 100,000; a larger set
	// is an error.
	MaxDocuments int
	// MaxBytes is how long the texts of a set may be together. Default 256 MiB.
	MaxBytes int
	// Random is a number from 0 up to 1; nil: math/rand's.
	Random func() float64
	// Transport is how a Directus is reached; nil: by net/http.
	Transport http.RoundTripper
}

// What nothing is said of.
const (
	defaultPoll         = time.Minute
	defaultNet          = 5 * time.Second
	defaultTimeout      = 10 * time.Second
	defaultMaxDocument  = 1 << 20
	defaultMaxDocuments = 100_000
	defaultMaxBytes     = 256 << 20
)

func (o Options) withDefaults() Options {
	o.Poll = cmp.Or(max(o.Poll, 0), defaultPoll)
	o.Net = cmp.Or(max(o.Net, 0), defaultNet)
	o.Timeout = cmp.Or(max(o.Timeout, 0), defaultTimeout)
	o.MaxDocument = cmp.Or(max(o.MaxDocument, 0), defaultMaxDocument)
	o.MaxDocuments = cmp.Or(max(o.MaxDocuments, 0), defaultMaxDocuments)
	o.MaxBytes = cmp.Or(max(o.MaxBytes, 0), defaultMaxBytes)
	if o.Random == nil {
		o.Random = rand.Float64
	}
	return o
}

// Open returns the Source of a name: etcd://HOST[:PORT][,HOST…]/PREFIX,
// http[s]://HOST[/BASE], or a folder. It asks nobody anything yet.
func Open(name string, o Options) (Source, error) {
	o = o.withDefaults()
	scheme, _, ok := strings.Cut(name, "://")
	switch {
	case name == "":
		return nil, errors.New("no source: expected a folder, etcd://HOST/PREFIX or https://HOST")
	case !ok:
		return newFolder(name, o), nil
	case scheme == "etcd":
		return newEtcd(name, o)
	case scheme == "https" || scheme == "http":
		return newDirectus(name, o)
	}
	return nil, fmt.Errorf("%s://: expected a folder, etcd://HOST/PREFIX or https://HOST", scheme)
}

// Read returns what a source holds now, or why it does not tell.
func Read(ctx context.Context, s Source) (set Set, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	told := false
	s.Watch(ctx, nil, func(got Set, e error) {
		if !told {
			set, err, told = got, e, true
			cancel()
		}
	})
	if !told {
		return Set{}, context.Cause(ctx)
	}
	return set, err
}

// parseURL is url.Parse, whose error would repeat what may hold a password.
func parseURL(name string) (*url.URL, error) {
	u, err := url.Parse(name)
	if err != nil {
		scheme, _, _ := strings.Cut(name, "://")
		var e *url.Error
		if errors.As(err, &e) {
			err = e.Err
		}
		return nil, fmt.Errorf("%s://…: %w", scheme, err)
	}
	return u, nil
}

// assemble makes a Set of what was found: sorted, of each key one document.
// Of several none is taken, since nobody can say which one was meant.
func assemble(docs []Document, faults []Fault, o *Options) (Set, error) {
	slices.SortStableFunc(docs, func(a, b Document) int { return cmp.Compare(a.Key, b.Key) })
	set := Set{Documents: make([]Document, 0, len(docs)), Faults: faults}
	bytes := 0
	for i := 0; i < len(docs); {
		end := i + 1
		for end < len(docs) && docs[end].Key == docs[i].Key {
			end++
		}
		if d := docs[i]; end > i+1 {
			set.Faults = append(set.Faults, Fault{d.Key, d.Where, fmt.Errorf("there are %d of this key, another is %s: expected one", end-i, docs[i+1].Where)})
		} else {
			set.Documents = append(set.Documents, d)
			bytes += len(d.Text)
		}
		i = end
	}
	slices.SortStableFunc(set.Faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Where, b.Where))
	})
	switch {
	case len(docs) > o.MaxDocuments:
		return Set{}, fmt.Errorf("%d documents: expected at most %d", len(docs), o.MaxDocuments)
	case bytes > o.MaxBytes:
		return Set{}, fmt.Errorf("documents of %d bytes together: expected at most %d", bytes, o.MaxBytes)
	}
	return set, nil
}

// sameSet reports whether two sets hold the same.
func sameSet(a, b Set) bool {
	return slices.EqualFunc(a.Documents, b.Documents, func(a, b Document) bool { return a.Key == b.Key && a.Revision == b.Revision }) &&
		slices.EqualFunc(a.Faults, b.Faults, func(a, b Fault) bool { return a.Where == b.Where && a.Error() == b.Error() })
}

// tooLong is the fault of a text of n bytes.
func (o *Options) tooLong(n int64) error {
	return fmt.Errorf("%d bytes: expected at most %d", n, o.MaxDocument)
}

// digest is a Revision for texts that come with none.
func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// pause waits for d or until somebody asks to look again.
func pause(ctx context.Context, again <-chan struct{}, d time.Duration) (asked bool) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-again:
		return true
	}
	return false
}

// A patience is how long to wait after failures in a row: twice as long each
// time, a fifth more or less, so that a fleet does not come back at once.
type patience struct {
	least, most time.Duration
	random      func() float64
	next        time.Duration
}

func (p *patience) wait() time.Duration {
	p.next = min(max(p.next*2, p.least), p.most)
	return time.Duration(float64(p.next) * (0.8 + 0.4*p.random()))
}

func (p *patience) reset() { p.next = 0 }
