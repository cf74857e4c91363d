package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"opencache/internal/edge"
)

const (
	// mostOrder bounds the content of POST /v1/purge.
	mostOrder = 1 << 20
	// mostWait bounds how long it waits for the count.
	mostWait = 8 * time.Second
)

// A purgeOrder is what POST /v1/purge takes; see edge.Purge.
type purgeOrder struct {
	URLs    []string `json:"urls,omitempty"`
	Tags    []string `json:"tags,omitempty"`
	Prefix  string   `json:"prefix,omitempty"`
	Pattern string   `json:"pattern,omitempty"`
	Site    string   `json:"site,omitempty"`
	Zone    string   `json:"zone,omitempty"`
	Soft    bool     `json:"soft,omitempty"`
	Wait    string   `json:"wait,omitempty"` // for the count, like 2s; empty: not at all
}

func (o *purgeOrder) purge() *edge.Purge {
	return &edge.Purge{
		URLs: o.URLs, Tags: o.Tags, Prefix: o.Prefix, Pattern: o.Pattern, Site: o.Site, Zone: o.Zone, Soft: o.Soft,
	}
}

// wait is how long Wait says.
func (o *purgeOrder) wait() (time.Duration, error) {
	if o.Wait == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(o.Wait)
	if err != nil || d < 0 || d > mostWait {
		return 0, fmt.Errorf("wait %q: expected a time from 0s to %s", o.Wait, mostWait)
	}
	return d, nil
}

// A purgeReport is what POST /v1/purge answers.
type purgeReport struct {
	edge.PurgeAnswer
	Soft bool       `json:"soft"`
	URLs []urlFound `json:"urls,omitempty"` // in their order
}

type urlFound struct {
	URL   string `json:"url"`
	Found *bool  `json:"found"` // nil: it ends in *, and is counted with the rest
}

// purge answers POST /v1/purge.
func (a *admin) purge(w http.ResponseWriter, r *http.Request) {
	if _, ok := params(w, r); !ok {
		return
	}
	o, err := readOrder(http.MaxBytesReader(w, r.Body, mostOrder))
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	wait, err := o.wait()
	var done edge.Purged
	if err == nil {
		done, err = a.stack.edge.Purge(o.purge())
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	done.Wait(ctx)
	report := purgeReport{PurgeAnswer: done.Tell(), Soft: o.Soft}
	for i := range done.Found {
		one := urlFound{URL: o.URLs[i]}
		if !strings.HasSuffix(one.URL, "*") {
			one.Found = &done.Found[i]
		}
		report.URLs = append(report.URLs, one)
	}
	tell(w, http.StatusOK, report)
}

// readOrder reads one JSON object and nothing behind it.
func readOrder(content io.Reader) (*purgeOrder, error) {
	text, err := io.ReadAll(content)
	if err != nil {
		return nil, fmt.Errorf("content: %w", err)
	}
	o, in := new(purgeOrder), json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(o); err != nil {
		return nil, fmt.Errorf("content: expected a JSON object of urls, tags, prefix, pattern, site, zone, soft, wait: %w", err)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("content: something follows the JSON object")
	}
	return o, nil
}

// purgeCmd is opencache purge.
type purgeCmd struct {
	URLs    []string `arg:"" optional:"" name:"url" placeholder:"URL" help:"What clients ask for; all its variants go. With * at its end: all that begins so."`
	Tags    []string `name:"tag" sep:"none" env:"-" placeholder:"TAG" help:"What has this tag. Repeatable: what has any of them."`
	Prefix  string   `env:"-" placeholder:"URL" help:"What has a URL that begins so."`
	Pattern string   `env:"-" placeholder:"REGEX" help:"What has a path, with its query, that matches."`
	Site    string   `env:"-" placeholder:"HOST" help:"Of this host alone; without the others: all of it."`
	Zone    string   `env:"-" placeholder:"NAME" help:"All that sites have in zones of this name; that of serve is called default."`
	Soft    bool     `env:"-" help:"Keep what is hit, to be validated before its next use."`

	Wait   time.Duration `default:"2s" env:"-" help:"For the count of what was hit; the purge itself is in force at once (default ${default})."`
	Output string        `short:"o" default:"text" enum:"text,json" help:"Form: text, json (default ${default})."`

	To adminOptions `embed:""`
}

// Run has the cache purge. It is no fault when nothing was there.
func (c *purgeCmd) Run() error {
	o := purgeOrder{
		URLs: c.URLs, Tags: c.Tags, Prefix: c.Prefix, Pattern: c.Pattern, Site: c.Site, Zone: c.Zone, Soft: c.Soft, Wait: c.Wait.String(),
	}
	_, err := o.purge().Kind()
	if err == nil {
		_, err = o.wait()
	}
	if err != nil {
		return usageError{fmt.Errorf("purge: %w", err)}
	}
	client, err := c.To.client()
	if err != nil {
		return err
	}
	var report purgeReport
	if err := client.post(context.Background(), "/v1/purge", &o, &report); err != nil {
		return fmt.Errorf("purge: %w", err)
	}
	if c.Output == "json" {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		return out.Encode(&report)
	}
	_, err = io.WriteString(os.Stdout, report.text())
	return err
}

// text says in words what became of it.
func (r *purgeReport) text() (s string) {
	for _, u := range r.URLs {
		if u.Found != nil && !*u.Found && len(r.URLs) > 1 {
			s += "not there: " + u.URL + "\n"
		}
	}
	what, noun := "purged", "responses"
	if r.Soft {
		what = "to be validated"
	}
	if len(r.URLs) > 0 {
		noun = "URLs"
	}
	switch {
	case r.Purged == nil && r.AtLeast == 0:
		s += fmt.Sprintf("%s: in force; how many %s it hits is not counted yet\n", what, noun)
	case r.Purged == nil:
		s += fmt.Sprintf("%s: in force; at least %d %s, not all counted yet\n", what, r.AtLeast, noun)
	case *r.Purged == 0:
		s += what + ": nothing was there\n"
	case *r.Purged == 1:
		s += fmt.Sprintf("%s: 1 %s\n", what, strings.TrimSuffix(noun, "s"))
	default:
		s += fmt.Sprintf("%s: %d %s\n", what, *r.Purged, noun)
	}
	return s
}
