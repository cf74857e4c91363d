package edge

import (
	"encoding/binary"
	"math"
	"reflect"
	"sync/atomic"

	"opencache/internal/config"
	"opencache/internal/engine"
	"opencache/internal/expr"
)

// A form is what a site says of routes and rules, apart from whose site it is.
// Of 10,000 sites most have one of a few forms, which sites that are compiled
// together share: it is compiled once, and a processor's cache holds it though
// each request is another site's.
type form struct {
	at       *locations
	kinds    []routeKind     // of the routes
	captures []*expr.Pattern // of routes whose location is a regular expression
	rules    []rule          // the site's by priority, then those of the fleet, of known files, for the rest
	own      int             // how many of them are the site's
	fleet    int             // where those of the fleet end

	// policies are what rules say, but for what is the site's, by number of a
	// choice; nil: not asked for yet.
	policies []atomic.Pointer[engine.Policy]

	normalizer *expr.Normalizer

	// What the choice of a rule depends on beside path and query; where that
	// is more than host, scheme and method it is not remembered.
	depends  expr.Depends
	patterns bool // something is to be matched
	sorts    bool // keys hold normalised queries
	drops    bool // and parameters are left out of them
}

// formKey is the same for sites of which all that is not a site's alone is the
// same: not only equal but one, as config.Set has it. Compiling a form reads
// nothing of what is left out here.
func formKey(doc *config.Site) string {
	rest := *doc
	rest.ID, rest.Hostnames, rest.Upstreams, rest.TLS = "", nil, nil, nil
	return string(appendIdentity(nil, reflect.ValueOf(rest)))
}

// appendIdentity appends what a value is: of what it only points at the address.
func appendIdentity(dst []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.String:
		return append(binary.AppendUvarint(dst, uint64(v.Len())), v.String()...)
	case reflect.Bool:
		if v.Bool() {
			return append(dst, 1)
		}
		return append(dst, 0)
	case reflect.Struct:
		for i := range v.NumField() {
			dst = appendIdentity(dst, v.Field(i))
		}
		return dst
	case reflect.Slice:
		dst = binary.AppendUvarint(dst, uint64(v.Len()))
		if v.Len() == 0 { // it has no place of its own
			return dst
		}
		return binary.AppendUvarint(dst, uint64(v.Pointer()))
	case reflect.Pointer, reflect.Map:
		return binary.AppendUvarint(dst, uint64(v.Pointer()))
	case reflect.Float64:
		return binary.AppendUvarint(dst, math.Float64bits(v.Float()))
	}
	if v.CanInt() {
		return binary.AppendVarint(dst, v.Int())
	}
	return binary.AppendUvarint(dst, v.Uint())
}

// policyOf is what a rule says, but for what is the site's.
func (s *site) policyOf(n int, rl *rule, d *decision) *engine.Policy {
	if p := s.policies[n].Load(); p != nil {
		return p
	}
	// What can be wrong in it was told when the form was compiled.
	c := compiling{plan: &Plan{node: s.node}}
	p := c.policy(s, rl, d)
	p.Rules = c.judging(s, rl, "")
	if s.kinds[n/(len(s.rules)+1)] == proxy {
		// No rule holds: no list of fields, nothing told of freshness.
		p.Bypass, p.Hidden, p.Pass, p.Told = true, true, nil, nil
	}
	s.policies[n].CompareAndSwap(nil, &p)
	return s.policies[n].Load()
}
