package model

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Judge holds what was said so far.
type Judge struct {
	Policy        Policy
	Room          int         // bytes of content that the cache holds for sure
	GivesUp       bool        // it ends fetches that nobody reads
	Exchanges     []*Exchange // in the order of their numbers: Exchanges[i].ID is i
	Invalidations []Invalidation
}

// A Kind is what sort of answer it was.
type Kind string

// The kinds; one answer is of several.
const (
	First       Kind = "first-hand"  // the origin's, to this very request
	Shared      Kind = "collapsed"   // the origin's, to another request under way
	Hit         Kind = "hit"         // stored, fresh
	Stale       Kind = "stale"       // stored, stale
	OnError     Kind = "on error"    // stored, stale, and the origin had failed
	Validated   Kind = "revalidated" // stored, and the origin said it is current
	NotModified Kind = "304"
	Partial     Kind = "206"
	Multipart   Kind = "multipart"
	OfParts     Kind = "of parts" // stored in parts
	Unsatisfied Kind = "416"
	NotCached   Kind = "only-if-cached" // 504 to it
	Failure     Kind = "failure"        // the cache's word on an origin that failed
	CutShort    Kind = "cut"
	OfHead      Kind = "head"
	OfQuery     Kind = "query hit"
	OfAnother   Kind = "of an equivalent URL" // by No-Vary-Search
	OfUnsafe    Kind = "unsafe"
)

// Judge returns what a is, and why it must not have been given ("" when it may).
func (j *Judge) Judge(a *Answer) (kinds []Kind, fault string) {
	if a.Status == 0 {
		if a.Whole {
			return nil, "an answer without a head ended well"
		}
		return []Kind{CutShort}, ""
	}
	kinds = form(a)
	s, fault := j.source(a)
	if fault != "" {
		return kinds, fault
	}
	if s == nil {
		kind, fault := j.made(a)
		return append(kinds, kind), fault
	}
	first := s.Base.For == a.ID && len(s.Updates) == 0
	if !first {
		if fault = j.mayReuse(a, s); fault != "" {
			return kinds, fault
		}
	}
	kinds = append(kinds, j.how(a, s))
	if !first && slices.ContainsFunc(append(s.Updates, s.Base), func(e *Exchange) bool { return e.Status == 206 }) {
		kinds = append(kinds, OfParts)
	}
	if s.Base.Request.URL != a.URL {
		kinds = append(kinds, OfAnother)
	}
	for _, check := range []func(*Answer, *Stored) string{j.content, j.fields, j.ageTold} {
		if fault = check(a, s); fault != "" {
			return kinds, fault
		}
	}
	return kinds, ""
}

// form returns the kinds that an answer shows by itself.
func form(a *Answer) (kinds []Kind) {
	switch {
	case !a.Whole:
		kinds = append(kinds, CutShort)
	case a.Status == 304:
		kinds = append(kinds, NotModified)
	case a.Status == 206 && strings.HasPrefix(a.Fields.Get("Content-Type"), "multipart/byteranges"):
		kinds = append(kinds, Multipart)
	case a.Status == 206:
		kinds = append(kinds, Partial)
	}
	switch a.Method {
	case "HEAD":
		kinds = append(kinds, OfHead)
	case "GET", "QUERY":
	default:
		kinds = append(kinds, OfUnsafe)
	}
	return kinds
}

// how returns by which way a came from s.
func (j *Judge) how(a *Answer, s *Stored) Kind {
	_, lifetime, _ := s.lifetime(&j.Policy)
	age, _ := s.age(a.Came.Clock)
	switch {
	case s.Base.For == a.ID && len(s.Updates) == 0:
		return First
	case len(s.Updates) > 0 && a.saw(s.Last().Answered):
		return Validated
	case a.saw(s.Base.Answered):
		return Shared
	case a.Method == "QUERY":
		return OfQuery
	case lifetime > age:
		return Hit
	case j.failedFor(a):
		return OnError
	}
	return Stale
}

