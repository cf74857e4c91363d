package edge

import (
	"io"

	"opencache/internal/config"
	"opencache/internal/expr"
	"opencache/internal/wire"
)

// An answerer answers without an upstream: it has set the Reply's status,
// length and fields, and gives the content once that has begun.
type answerer interface {
	answer(v *visit)
}

// answererOf compiles a route that fetches nothing.
func answererOf(kind routeKind, d *config.Route) (answerer, error) {
	switch {
	case kind == redirect && d.Redirect != nil:
		to, err := expr.ParseText(d.Redirect.To, expr.InRedirect)
		return &redirection{status: orStatus(d.Redirect.Status, 302), to: to}, err
	case kind == fixed && d.Fixed != nil:
		body, err := expr.ParseText(d.Fixed.Body, expr.InAnswer)
		f := &fixedAnswer{status: orStatus(d.Fixed.Status, 200), body: body, contentType: d.Fixed.ContentType}
		if f.contentType == "" {
			f.contentType = plain
		}
		return f, err
	case kind == static && d.Static != nil:
		return newFiles(d.Static)
	}
	return nil, errNoSection(d.Kind)
}

// errNoSection is of a kind of route without the section of its name.
type errNoSection string

func (e errNoSection) Error() string { return "a section " + string(e) }

func orStatus(status *int, otherwise int) int {
	if status == nil {
		return otherwise
	}
	return *status
}

// own answers what the route answers by itself.
func (v *visit) own() bool {
	ch := v.choice
	if ch.route.answer == nil {
		return false
	}
	v.capture(ch.route.pattern)
	if c := ch.route.coding; c != nil {
		c.Settle(v.r)
		defer c.Onto(v.r, v.p)()
	}
	ch.route.answer.answer(v)
	return true
}

// begin sends the head of an answer of the edge's own, with what documents do
// to it.
func (v *visit) begin() {
	v.p.Fields = v.sign(v.edit(v.p.Fields, v.p.Status, namesIn(v.p.Fields)), wire.NameSet{})
	_ = v.p.Start() // the Reply keeps the error
}

// namesIn are the names of field lines.
func namesIn(fields []byte) (s wire.NameSet) {
	for name := range wire.Lines(fields) {
		s.Add(name)
	}
	return s
}

// A redirection sends the client elsewhere.
type redirection struct {
	status int
	to     *expr.Text
}

func (a *redirection) answer(v *visit) {
	v.text = a.to.Append(v.text[:0], &v.values)
	p := v.p
	p.Status = a.status
	p.Fields = wire.AppendField(p.Fields, wire.Location, v.text)
	const body = "moved\n"
	p.Fields = wire.AppendField(p.Fields, wire.ContentType, plain)
	p.Length = int64(len(body))
	v.begin()
	if v.r.Method != wire.HEAD {
		_, _ = io.WriteString(p, body)
	}
	_ = p.End(nil)
}

// A fixedAnswer is the same for every request, but for its variables.
type fixedAnswer struct {
	status      int
	body        *expr.Text
	contentType string
}

func (a *fixedAnswer) answer(v *visit) {
	body := a.body.Append(nil, &v.values)
	p := v.p
	p.Status, p.Length = a.status, int64(len(body))
	if a.status == 204 || a.status == 304 {
		body, p.Length = nil, 0
	} else {
		p.Fields = wire.AppendField(p.Fields, wire.ContentType, a.contentType)
	}
	v.begin()
	if v.r.Method != wire.HEAD {
		_, _ = p.Write(body)
	}
	_ = p.End(nil)
}

// capture notes what a route's regular expression has captured, for $1 to $9.
func (v *visit) capture(p *expr.Pattern) {
	v.groups = v.groups[:0]
	if p == nil {
		return
	}
	v.subject = append(v.subject[:0], v.path()...)
	v.groups = append(v.groups, p.Submatch(v.subject)...)
}
