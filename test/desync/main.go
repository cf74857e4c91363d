// Desync sends what request smuggling is made of through a proxy, and answers
// it as a malicious origin would, and judges from the bytes on the wire what
// became of it. It reads HTTP by a grammar of its own (grammar.go), so that a
// fault in the reader under test cannot hide itself. It does not measure and
// it does not invent input: the cases are files in testdata, the fuzzers are
// elsewhere.
//
//	go build -o bin/desync ./test/desync
//	bin/desync -peers opencache                         # our own, a line for each case that is not as wanted
//	bin/desync -v -run te-te/tab -peers opencache,nginx # what became of one case, in full
//	bin/desync -write docs/strictness.md                # all peers, as a table
//	bin/desync -check docs/strictness.md                # all peers; fails when our column has changed
//
// It exits with 1 when opencache treats a case otherwise than the case wants.
// Needed: nginx and haproxy in PATH, for those peers.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strings"
)

func main() {
	var o options
	flag.StringVar(&o.binary, "opencache", "bin/opencache", "the opencache to test")
	flag.StringVar(&o.peers, "peers", strings.Join(peerNames, ","), "who is tested")
	flag.StringVar(&o.run, "run", "", "only cases whose technique/name contains this")
	flag.StringVar(&o.write, "write", "", "write the results to this file")
	flag.StringVar(&o.check, "check", "", "fail when the opencache column of this file is another")
	flag.BoolVar(&o.verbose, "v", false, "print what became of each case")
	flag.Parse()
	log.SetOutput(io.Discard) // net/http tells there of each answer that nobody asked for
	if err := o.main(); err != nil {
		fmt.Fprintln(os.Stderr, "desync:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	binary, peers, run, write, check string
	verbose                          bool
}

func (o *options) main() error {
	corpus, err := load(o.run)
	if err != nil {
		return err
	}
	names := strings.Split(o.peers, ",")
	if (o.write != "" || o.check != "") && (o.run != "" || !slices.Equal(names, peerNames)) {
		return fmt.Errorf("-write and -check are for all cases and all peers")
	}
	t := &table{corpus: corpus, names: names}
	for _, name := range names {
		column, err := o.try(name, corpus)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		t.columns = append(t.columns, column)
	}
	t.print(os.Stdout)
	if o.verbose {
		t.printCases(os.Stdout)
	}
	if o.write != "" {
		if err := writeFile(o.write, t.document()); err != nil {
			return err
		}
	}
	if o.check != "" {
		if err := t.compare(o.check); err != nil {
			return err
		}
	}
	return t.verdict(os.Stdout)
}

func writeFile(name string, b []byte) error { return os.WriteFile(name, b, 0o644) }

// try runs all cases on one peer, in each of its modes.
func (o *options) try(name string, corpus *corpus) (*column, error) {
	dir, err := os.MkdirTemp("", "desync")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	col := &column{name: name, requests: make([]result, len(corpus.requests)), responses: make([]result, len(corpus.responses))}
	modes := modesOf(name)
	rigs := make([]*rig, len(modes))
	for i, m := range modes {
		if rigs[i], err = start(m, place{dir: dir, binary: o.binary}); err != nil {
			return nil, err
		}
		defer rigs[i].stop()
	}
	col.version = rigs[0].version
	for i, c := range corpus.requests {
		col.requests[i] = worst(everywhere(rigs, func(r *rig) result { return r.request(c) }))
	}
	for i, c := range corpus.responses {
		col.responses[i] = worst(everywhere(rigs, func(r *rig) result { return r.response(c) }))
	}
	for _, r := range rigs {
		if text := r.complaint(); text != "" {
			return nil, fmt.Errorf("%s: %s", r.mode.name, text)
		}
	}
	return col, nil
}

// everywhere runs one case on all rigs at the same time. Within a rig cases
// follow one another: the origin's connections are theirs in turn.
func everywhere(rigs []*rig, run func(*rig) result) []result {
	out := make([]result, len(rigs))
	done := make(chan struct{})
	for i, r := range rigs {
		go func() {
			out[i] = run(r)
			done <- struct{}{}
		}()
	}
	for range rigs {
		<-done
	}
	return out
}
