package model

import (
	"slices"
	"strings"
)

// Owed returns what a cache that does its work would have done better for a,
// "" when nothing: not to cache at all offends no RFC, and is of no use. It
// claims only what is certain, of requests that were alone.
func (j *Judge) Owed(a *Answer) string {
	asked := j.askedFor(a)
	switch a.Method {
	case "GET", "HEAD":
	case "QUERY":
		return ""
	default:
		return throughTo(a, asked)
	}
	if !a.Alone || !a.Whole || j.GivesUp || j.full() {
		return ""
	}
	if s := j.surely(a); s != nil && len(asked) > 0 {
		lifetime, _, _ := s.lifetime(&j.Policy)
		_, age := s.age(max(a.Began.Clock, a.Came.Clock))
		tag := s.Fields.Get("ETag")
		switch {
		case lifetime > age:
			return "a response that is stored and fresh was asked for again: " + strings.Join(names(s), ", ")
		case a.Method == "GET" && tag != "" && asked[0].Request.Fields.Get("If-None-Match") != tag:
			return "4.3.1: a response that is stored and stale was asked for anew: " + strings.Join(names(s), ", ")
		}
	}
	if n := len(asked); n > 1 && !asked[1].Request.Fields.Has("Range") && j.settled(asked[0]) {
		return "4.3.3: a 304 settles it, and the origin was asked again"
	}
	return ""
}

// full reports whether so much was fetched that some of it may have had to go.
func (j *Judge) full() bool {
	sum := 0
	for _, e := range j.Exchanges {
		if e.Rep != nil {
			sum += len(e.Rep.Bytes)
		}
	}
	return sum > j.Room
}

// askedFor returns the exchanges that carried a's request.
func (j *Judge) askedFor(a *Answer) (asked []*Exchange) {
	for _, e := range j.Exchanges {
		if e.For == a.ID {
			asked = append(asked, e)
		}
	}
	return asked
}

// throughTo: an unsafe request is written through, once and as it is (4).
func throughTo(a *Answer, asked []*Exchange) string {
	switch {
	case len(asked) != 1:
		return "4: an unsafe request must reach the origin once"
	case asked[0].Request.Method != a.Method || asked[0].Request.Content != a.Request.Content:
		return "4: an unsafe request was changed on its way"
	}
	return ""
}

