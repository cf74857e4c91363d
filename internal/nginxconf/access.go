package nginxconf

import (
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"opencache/internal/config"
	"opencache/internal/expr"
)

// closed fills in the answer of a location that nobody may see, or of which it
// cannot be said who may: leaving the lock out would open it. Of others it
// notes who may see them.
func (s *site) closed(in *scope, r *route) bool {
	if list := in.own("internal"); len(list) > 0 {
		r.from = append(r.from, list[0])
		fixed(r, 404, "")
		return true
	}
	for _, name := range []string{"auth_request", "auth_jwt"} {
		if d := in.one(name); d != nil && d.arg(0) != "off" {
			return s.refuse(d, r, "nobody else is asked who clients are")
		}
	}
	list := clientRules(in)
	if d, all := denied(list); all {
		r.from = append(r.from, d)
		fixed(r, 403, "")
		return true
	}
	auth := in.one("auth_basic")
	if auth != nil && auth.arg(0) == "off" {
		auth = nil
	}
	if d := in.one("satisfy"); d != nil && d.arg(0) == "any" && auth != nil && len(list) > 0 {
		return s.refuse(d, r, "an address and a password are asked for, never one of them")
	}
	return s.clients(list, r) || auth != nil && s.passwords(in, auth, r)
}

// refuse has a route answer 403 to everybody, since what d says is not here.
func (s *site) refuse(d *Directive, r *route, why string) bool {
	s.notes.add(d, Lost, why, "an answer of 403 to everybody")
	r.from = append(r.from, d)
	fixed(r, 403, "")
	return true
}

// clientRules are the directives allow and deny that hold, in their order.
func clientRules(in *scope) (list []*Directive) {
	for ; in != nil && len(list) == 0; in = in.around {
		for i := range in.block.Block {
			if d := &in.block.Block[i]; d.Name == "allow" || d.Name == "deny" {
				list = append(list, d)
			}
		}
	}
	return list
}

// denied returns the rule that refuses all clients that no rule before it
// names; all says that there is none of these.
func denied(list []*Directive) (rule *Directive, all bool) {
	for i, d := range list {
		if d.arg(0) == "all" && d.Name == "deny" {
			return d, !slices.ContainsFunc(list[:i], func(d *Directive) bool { return d.Name == "allow" })
		}
		if d.arg(0) == "all" {
			break
		}
	}
	return nil, false
}

// clients carries over who may ask by address. With nginx the first rule that
// names a client counts; here a denial goes before: so each is without what
// rules before it allow.
func (s *site) clients(list []*Directive, r *route) (refused bool) {
	closing, _ := denied(list)
	if len(list) > 0 && s.masked != nil {
		if closing != nil {
			return s.refuse(closing, r, "who the client is is not known here, see "+s.masked.place())
		}
		s.notes.add(list[0], Lost, "who the client is is not known here, see "+s.masked.place()+": THIS LETS IN WHO WAS REFUSED", "filters.deny of the node document")
		return false
	}
	var allow, deny []netip.Prefix
	for _, d := range list {
		if d.arg(0) == "all" {
			break
		}
		p, ok := network(d.arg(0))
		switch {
		case !ok && d.arg(0) == "unix:":
			s.notes.add(d, Changed, "who comes by a Unix socket has no address", "")
		case !ok:
			return s.refuse(d, r, d.arg(0)+" is no network")
		case d.Name == "allow":
			allow = append(allow, p)
		default:
			deny = append(deny, without(p, allow)...)
		}
	}
	if closing != nil {
		if len(allow) == 0 {
			return s.refuse(closing, r, "nobody is left who may ask")
		}
		r.access.put("allow", object{{key: "cidrs", value: texts(allow)}}, list...)
	}
	if len(deny) > 0 {
		r.access.put("deny", object{{key: "cidrs", value: texts(deny)}}, list...)
	}
	return false
}

// network reads an address or a network.
func network(s string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err == nil
}

