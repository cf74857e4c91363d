package kvs

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A directus is documents in the items of a Directus: GET /items/kvs gives
// {"data": [{"key": …, "value": …}, …]}, a value being a text or an object. It is
// asked page by page, each under the validator of the last answer, so that
// what did not change is not sent again.
type directus struct {
	name   string // without what may be secret
	items  url.URL
	o      Options
	client http.Client
	pages  []page // as of the last round
	last   Set    // that was made of them
}

// A page is one answer. Pages are asked for by offset.
type page struct {
	etag  string
	items []item
	total int // of all pages; -1: not told
}

// An item is a record.
type item struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

const (
	// directusPage is how many records one request asks for.
	directusPage = 500
	// directusTries is how often a round is begun anew because records came or
	// went while it was under way.
	directusTries = 3
)

// errShifted says that pages do not fit together.
var errShifted = errors.New("records came or went while they were read")

func newDirectus(name string, o Options) (*directus, error) {
	u, err := parseURL(name)
	switch {
	case err != nil:
		return nil, err
	case u.User != nil:
		return nil, errors.New(u.Scheme + "://…: a user in the name: expected a token in a file or the environment")
	case u.Hostname() == "":
		return nil, errors.New(u.Scheme + "://: expected https://HOST[:PORT][/BASE]")
	}
	u.Fragment = ""
	if !strings.Contains(u.Path, "/items/") {
		u.Path = strings.TrimRight(u.Path, "/") + "/items/kvs"
	}
	d := &directus{name: u.Scheme + "://" + u.Host + u.Path, items: *u, o: o}
	d.client = http.Client{
		Transport: o.Transport,
		Timeout:   o.Timeout,
		// Another place's documents are not what was asked for, and the token
		// is not for it.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if o.Transport == nil {
		d.client.Transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	return d, nil
}

func (d *directus) String() string { return d.name }

// Watch is part of Source.
func (d *directus) Watch(ctx context.Context, again <-chan struct{}, tell func(Set, error)) {
	defer d.client.CloseIdleConnections()
	p := patience{least: time.Second, most: max(d.o.Poll, time.Second), random: d.o.Random}
	anyway := true // it is told though it be what was told before
	for {
		set, changed, err := d.round(ctx)
		wait := time.Duration(float64(d.o.Poll) * (0.9 + 0.2*d.o.Random()))
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			anyway = true
			tell(Set{}, fmt.Errorf("%s: %w", d.name, err))
			wait = p.wait()
			if e := (busyError{}); errors.As(err, &e) {
				wait = max(wait, e.after)
			}
		case anyway || changed:
			anyway = false
			tell(set, nil)
			p.reset()
		default:
			p.reset()
		}
		anyway = pause(ctx, again, wait) || anyway
	}
}

// round reads all pages; changed is false when they say what they said.
func (d *directus) round(ctx context.Context) (set Set, changed bool, err error) {
	var pages []page
	fresh := false
	for range directusTries {
		pages, fresh, err = d.walk(ctx)
		if !errors.Is(err, errShifted) {
			break
		}
		d.pages = nil
	}
	if err != nil {
		return Set{}, false, err
	}
	if !fresh && len(pages) == len(d.pages) {
		return d.last, false, nil
	}
	if set, err = d.set(pages); err != nil {
		return Set{}, false, err
	}
	changed = !sameSet(set, d.last)
	d.pages, d.last = pages, set
	return set, changed, nil
}

// walk asks for page after page until all records are there.
func (d *directus) walk(ctx context.Context) (pages []page, fresh bool, err error) {
	records, bytes := 0, 0
	for n := 0; ; n++ {
		var before page
		if n < len(d.pages) {
			before = d.pages[n]
		}
		p, err := d.ask(ctx, records, before)
		if err != nil {
			return nil, false, err
		}
		if n > 0 && p.repeats(pages[n-1]) {
			if p.total < 0 {
				return pages, fresh || len(pages) != len(d.pages), nil
			}
			return nil, false, fmt.Errorf("the same records again behind %d of %d: expected it to know limit and offset", records, p.total)
		}
		fresh = fresh || p.etag == "" || p.etag != before.etag
		if n > 0 && p.total != pages[0].total {
			return nil, fresh, errShifted
		}
		pages = append(pages, p)
		records += len(p.items)
		for _, i := range p.items {
			bytes += len(i.Value)
		}
		switch {
		case records > d.o.MaxDocuments || bytes > 2*d.o.MaxBytes:
			return nil, false, fmt.Errorf("%d records of %d bytes so far: expected at most %d documents of %d", records, bytes, d.o.MaxDocuments, d.o.MaxBytes)
		case p.total >= 0 && records >= p.total:
			return pages, fresh, nil
		case len(p.items) == 0 && p.total > records:
			return nil, fresh, errShifted
		case len(p.items) == 0:
			return pages, fresh, nil
		}
	}
}