// source returns the response that a is made of, nil when it tells of none.
func (j *Judge) source(a *Answer) (*Stored, string) {
	var chain []*Exchange
	for _, l := range a.Fields {
		n, ok := strings.CutPrefix(strings.ToLower(l.Name), "x-u-")
		if !ok {
			continue
		}
		id, err := strconv.Atoi(n)
		if err != nil || id >= len(j.Exchanges) {
			return nil, "it tells of a response that there is not: " + l.Name
		}
		chain = append(chain, j.Exchanges[id])
	}
	if len(chain) == 0 {
		return nil, ""
	}
	// What came in the same millisecond may have been taken in either order:
	// X-Id, which each sets anew, says which was the last.
	last, err := strconv.Atoi(a.Fields.Get("X-Id"))
	if err != nil {
		last = -1
	}
	slices.SortFunc(chain, func(x, y *Exchange) int {
		if x.Answered.Clock == y.Answered.Clock && x.ID != y.ID {
			switch last {
			case x.ID:
				return 1
			case y.ID:
				return -1
			}
		}
		return cmp.Compare(x.Answered.N, y.Answered.N)
	})
	chain = slices.Compact(chain)
	if rep, err := strconv.Atoi(a.Fields.Get("X-Rep")); err == nil { // the content is of one of them
		n := slices.IndexFunc(chain, func(e *Exchange) bool { return e.Rep != nil && e.Rep.ID == rep })
		if n < 0 {
			return nil, "3.4: content of another version than its fields"
		}
	}
	for i, u := range chain[1:] {
		if why := j.update(j.Policy.made(chain[:i+1]...), u); why != "" {
			return nil, why
		}
	}
	return j.Policy.made(chain...), ""
}

// update returns why u must not have changed s (4.3.4, 4.3.5, 3.4), "" when it may.
func (j *Judge) update(s *Stored, u *Exchange) string {
	was, now := s.Fields.Get("ETag"), u.Fields.Get("ETag")
	modified, modifiedNow := s.Fields.Get("Last-Modified"), u.Fields.Get("Last-Modified")
	strong := now != "" && !strings.HasPrefix(now, "W/")
	switch {
	case !sameTarget(s.Fields, s.Base.Request.URL, u.Request.URL):
		return "4.3.4: updated by the response of another target"
	case u.Status == 206:
		dated := was == "" && now == "" && modified != "" && modified == modifiedNow && s.strongDate() && j.Policy.made(u).strongDate()
		if !dated && (!strong || was != now) || s.Base.Rep == nil || u.Rep.ID != s.Base.Rep.ID {
			return "3.4: joined parts without the same strong validator"
		}
		return ""
	case u.Request.Method == "HEAD" && u.Status == 200:
		if now != was && now != "" || modifiedNow != "" && modifiedNow != modified {
			return "4.3.5: updated by a HEAD response with another validator"
		}
		if n := u.Fields.Get("Content-Length"); n != "" && s.Base.Rep != nil && n != strconv.Itoa(len(s.Base.Rep.Bytes)) {
			return "4.3.5: updated by a HEAD response with another Content-Length"
		}
		return ""
	case u.Status != 304:
		return fmt.Sprintf("3.2: updated by a response with %d", u.Status)
	case strong && was == "" && modified != "" && modified == modifiedNow && s.strongDate() && j.Policy.made(u).strongDate():
		return ""
	case strong && was != now:
		return "4.3.4: updated by a 304 with another strong validator"
	case !strong && now != "" && strings.TrimPrefix(was, "W/") != strings.TrimPrefix(now, "W/"):
		return "4.3.4: updated by a 304 with another entity tag"
	case now == "" && modifiedNow != "" && modified != modifiedNow:
		return "4.3.4: updated by a 304 with another Last-Modified"
	}
	return ""
}

// ours are fields that a cache writes, adds to or computes itself.
var ours = []string{"age", "content-length", "content-range", "accept-ranges", "x-cache", "x-cache-status", "cache-status",
	"via", "server-timing", "proxy-status"}

// mayStay are fields that an update may leave as they were (3.2).
var mayStay = []string{"content-type", "content-encoding", "content-range"}

