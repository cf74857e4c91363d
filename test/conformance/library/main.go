// Library serves an origin through the public package, for the suite of
// test/conformance: through an opencache.Transport, as the private cache of a
// proxy that has one user, or through an opencache.Handler, as a shared one.
//
//	library -as transport -listen 127.0.0.1:8080 -origin http://127.0.0.1:8000
package main

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"

	"opencache"
)

func main() {
	as := flag.String("as", "transport", "transport or handler")
	listen := flag.String("listen", "127.0.0.1:0", "the address to listen on")
	origin := flag.String("origin", "", "the origin, as http://host:port")
	flag.Parse()
	if err := serve(*as, *listen, *origin); err != nil {
		fmt.Fprintln(os.Stderr, "library:", err)
		os.Exit(1)
	}
}

func serve(as, listen, origin string) error {
	u, err := url.Parse(origin)
	if err != nil {
		return err
	}
	// Nothing is added to what the client says: what the origin gets is for
	// the suite to judge.
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }}
	base := &http.Transport{DisableCompression: true}
	var handler http.Handler = proxy
	switch as {
	case "transport":
		proxy.Transport = &opencache.Transport{Base: base}
	case "handler":
		proxy.Transport = base
		handler = opencache.Handler(proxy, opencache.Policy{})
	default:
		return fmt.Errorf("-as %s: expected transport or handler", as)
	}
	s := &http.Server{Addr: listen, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	return s.ListenAndServe()
}