// Forwarded returns what is wrong with what the cache made of the request that
// it carried to the origin: end-to-end fields and directives pass (5.2; RFC
// 9110, 7.6), validators are those of responses to that target (4.3.1).
func (j *Judge) Forwarded(client *Request, e *Exchange) string {
	conditional := []string{"if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "if-range", "range"}
	for _, l := range forward(client.Fields) {
		if name := strings.ToLower(l.Name); !slices.Contains(conditional, name) && e.Request.Fields.Get(name) != client.Fields.Get(name) {
			return "5.2: on its way to the origin " + l.Name + " has changed"
		}
	}
	if e.Request.URL != client.URL {
		return "the target has changed on its way to the origin"
	}
	for _, tag := range splitList(e.Request.Fields.Get("If-None-Match")) {
		if !slices.Contains(splitList(client.Fields.Get("If-None-Match")), tag) && !j.known(e, "ETag", tag) {
			return "4.3.1: the origin was asked about an entity tag that no stored response has"
		}
	}
	if at := e.Request.Fields.Get("If-Modified-Since"); at != "" && at != client.Fields.Get("If-Modified-Since") && !j.known(e, "Last-Modified", at) {
		return "4.3.1: the origin was asked about a date that no stored response has"
	}
	return ""
}

// known reports whether an earlier response to e's target said name: value.
func (j *Judge) known(e *Exchange, name, value string) bool {
	for _, old := range j.Exchanges {
		same := old.Request.URL == e.Request.URL || alike(old.Request.URL, e.Request.URL) && j.searches(e.Request.URL)
		if same && old.Answered.N < e.Asked.N && old.Fields.Get(name) == value {
			return true
		}
	}
	return false
}

// searches reports whether a response to a URL with that path has had
// No-Vary-Search.
func (j *Judge) searches(url string) bool {
	return slices.ContainsFunc(j.Exchanges, func(e *Exchange) bool { return alike(e.Request.URL, url) && e.Fields.Has("No-Vary-Search") })
}

// surely returns the response that a cache must have for a, whatever it was
// free to do: the last that the origin said of this target, with nothing
// against it. nil when there is none that certain.
func (j *Judge) surely(a *Answer) *Stored {
	var of []*Exchange
	for _, e := range j.Exchanges {
		if e.Request.URL == a.URL && e.Asked.N < a.Came.N {
			of = append(of, e)
		}
	}
	if len(of) == 0 || j.searches(a.URL) { // another URL's response may have taken its place
		return nil
	}
	last := of[len(of)-1]
	for _, e := range of {
		// Which variants are kept is the cache's choice, and for a moment it
		// may remember that responses could not be stored.
		recent := e.Answered.Clock > last.Asked.Clock-2500
		if e.Fields.Get("Vary") != last.Fields.Get("Vary") || e.Answered.N > a.Came.N || recent && !j.dull(e) {
			return nil
		}
	}
	s := j.Policy.made(last)
	if !j.dull(last) || !s.selected(a) || j.purged(last) || eager(&a.Request) || a.Came.Clock < last.Answered.Clock { // then its age is not known
		return nil
	}
	return s
}

// purged reports whether anything may have invalidated the response of e: with
// groups that is whatever was invalidated of its origin.
func (j *Judge) purged(e *Exchange) bool {
	return slices.ContainsFunc(j.Invalidations, func(i Invalidation) bool {
		grouped := e.Fields.Has("Cache-Groups") && Origin(i.URL) == Origin(e.Request.URL)
		return (i.URL == e.Request.URL && i.Group == "" || grouped) && i.N > e.Asked.N
	})
}

// dull reports that a response is whole and stored by every cache, and that
// nothing in it or in its request makes one hesitate.
func (j *Judge) dull(e *Exchange) bool {
	if e.Failed || e.Cut || e.Request.Method != "GET" || e.Status != 200 || e.Rep == nil || eager(&e.Request) || e.Request.Fields.Has("Range") {
		return false
	}
	s := j.Policy.made(e)
	if strings.Contains(s.Fields.Get("Cache-Control"), `"`) {
		return false
	}
	for _, d := range s.Control {
		if !slices.Contains([]string{"max-age", "public", "s-maxage", "must-revalidate", "stale-while-revalidate", "stale-if-error"}, d.Name) {
			return false
		}
	}
	lifetime, _, explicit := s.lifetime(&j.Policy)
	_, age := s.age(e.Answered.Clock)
	return explicit && lifetime > age && s.storable(&j.Policy) == "" && !s.Fields.Has("Set-Cookie") && !slices.Contains(splitList(s.Fields.Get("Vary")), "*")
}

// eager reports that a request has something that may be a reason to ask the
// origin for it alone.
func eager(r *Request) bool {
	for _, name := range []string{"Cache-Control", "Pragma", "Authorization", "If-Match", "If-Unmodified-Since"} {
		if r.Fields.Has(name) {
			return true
		}
	}
	return r.Content != ""
}

// settled reports that e is a 304 which surely freshens the response whose tag
// was asked about.
func (j *Judge) settled(e *Exchange) bool {
	tag := e.Fields.Get("ETag")
	if e.Status != 304 || tag == "" || e.Request.Fields.Get("If-None-Match") != tag || e.Fields.Has("Vary") ||
		e.Fields.Has("Cache-Groups") || e.Fields.Has("No-Vary-Search") { // it may not be able to take them over

		return false
	}
	if request, _ := ParseControl(e.Request.Fields.All("Cache-Control")); request.Has("no-store") || e.Request.Fields.Has("Authorization") {
		return false
	}
	s := j.Policy.made(e)
	if s.unread || e.Fields.Has("Set-Cookie") || len(s.Control) == 0 {
		return false
	}
	for _, d := range s.Control {
		if d.Name != "max-age" && d.Name != "public" {
			return false
		}
	}
	return !slices.ContainsFunc(j.Exchanges, func(o *Exchange) bool { // nobody else was at it
		return o != e && o.For != e.For && o.Request.URL == e.Request.URL && o.Answered.N > e.Asked.N
	})
}

func names(s *Stored) (ids []string) {
	for _, l := range s.Fields {
		if strings.HasPrefix(l.Name, "X-U-") {
			ids = append(ids, l.Name)
		}
	}
	return ids
}
