package model

import (
	"fmt"
	"slices"
	"strings"
)

// mayReuse returns why s must not answer a ("" when it may), given that it was
// not the answer to a's own request.
func (j *Judge) mayReuse(a *Answer, s *Stored) string {
	own := s.Last().For == a.ID                                        // validated for this very request
	validated := own || len(s.Updates) > 0 && a.saw(s.Last().Answered) // or while it waited
	for n := range len(s.Updates) + 1 {                                // what was stored at each stage had to be storable
		if why := j.Policy.made(append([]*Exchange{s.Base}, s.Updates[:n]...)...).storable(&j.Policy); why != "" {
			return why
		}
	}
	if why := j.sameKey(a, s); why != "" {
		return why
	}
	if !own && !s.selected(a) {
		return "4.1: the fields that Vary names differ"
	}
	if why := j.invalidated(a, s); why != "" {
		return why
	}
	if why := j.missed(a, s); why != "" {
		return why
	}
	if s.Base.Cut && a.Status != 206 && !j.growing(a, s) && !s.joins() {
		return "3.3: an incomplete response was used as a whole one"
	}
	if own {
		return ""
	}
	if why := j.contradicted(a, s); why != "" {
		return why
	}
	if s.Control.unqualified("no-cache") && !(validated && a.saw(s.Last().Asked)) {
		return "5.2.2.4: no-cache was reused without validation"
	}
	if validated {
		return ""
	}
	if why := j.freshEnough(a, s); why != "" || j.failedFor(a) { // an error is worse than what the client has not wished for (RFC 5861, 4)
		return why
	}
	return asked(a, s, &j.Policy)
}

// growing reports whether s was still on its way when a came: nobody knew then
// that it would be cut.
func (j *Judge) growing(a *Answer, s *Stored) bool { return a.saw(s.Base.Ended) }

// sameKey: the target and the method (4), for QUERY the content and its type.
func (j *Judge) sameKey(a *Answer, s *Stored) string {
	q := &s.Base.Request
	switch {
	case !sameTarget(s.Fields, q.URL, a.URL):
		return "4: the response of another target, " + q.URL
	case q.Method == "QUERY" != (a.Method == "QUERY"), a.Method != "GET" && a.Method != "HEAD" && a.Method != "QUERY":
		return "4: the response to a " + q.Method + " answers a " + a.Method
	case q.Method == "POST" && (a.Method == "QUERY" || !j.Policy.represents(s.Base)):
		return "RFC 9110, 9.3.3: the response to a POST, which is not its target's representation"
	case a.Method == "QUERY" && (q.Content != a.Request.Content || q.Fields.Get("Content-Type") != a.Request.Fields.Get("Content-Type")):
		return "QUERY: the response to another query"
	}
	return ""
}

// selected reports whether the request fields that Vary nominates match (4.1).
func (s *Stored) selected(a *Answer) bool {
	for _, name := range splitList(s.Fields.Get("Vary")) {
		if name == "*" {
			return false
		}
		was, last := variant(name, s.Base.Request.Fields), variant(name, s.Last().Request.Fields)
		if got := variant(name, a.Request.Fields); got != was && got != last {
			return false
		}
	}
	return true
}

// sameFields reports whether another request selects s, whatever a cache
// takes for the same.
func (s *Stored) sameFields(r *Request) bool {
	for _, name := range splitList(s.Fields.Get("Vary")) {
		if name == "*" || r.Fields.Get(name) != s.Base.Request.Fields.Get(name) || r.Fields.Has(name) != s.Base.Request.Fields.Has(name) {
			return false
		}
	}
	return true
}

// variant brings a request field into the one form of all that mean the same.
func variant(name string, f Fields) string {
	if !f.Has(name) {
		return "absent"
	}
	members := splitList(f.Get(name))
	switch strings.ToLower(name) {
	case "accept-encoding": // RFC 9110, 12.5.3: coding names ignore case, and their order says nothing
		for i := range members {
			members[i] = strings.ToLower(strings.ReplaceAll(members[i], " ", ""))
		}
		slices.Sort(members)
		members = slices.Compact(members)
	case "accept-language": // RFC 4647, 2
		for i := range members {
			members[i] = strings.ToLower(strings.ReplaceAll(members[i], " ", ""))
		}
	}
	return "=" + strings.Join(members, ",")
}

