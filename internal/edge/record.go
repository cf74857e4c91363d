package edge

import (
	"cmp"

	"opencache/internal/expr"
	"opencache/internal/telemetry"
	"opencache/internal/wire"
)

// record tells telemetry what became of the request.
func (v *visit) record() {
	o := &v.e.o
	if o.Metrics == nil && o.Log == nil && o.Loki == nil && o.Tracer == nil {
		return
	}
	rec := &v.rec
	rec.Time, rec.Method, rec.Status, rec.Bytes, rec.Duration = v.start, v.r.Method, v.p.Status, v.p.Sent, v.took()
	rec.CacheStatus, rec.Collapsed = v.outcome.Status.String(), v.outcome.Collapsed
	rec.UpstreamStatus, rec.UpstreamTime, rec.Key, rec.Origin = v.outcome.Upstream, v.outcome.Waited, v.key, v.to.Origin
	rec.Proto = telemetry.HTTP11
	if v.r.Minor == 0 {
		rec.Proto = telemetry.HTTP10
	}
	if o.Metrics != nil {
		if rec.Count = nil; v.site != nil {
			rec.Count = v.site.count
		}
		o.Metrics.Observe(rec)
	}
	logged := (o.Log != nil || o.Loki != nil) && v.logs()
	spanned := v.r.Trace != nil && v.r.Trace.Own
	if !logged && !spanned {
		return
	}
	v.fill(rec)
	if logged {
		o.Log.Write(rec)
		o.Loki.Write(rec)
	}
	if spanned {
		o.Tracer.Server(rec, v.parent)
	}
	*rec = telemetry.Record{} // what fill did not set is not the last request's
}

// count has the requests of p's sites counted, before p is used.
func (e *Edge) count(p, was *Plan) {
	if e.o.Metrics == nil {
		return
	}
	for id, s := range p.sites {
		if s.count == nil { // it was compiled anew
			s.count = e.o.Metrics.Site(id)
		}
	}
	if was == nil {
		return
	}
	for id := range was.sites {
		if p.sites[id] == nil {
			e.o.Metrics.Forget(id)
		}
	}
}

// fill notes what only logs have a use for.
func (v *visit) fill(rec *telemetry.Record) {
	v.shown = expr.AppendPlainKey(v.shown[:0], v.key)
	rec.Key, rec.Origin = v.shown, 0
	v.fillRequest(rec)
	rec.POP, rec.Server, rec.Build = v.node.pop, v.node.server, v.node.build
	if v.site != nil {
		rec.Site = v.site.doc.ID
	}
	if v.choice != nil {
		rec.Route = v.choice.route.id
		if v.choice.rule != nil {
			rec.Rule = v.choice.rule.id
		}
	}
	out := &v.outcome
	rec.Denied = cmp.Or(v.filtered.String(), v.refused.String())
	rec.User = v.user
	rec.Reason, rec.Attempts = out.Why.String(), out.Attempts
	if out.Status.FromStore() {
		rec.Tier = out.Tier.String()
	}
	if out.Stored || out.Status.FromStore() {
		rec.Kept, rec.TTL = true, out.Lifetime
	}
}

// fillRequest notes what the request said.
func (v *visit) fillRequest(rec *telemetry.Record) {
	r := v.r
	rec.Remote, rec.MethodText, rec.RequestID = r.Client, r.MethodText(), v.id
	rec.Visitor = v.visitor()
	if v.vouched {
		rec.Peer = r.Remote
	}
	rec.Host, rec.Target, rec.Secure, rec.Port = r.Authority(), r.Target(), r.Secure, r.Port
	rec.UserAgent, rec.Referer = r.Get(wire.UserAgent), r.Get(wire.Referer)
	if c := r.TLS; c != nil {
		rec.TLSProtocol, rec.TLSCipher, rec.TLSCurve, rec.TLSServerName = c.Version, c.Cipher, c.Group, c.ServerName
	}
	if t := r.Trace; t != nil {
		rec.TraceID, rec.SpanID = t.ID, t.Span
	}
	rec.ForwardedFor = r.Get(wire.XForwardedFor)
	if rec.Place = nil; v.geo != nil {
		rec.Place = (*telemetry.Place)(v.place())
	}
}
