package engine

import (
	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// goAround answers from the upstream although something may be stored, by the
// word of Route.Bypass. What comes takes its place when it may be stored; when
// it may not, what is stored stays: it is of those who do not go around. Nobody
// waits for the answer, and it waits for nobody's: requests that are to go
// around are most likely somebody's own. A range is handed through, since the
// whole would have to be fetched to answer it.
func (c *call) goAround() {
	switch {
	case c.ask.OnlyIfCached():
		c.refuse(Reason(rfc9111.WhyOnlyIfCached))
		return
	case c.noStore, c.ask.Ranged(), c.ask.ManyRanges(), c.pol.PassHead && c.r.Method == wire.HEAD:
		c.pass(ForBypass, BypassCondition)
		return
	}
	c.lookup() // says where what comes belongs
	c.entry.Release()
	c.out.Forward, c.out.Why, c.want = ForBypass, BypassCondition, want{}
	if !c.collapse(nil) {
		c.pass(ForBypass, BypassCondition)
	}
}
