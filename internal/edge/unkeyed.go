package edge

import (
	"slices"
	"sync/atomic"

	"opencache/internal/config"
	"opencache/internal/expr"
	"opencache/internal/wire"
)

// An unkeyed guard keeps from the upstream fields that would change an answer
// for all who have its key. nil: nothing is kept.
type unkeyed struct {
	names  []string // in lower case
	report bool     // they pass, and it is told
}

// unkeyedOf compiles a site's guard for a key: what the key has of a field
// tells its answers apart.
func unkeyedOf(doc *config.Unkeyed, key *expr.Key) *unkeyed {
	if doc == nil {
		return nil
	}
	g := &unkeyed{report: doc.Report}
	for _, name := range doc.Fields {
		name = lowerOf(name)
		if !slices.ContainsFunc(key.Vars(), func(x *expr.Var) bool { return x.ID == expr.HTTP_ && lowerOf(x.Name) == name }) {
			g.names = append(g.names, name)
		}
	}
	if len(g.names) == 0 {
		return nil
	}
	return g
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
		if !has(r, name) || v.to.Varies(name) {
			continue
		}
		if g.report {
			v.e.unkeyed.reported.Add(1)
			v.reportUnkeyed(name)
			continue
		}
		v.e.unkeyed.stripped.Add(1)
		r.DelNamed(name)
	}
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
