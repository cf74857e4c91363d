package edge

import (
	"slices"
	"strings"
	"time"

	"opencache/internal/config"
	"opencache/internal/engine"
	"opencache/internal/telemetry"
	"opencache/internal/wire"
)

// A signature is what a node says of itself on every answer, whatever its
// status and whoever gave it: made once for a plan. The zero one is nothing.
type signature struct {
	fields bool         // Pf-Cache-Timing and what stands in lines
	timing bool         // Server-Timing, which says the same as Pf-Cache-Timing
	stands wire.NameSet // names of the upstream's fields that these stand in place of
	others wire.Edits   // that drop them
	where  string       // how each timing ends, but for the request's id
	lines  string
}

// alwaysOn are the names of fields that are the node's alone where it signs:
// sites neither change nor remove them.
var alwaysOn = wire.NamesOf(wire.PfCacheTiming, wire.PfServedBy, wire.PFPop, wire.PFServer, wire.XCacheStatus)

// signatureOf compiles what a node says.
func signatureOf(m *config.Monitoring, n *nodeValues) (s signature) {
	s.fields, s.timing = signs(m), m.ServerTiming
	if s.timing {
		s.others.Remove(wire.ServerTiming.String())
		s.stands.Add(wire.ServerTiming)
	}
	for _, name := range [...]wire.Name{wire.PfCacheTiming, wire.PfServedBy, wire.PFPop, wire.PFServer} {
		if s.fields {
			s.others.Remove(name.String())
			s.stands.Add(name)
		}
	}
	for _, at := range [...]struct{ metric, text string }{{"pop", n.pop}, {"server", n.server}} {
		if at.text != "" {
			s.where += ", " + at.metric + `;desc="` + quotable(at.text) + `"`
		}
	}
	for _, line := range [...]struct {
		name wire.Name
		text string
	}{{wire.PfServedBy, n.pop}, {wire.PFPop, n.pop}, {wire.PFServer, n.server}} {
		if s.fields && line.text != "" {
			s.lines += line.name.String() + ": " + fieldText(line.text) + "\r\n"
		}
	}
	return s
}

// signs reports whether a node writes the fields that every client sees.
func signs(m *config.Monitoring) bool { return m.ClientFields != nil && *m.ClientFields }

// shownName is a server's name as clients see it: without the first of the
// suffixes that it ends in.
func shownName(name string, suffixes []string) string {
	for _, suffix := range suffixes {
		if at := len(name) - len(suffix); at > 0 && strings.EqualFold(name[at:], suffix) {
			return name[:at]
		}
	}
	return name
}

// fieldText is a text as a field's value: no character ends the line.
func fieldText(s string) string {
	b := []byte(s)
	clean(b)
	return strings.TrimSpace(string(b))
}

// quotable is a text as it may stand between quotes.
func quotable(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(fieldText(s))
}

// on reports whether anything is said.
func (s *signature) on() bool { return s.fields || s.timing }

// times are how long the parts of a request took, as far as they are known when
// its answer's head goes out. They are measured where the plan signs answers.
type times struct {
	tls    time.Duration // the handshake, of a connection's first request
	route  time.Duration // until route, rule and key were known
	lookup time.Duration // the cache's part: all that is neither route nor waiting for the upstream
	total  time.Duration // until the head went out
}

// timed reports whether the parts of the request are measured: not where it is
// only explained.
func (v *visit) timed() bool { return v.plan.timed && v.e.o.Now != nil }

// measure notes that the answer's head goes out now.
func (v *visit) measure() {
	t := &v.times
	t.total = v.took()
	t.lookup = max(t.total-t.route-v.outcome.Waited, 0)
	if v.r.TLS != nil {
		t.tls = v.r.TLS.Handshake
	}
}

// sign appends what the node says on every answer. has are names that may be
// among the fields.
func (v *visit) sign(fields []byte, has wire.NameSet) []byte {
	s := &v.plan.signature
	if !s.on() || !v.timed() {
		return fields
	}
	v.measure()
	if has.Overlaps(s.stands) {
		fields = s.others.Strip(fields, has)
	}
	name := "Pf-Cache-Timing: "
	if !s.fields {
		name = "Server-Timing: "
	}
	fields = append(fields, name...)
	begin := len(fields)
	fields = v.appendTimes(fields)
	end := len(fields)
	fields = append(fields, "\r\n"...)
	if s.fields && s.timing {
		fields = append(fields, "Server-Timing: "...)
		fields = append(append(fields, fields[begin:end]...), "\r\n"...)
	}
	return append(fields, s.lines...)
}

// appendTimes appends the times in the grammar of Server-Timing.
func (v *visit) appendTimes(dst []byte) []byte {
	t := &v.times
	if t.tls > 0 {
		dst = append(telemetry.AppendMetric(dst, "tls", t.tls, ""), ", "...)
	}
	if v.choice != nil {
		dst = append(telemetry.AppendMetric(dst, "route", t.route, ""), ", "...)
		if v.to.Policy != nil {
			dst = v.appendAsked(dst)
		}
	}
	dst = telemetry.AppendMetric(dst, "total", t.total, "")
	if v.choice != nil && v.choice.rule != nil {
		dst = append(dst, v.choice.rule.metric...)
	}
	dst = append(dst, v.plan.signature.where...)
	if len(v.id) > 0 {
		dst = append(append(append(dst, `, rid;desc="`...), v.id...), '"')
	}
	return dst
}

// appendAsked appends how long cache and upstream took, of an answer that came
// from them. Each server that was asked is an entry of its own, so that those
// which failed can be seen.
func (v *visit) appendAsked(dst []byte) []byte {
	o := &v.outcome
	if o.Status != engine.NoStatus {
		dst = append(telemetry.AppendMetric(dst, "cacheLookup", v.times.lookup, o.Status.String()), ", "...)
	}
	attempts := o.Attempts.All()
	if len(attempts) == 0 {
		return append(telemetry.AppendMetric(dst, "upstream", o.Waited, ""), ", "...)
	}
	for i := range attempts {
		a := &attempts[i]
		dst = telemetry.AppendMetric(dst, "upstream", a.Took, "")
		switch {
		case a.Status != 0:
			dst = append(append3(append(dst, `;desc="`...), a.Status), '"')
		case a.Why != "":
			dst = append(append(append(dst, `;desc="`...), a.Why...), '"')
		}
		dst = append(dst, ", "...)
	}
	return dst
}

// append3 appends a number of three digits.
func append3(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/100%10), byte('0'+n/10%10), byte('0'+n%10))
}

// changeable returns changes of fields without those of names that are the
// node's alone, where it signs.
func changeable(list []config.Header, m *config.Monitoring) []config.Header {
	if !signs(m) {
		return list
	}
	taken := func(h config.Header) bool {
		name := wire.Lookup(h.Name)
		return name != wire.Other && alwaysOn.Has(name)
	}
	if !slices.ContainsFunc(list, taken) {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), taken)
}
