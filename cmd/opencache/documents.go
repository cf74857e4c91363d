package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"opencache/internal/config"
	"opencache/internal/edge"
	"opencache/internal/kvs"
)

// readTimeout bounds how long a source is waited for that is asked once.
const readTimeout = 30 * time.Second

// A documentSet is what somebody wants to know of documents, without serving
// them: their texts by key, and what could not be read.
type documentSet struct {
	texts  map[string][]byte
	faults []config.Fault
}

// readDocuments reads sources: folders, single files, etcd, a Directus. A
// document that stands in several of them is a fault.
func readDocuments(names []string, token string) (*documentSet, error) {
	d := &documentSet{texts: map[string][]byte{}}
	for _, name := range names {
		set, err := readSource(name, token)
		if err != nil {
			return nil, err
		}
		for _, f := range set.Faults {
			key := f.Key
			if key == "" {
				key = f.Where
			}
			d.faults = append(d.faults, config.Fault{Document: key, Found: f.Err.Error(), Expected: "a document"})
		}
		for _, doc := range set.Documents {
			if _, there := d.texts[doc.Key]; there {
				d.faults = append(d.faults, config.Fault{Document: doc.Key, Found: "another document of this key, " + doc.Where, Expected: "one"})
				continue
			}
			d.texts[doc.Key] = doc.Text
		}
	}
	return d, nil
}

// readSource reads one source.
func readSource(name, token string) (kvs.Set, error) {
	if name == "" {
		return kvs.Set{}, usageError{errors.New("no documents: expected a folder, a file, etcd://HOST/PREFIX or https://HOST")}
	}
	if !strings.Contains(name, "://") {
		info, err := os.Stat(name)
		if err != nil {
			return kvs.Set{}, usageError{err}
		}
		if !info.IsDir() {
			return readFile(name)
		}
	}
	secret := kvs.Secret{File: token}
	if _, ok := os.LookupEnv("BAAS_TOKEN"); ok && token == "" {
		secret.Env = "BAAS_TOKEN"
	}
	source, err := kvs.Open(name, kvs.Options{Prefix: keyPrefix, Token: secret})
	if err != nil {
		return kvs.Set{}, usageError{err}
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	set, err := kvs.Read(ctx, source)
	if err != nil {
		return set, fmt.Errorf("%s: %w", source, err)
	}
	return set, nil
}

// readFile reads a file, whose name is the document's key as in a folder.
func readFile(name string) (set kvs.Set, err error) {
	base := filepath.Base(name)
	key := strings.TrimSuffix(strings.TrimSuffix(base, ".jsonc"), ".json")
	if key == base || !strings.HasPrefix(key, keyPrefix) {
		return set, usageError{fmt.Errorf("%s: expected a file whose name is its document's key and .json or .jsonc, like %sa.jsonc", name, resourceKeys)}
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return set, usageError{err}
	}
	set.Documents = []kvs.Document{{Key: key, Text: text, Where: name}}
	return set, nil
}

// resourceKeys is what keys of sites' documents begin with.
const resourceKeys = "opencache:edgeResource:"

// pops are the points of presence that have a document.
func (d *documentSet) pops() (list []string) {
	for key := range d.texts {
		if pop, ok := strings.CutPrefix(key, popKeys); ok {
			list = append(list, pop)
		}
	}
	slices.Sort(list)
	return list
}

// A compiled is what documents come to on the node of a point of presence.
type compiled struct {
	set  config.Set
	shot config.Snapshot
	plan *edge.Plan

	faults, warnings []config.Fault // all there are
}

// compile reads and compiles the documents. Nothing is opened and nobody is
// asked: the plan is for looking at.
func (d *documentSet) compile(pop string) (*compiled, error) {
	c := &compiled{set: config.Set{POP: pop}}
	c.shot = c.set.Load(d.texts)
	volumes, err := shownVolumes(c.shot.Node)
	if err != nil {
		return nil, err
	}
	compiler := edge.Compiler{Volumes: volumes, POP: pop, Build: buildID()}
	plan, faults := compiler.Compile(nil, c.shot.Node, c.shot.Sites)
	c.plan = plan
	var docs []kvs.Document
	for _, key := range []string{nodeKey, popKeys + pop} {
		if text, ok := d.texts[key]; ok {
			docs = append(docs, kvs.Document{Key: key, Text: text})
		}
	}
	c.faults = slices.Clone(c.shot.Faults)
	for _, f := range slices.Concat(faults, notYet(docs, pop)) {
		if _, ok := d.texts[f.Document]; ok { // else it is told of the node's documents, too
			c.faults = append(c.faults, c.set.Place(f))
		}
	}
	c.warnings = slices.Clone(c.shot.Warnings)
	for _, f := range plan.Warnings() {
		c.warnings = append(c.warnings, c.set.Place(f))
	}
	return c, nil
}

// shownVolumes are a node's volumes as a plan sees them, not opened.
func shownVolumes(n *config.Node) ([]edge.Volume, error) {
	list, err := zoneOptions(n, &stackOptions{}, nil)
	if err != nil {
		return nil, usageError{err}
	}
	var volumes []edge.Volume
	for i := range list {
		volumes = append(volumes, edge.Volume{Name: list[i].Name, Disk: len(list[i].Disks) > 0, Memory: list[i].Memory > 0})
	}
	return volumes, nil
}