// without is a network without others: each halving leaves one of the halves
// aside, so there are no more of them than bits.
func without(p netip.Prefix, others []netip.Prefix) []netip.Prefix {
	for _, o := range others {
		switch {
		case !p.Overlaps(o):
			continue
		case o.Bits() <= p.Bits():
			return nil
		}
		low := netip.PrefixFrom(p.Addr(), p.Bits()+1)
		bytes := p.Addr().AsSlice()
		bytes[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
		middle, _ := netip.AddrFromSlice(bytes)
		return append(without(low, others), without(netip.PrefixFrom(middle, p.Bits()+1), others)...)
	}
	return []netip.Prefix{p}
}

func texts(list []netip.Prefix) []string {
	var out []string
	for _, p := range list {
		if text := strings.TrimSuffix(strings.TrimSuffix(p.String(), "/32"), "/128"); p.IsSingleIP() {
			out = append(out, text)
			continue
		}
		out = append(out, p.String())
	}
	return out
}

// passwords carries over auth_basic.
func (s *site) passwords(in *scope, d *Directive, r *route) (refused bool) {
	users := in.one("auth_basic_user_file")
	if users == nil || users.arg(0) == "" || strings.Contains(users.arg(0), "$") {
		return s.refuse(d, r, "no file says whose passwords count")
	}
	file := users.arg(0)
	if !path.IsAbs(file) {
		file = path.Join("/etc/nginx", file)
		s.notes.add(users, Changed, "a file beside the one that nginx was started with", file)
	}
	s.notes.add(users, Changed, "hashes of bcrypt alone count: with any other in it the site is refused", "htpasswd -B")
	b := object{{key: "users", value: object{{key: "file", value: file}}, from: []*Directive{users}}}
	switch realm := d.arg(0); {
	case strings.ContainsAny(realm, "$\"\\") || realm == "" || len(realm) > 256:
		s.notes.add(d, Changed, "what browsers show is plain text", "restricted")
	default:
		b.put("realm", realm, d)
	}
	if cached := in.one("proxy_cache"); cached == nil || cached.arg(0) == "off" {
		b = append(b, member{key: "forward", value: true, say: "as nginx does"})
	} else {
		s.notes.add(d, Changed, "the origin of what is cached does not hear who asks", "basicAuth.forward, with which nothing is stored but what says public")
	}
	r.access.put("basicAuth", b)
	return false
}

// refusedMethods is the pattern of an if for methods that may be used.
var refusedMethods = regexp.MustCompile(`^\^\(([A-Z|]+)\)\$$`)

// methodsOf returns the methods beside which an if answers with an error.
func methodsOf(d *Directive) []string {
	if d.Name != "if" || len(d.Block) != 1 || d.Block[0].Name != "return" || !strings.HasPrefix(d.Block[0].arg(0), "4") ||
		len(d.Args) < 3 || d.Args[0] != "($request_method" || d.Args[1] != "!~" {
		return nil
	}
	rest := strings.Join(d.Args[2:], "")
	m := refusedMethods.FindStringSubmatch(strings.TrimSuffix(rest, ")"))
	if m == nil || !strings.HasSuffix(rest, ")") || slices.Contains(strings.Split(m[1], "|"), "") {
		return nil
	}
	return strings.Split(m[1], "|")
}

// methods carries over limit_except, and ifs that do the same.
func (s *site) methods(in *scope, r *route) {
	var methods []string
	var from []*Directive
	narrow := func(d *Directive, list []string) {
		if from = append(from, d); len(from) == 1 {
			methods = slices.Clone(list)
			return
		}
		methods = slices.DeleteFunc(methods, func(m string) bool { return !slices.Contains(list, m) })
	}
	for _, d := range in.own("limit_except") {
		closes := func(name string) bool {
			return slices.ContainsFunc(d.Block, func(d Directive) bool { return d.Name == name && d.arg(0) != "off" })
		}
		if !closes("deny") && !closes("auth_basic") {
			continue
		}
		if len(d.Block) > 1 || !closes("deny") {
			s.notes.add(d, Changed, "who may use other methods is not told apart", "nobody")
		}
		narrow(d, d.Args)
	}
	for at := in; at != nil; at = at.around {
		if at != in && at.block.Name != "server" { // an if is not inherited, but that of a server comes before
			continue
		}
		for _, d := range at.own("if") {
			if list := methodsOf(d); list != nil {
				narrow(d, list)
			}
		}
	}
	if len(from) == 0 {
		return
	}
	if len(methods) == 0 {
		methods = []string{"GET"}
		s.notes.add(from[0], Changed, "no method is left", "GET")
	}
	r.access.put("methods", methods, from...)
}

// rates carries over limit_req.
func (s *site) rates(in *scope, r *route) {
	var names []string
	var from []*Directive
	for _, d := range in.all("limit_req") {
		name, ok := s.rate(in, d)
		if !ok {
			continue
		}
		names, from = append(names, name), append(from, d)
	}
	if len(names) > 0 {
		slices.Sort(names)
		r.access.put("rateLimits", slices.Compact(names), from...)
	}
}

// rate returns the site's limit that a limit_req names.
func (s *site) rate(in *scope, d *Directive) (name string, ok bool) {
	words := wordsOf(d)
	z := s.limits[words["zone"]]
	if z == nil {
		s.notes.add(d, Lost, "no limit_req_zone makes it: requests are not limited", "rateLimits")
		return "", false
	}
	zone := wordsOf(z)
	key, err := in.text(strings.NewReplacer("$binary_remote_addr", "$remote_addr", "${binary_remote_addr}", "$remote_addr").Replace(z.arg(0)), expr.InCondition)
	count, unit, _ := strings.Cut(zone["rate"], "r/")
	rate := count + "/" + unit
	_, _, known := config.ParseRate(rate)
	burst, bad := 0, error(nil)
	if words["burst"] != "" {
		burst, bad = strconv.Atoi(words["burst"])
	}
	switch {
	case err != nil:
		s.notes.add(z, Lost, "requests are not limited: "+err.Error(), "rateLimits with a key of what is known here")
		return "", false
	case !known || bad != nil || burst < 0 || burst >= 1e7:
		s.notes.add(d, Lost, "requests are not limited: no rate, or no burst", "rateLimits")
		return "", false
	case s.masked != nil && strings.Contains(key, "remote_addr"):
		s.notes.add(d, Lost, "requests are not limited: who the client is is not known here, see "+s.masked.place(), "rateLimits with a key of the field that names it")
		return "", false
	}
	o := object{{key: "key", value: key, from: []*Directive{z}}, {key: "rate", value: rate}, {key: "burst", value: burst + 1, from: []*Directive{d}}}
	if x := in.one("limit_req_dry_run"); x != nil && x.arg(0) == "on" {
		o.put("dryRun", true, x)
	}
	s.notes.add(d, Changed, "requests do not wait: as many as burst are answered at once, those above it with 429; each site counts by itself", "")
	for i := range s.rateLimits {
		if had := s.rateLimits[i]; had[1:].same() == o.same() && s.rateZones[i] == words["zone"] {
			return had[0].value.(string), true
		}
	}
	name = unique(words["zone"], s.rateNames)
	s.rateLimits = append(s.rateLimits, append(object{{key: "name", value: name}}, o...))
	s.rateZones = append(s.rateZones, words["zone"])
	return name, true
}

// wordsOf are a directive's words of the form key=value; of zone=name:size the name.
func wordsOf(d *Directive) map[string]string {
	words := map[string]string{}
	for _, w := range d.Args {
		if key, value, ok := strings.Cut(w, "="); ok {
			words[key] = value
		}
	}
	words["zone"], _, _ = strings.Cut(words["zone"], ":")
	return words
}

// bodyOf is a request's largest content in a block.
func (s *site) bodyOf(in *scope) member {
	d := in.one("client_max_body_size")
	if d == nil {
		return member{key: "maxBody", value: config.Size(1 << 20), say: "nginx's, where client_max_body_size says nothing"}
	}
	n, err := size(d.arg(0))
	if err != nil {
		s.notes.add(d, Lost, err.Error(), "1M")
		n = 1 << 20
	}
	return member{key: "maxBody", value: n, from: []*Directive{d}}
}

// accessOf returns what all routes say, and leaves with each what it says beside.
func (s *site) accessOf() (all object) {
	first := s.routes[0].access
	alike := !slices.ContainsFunc(s.routes, func(r *route) bool { return r.access.same() != first.same() })
	body := s.bodyOf(s.server.scope)
	for _, r := range s.routes {
		if alike {
			r.access = nil
		}
		if one := r.body; len(s.pools) > 0 && one.key != "" && one.value != body.value {
			r.access = append(r.access, one)
		}
	}
	if alike {
		all = append(all, first...)
	}
	if len(s.pools) > 0 {
		all = append(all, body)
	}
	if s.server.local(s.servers) {
		s.keepLocal(&all)
	}
	return all
}

// loopback is who can come to an address of the machine's own.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// local reports whether nobody came to a server but from the machine itself,
// while others come to the node: a site here answers on all of its addresses.
func (v *server) local(all []*server) bool {
	own := func(l listen) bool {
		host, _, _ := strings.Cut(strings.TrimPrefix(l.address, "["), "]")
		if host == l.address {
			host, _, _ = strings.Cut(l.address, ":")
		}
		a, err := netip.ParseAddr(host)
		return err == nil && a.IsLoopback() || host == "localhost" || host == "unix"
	}
	return !slices.ContainsFunc(v.listens, func(l listen) bool { return !own(l) }) && slices.ContainsFunc(all, func(o *server) bool {
		return slices.ContainsFunc(o.listens, func(l listen) bool { return !own(l) })
	})
}

// keepLocal has nobody but the machine itself reach the site, all of whose
// routes say beside it what they say: an allow of theirs is in place of this.
func (s *site) keepLocal(all *object) {
	s.notes.add(s.server.listens[0].Directive, Changed, "a site answers on all addresses of the node", "access.allow of the machine's own")
	within := func(o *object) {
		for i := range *o {
			if m := &(*o)[i]; m.key == "allow" {
				m.value, m.say = object{{key: "cidrs", value: texts(loopback)}}, "and they came to an address of the machine's own"
			}
		}
	}
	for _, r := range s.routes {
		within(&r.access)
	}
	if within(all); !all.has("allow") {
		all.put("allow", object{{key: "cidrs", value: texts(loopback)}}, s.server.listens[0].Directive)
	}
}
