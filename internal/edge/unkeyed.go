package edge

import (
	"bytes"
	"slices"
	"sync/atomic"

	"opencache/internal/config"
	"opencache/internal/expr"
	"opencache/internal/wire"
)

// An unkeyed guard keeps from the upstream fields that would change an answer
// for all who have its key. nil: nothing is kept.
type unkeyed struct {
	all    []string // in lower case
	names  []string // of them, those that the key does not have
	report bool     // they pass, and it is told
}

// unkeyedOf compiles a site's guard for a key: what the key has of a field
// tells its answers apart.
func unkeyedOf(doc *config.Unkeyed, key *expr.Key) *unkeyed {
	if doc == nil || len(doc.Fields) == 0 {
		return nil
	}
	g := &unkeyed{report: doc.Report}
	for _, name := range doc.Fields {
		name = lowerOf(name)
		g.all = append(g.all, name)
		if !slices.ContainsFunc(key.Vars(), func(x *expr.Var) bool { return x.ID == expr.HTTP_ && lowerOf(x.Name) == name }) {
			g.names = append(g.names, name)
		}
	}
	return g
}

// respells reports whether a name is another spelling of one of the guard's, as
// CGI and its like read both: no key and no Vary has that one.
func (g *unkeyed) respells(name []byte) bool {
	if bytes.IndexByte(name, '_') < 0 {
		return false
	}
	for _, one := range g.all {
		if len(one) != len(name) || wire.EqualFold(name, one) {
			continue
		}
		i := 0
		for i < len(name) && dashed(name[i]) == dashed(one[i]) {
			i++
		}
		if i == len(name) {
			return true
		}
	}
	return false
}

// dashed is a byte of a name in lower case, with underscores as dashes.
func dashed(b byte) byte {
	switch {
	case b == '_':
		return '-'
	case 'A' <= b && b <= 'Z':
		return b | 0x20
	}
	return b
}

// varies are the names that reach the upstream otherwise than they came.
func (g *unkeyed) varies() []string {
	if g == nil || g.report {
		return nil
	}
	return g.names
}

// unkeyedCounts are how many fields of requests were kept back, and would be.
type unkeyedCounts struct{ stripped, reported atomic.Uint64 }

// Unkeyed calls yield with what became of fields that change what a key is not
// told of, and how many there were.
func (e *Edge) Unkeyed(yield func(did string, n uint64) bool) {
	_ = yield("stripped", e.unkeyed.stripped.Load()) && yield("reported", e.unkeyed.reported.Load())
}

// guardKey takes from a request what neither the key nor, as far as is known,
// Vary tells apart. Of a field that is kept back the upstream's Vary is heard
// all the same: from then on it passes, and answers are apart by it.
func (v *visit) guardKey(r *wire.Request) {
	if v.choice == nil || v.choice.unkeyed == nil {
		return
	}
	g := v.choice.unkeyed
	if !reads(v.r.Method) && v.r.Method != wire.QUERY || v.choice.policy.Bypass {
		return // nothing is stored that others get
	}
	for _, name := range g.names {
		if has(r, name) && !v.to.Varies(name) && !v.letBy(name) {
			r.DelNamed(name)
		}
	}
	if r.Has(wire.Other) {
		r.Keep(func(id wire.Name, name []byte) bool {
			return id != wire.Other || !g.respells(name) || v.letBy(string(name))
		})
	}
}

// letBy counts a field that is to be kept back, and reports whether it passes
// all the same, since the site wants that told.
func (v *visit) letBy(name string) bool {
	if !v.choice.unkeyed.report {
		v.e.unkeyed.stripped.Add(1)
		return false
	}
	v.e.unkeyed.reported.Add(1)
	v.reportUnkeyed(name)
	return true
}

func has(r *wire.Request, name string) bool {
	for range r.Values(name) {
		return true
	}
	return false
}

// reportUnkeyed tells the operator what would be kept back, a line a second at
// most.
func (v *visit) reportUnkeyed(name string) {
	if v.e.o.Warn == nil {
		return
	}
	last, now := v.e.unkeyedTold.Load(), v.start.Unix()
	if last != now && v.e.unkeyedTold.CompareAndSwap(last, now) {
		v.e.o.Warn.Warn("field that no key has reaches the upstream", "site", v.site.doc.ID, "field", name, "target", string(v.r.Target()), "request_id", string(v.id))
	}
}
