package model

import (
	"bytes"
	"fmt"
	"mime"
	"mime/multipart"
	"strconv"
	"strings"
)

// notModified reports whether the request's conditions ask for a 304 of s
// (RFC 9110, 13.2.2; RFC 9111, 4.3.2).
func notModified(a *Answer, s *Stored) bool {
	f := a.Request.Fields
	if f.Has("If-None-Match") {
		tag := s.Fields.Get("ETag")
		for _, t := range splitList(f.Get("If-None-Match")) {
			if t == "*" || tag != "" && strings.TrimPrefix(t, "W/") == strings.TrimPrefix(tag, "W/") {
				return true
			}
		}
		return false
	}
	since, ok := date(f.Get("If-Modified-Since"))
	if !ok {
		return false
	}
	if at, ok := date(s.Fields.Get("Last-Modified")); ok {
		return at <= since
	}
	return s.date()/1000*1000 <= since
}

// A span is a part of a representation, both ends included.
type span struct{ first, last int64 }

// ranges returns the satisfiable parts that a Range asks for of size bytes; ok
// is false when the field is to be ignored (RFC 9110, 14.1.1 and 14.2).
func ranges(value string, size int64) (spans []span, ok bool) {
	unit, set, ok := strings.Cut(value, "=")
	if !ok || !strings.EqualFold(unit, "bytes") || len(splitList(set)) == 0 {
		return nil, false
	}
	for _, r := range splitList(set) {
		from, to, ok := strings.Cut(r, "-")
		first, okFirst := delta(from)
		last, okLast := delta(to)
		switch {
		case !ok, from != "" && !okFirst, to != "" && !okLast, from == "" && to == "", from != "" && to != "" && last < first:
			return nil, false
		case from == "":
			first, last = max(0, size-last), size-1
		case to == "":
			last = size - 1
		}
		if first < size && first <= last {
			spans = append(spans, span{first, min(last, size-1)})
		}
	}
	return spans, true
}

// ranged reports whether a's Range is to be looked at: its method, and If-Range
// (RFC 9110, 13.1.5).
func ranged(a *Answer, s *Stored) bool {
	f := a.Request.Fields
	if !f.Has("Range") || a.Method != "GET" && a.Method != "QUERY" {
		return false
	}
	want := f.Get("If-Range")
	if want == "" {
		return true
	}
	if strings.Contains(want[:min(3, len(want))], `"`) {
		return want == s.Fields.Get("ETag") && !strings.HasPrefix(want, "W/")
	}
	at, ok := date(want)
	modified, ok2 := date(s.Fields.Get("Last-Modified"))
	return ok && ok2 && at == modified && s.strongDate()
}

// content returns what is wrong with status and content of a, which is made of
// s ("" when nothing is).
func (j *Judge) content(a *Answer, s *Stored) string {
	status := s.Base.Status
	if status == 206 { // what the origin sent a part of
		status = 200
	}
	due := status >= 200 && status < 300 && notModified(a, s)
	switch {
	case s.Base.Status == 304: // the origin's, for the client's own conditions
		if a.Status != 304 || !a.Request.Fields.Has("If-None-Match") && !a.Request.Fields.Has("If-Modified-Since") {
			return "4.3.3: a 304 that this client has not asked for"
		}
		return empty(a)
	case a.Status == 304 && !due:
		return "RFC 9110, 13.2.2: 304, and the conditions do not say so"
	case a.Status == 304:
		return empty(a)
	case due && status == 200 && s.Last().For != a.ID && (s.Fields.Has("Date") || a.Request.Fields.Has("If-None-Match")):
		return "4.3.2: the conditions are false, and the answer is not 304"
	case a.Status == 206:
		return partial(a, s)
	case a.Status != status:
		return fmt.Sprintf("status %d of a response with %d", a.Status, status)
	}
	return whole(a, s)
}

func empty(a *Answer) string {
	if a.Content != "" {
		return fmt.Sprintf("RFC 9110, 15.4.5: %d with content", a.Status)
	}
	return ""
}

