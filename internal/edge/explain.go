package edge

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"opencache/internal/config"
	"opencache/internal/engine"
	"opencache/internal/expr"
	"opencache/internal/wire"
)

// A Question is a request that nobody has sent, and the response that the
// upstream would give to it while nothing is stored.
type Question struct {
	URL    string     // http[s]://host[:port]/path
	Method string     // "": GET
	Fields []string   // of the request, "Name: value"
	From   netip.Addr // the client; zero: one of this machine
	Geo    Locator    // says where it is; nil: nobody knows
	Uses   int        // how often the URL was asked for, this time included; 0: often enough
	// Status and Response are what the upstream says. 0: 200.
	Status   int
	Response []string // fields, "Name: value"
	At       time.Time
}

// An Explanation is what would become of a Question.
type Explanation struct {
	URL    string `json:"url"`
	Method string `json:"method"`
	// By says who answers: edge, cache, upstream (the request goes around the
	// cache), or the route by itself.
	By string `json:"by"`

	Site     string `json:"site,omitempty"`
	Route    string `json:"route,omitempty"`
	Location string `json:"location,omitempty"`
	Kind     string `json:"kind,omitempty"`
	Rule     string `json:"rule,omitempty"`
	// RuleOf says whose rule it is: site, fleet, known files, or rest, which
	// is for what no rule matches.
	RuleOf string `json:"ruleOf,omitempty"`

	Key    string `json:"key,omitempty"`
	Zone   string `json:"zone,omitempty"`
	Shared bool   `json:"shared,omitempty"`
	Volume string `json:"volume,omitempty"`

	Upstream string   `json:"upstream,omitempty"`
	Servers  []string `json:"servers,omitempty"`
	Host     string   `json:"host,omitempty"` // that the first of them is asked for

	// Refused is why the request is not let through, as logs and metrics say it,
	// and Access the place in the site's document that says so.
	Refused string `json:"refused,omitempty"`
	Access  string `json:"access,omitempty"`

	Bypass  string   `json:"bypass,omitempty"`  // the condition that holds
	NoStore []string `json:"noStore,omitempty"` // those that hold

	CacheStatus string   `json:"cacheStatus,omitempty"`
	Stored      bool     `json:"stored"`
	Why         string   `json:"why,omitempty"`
	TTL         int64    `json:"ttl,omitempty"`      // seconds left when it comes
	Lifetime    int64    `json:"lifetime,omitempty"` // in all
	FreshBy     string   `json:"freshBy,omitempty"`
	Stale       *Staling `json:"stale,omitempty"`

	Status  int      `json:"status"`
	Fields  []string `json:"fields"`            // of the answer, but for what the cache says of itself
	Added   []string `json:"added,omitempty"`   // of them, those that the upstream did not send
	Removed []string `json:"removed,omitempty"` // that it did send

	Policy *config.CacheRule `json:"policy,omitempty"` // in effect
}

// Staling is for how many seconds past its freshness what is stored may answer.
type Staling struct {
	While   int64  `json:"while"`
	OnError int64  `json:"onError"`
	Why     string `json:"why,omitempty"`
}

// Explain tells what would become of a question: by the functions that decide
// on requests, without asking anybody and without changing anything. Of what
// is stored by now it knows nothing.
func (p *Plan) Explain(q *Question) (*Explanation, error) {
	v, resp, err := p.visitBy(q)
	if err != nil {
		return nil, err
	}
	x := &Explanation{URL: q.URL, Method: string(v.r.MethodText()), By: "edge", Fields: []string{}}
	v.cleanTarget()
	public, ours := v.ours()
	switch {
	case v.reserved():
		v.diagnose()
		x.answered(v, "one of opencache's own paths in another spelling")
		return x, nil
	case v.filter():
		x.answered(v, "the node's filters deny it: "+v.filtered.String())
		return x, nil
	case public:
		v.diagnose()
		x.answered(v, "one of opencache's own paths")
		return x, nil
	case ours:
		x.Why = "one of opencache's own paths, for who may administer"
		return x, nil
	case v.method():
		x.answered(v, "no method for an origin")
		return x, nil
	case v.which():
		x.answered(v, "no site answers for this host")
		return x, nil
	case v.r.Method == wire.PURGE:
		x.Site, x.Why = v.site.doc.ID, "a purge, for who may administer"
		return x, nil
	}
	x.Site = v.site.doc.ID
	v.unsign()
	if v.choose(v.match()) {
		x.answered(v, "no route of this site has the path")
		return x, nil
	}
	v.makeKey()
	x.found(v)
	switch {
	case v.admit():
		x.denied(v)
		return x, nil
	case v.preflight():
		x.By = "route"
		x.answered(v, "a browser's question before a script's request")
		return x, nil
	case x.gated(v):
		x.denied(v)
		return x, nil
	case v.own():
		x.By = "route"
		x.answered(v, "")
		return x, nil
	}
	x.foresee(v, q, resp)
	return x, nil
}