// repeats reports whether a page is the one before once more: who answers does
// not know pages, and has given all there is.
func (p *page) repeats(before page) bool {
	return len(p.items) > 0 && p.items[0].Key != "" && slices.EqualFunc(p.items, before.items, func(a, b item) bool { return a.Key == b.Key })
}

// ask gets the page that begins behind offset records; before is what it was.
func (d *directus) ask(ctx context.Context, offset int, before page) (page, error) {
	request, err := d.request(ctx, offset)
	if err != nil {
		return page{}, err
	}
	if before.etag != "" {
		request.Header.Set("If-None-Match", before.etag)
	}
	response, err := d.client.Do(request)
	if err != nil {
		var e *url.Error // which repeats the address
		if errors.As(err, &e) {
			err = e.Err
		}
		return page{}, err
	}
	defer func() {
		_, _ = io.CopyN(io.Discard, response.Body, 4<<10) // so that the connection can be kept
		_ = response.Body.Close()
	}()
	switch {
	case response.StatusCode == http.StatusNotModified && before.etag != "":
		return before, nil
	case response.StatusCode != http.StatusOK:
		return page{}, refused(response)
	}
	p := page{etag: response.Header.Get("ETag")}
	text, err := readAtMost(response.Body, d.o.MaxBytes)
	if err != nil {
		return page{}, err
	}
	p.items, p.total, err = parseItems(text)
	return p, err
}

// request is the one for the page behind offset records. What the name says
// behind its ? is asked for as well: filters, above all.
func (d *directus) request(ctx context.Context, offset int) (*http.Request, error) {
	u := d.items
	q := u.Query()
	q.Set("fields", "key,value")
	q.Set("sort", "key")
	q.Set("limit", strconv.Itoa(directusPage))
	q.Set("offset", strconv.Itoa(offset))
	q.Set("meta", "filter_count")
	if d.o.Prefix != "" {
		q.Set("filter[key][_starts_with]", d.o.Prefix)
	}
	u.RawQuery = q.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	token, err := d.o.Token.Read()
	if err != nil {
		return nil, err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	request.Header.Set("Accept", "application/json")
	return request, nil
}

// A busyError is an answer that says how long to stay away.
type busyError struct {
	status string
	after  time.Duration
}

func (e busyError) Error() string { return e.status + ", back in " + e.after.String() }

// longestRetry bounds how long an answer can keep this edge away.
const longestRetry = 10 * time.Minute

// refused is the error of an answer that is no list.
func refused(r *http.Response) error {
	status := "status " + r.Status
	if s, err := strconv.ParseUint(r.Header.Get("Retry-After"), 10, 32); err == nil && s > 0 {
		return busyError{status, min(time.Duration(s)*time.Second, longestRetry)}
	}
	return errors.New(status)
}

// parseItems reads an answer's content. Total is -1 when it does not tell.
func parseItems(text []byte) (items []item, total int, err error) {
	var answer struct {
		Data *[]item `json:"data"`
		Meta struct {
			FilterCount *int `json:"filter_count"`
		} `json:"meta"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, 0, fmt.Errorf(`expected {"data": [{"key": …, "value": …}, …]}: %w`, err)
	}
	if answer.Data == nil {
		return nil, 0, errors.New(`no data: expected {"data": [{"key": …, "value": …}, …]}`)
	}
	total = -1
	if n := answer.Meta.FilterCount; n != nil {
		total = max(*n, 0)
	}
	return *answer.Data, total, nil
}

// set makes documents of records.
func (d *directus) set(pages []page) (Set, error) {
	var docs []Document
	var faults []Fault
	for _, p := range pages {
		for _, i := range p.items {
			if !strings.HasPrefix(i.Key, d.o.Prefix) {
				continue
			}
			doc := Document{Key: i.Key, Where: d.name + " " + cmp.Or(i.Key, "a record without key")}
			text, err := textOf(i.Value)
			if err == nil && i.Key == "" {
				err = errors.New("no key: expected one")
			}
			if err == nil && len(text) > d.o.MaxDocument {
				err = d.o.tooLong(int64(len(text)))
			}
			if err != nil {
				faults = append(faults, Fault{doc.Key, doc.Where, err})
				continue
			}
			doc.Text, doc.Revision = text, digest(text)
			docs = append(docs, doc)
		}
	}
	return assemble(docs, faults, &d.o)
}

// textOf is the text in a record's value: an object as it stands, or what a
// string holds.
func textOf(value json.RawMessage) ([]byte, error) {
	value = bytes.TrimSpace(value)
	switch {
	case len(value) > 0 && value[0] == '{':
		return value, nil
	case len(value) > 0 && value[0] == '"':
		var s string
		err := json.Unmarshal(value, &s)
		return []byte(s), err
	}
	return nil, errors.New("value: expected an object, or a text that holds one")
}
