package edge

import (
	"bytes"
	"strings"

	"opencache/internal/expr"
	"opencache/internal/rfc9111"
	"opencache/internal/store"
	"opencache/internal/wire"
)

// which finds the site of the request.
func (v *visit) which() bool {
	h := &v.plan.hosts
	if !h.named() {
		v.site = h.other
	} else {
		var host []byte
		host, v.host = hostOf(v.r.Authority(), v.host)
		v.site = h.find(host)
	}
	if v.site == nil {
		// RFC 9110, 15.5.20: nobody speaks for this host here. A proxy or a
		// browser may try another connection.
		return v.answer(421, plain, "no site answers for this host\n")
	}
	return false
}

// locate is route, measured.
func (v *visit) locate() bool {
	answered := v.route()
	if v.timed() {
		v.times.route = v.took()
	}
	return answered
}

// route finds choice and key of the target: in the memo, or by matching and
// normalising, after which the memo may keep them. Where there is nothing to
// match and nothing to normalise, asking the memo would cost more than it saves.
func (v *visit) route() bool {
	s, e := v.site, v.e
	p := spot{number: s.number, target: v.r.Target(), host: v.r.Authority(), secure: v.r.Secure}
	if s.depends&expr.OnMethod != 0 {
		p.method = v.r.Method
	}
	if e.memo == nil || s.depends&^remembered != 0 || !s.patterns && !v.sorts() || !p.fits() || p.method == wire.OtherMethod && s.depends&expr.OnMethod != 0 {
		if v.choose(v.match()) {
			return true
		}
		v.makeKey()
		return false
	}
	h := e.memo.hash(&p)
	if e.memo.find(&p, h, &v.found) {
		v.choice = s.take(v.found.choice)
		v.key, v.to.Origin, v.to.Hash = append(v.key[:0], v.found.key...), v.found.origin, v.found.hash
		if v.found.tail {
			v.key = append(v.key, p.target...)
		}
		v.to.Key = v.key
		return false
	}
	n := v.match()
	if v.choose(n) {
		return true
	}
	v.makeKey()
	if v.choice.keep && e.memo.seen(h) {
		v.to.Hash = v.choice.on(v.key).Engine.Hash(v.key)
		found := routing{choice: n, hash: v.to.Hash, origin: v.to.Origin, key: v.key}
		if bytes.HasSuffix(v.key, p.target) {
			found.key, found.tail = v.key[:len(v.key)-len(p.target)], true
		}
		e.memo.keep(&p, h, &found)
	}
	return false
}

// choose takes a choice by its number. True: there is none, and that was
// answered.
func (v *visit) choose(n int) bool {
	if v.choice = nil; n >= 0 {
		v.choice = v.site.take(n)
	}
	if v.choice == nil {
		return v.answer(404, plain, "no route of this site has the path\n")
	}
	return false
}

// makeKey makes the key of the request by the choice, where it has one.
func (v *visit) makeKey() {
	v.key, v.to.Origin, v.to.Hash = v.key[:0], 0, store.Hash{}
	if v.choice.key == nil {
		return
	}
	v.passes = v.choice.pass
	v.key, v.to.Origin = v.choice.key.Append(v.key, &v.values)
	v.to.Key = v.key
}

// sorts reports whether there is something to normalise in the query.
func (v *visit) sorts() bool {
	query, _ := v.r.Query()
	return len(query) > 0 && v.site.sorts && (v.site.drops || bytes.IndexByte(query, '&') >= 0)
}

// decide evaluates what the memo can not hold, of a choice whose answer is
// fetched or stored.
func (v *visit) decide() {
	ch := v.choice
	v.to.Policy, v.to.Since = &ch.policy, v.start
	v.to.Bypass, v.to.NoStore = ch.bypass.True(&v.values, &v.scratch), false
	for _, c := range ch.noStore {
		if c.True(&v.values, &v.scratch) {
			v.to.NoStore = true
			break
		}
	}
	v.to.Guide, v.to.Unsafe = nil, nil
	if !v.r.Method.Safe() && (len(v.site.rules) > 1 || len(ch.zone.volumes) > 1 || !ch.keep) {
		v.to.Unsafe = v.invalidate
	}
	if ch.guided || v.plan != nil && v.plan.signature.on() {
		v.to.Guide = v
	}
}

// RulesOf returns the rules that what is stored under a primary key is judged
// by, as far as the key tells its URL; else nil.
func (e *Edge) RulesOf(key []byte) *rfc9111.Policy {
	text := string(expr.AppendPlainKey(nil, key))
	p := e.plan.Load()
	for _, scheme := range []string{"http", "https"} {
		if rest, ok := strings.CutPrefix(text, scheme+"GET"); ok {
			return p.rulesOf(scheme + "://" + rest)
		}
	}
	if s := p.hosts.other; s != nil && len(s.choices) > 0 && s.decided(0) != nil && s.decided(0).rooted {
		if v, err := e.visitTo("http://h/"); err == nil {
			v.site, v.choice = s, s.take(0)
			v.makeKey()
			begins := string(expr.AppendPlainKey(nil, v.key[:v.to.Origin]))
			if rest, ok := strings.CutPrefix(text, begins); ok && !strings.Contains(begins, "h/") {
				return p.rulesOf("http://h" + rest)
			}
		}
	}
	return p.rulesOf(text)
}

// rulesOf returns the rules for a URL.
func (p *Plan) rulesOf(url string) *rfc9111.Policy {
	v, err := p.visitTo(url)
	if err != nil || v.site == nil {
		return nil
	}
	if n := v.match(); n >= 0 {
		if ch := v.site.take(n); ch != nil {
			return &ch.policy.Rules
		}
	}
	return nil
}