// Check returns what is wrong with the question itself.
func (q *Question) Check() error {
	_, _, err := new(Plan).visitBy(q)
	return err
}

// visitBy is a visit with the request of a question, and what is answered to it.
func (p *Plan) visitBy(q *Question) (*visit, *wire.Response, error) {
	if _, err := visitOf(q.URL); err != nil || strings.HasPrefix(q.URL, "/") {
		return nil, nil, fmt.Errorf("URL %q: expected http[s]://host/path, as clients send it: ASCII, the rest encoded, no fragment", q.URL)
	}
	method, status := cmp.Or(q.Method, "GET"), cmp.Or(q.Status, 200)
	if status < 200 || status > 999 {
		return nil, nil, fmt.Errorf("status %d: expected 200 to 599", status)
	}
	host := ""
	var fields []string
	for _, line := range q.Fields {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "Host") {
			host = strings.TrimSpace(value)
			continue
		}
		fields = append(fields, line)
	}
	for _, line := range slices.Concat([]string{method + ":"}, fields, q.Response) {
		if name, _, ok := strings.Cut(line, ":"); !ok || name == "" || strings.ContainsAny(line, "\r\n") || strings.ContainsAny(name, " \t") {
			return nil, nil, fmt.Errorf("field %q: expected Name: value", line)
		}
	}
	head := func(begin string, fields []string) []byte {
		return []byte(begin + "\r\n" + strings.Join(append(slices.Clone(fields), "", ""), "\r\n"))
	}
	r, resp := new(wire.Request), new(wire.Response)
	if _, err := wire.ParseRequest(r, head(method+" "+q.URL+" HTTP/1.1\r\nHost: localhost", fields), wire.Limits{}); err != nil {
		return nil, nil, fmt.Errorf("request: %w", err)
	}
	if _, err := wire.ParseResponse(resp, head("HTTP/1.1 "+strconv.Itoa(status)+" ", q.Response), r.Method, wire.Limits{}); err != nil {
		return nil, nil, fmt.Errorf("response: %w", err)
	}
	if host != "" {
		if _, err := visitOf("http://" + host + "/"); err != nil || strings.ContainsAny(host, "/?#") {
			return nil, nil, fmt.Errorf("host %q: expected host[:port]", host)
		}
		r.SetAuthority([]byte(host))
	}
	from := q.From
	if !from.IsValid() {
		from = netip.IPv6Loopback()
	}
	r.Remote = netip.AddrPortFrom(from, 0)
	v := &visit{e: &Edge{}, p: &wire.Reply{}, plan: p}
	v.p.Sink = heard{}
	v.r, v.node, v.start = r, p.values, q.At
	v.visitors = p.visitors
	v.findClient()
	v.geo = q.Geo
	if v.start.IsZero() {
		v.start = time.Now()
	}
	return v, resp, nil
}

// answered notes what was answered without the cache.
func (x *Explanation) answered(v *visit, why string) {
	x.Status, x.Why = v.p.Status, why
	x.Fields = linesIn(v.p.Fields)
}

// gated reports what refuses the request, and has answered it. How often its
// client has asked is not known here.
func (x *Explanation) gated(v *visit) bool {
	return v.choice.route.gate != nil && (v.fit() || v.shows() || v.login())
}

// denied notes what refuses the request.
func (x *Explanation) denied(v *visit) {
	x.Refused, x.Access = v.refused.String(), v.choice.route.gate.member(v.refused)
	x.answered(v, "refused by "+x.Access)
}

// found notes what was found for the request.
func (x *Explanation) found(v *visit) {
	ch, s := v.choice, v.site
	r := ch.route
	x.Route, x.Location, x.Kind = r.id, r.doc.Location, cmp.Or(r.doc.Kind, "cache_proxy")
	if ch.rule != nil {
		for i := range s.rules {
			if &s.rules[i] == ch.rule {
				x.RuleOf = s.ruleOf(i)
			}
		}
		x.Rule, x.Policy = ch.rule.id, ch.rule.doc
		x.Key = string(expr.AppendPlainKey(nil, v.key))
		x.Zone, x.Shared = ch.zone.doc.Name, ch.zone.doc.Shared
		if on := ch.on(v.key); on != nil {
			x.Volume = on.Name
		}
	}
	if r.pool == nil {
		return
	}
	x.Upstream = r.pool.name
	for _, one := range r.pool.servers {
		x.Servers = append(x.Servers, one.Addr)
	}
	first := r.pool.servers[0]
	x.Host = string(r.pool.host.Append(nil, &values{r: v.r, site: s, server: first, client: v.client, geo: v.geo}))
	x.Host = cmp.Or(x.Host, string(v.r.Authority()))
}

// ruleOf says whose the rule of that number is.
func (s *site) ruleOf(i int) string {
	switch {
	case i < s.own:
		return "site"
	case i < s.fleet:
		return "fleet"
	case i < len(s.rules)-1:
		return "known files"
	}
	return "rest"
}