// An Invalidation is that what was stored of a URL must be validated before it
// is used again (4.4): what was asked for before Before, for all requests that
// come after N. Soft, it has just become stale, and may still stand in for an
// error.
type Invalidation struct {
	URL    string
	Before int64
	N      int64
	Soft   bool
	Why    string
	But    *Exchange // whose response was stored in its place; nil: none
	// Group, when it is there, makes it one of all responses of URL's origin
	// that are in this group (RFC 9875, 2.1).
	Group string
}

// hits reports whether i is about s.
func (i *Invalidation) hits(s *Stored) bool {
	url := s.Base.Request.URL
	if i.Group == "" {
		return i.URL == url
	}
	return Origin(i.URL) == Origin(url) && slices.Contains(Groups(s.Fields, "Cache-Groups"), i.Group)
}

// Groups reads a field that lists groups (RFC 9875, 2 and 3): strings, with
// parameters that say nothing. nil when it can not be read.
func Groups(f Fields, name string) (groups []string) {
	for _, member := range splitList(f.Get(name)) {
		if !strings.HasPrefix(member, `"`) {
			return nil
		}
		group, rest, ok := unquote(member)
		if rest, ok2 := behindParameters(rest); !ok || !ok2 || rest != "" {
			return nil
		}
		groups = append(groups, group)
	}
	return groups
}

// Origin returns the scheme and the authority of a URL.
func Origin(url string) string {
	parts := strings.SplitN(url, "/", 4)
	return strings.Join(parts[:min(3, len(parts))], "/")
}

func (j *Judge) invalidated(a *Answer, s *Stored) string {
	for _, i := range j.Invalidations {
		if i.hits(s) && a.Came.N > i.N && s.Last().Asked.N < i.Before && i.But != s.Base &&
			!(i.Soft && j.failedFor(a) && j.mayStale(s) == "") {
			return "4.4: invalidated by " + i.Why + ", and not validated since"
		}
	}
	return ""
}

// missed: every 304 that identifies s has updated it, also one that forbids
// to keep it (4.3.4).
func (j *Judge) missed(a *Answer, s *Stored) string {
	tag := s.Fields.Get("ETag")
	for _, u := range j.Exchanges {
		control, ok := ParseControl(u.Request.Fields.All("Cache-Control"))
		if u.Status != 304 || j.behind(a, s, u) || u.Asked.N < s.Last().Ended.N || !ok || control.Has("no-store") || u.Request.Fields.Has("Authorization") {
			continue
		}
		if strings.HasPrefix(tag, "W/") && j.replaced(s, u) {
			continue // weak ones identify the most recent only
		}
		if u.Request.URL == s.Base.Request.URL && tag != "" && u.Fields.Get("ETag") == tag && u.Request.Fields.Get("If-None-Match") == tag &&
			s.sameFields(&u.Request) && u.Request.Method == s.Base.Request.Method && u.Request.Content == s.Base.Request.Content &&
			u.Request.Fields.Get("Content-Type") == s.Base.Request.Fields.Get("Content-Type") {
			return fmt.Sprintf("4.3.4: the 304 of exchange %d has not updated it", u.ID)
		}
	}
	return ""
}

// behind reports whether a may have been chosen before the 304 u was there. One
// to a's own request is waited for, unless s could be used as it was: then that
// request has asked behind the answer (RFC 5861, 3), and what happens in the same
// millisecond may have happened in either order.
func (j *Judge) behind(a *Answer, s *Stored, u *Exchange) bool {
	switch {
	case u.For != a.ID:
		return a.saw(u.Answered)
	case u.Answered.N > a.Began.N:
		return true
	}
	return u.Answered.Clock == a.Began.Clock && !s.Control.unqualified("no-cache") &&
		j.freshEnough(a, s) == "" && asked(a, s, &j.Policy) == ""
}

// replaced reports whether anything was fetched of s's target between it and u.
func (j *Judge) replaced(s *Stored, u *Exchange) bool {
	for _, e := range j.Exchanges[s.Base.ID+1 : u.ID] {
		if e.Request.URL == s.Base.Request.URL && e.Rep != nil {
			return true
		}
	}
	return false
}

