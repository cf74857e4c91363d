package nginxconf

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"opencache/internal/config"
	"opencache/internal/expr"
)

func seconds(d config.Duration) string {
	return strconv.FormatInt(int64(time.Duration(d)/time.Second), 10)
}

// cached makes the rule of a location whose responses are stored.
func (s *site) cached(in *scope, d *Directive, r *route) {
	z := s.importing.zones[d.arg(0)]
	if z == nil {
		z = s.zoneWithout(d)
	}
	if !slices.Contains(s.zones, z) {
		s.zones = append(s.zones, z)
	}
	var c object
	if why, from := s.storing(in, z, d, &c); why != "" {
		s.notes.add(from, Lost, why, "the location is not cached")
		c = object{{key: "enabled", value: false, from: []*Directive{from}, say: "What decides what may be stored could not be carried over."}}
	} else {
		s.using(in, &c)
	}
	var body object
	if x, age, ok := s.expiry(in); ok && !hasControl(in) {
		body.put("expiration", expiration(age), x)
	}
	body.put("cache", c)
	s.ruled(body, r)
}

// ruled gives a route its rule, which several may have.
func (s *site) ruled(body object, r *route) {
	as := body.same()
	for _, had := range s.rules {
		if had.body.same() == as {
			had.routes = append(had.routes, r.location)
			return
		}
	}
	s.rules = append(s.rules, &rule{routes: []string{r.location}, body: body})
}

func expiration(age config.Duration) object {
	o := object{{key: "control", value: "override"}}
	if age < 0 {
		o.put("additionalDirectives", []string{"no-cache"})
		return o
	}
	o.put("browserTtl", age)
	o.put("setExpiresHeader", true)
	return o
}

// storing is where responses are stored, by what key, and which; why says that
// it can not be told, so that nothing may be.
func (s *site) storing(in *scope, z *zone, d *Directive, c *object) (why string, from *Directive) {
	c.put("zone", z.name, d)
	if k := in.one("proxy_cache_key"); k != nil {
		text := k.arg(0)
		if strings.Contains(text, "proxy_host") {
			text = strings.NewReplacer("${proxy_host}", "$host", "$proxy_host", "$host", ":$proxy_port", "", "$proxy_port", "").Replace(text)
			s.notes.add(k, Changed, "keys do not know the upstream", "$host")
		}
		text, err := in.text(text, expr.InKey)
		if err == nil {
			_, err = expr.ParseKey(text, expr.KeyOptions{})
		}
		if err != nil {
			return "the key: " + err.Error(), k
		}
		c.put("key", text, k)
	}
	if list := in.all("proxy_cache_bypass"); len(list) > 0 {
		when, err := in.any(list)
		if err == nil {
			when, err = bounded(when)
		}
		switch {
		case err != nil:
			return "what is not answered from the cache: " + err.Error(), list[0]
		case when.fixed && when.value:
			return "nothing is answered from the cache", list[0]
		case !when.fixed:
			c.put("bypass", when.text, list...)
		}
	}
	var conditions []string
	list := in.all("proxy_no_cache")
	for _, x := range list {
		for _, w := range x.Args {
			when, err := in.truth(w)
			if err == nil {
				when, err = bounded(when)
			}
			switch {
			case err != nil:
				return "what is not stored: " + err.Error(), x
			case when.fixed && when.value:
				return "nothing is stored", x
			case !when.fixed:
				conditions = append(conditions, when.text)
			}
		}
	}
	if len(conditions) > 0 {
		c.put("noStoreConditions", conditions, list...)
	}
	return "", nil
}

// bounded is a condition that is one of ours once it was put together.
func bounded(c condition) (condition, error) {
	if c.fixed {
		return c, nil
	}
	return checked(c.text, nil)
}

// using is for how long, and how, what is stored answers.
func (s *site) using(in *scope, c *object) {
	s.valid(in, c)
	s.ignored(in, c)
	number := func(name, key string, most int) {
		d := in.one(name)
		if d == nil {
			return
		}
		n, err := strconv.Atoi(d.arg(0))
		if err != nil || n < 1 {
			return
		}
		if n > most {
			s.notes.add(d, Changed, fmt.Sprintf("at most %d are counted", most), strconv.Itoa(most))
		}
		c.put(key, min(n, most), d)
	}
	number("proxy_cache_min_uses", "minUses", 15)
	if d := in.one("proxy_cache_lock"); d != nil {
		c.put("lockEnabled", d.arg(0) == "on", d)
	}
	for name, key := range map[string]string{"proxy_cache_lock_timeout": "lockTimeout", "proxy_cache_lock_age": "lockAge"} {
		if d := in.one(name); d != nil {
			if t, err := duration(d.arg(0)); err == nil {
				c.put(key, t, d)
			}
		}
	}
	slices.SortStableFunc((*c)[:], func(a, b member) int { return cmp.Compare(rank(a.key), rank(b.key)) })
	if d := in.one("proxy_cache_methods"); d != nil {
		for _, method := range d.Args {
			if method != "GET" && method != "HEAD" {
				s.notes.add(d, Lost, "answers to "+method+" are not stored", "")
			}
		}
	}
	s.stale(in, c)
}