// foresee notes what the engine would make of the response.
func (x *Explanation) foresee(v *visit, q *Question, resp *wire.Response) {
	ch := v.choice
	sent := linesIn(resp.AppendFields(nil, wire.NameSet{}))
	if ch.route.coding != nil {
		ch.route.coding.Settle(v.r)
		ch.route.coding.Apply(v.r, resp)
	}
	v.decide()
	if v.to.Bypass {
		x.Bypass = ch.bypass.String()
	}
	for _, c := range ch.noStore {
		if c.True(&v.values, &v.scratch) {
			x.NoStore = append(x.NoStore, c.String())
		}
	}
	f := ch.policy.Foresee(engine.Case{Request: v.r, Response: resp, Bypass: v.to.Bypass, NoStore: v.to.NoStore, Uses: q.Uses, At: v.start})
	x.By, x.CacheStatus, x.Stored = "cache", f.Status.String(), f.Stored
	if f.Forward == engine.ForMethod || f.Forward == engine.ForRequest || f.Forward == engine.ForBypass {
		x.By = "upstream"
	}
	if f.Why != 0 {
		x.Why = f.Why.String()
	}
	if f.Stored {
		x.TTL, x.Lifetime, x.FreshBy = f.TTL, f.Lifetime, f.From.String()
		x.Stale = &Staling{While: f.Stale.While, OnError: f.Stale.OnError}
		if f.Stale.Why != 0 {
			x.Stale.Why = f.Stale.Why.String()
		}
	}
	if x.Status = resp.Status; f.Forward == engine.NotForwarded {
		x.Status = 504 // RFC 9111, 5.2.1.7
		return
	}
	fields := []byte(f.Fields)
	if ch.edited {
		fields = v.tell(engine.Outcome{Status: f.Status, Forward: f.Forward, Upstream: resp.Status}, fields, resp.Status, namesIn(fields))
	}
	x.Fields = linesIn(fields)
	x.Added, x.Removed = without(x.Fields, sent), without(sent, x.Fields)
}

// linesIn are field lines, one by one.
func linesIn(fields []byte) []string {
	lines := []string{}
	for _, line := range wire.Lines(fields) {
		lines = append(lines, string(line.Name)+": "+string(line.Value))
	}
	return lines
}

// without are those of list that are not in other.
func without(list, other []string) (rest []string) {
	for _, s := range list {
		if !slices.Contains(other, s) {
			rest = append(rest, s)
		}
	}
	return rest
}

// explain answers /oc-cgi/explain.
func (v *visit) explain() bool {
	query, _ := v.r.Query()
	q, err := questionOf(string(query))
	if err == nil {
		q.At, q.Geo = v.start, v.geo
		var x *Explanation
		if x, err = v.plan.Explain(q); err == nil {
			b, wrong := json.MarshalIndent(x, "", "  ")
			if wrong != nil {
				return v.answer(500, plain, wrong.Error()+"\n")
			}
			return v.answer(200, asJSON, string(b)+"\n")
		}
	}
	b, _ := json.Marshal(map[string]string{"error": err.Error()}) // strings can be written
	return v.answer(400, asJSON, string(b)+"\n")
}

// questionOf reads a question from a query, as Question.Query writes it.
func questionOf(query string) (*Question, error) {
	params, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	q := &Question{Fields: params["header"], Response: params["response-header"], Uses: 1}
	for name, list := range params {
		var err error
		switch name {
		case "header", "response-header":
			continue
		case "url":
			q.URL = list[0]
		case "method":
			q.Method = list[0]
		case "status":
			q.Status, err = strconv.Atoi(list[0])
		case "uses":
			q.Uses, err = strconv.Atoi(list[0])
		case "from":
			q.From, err = netip.ParseAddr(list[0])
		default:
			return nil, fmt.Errorf("query: %q is not known: expected url, method, header, from, uses, status, response-header", name)
		}
		if err != nil {
			return nil, fmt.Errorf("query: %s: %q: expected a number, from: an address", name, list[0])
		}
		if len(list) > 1 {
			return nil, fmt.Errorf("query: %q: expected once, found %d times", name, len(list))
		}
	}
	if q.URL == "" {
		return nil, errors.New("query: url is missing: expected url=http[s]://host/path, percent-encoded")
	}
	return q, nil
}

// Query is the question as /oc-cgi/explain takes it.
func (q *Question) Query() string {
	params := url.Values{"url": {q.URL}, "header": q.Fields, "response-header": q.Response}
	set := func(name, value, unsaid string) {
		if value != unsaid {
			params.Set(name, value)
		}
	}
	set("method", q.Method, "")
	set("status", strconv.Itoa(q.Status), "0")
	set("uses", strconv.Itoa(q.Uses), "1")
	if q.From.IsValid() {
		params.Set("from", q.From.String())
	}
	return params.Encode()
}
