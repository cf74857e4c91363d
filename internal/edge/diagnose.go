package edge

import (
	"bytes"
	"encoding/json"
	"fmt"

	"opencache/internal/expr"
	"opencache/internal/wire"
)

// diagnose answers the project's own paths, whatever the host: no site has a
// URL below them.
func (v *visit) diagnose() bool {
	path := v.r.Path()
	if len(path) < 7 || path[1] != 'h' && path[1] != 'o' && path[1] != '_' && path[1] != '/' && path[1] != '%' {
		return false
	}
	if v.reserved() {
		return v.answer(404, plain, "no such path of opencache\n")
	}
	switch public, other := v.ours(); {
	case public && string(path) == "/oc-cgi/ready":
		return v.ready()
	case public && string(path) == "/oc-cgi/trace":
		return v.trace()
	case public:
		return v.answer(200, plain, "OK")
	case other:
		return v.admin(string(path))
	}
	return false
}

// reserved reports whether the path is one of the project's own in another
// spelling: no site has a URL there, and the project answers to one.
func (v *visit) reserved() bool {
	path := v.r.Path()
	return !bytes.HasPrefix(path, ownPaths) && bytes.HasPrefix(v.path(), ownPaths)
}

var ownPaths = []byte("/oc-cgi/")

// ours reports whether the request is for what everybody may ask the project,
// or for another of its own paths.
func (v *visit) ours() (public, other bool) {
	path := v.r.Path()
	switch string(path) {
	case "/health", "/oc-cgi/health", "/oc-cgi/ready", "/oc-cgi/trace":
		public = reads(v.r.Method)
	}
	return public, !public && (bytes.HasPrefix(path, []byte("/oc-cgi/")) || bytes.HasPrefix(path, []byte("/__admin/")))
}

// ready tells whether the node is to be sent requests, and if not, why.
func (v *visit) ready() bool {
	if unready := v.e.o.Unready; unready != nil {
		if why := unready(); why != "" {
			return v.answer(503, plain, "not ready: "+why+"\n")
		}
	}
	return v.answer(200, plain, "ready\n")
}

// trace tells a client how it is seen from here.
func (v *visit) trace() bool {
	channel := v.r.TLS
	if channel == nil {
		channel = &wire.Channel{}
	}
	value := func(id expr.ID) string { return string(v.AppendValue(nil, &expr.Var{ID: id})) }
	return v.answer(200, plain, fmt.Sprintf("fl=%s\nh=%s\nip=%s\nts=%s\nvisit_scheme=%s\nuag=%s\ncolo=%s/%s\nhttp=%s\nloc=%s\ntls=%s\nsni=plaintext\nkex=%s\n",
		v.node.build, value(expr.Host), value(expr.RemoteAddr), value(expr.Msec), value(expr.Scheme), v.r.Get(wire.UserAgent),
		v.node.server, v.node.pop, v.protocol(), v.place().Country, channel.Version, channel.Group))
}

// protocol is the version of HTTP as traces name it.
func (v *visit) protocol() string {
	if v.r.Minor == 0 {
		return "http/1.0"
	}
	return "http/1.1"
}

// admin answers the paths that only operators may ask.
func (v *visit) admin(path string) bool {
	if !v.trusted() && (path != "/oc-cgi/metrics" || !v.measures()) {
		return v.answer(403, plain, notTrusted)
	}
	switch method := v.r.Method; {
	case path == "/oc-cgi/metrics" && v.e.o.Metrics != nil && reads(method):
		var b bytes.Buffer
		if err := v.e.o.Metrics.WriteText(&b); err != nil {
			return v.answer(500, plain, err.Error()+"\n")
		}
		return v.answer(200, "text/plain; version=0.0.4; charset=utf-8", b.String())
	case path == "/__admin/stats" && v.e.o.Stats != nil && reads(method):
		return v.show(v.e.o.Stats())
	case path == "/oc-cgi/status" && v.e.o.Status != nil && reads(method):
		return v.show(v.e.o.Status())
	case path == "/oc-cgi/explain" && reads(method):
		return v.explain()
	case path == "/__admin/clear-cache" && method == wire.POST:
		return v.answer(200, asJSON, fmt.Sprintf("{\"cleared\":%d}\n", v.e.clear()))
	case path == "/__admin/clear-cache":
		v.p.Fields = wire.AppendField(v.p.Fields, wire.Allow, "POST")
		return v.answer(405, plain, "POST is expected here\n")
	}
	return v.answer(404, plain, "no such path of opencache\n")
}

// show answers with a value in JSON.
func (v *visit) show(value any) bool {
	b, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return v.answer(500, plain, err.Error()+"\n")
	}
	return v.answer(200, asJSON, string(b)+"\n")
}

func reads(m wire.Method) bool { return m == wire.GET || m == wire.HEAD }