// fields returns what is wrong with the head of a, which is made of s.
func (j *Judge) fields(a *Answer, s *Stored) string {
	reused := !(s.Last().For == a.ID)
	var hidden []string
	if !a.saw(s.Last().Asked) {
		hidden = s.Control.names("no-cache")
	}
	if j.Policy.Shared {
		hidden = append(hidden, s.Control.names("private")...)
	}
	for _, l := range a.Fields {
		name := strings.ToLower(l.Name)
		switch {
		case slices.Contains(hop, name), slices.Contains(splitList(strings.ToLower(s.Base.Fields.Get("Connection"))), name):
			return "RFC 9110, 7.6.1: a field for one hop, " + l.Name
		case reused && slices.ContainsFunc(hidden, func(h string) bool { return strings.EqualFold(h, name) }):
			return "5.2.2.4, 5.2.2.7: a field that is for one client, " + l.Name
		case reused && slices.Contains(ofProxy, name):
			return "3.1: a field of a proxy was stored, " + l.Name
		case slices.Contains(ours, name), name == "date" && !s.Last().Fields.Has("Date"):
		case name == "content-type" && a.Status == 206: // of the parts
		case a.Fields.Get(name) == s.Fields.Get(name):
		case slices.Contains(mayStay, name) && a.Fields.Get(name) == s.Base.Fields.Get(name):
		default:
			return fmt.Sprintf("3.2: %s is %q, and %q was said", l.Name, a.Fields.Get(name), s.Fields.Get(name))
		}
	}
	for _, l := range s.Fields {
		name := strings.ToLower(l.Name)
		optional := slices.Contains(ours, name) || slices.Contains(ofProxy, name) || named(s.Control, name)
		if a.Status == 304 { // RFC 9110, 15.4.5
			optional = !slices.Contains([]string{"cache-control", "content-location", "date", "etag", "expires", "vary"}, name)
		}
		if !optional && !a.Fields.Has(name) {
			return "3.1: a field is missing, " + l.Name
		}
	}
	return ""
}

// named reports whether no-cache or private name a field: a cache may leave it
// away.
func named(c Control, name string) bool {
	return slices.ContainsFunc(append(c.names("no-cache"), c.names("private")...), func(n string) bool { return strings.EqualFold(n, name) })
}

// ageTold: a stored response says its age (4).
func (j *Judge) ageTold(a *Answer, s *Stored) string {
	lines := a.Fields.All("Age")
	if s.Last().For == a.ID {
		return "" // validated or fetched for it; a passed one keeps what it had
	}
	if len(lines) != 1 {
		return fmt.Sprintf("4: a stored response with %d Age fields", len(lines))
	}
	got, ok := delta(lines[0])
	lo, _ := s.age(a.Came.Clock)
	_, hi := s.age(a.Began.Clock)
	if !ok || got < lo/1000 || got > (hi+999)/1000 {
		return fmt.Sprintf("4.2.3: Age is %s, between %d and %d ms are right", lines[0], lo, hi)
	}
	return ""
}

// made judges an answer that is the cache's own word.
func (j *Judge) made(a *Answer) (Kind, string) {
	request, _ := ParseControl(a.Request.Fields.All("Cache-Control"))
	switch {
	case a.Status == 504 && request.Has("only-if-cached"):
		return NotCached, ""
	case a.Status == 416:
		for _, e := range j.Exchanges {
			if !alike(e.Request.URL, a.URL) || e.Rep == nil {
				continue
			}
			size := int64(len(e.Rep.Bytes))
			spans, ok := ranges(a.Request.Fields.Get("Range"), size)
			_, dated := date(a.Request.Fields.Get("If-Range")) // whose equal may have come by a later 304
			if ok && len(spans) == 0 && (dated || ranged(a, j.Policy.made(e))) && a.Fields.Get("Content-Range") == fmt.Sprintf("bytes */%d", size) {
				return Unsatisfied, ""
			}
		}
		return Unsatisfied, "RFC 9110, 15.5.17: 416, and no version is that short"
	case a.Status >= 500 && a.Status != 501 && j.failedFor(a):
		return Failure, ""
	}
	return Failure, fmt.Sprintf("status %d of the cache's own, and nothing has failed", a.Status)
}