// whole: the content is all of the representation, or visibly cut.
func whole(a *Answer, s *Stored) string {
	var want string
	if s.Base.Rep != nil {
		want = s.Base.Rep.Bytes
	}
	switch {
	case a.Method == "HEAD":
		if a.Length >= 0 && s.Base.Rep != nil && a.Length != int64(len(want)) {
			return fmt.Sprintf("RFC 9110, 8.6: HEAD says Content-Length %d of %d bytes", a.Length, len(want))
		}
		return empty(a)
	case a.Whole && a.Content != want:
		return differ(a.Content, want)
	case !strings.HasPrefix(want, a.Content):
		return "cut, and what came is not the beginning: " + differ(a.Content, want)
	}
	return ""
}

func differ(got, want string) string {
	n := 0
	for n < min(len(got), len(want)) && got[n] == want[n] {
		n++
	}
	return fmt.Sprintf("content of %d bytes differs from the %d of its version at byte %d", len(got), len(want), n)
}

// partial: a 206 has what was asked for, of one version (RFC 9110, 15.3.7).
func partial(a *Answer, s *Stored) string {
	if s.Base.Rep == nil || s.Base.Status != 200 && s.Base.Status != 206 {
		return fmt.Sprintf("RFC 9110, 14.2: 206 of a response with %d", s.Base.Status)
	}
	if !ranged(a, s) {
		return "RFC 9110, 13.1.5: 206, and Range is to be ignored"
	}
	full := s.Base.Rep.Bytes
	spans, ok := ranges(a.Request.Fields.Get("Range"), int64(len(full)))
	if !ok || len(spans) == 0 {
		return "RFC 9110, 14.2: 206 of a Range that can not be satisfied"
	}
	if kind, params, _ := mime.ParseMediaType(a.Fields.Get("Content-Type")); kind == "multipart/byteranges" {
		return parts(a, full, spans, params["boundary"])
	}
	got, why := contentRange(a.Fields.Get("Content-Range"), int64(len(full)))
	if why != "" {
		return why
	}
	if !joined(spans, got) {
		return fmt.Sprintf("RFC 9110, 15.3.7: bytes %v of %v", got, spans)
	}
	want := full[got.first : got.last+1]
	if a.Whole && a.Content != want || !strings.HasPrefix(want, a.Content) {
		return "206: " + differ(a.Content, want)
	}
	return ""
}

// joined reports whether one part may stand for the spans: it is their hull
// (RFC 9110, 15.3.7.2 lets parts be joined).
func joined(spans []span, got span) bool {
	hull := spans[0]
	for _, s := range spans {
		hull = span{min(hull.first, s.first), max(hull.last, s.last)}
	}
	return hull == got
}

func contentRange(value string, size int64) (s span, why string) {
	of, rest, _ := strings.Cut(strings.TrimPrefix(value, "bytes "), "/")
	first, last, _ := strings.Cut(of, "-")
	var ok, ok2 bool
	s.first, ok = delta(first)
	s.last, ok2 = delta(last)
	if !ok || !ok2 || s.first > s.last || s.last >= size || rest != strconv.FormatInt(size, 10) {
		return s, fmt.Sprintf("RFC 9110, 14.4: Content-Range %q of %d bytes", value, size)
	}
	return s, ""
}

// parts: each of a multipart answer is what it says, and what was asked for is
// in one of them.
func parts(a *Answer, full string, spans []span, boundary string) string {
	if !a.Whole {
		return ""
	}
	if len(spans) == 1 && len(splitList(a.Request.Fields.Get("Range"))) == 1 {
		return "RFC 9110, 15.3.7.2: multipart for one range"
	}
	var got []span
	for r := multipart.NewReader(strings.NewReader(a.Content), boundary); ; {
		p, err := r.NextRawPart()
		if err != nil {
			break // the count below tells whether that was too early
		}
		s, why := contentRange(p.Header.Get("Content-Range"), int64(len(full)))
		if why != "" {
			return why
		}
		var b bytes.Buffer
		if _, err = b.ReadFrom(p); err != nil || b.String() != full[s.first:s.last+1] {
			return fmt.Sprintf("RFC 9110, 14.6: part %v: %s", s, differ(b.String(), full[s.first:s.last+1]))
		}
		got = append(got, s)
	}
	for _, s := range spans {
		found := false
		for _, g := range got {
			found = found || g.first <= s.first && s.last <= g.last
		}
		if !found {
			return fmt.Sprintf("RFC 9110, 15.3.7.2: %v is missing among the parts %v", s, got)
		}
	}
	if a.Fields.Has("Content-Range") {
		return "RFC 9110, 15.3.7.2: Content-Range in the head of a multipart answer"
	}
	return ""
}
