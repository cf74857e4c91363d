package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"opencache/internal/edge"
	"opencache/internal/geo"
	"opencache/internal/rfc9111"
)

// explainCmd is opencache explain.
type explainCmd struct {
	URL string `arg:"" name:"url" help:"The request's, as clients send it: http[s]://host/path."`

	Header []string   `short:"H" sep:"none" env:"-" placeholder:"FIELD" help:"A field of the request, like 'Cookie: session=1'. Repeatable."`
	Method string     `default:"GET" env:"-" placeholder:"NAME" help:"The request's method (default ${default})."`
	From   netip.Addr `env:"-" placeholder:"ADDRESS" help:"The client's address (default this machine's)."`
	Uses   int        `default:"1" env:"-" placeholder:"N" help:"How often the URL was asked for, this time included; 0: often enough for any minUses (default ${default})."`

	Status         int      `default:"200" env:"-" placeholder:"N" help:"What the upstream answers (default ${default})."`
	ResponseHeader []string `sep:"none" env:"-" placeholder:"FIELD" help:"A field of what it answers, like 'Cache-Control: max-age=60'. Repeatable."`

	Config    string       `placeholder:"SOURCE" help:"Explain by documents: a folder, a file, etcd://HOST/PREFIX or https://HOST of a Directus (default by what a running cache has in use, see --admin)."`
	POP       string       `name:"pop" env:"OPENCACHE_POP,OPENCACHE_POP_ID,POP_ID" placeholder:"ID" help:"With --config: the node's PoP."`
	TokenFile string       `env:"OPENCACHE_TOKEN_FILE,BAAS_TOKEN_FILE" placeholder:"FILE" help:"File with the token that a Directus is shown (default the variable BAAS_TOKEN)."`
	Admin     adminOptions `embed:""`

	Output string `short:"o" default:"text" enum:"text,json" help:"Form: text, json (default ${default})."`
}

// Help is shown by opencache explain --help.
func (c *explainCmd) Help() string {
	return "What would become of a request while nothing is stored: which site, route, rule, key and zone, whether the answer would be stored, " +
		"for how long, and which fields it would have. It is decided by the functions that decide on requests; nobody is asked and nothing changes."
}

// Run explains.
func (c *explainCmd) Run() error {
	x, err := c.explain()
	if err != nil {
		return err
	}
	if c.Output == "json" {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		return out.Encode(x)
	}
	return printExplanation(os.Stdout, x)
}

func (c *explainCmd) explain() (*edge.Explanation, error) {
	q := &edge.Question{URL: c.URL, Method: c.Method, Fields: c.Header, From: c.From, Uses: c.Uses, Status: c.Status, Response: c.ResponseHeader}
	if c.Config == "" {
		client, err := c.Admin.client()
		if err != nil {
			return nil, err
		}
		x := new(edge.Explanation)
		return x, client.get(context.Background(), "/oc-cgi/explain?"+q.Query(), x)
	}
	docs, err := readDocuments([]string{c.Config}, c.TokenFile)
	if err != nil {
		return nil, err
	}
	one, err := docs.compile(c.POP)
	if err != nil {
		return nil, err
	}
	if n := len(one.faults) + len(docs.faults); n > 0 {
		fmt.Fprintf(os.Stderr, "opencache: explain: %s in the documents; what is at fault is left out, as at a start (see opencache check)\n", counting(n, "fault"))
	}
	var places geo.Databases
	places.Use(databasesOf(one.shot.Node))
	defer places.Close()
	q.Geo = &places
	x, err := one.plan.Explain(q)
	if err != nil {
		return nil, usageError{err}
	}
	return x, nil
}

// printExplanation writes an explanation for people.
func printExplanation(w io.Writer, x *edge.Explanation) error {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(what, format string, args ...any) {
		if text := strings.TrimSpace(fmt.Sprintf(format, args...)); text != "" {
			_, _ = fmt.Fprintf(t, "%s\t%s\n", what, text)
		}
	}
	line("request", "%s %s", x.Method, x.URL)
	line("site", "%s", x.Site)
	if x.Route != "" {
		name := x.Route
		if x.Location != x.Route {
			name += ", location " + x.Location
		}
		line("route", "%s (%s)", name, x.Kind)
	}
	if x.RuleOf != "" {
		line("rule", "%s (of %s)", cmp.Or(x.Rule, "-"), ruleOwners[x.RuleOf])
		line("key", "%s", x.Key)
		shared := ""
		if x.Shared {
			shared = ", shared by sites"
		}
		line("zone", "%s%s, on volume %s", x.Zone, shared, x.Volume)
	}
	if x.Upstream != "" {
		line("upstream", "%s: %s, asked for %s", x.Upstream, strings.Join(x.Servers, " "), x.Host)
	}
	if x.Bypass != "" {
		line("bypass", "%s holds: what is stored is not used", x.Bypass)
	}
	for _, c := range x.NoStore {
		line("no store", "%s holds", c)
	}
	by := map[string]string{"edge": "by the edge itself", "route": "by the route itself", "cache": "through the cache", "upstream": "by the upstream, around the cache"}[x.By]
	switch {
	case x.CacheStatus != "":
		line("answer", "%d %s, X-Cache-Status: %s", x.Status, by, x.CacheStatus)
		printStored(line, x)
	case x.Status == 0:
		line("answer", "%s: %s", by, x.Why)
	default:
		line("answer", "%d %s%s", x.Status, by, prefixed(": ", x.Why))
	}
	if len(x.Added)+len(x.Removed) == 0 {
		for _, f := range x.Fields {
			line("field", "  %s", f)
		}
	}
	for _, f := range x.Fields {
		if slices.Contains(x.Added, f) {
			line("field", "+ %s", f)
		}
	}
	for _, f := range x.Removed {
		line("field", "- %s", f)
	}
	if x.Policy != nil {
		policy, err := json.MarshalIndent(x.Policy, "", "  ")
		if err != nil {
			return err
		}
		_ = t.Flush()
		fmt.Fprintf(&b, "policy %s\n", policy)
	}
	_ = t.Flush()
	_, err := w.Write(b.Bytes())
	return err
}

var ruleOwners = map[string]string{"site": "the site", "fleet": "the fleet's tier policy", "known files": "known static files", "rest": "what no rule matches"}

func prefixed(with, s string) string {
	if s == "" {
		return ""
	}
	return with + s
}

// printStored tells whether the response would be stored, and for how long.
func printStored(line func(what, format string, args ...any), x *edge.Explanation) {
	if !x.Stored {
		line("stored", "no: %s", cmp.Or(x.Why, "nothing to store"))
		return
	}
	switch {
	case x.TTL > 0 && x.TTL != x.Lifetime:
		line("stored", "yes: fresh for %s more of %s, by %s", seconds(x.TTL), seconds(x.Lifetime), x.FreshBy)
	case x.TTL > 0:
		line("stored", "yes: fresh for %s, by %s", seconds(x.TTL), x.FreshBy)
	default:
		line("stored", "yes: to be validated before each use (%s)", x.FreshBy)
	}
	if s := x.Stale; s != nil {
		if s.While > 0 {
			line("stale", "served for %s while it is validated", seconds(s.While))
		}
		if s.OnError > 0 {
			line("stale", "served for %s when validating it fails", seconds(s.OnError))
		}
		if s.While+s.OnError == 0 {
			line("stale", "never served%s", prefixed(": ", s.Why))
		}
	}
}

// seconds is a time in words; MaxDelta stands for ever.
func seconds(n int64) string {
	if n >= int64(rfc9111.MaxDelta) {
		return "ever"
	}
	return (time.Duration(n) * time.Second).String()
}
