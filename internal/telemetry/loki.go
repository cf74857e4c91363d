package telemetry

import (
	"cmp"
	"encoding/base64"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// LokiOptions are where and how records are pushed to Loki.
type LokiOptions struct {
	URL            string // with the path
	User, Password string // for basic authentication; User empty: none
	Tenant         string // X-Scope-OrgID; empty: none
	POP, Node      string // stream labels
	Batch          int    // bytes that are pushed together; 0: 1 MiB
	Queue          int    // bytes that wait in all; 0: 8 MiB
	Wait           time.Duration
	Gzip           bool
	Streams        int               // countries that have a stream of their own; 0: 100
	Carrier        http.RoundTripper // nil: a Transport of its own
	Log            *slog.Logger      // nil: nobody is told of failures
}

// A Loki pushes Records to Loki: the line that an access log has in JSON, with
// the labels service, pop, node and geoip_country_code, and with what is of
// many values as structured metadata. Requests never wait for it.
//
// The nil Loki takes Records and does nothing.
type Loki struct {
	push    *pusher
	begins  []byte // of a stream, up to its country
	streams int32
	own     atomic.Int32          // countries that have a stream of their own
	seen    [26 * 26]atomic.Int32 // 0: not yet; countryOwn, countryOther
	entries sync.Pool             // of *entry
}

const (
	countryOwn = iota + 1
	countryOther
)

// An entry is where a Record becomes one.
type entry struct {
	pen
	value []byte
}

// StartLoki starts what pushes.
func StartLoki(o LokiOptions) *Loki {
	l := &Loki{streams: int32(min(bounded(o.Streams, 100, 1), 26*26))}
	l.entries.New = func() any { return new(entry) }
	l.begins = appendString([]byte(`{"stream":{"service":"opencache","pop":`), o.POP)
	l.begins = appendString(append(l.begins, `,"node":`...), o.Node)
	l.begins = append(l.begins, `,"geoip_country_code":"`...)
	header := http.Header{}
	if o.User != "" {
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(o.User+":"+o.Password)))
	}
	if o.Tenant != "" {
		header.Set("X-Scope-OrgID", o.Tenant)
	}
	l.push = startPusher(pushOptions{
		name: "loki", url: o.URL, header: header, carrier: o.Carrier, gzip: o.Gzip, log: o.Log, compose: l.compose,
		batch: bounded(o.Batch, 1<<20, 2*blockSize), queue: bounded(o.Queue, 8<<20, 4*blockSize), wait: cmp.Or(o.Wait, time.Second),
	})
	return l
}

// Write pushes r with others. It does not wait: what finds no room is dropped
// and counted. r and what it points to are the caller's again afterwards.
func (l *Loki) Write(r *Record) {
	if l == nil {
		return
	}
	e := l.entries.Get().(*entry)
	e.line = e.json(e.line[:0], r)
	v := append(e.value[:0], `["`...)
	v = strconv.AppendInt(v, r.Time.UnixNano(), 10)
	v = append(v, `","`...)
	v = appendEscaped(v, e.line[:len(e.line)-1], 2*blockSize) // all of it: a line fits a block
	v = append(v, `",{`...)
	v = append(appendMeta(v, r), "}]"...)
	e.value = v
	l.push.add(l.country(r.Place), v)
	l.entries.Put(e)
}

// appendMeta appends the fields that are structured metadata, as an object
// without its braces.
func appendMeta(dst []byte, r *Record) []byte {
	first := true
	for i := range fields {
		f := &fields[i]
		if !f.meta {
			continue
		}
		mark := len(dst)
		if !first {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), f.name...), `":"`...)
		begin := len(dst)
		if dst = f.value(dst, r, inJSON); len(dst) == begin {
			dst = dst[:mark]
			continue
		}
		dst, first = append(dst, '"'), false
	}
	return dst
}

// country is the number of a country's stream, 0 of that of all others.
func (l *Loki) country(p *Place) int32 {
	if p == nil || len(p.Country) != 2 {
		return 0
	}
	a, b := p.Country[0]-'A', p.Country[1]-'A'
	if a >= 26 || b >= 26 {
		return 0
	}
	n := int32(a)*26 + int32(b)
	state := l.seen[n].Load()
	if state == 0 {
		state = countryOther
		if l.own.Add(1) <= l.streams {
			state = countryOwn
		}
		if !l.seen[n].CompareAndSwap(0, state) {
			state = l.seen[n].Load()
		}
	}
	if state == countryOther {
		return 0
	}
	return n + 1
}

// compose appends the body of a push: the entries of a batch by stream.
func (l *Loki) compose(dst []byte, b *batch) []byte {
	slices.SortStableFunc(b.marks, func(x, y mark) int { return cmp.Compare(x.tag, y.tag) })
	dst = append(dst, `{"streams":[`...)
	for i, m := range b.marks {
		switch {
		case i > 0 && b.marks[i-1].tag == m.tag:
			dst = append(dst, ',')
		default:
			if i > 0 {
				dst = append(dst, "]},"...)
			}
			dst = append(dst, l.begins...)
			if m.tag > 0 {
				dst = append(dst, byte('A'+(m.tag-1)/26), byte('A'+(m.tag-1)%26))
			}
			dst = append(dst, `"},"values":[`...)
		}
		dst = append(dst, b.bytes[m.begin:m.end]...)
	}
	return append(dst, "]}]}"...)
}

// Part are its metrics.
func (l *Loki) Part() Part { return l.push.part("loki", "entries") }

// Close pushes what is there, for five seconds at most, and ends it. Records
// that come later are dropped.
func (l *Loki) Close() {
	if l != nil {
		l.push.Close()
	}
}
