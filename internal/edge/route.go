package edge

import (
	"bytes"

	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// route finds policy and key of the target: in the memo, or by matching and
// sorting, after which the memo may keep them. Where there is nothing to match
// and nothing to sort, asking the memo would cost more than it saves.
func (v *visit) route() bool {
	e := v.e
	p := place{snapshot: e.snapshot, target: v.r.Target()}
	if e.o.PreserveHost { // else no route depends on it
		p.host, p.secure = v.r.Authority(), v.r.Secure
	}
	if e.memo == nil || !e.patterns && !v.sorts() || !p.fits() {
		v.to.Policy, v.to.Key, v.to.Hash = &e.policies[v.match()], v.cacheKey(), store.Hash{}
		return false
	}
	h := e.memo.hash(&p)
	if e.memo.find(&p, h, &v.found) {
		v.key = append(v.beginKey(), v.found.pathAndQuery(&p)...)
		v.to.Policy, v.to.Key, v.to.Hash = &e.policies[v.found.policy], v.key, v.found.hash
		return false
	}
	n := v.match()
	v.to.Policy, v.to.Key, v.to.Hash = &e.policies[n], v.cacheKey(), store.Hash{}
	if e.memo.seen(h) {
		v.to.Hash = e.o.Engine.Hash(v.key)
		found := routing{policy: n, hash: v.to.Hash}
		if tail := v.key[len(v.appendOrigin(v.decoded[:0])):]; !bytes.Equal(tail, p.target) {
			found.tail = tail
		}
		e.memo.keep(&p, h, &found)
	}
	return false
}

// pathAndQuery is what the key of p ends with.
func (r *routing) pathAndQuery(p *place) []byte {
	if len(r.tail) > 0 {
		return r.tail
	}
	return p.target
}

// RulesOf returns the rules that what is stored under a primary key is judged
// by.
func (e *Edge) RulesOf(key []byte) *rfc9111.Policy {
	target, ok := bytes.CutPrefix(key, []byte(e.o.Origin))
	if e.o.PreserveHost || !ok {
		_, target, _ = bytes.Cut(key, []byte("://"))
		target = target[max(bytes.IndexByte(target, '/'), 0):]
	}
	var r wire.Request
	r.SetTarget(target)
	v := visit{e: e, r: &r}
	return &e.policies[v.match()].Rules
}

// match returns the number of the target's policy.
func (v *visit) match() int {
	e, n := v.e, len(v.e.o.TTLs)
	if !e.patterns {
		return 0 // of the first rule, which has none, or of the rest
	}
	target := v.matched()
	for _, m := range e.o.Passthrough {
		if m.Match(target) {
			return n + 1
		}
	}
	for i := range e.o.TTLs {
		if m := e.o.TTLs[i].Match; m == nil || m.Match(target) {
			return i
		}
	}
	return n
}
