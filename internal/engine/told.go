package engine

import (
	"strconv"
	"strings"
	"time"

	"opencache/internal/rfc9111"
	"opencache/internal/wire"
)

// A Control says what becomes of the upstream's Cache-Control on its way to
// clients.
type Control uint8

const (
	Passthrough Control = iota // it stays
	Override                   // what the operator says stands in its place
	Additional                 // it stays, and what it does not say is added
)

// An Expiration is what an operator has clients told of how long answers are
// fresh. It does not change how long they are here.
type Expiration struct {
	Control Control
	// BrowserTTL and CDNTTL are max-age and s-maxage in seconds;
	// rfc9111.Absent: not said.
	BrowserTTL, CDNTTL int64
	Immutable          bool
	// Directives follow as they stand.
	Directives []string
	// SetExpires sends Expires, BrowserTTL from now; not with Passthrough.
	SetExpires bool
	// WhileRevalidate and WhileError are stale-while-revalidate and
	// stale-if-error in seconds, 0: not said. With Passthrough they are added
	// as with Additional.
	WhileRevalidate, WhileError int64
}

// Told is an Expiration as it is applied to answers.
type Told struct {
	replace *wire.Edits // Override: with the line that stands for all there were
	redated bool        // it says a time, which counts from now
	expires int64       // Expires is so many seconds from now; below 0: it is none of ours
	more    []string    // Additional: directives to be added
}

var (
	controlNames = wire.NamesOf(wire.CacheControl)
	expiresNames = wire.NamesOf(wire.Expires)
)

// Compile returns what is applied; nil: nothing.
func (x Expiration) Compile() *Told {
	t := &Told{expires: rfc9111.Absent}
	var all []string
	seconds := func(name string, n int64) { all = append(all, name+"="+strconv.FormatInt(n, 10)) }
	if x.Control != Passthrough {
		if x.BrowserTTL >= 0 {
			seconds("max-age", x.BrowserTTL)
		}
		if x.CDNTTL >= 0 {
			seconds("s-maxage", x.CDNTTL)
		}
		if x.Immutable {
			all = append(all, "immutable")
		}
		all = append(all, x.Directives...)
		if x.SetExpires {
			t.expires = x.BrowserTTL
		}
	}
	if x.WhileRevalidate > 0 {
		seconds("stale-while-revalidate", x.WhileRevalidate)
	}
	if x.WhileError > 0 {
		seconds("stale-if-error", x.WhileError)
	}
	switch {
	case len(all) == 0 && t.expires < 0:
		return nil
	case x.Control != Override || len(all) == 0:
		t.more = all
		return t
	}
	t.replace = new(wire.Edits)
	t.replace.Set("Cache-Control", strings.Join(all, ", "))
	t.replace.Remove("Expires")
	// A time of the operator's counts from when the client hears of it, however
	// long the answer has been stored: by its Age and Date the client would
	// take what has lain here for longer than that for stale (RFC 9111, 4.2.3).
	if t.redated = x.BrowserTTL >= 0 || x.CDNTTL >= 0; t.redated {
		t.replace.Remove("Age")
		t.replace.Remove("Date")
	}
	return t
}

// apply returns fields, in which names may be, as t changes them.
func (t *Told) apply(fields []byte, names wire.NameSet, now time.Time) []byte {
	names.Add(wire.Age)
	if t.replace != nil {
		fields = t.replace.Apply(fields, names)
	} else {
		fields = t.extend(fields, names)
	}
	if t.redated {
		fields = append(fields, "Date: "...)
		fields = append(wire.AppendDate(fields, now.Unix()), "\r\n"...)
	}
	if t.expires >= 0 {
		if t.replace == nil {
			fields = dropLines(fields, names, expiresNames)
		}
		fields = append(fields, "Expires: "...)
		fields = append(wire.AppendDate(fields, now.Unix()+t.expires), "\r\n"...)
	}
	return fields
}

// extend adds to Cache-Control what it does not say. One that says no-store
// says all there is to say.
func (t *Told) extend(fields []byte, names wire.NameSet) []byte {
	had := fields
	fields = append(fields, "Cache-Control: "...)
	begin, said := len(fields), len(fields)
	if names.Has(wire.CacheControl) {
		for id, line := range wire.Lines(had) {
			if id == wire.CacheControl && len(line.Value) > 0 {
				fields = appendMember(fields, begin, line.Value)
			}
		}
		said = len(fields)
		if rfc9111.HasDirective(fields[begin:said], "no-store") {
			return had
		}
	}
	for _, directive := range t.more {
		name, _, _ := strings.Cut(directive, "=")
		if !rfc9111.HasDirective(fields[begin:said], strings.ToLower(name)) {
			fields = appendMember(fields, begin, directive)
		}
	}
	if len(fields) == said {
		return had
	}
	fields = append(fields, "\r\n"...)
	kept := dropLines(fields[:len(had)], names, controlNames)
	return append(kept, fields[len(had):]...)
}

// appendMember appends a member of a list that begins at begin.
func appendMember[T ~string | ~[]byte](dst []byte, begin int, member T) []byte {
	if len(dst) > begin {
		dst = append(dst, ", "...)
	}
	return append(dst, member...)
}

// dropLines takes lines out of a block in which names may be, in its memory.
func dropLines(fields []byte, names, drop wire.NameSet) []byte {
	if !names.Overlaps(drop) {
		return fields
	}
	kept := fields[:0]
	for left := fields; len(left) > 0; {
		id, _, _, rest := wire.SplitLine(left)
		if !drop.Has(id) {
			kept = append(kept, left[:len(left)-len(rest)]...)
		}
		left = rest
	}
	return kept
}

// tellsFreshness reports whether the operator's word on freshness is for this
// answer: to a request that reads, that may be kept, and that is no error which
// nobody said should be.
func (c *call) tellsFreshness() bool {
	status := c.p.Status
	return !c.own && !c.noStore && c.r.Method.Safe() && c.r.Method != wire.OPTIONS && status >= 200 && (status < 400 || c.pol.Rules.Valid.Covers(status))
}

// tells reports whether a response that is handed through may be told to be
// fresh by the operator's word: not one that by its own is this client's alone.
func (c *call) tells(resp *wire.Response) bool {
	if c.pol.Told == nil {
		return true
	}
	if c.alone() {
		return false
	}
	var h storedHead
	at := c.now.UnixMilli()
	h.facts.Reset(resp.Status, at, at)
	h.heed(linesOf(resp), resp.Names(), c.pol)
	h.facts.Done()
	return rfc9111.Shareable(&h.facts, &c.pol.Rules)
}

// ownNames are what answers have of the engine's own.
var ownNames = wire.NamesOf(wire.AcceptRanges, wire.Age, wire.ContentRange, wire.ContentType, wire.Date, wire.Expires, wire.CacheControl, wire.XCache,
	wire.XCacheStatus, wire.CacheStatus, wire.ProxyStatus, wire.Upgrade, wire.Connection)