// contradicted: a HEAD has shown since that there is another representation now
// (4.3.5).
func (j *Judge) contradicted(a *Answer, s *Stored) string {
	tag := s.Fields.Get("ETag")
	for _, u := range j.Exchanges {
		control, ok := ParseControl(u.Request.Fields.All("Cache-Control"))
		if u.Request.Method == "HEAD" && u.Status == 200 && u.Request.URL == s.Base.Request.URL && s.Base.Request.Method == "GET" &&
			u.Answered.N < a.Came.N && u.Asked.N > s.Last().Ended.N && ok && !control.Has("no-store") && !u.Request.Fields.Has("Authorization") &&
			tag != "" && u.Fields.Has("ETag") && u.Fields.Get("ETag") != tag && s.sameFields(&u.Request) && !j.failedFor(a) {
			return fmt.Sprintf("4.3.5: the HEAD response of exchange %d has another entity tag", u.ID)
		}
	}
	return ""
}

// freshEnough: fresh, or allowed to be served stale (4.2, 4.2.4).
func (j *Judge) freshEnough(a *Answer, s *Stored) string {
	_, lifetime, _ := s.lifetime(&j.Policy)
	age, _ := s.age(a.Came.Clock)
	if lifetime > age {
		return ""
	}
	staleness := age - lifetime
	if why := j.mayStale(s); why != "" {
		return why
	}
	request, _ := ParseControl(a.Request.Fields.All("Cache-Control"))
	for _, d := range request {
		if n, ok := delta(d.Arg); d.Name == "max-stale" && (!d.HasArg || ok && staleness <= n*1000) {
			return ""
		}
	}
	if _, within, ok := s.Control.seconds("stale-while-revalidate"); ok && staleness <= within {
		return ""
	}
	if j.failedFor(a) && staleness <= j.staleIfError(request, s.Control) {
		return ""
	}
	return "4.2.4: stale, and nothing allows it"
}

// mayStale returns what forbids to use s when it is stale (4.2.4).
func (j *Judge) mayStale(s *Stored) string {
	switch c := s.Control; {
	case c.Has("must-revalidate"):
		return "5.2.2.2: stale, and must-revalidate"
	case j.Policy.Shared && c.Has("proxy-revalidate"):
		return "5.2.2.8: stale, and proxy-revalidate"
	case j.Policy.Shared && c.Has("s-maxage"):
		return "5.2.2.10: stale, and s-maxage"
	}
	return ""
}

// staleIfError is how long past its freshness a response may stand in for an
// error, in milliseconds (RFC 5861, 4): as a directive says, else the policy.
func (j *Judge) staleIfError(request, response Control) int64 {
	_, here, ok := request.seconds("stale-if-error")
	_, there, also := response.seconds("stale-if-error")
	if ok || also {
		return max(here, there)
	}
	return j.Policy.StaleIfError * 1000
}

// failedFor reports whether the origin failed while a waited.
func (j *Judge) failedFor(a *Answer) bool {
	for _, e := range j.Exchanges {
		bad, when := e.Failed || e.Cut || e.Status == 500 || e.Status >= 502 && e.Status <= 504, e.Answered
		if e.Cut {
			when = e.Ended
		}
		if bad && (e.For == a.ID || alike(e.Request.URL, a.URL) && a.saw(when) && e.Asked.N < a.Ended.N) {
			return true
		}
	}
	return false
}

// asked: what the request itself wants of a stored response (5.2.1). A cache
// may ignore it; this one does not.
func asked(a *Answer, s *Stored, p *Policy) string {
	c, _ := ParseControl(a.Request.Fields.All("Cache-Control"))
	_, lifetime, _ := s.lifetime(p)
	age, _ := s.age(a.Came.Clock)
	if c.Has("no-cache") {
		return "5.2.1.4: the request says no-cache"
	}
	kept := s.Control.Has("immutable") && lifetime > age // RFC 8246, 2.1
	if _, most, ok := c.seconds("max-age"); ok && age > most && !c.Has("max-stale") && !kept {
		return "5.2.1.1: older than the request's max-age"
	}
	if least, _, ok := c.seconds("min-fresh"); ok && lifetime-age < least && !c.Has("max-stale") {
		return "5.2.1.3: less fresh than the request's min-fresh"
	}
	return ""
}
