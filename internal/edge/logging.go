package edge

import (
	"math/rand/v2"

	"opencache/internal/config"
	"opencache/internal/expr"
	"opencache/internal/telemetry"
)

// logging is which requests are logged. The zero value logs all.
type logging struct {
	when  *expr.Condition // nil: all
	leave float64         // the share that is left out, drawn by lot
}

// logging compiles what a node's document says of it. What the log's lines are
// is settled when the log is opened, but wrong in this document.
func (c *compiling) logging(doc *config.Log) (l logging) {
	if doc.If != "" {
		var err error
		l.when, err = expr.ParseLogCondition(doc.If)
		c.bad("monitoring.log.if", err)
	}
	if doc.Sample != nil {
		l.leave = 1 - *doc.Sample
	}
	if doc.Text != "" {
		_, err := telemetry.ParseFormat(doc.Text)
		c.bad("monitoring.log.text", err)
	}
	return l
}

// logs reports whether the request is logged.
func (v *visit) logs() bool {
	l := &v.plan.logging
	if l.leave > 0 && rand.Float64() < l.leave {
		return false
	}
	if l.when == nil {
		return true
	}
	v.status, v.fields = v.p.Status, v.p.Fields
	if v.choice != nil && v.choice.rule != nil {
		v.rule = v.choice.rule.id
	}
	was := v.site
	if was == nil { // what the node answers for itself
		v.site = v.e.nobody
	}
	logged := l.when.True(&v.values, &v.scratch)
	v.site, v.fields = was, nil
	return logged
}