// rank has lockTimeout stand before lockAge whatever order they were met in.
func rank(key string) int { return map[string]int{"lockTimeout": 1, "lockAge": 2}[key] }

// valid is for how long statuses are fresh.
func (s *site) valid(in *scope, c *object) {
	var o object
	for _, d := range in.all("proxy_cache_valid") {
		n := len(d.Args)
		if n == 0 {
			continue
		}
		t, err := duration(d.Args[n-1])
		if err != nil {
			s.notes.add(d, Lost, err.Error(), "")
			continue
		}
		var ttl any = t
		if t == 0 {
			ttl = "off"
		}
		statuses := d.Args[:n-1]
		if n == 1 {
			statuses = []string{"200", "301", "302"}
		}
		for _, status := range statuses {
			if o.has(status) { // nginx takes the first
				continue
			}
			if status != "any" && (len(status) != 3 || strings.Trim(status, "0123456789") != "" || status < "200" || status > "599") {
				s.notes.add(d, Lost, status+" is no status of an answer", "")
				continue
			}
			o.put(status, ttl, d)
		}
	}
	if len(o) > 0 {
		c.put("validResponses", o)
	}
}

// allButExpires are the directives of Cache-Control that say something of storing.
var allButExpires = []string{"max-age", "s-maxage", "no-store", "no-cache", "private", "public", "must-revalidate", "proxy-revalidate", "must-understand",
	"immutable", "stale-while-revalidate", "stale-if-error"}

// ignored is which fields of the origin do not count.
func (s *site) ignored(in *scope, c *object) {
	ignores := map[string]*Directive{}
	list := in.all("proxy_ignore_headers")
	for _, d := range list {
		for _, name := range d.Args {
			ignores[strings.ToLower(name)] = d
		}
	}
	control, expires := ignores["cache-control"], ignores["expires"]
	switch {
	case control != nil && expires != nil:
		c.put("respectUpstreamCacheControl", "ignore", list...)
	case control != nil:
		c.put("upstreamCacheControlDirectives", object{{key: "ignore", value: allButExpires}}, control)
	case expires != nil:
		c.put("upstreamCacheControlDirectives", object{{key: "ignore", value: []string{"expires"}}}, expires)
	}
	if d := ignores["vary"]; d != nil {
		s.notes.add(d, Lost, "Vary always counts: nobody gets an answer that was made for others", "the origin sends no Vary")
	}
	if d := ignores["set-cookie"]; d != nil {
		s.cookies = d
		c.put("storeSetCookie", true, d)
	} else {
		s.cookieless = true
	}
}

// stale is when what is no longer fresh answers.
func (s *site) stale(in *scope, c *object) {
	d := in.one("proxy_cache_use_stale")
	updating := d != nil && slices.Contains(d.Args, "updating")
	if d != nil && d.arg(0) != "off" {
		c.put("stale", object{{key: "conditions", value: d.Args}}, d)
	}
	if b := in.one("proxy_cache_background_update"); b != nil && b.arg(0) == "on" {
		if !updating {
			s.notes.add(b, Moot, "nginx does so only with proxy_cache_use_stale updating", "")
			return
		}
		c.put("backgroundUpdate", true, b)
	}
}

// cache is the site's section cache.
func (s *site) cache() object {
	if len(s.pools) == 0 {
		return nil
	}
	if s.cookies != nil && s.cookieless {
		s.notes.add(s.cookies, Changed, "where other locations of the site do not say so, responses with Set-Cookie are stored by the origin's Cache-Control", "")
	}
	global := object{{key: "passThroughRequest", value: []string{"*"}, say: "nginx passes all fields of requests"}}
	if len(s.zones) > 0 {
		global = append(global, member{key: "semantics", value: object{
			{key: "targetedFields", value: []string{}, say: "nginx does not know CDN-Cache-Control"},
			{key: "passTags", value: true},
			{key: "noStoreSetCookie", value: s.cookies == nil, from: []*Directive{s.cookies}},
		}})
	}
	o := object{{key: "global", value: global}}
	var zones, rules []object
	for _, z := range s.zones {
		zones = append(zones, z.object)
	}
	for _, r := range s.rules {
		one := object{{key: "id", value: r.routes[0]}, {key: "match", value: object{{key: "routes", value: r.routes}}}}
		rules = append(rules, append(one, r.body...))
	}
	if len(zones) > 0 {
		o.put("zones", zones)
		o.put("rules", rules)
	}
	var next object
	for _, d := range s.next {
		switch d.Name {
		case "proxy_next_upstream":
			next.put("nextUpstreamConditions", d.Args, d)
		case "proxy_next_upstream_tries":
			if n, err := strconv.Atoi(d.arg(0)); err == nil && 0 <= n && n <= 1000 {
				next.put("nextUpstreamTries", n, d)
			}
		default:
			if t, err := duration(d.arg(0)); err == nil && t > 0 {
				next.put("nextUpstreamTimeout", t, d)
			}
		}
	}
	if len(next) > 0 {
		o.put("proxySettings", next)
	}
	return o
}
