package main

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"syscall"
	"time"

	"opencache/internal/listen"
)

// An admin is the administration interface: health, metrics, profiles, and
// what the public listener also offers to this machine.
type admin struct {
	stack *stack
	token string // empty: only clients on this machine
	log   *slog.Logger
}

// listenAdmin opens the administration's listener: nil when it is off. That
// the default address is taken is no fault: two caches may run on one machine.
func listenAdmin(said, addr string, log *slog.Logger) (net.Listener, error) {
	switch addr {
	case "off":
		return nil, nil
	case "":
		l, err := listen.Listen(adminDefault)
		if errors.Is(err, syscall.EADDRINUSE) {
			log.Warn("administration is off: its address is taken", "address", adminDefault, "hint", "choose another with --admin")
			return nil, nil
		}
		return l, err
	}
	l, err := listen.Listen(addr)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", said, err)}
	}
	return l, nil
}

// server returns the interface as a server for listenAdmin's listener.
func (a *admin) server() *http.Server {
	return &http.Server{
		Handler:           a.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
}

func (a *admin) handler() http.Handler {
	open := http.NewServeMux() // for orchestrators, which carry no token
	open.HandleFunc("GET /livez", a.live)
	open.HandleFunc("GET /readyz", a.ready)
	open.HandleFunc("GET /healthz", a.health)
	open.HandleFunc("GET /health", a.live)
	open.HandleFunc("GET /oc-cgi/health", a.live)

	own := http.NewServeMux()
	own.Handle("GET /metrics", a.stack.metrics.Handler())
	edge := bridge{a.stack.edge}
	own.Handle("GET /__admin/", edge)
	own.Handle("POST /__admin/", edge)
	own.Handle("GET /oc-cgi/", edge)
	own.Handle("PURGE /", edge)
	a.api(own)
	own.Handle("/", http.NotFoundHandler())
	own.HandleFunc("GET /debug/pprof/", pprof.Index)
	own.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	own.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	own.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	own.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	open.Handle("/", a.guard(own))
	return open
}

// guard lets through who may administer: the bearer of the token, or a client
// on this machine that forwards for nobody and is no web page.
func (a *admin) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.bearer(r) || ownMachine(r) {
			next.ServeHTTP(w, r)
			return
		}
		if a.token != "" {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "administration: a bearer token is needed", http.StatusUnauthorized)
			return
		}
		http.Error(w, "administration: for clients on this machine only", http.StatusForbidden)
	})
}

func (a *admin) bearer(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return a.token != "" && strings.EqualFold(scheme, "Bearer") &&
		subtle.ConstantTimeCompare([]byte(strings.TrimSpace(token)), []byte(a.token)) == 1
}

// ownMachine reports whether r comes from this machine and for itself. A name
// other than localhost in Host, or a page's Origin, means that a browser was
// led here by somebody else's page (DNS rebinding).
func ownMachine(r *http.Request) bool {
	for _, name := range []string{"X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "Origin"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "none" && site != "same-origin" {
		return false
	}
	if r.RemoteAddr == "@" || r.RemoteAddr == "" {
		return true // a Unix socket: its file's mode says who may
	}
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !net.ParseIP(peer).IsLoopback() {
		return false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return host == "localhost" || net.ParseIP(strings.Trim(host, "[]")) != nil
}

func (a *admin) live(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "OK") }

func (a *admin) ready(w http.ResponseWriter, _ *http.Request) {
	if why := a.stack.unready(); why != "" {
		say(w, http.StatusServiceUnavailable, why)
		return
	}
	say(w, http.StatusOK, "OK")
}

// health is ready with details on request.
func (a *admin) health(w http.ResponseWriter, r *http.Request) {
	if !r.URL.Query().Has("verbose") {
		a.ready(w, r)
		return
	}
	check := func(name string, ok bool) string {
		if ok {
			return "[+] " + name + " ok\n"
		}
		return "[-] " + name + " no\n"
	}
	status, why := http.StatusOK, a.stack.unready()
	if why != "" {
		status = http.StatusServiceUnavailable
	}
	st := a.stack.server.Stats()
	reason := ""
	if why != "" {
		reason = "not ready: " + why + "\n"
	}
	say(w, status, fmt.Sprintf("%s%s%s%sversion %s\nconnections %d\nrefused %d\naccess log records lost %d",
		check("process", true), check("accepting", !a.stack.draining.Load()), check("ready", why == ""), reason, build(), st.Open, st.Refused, a.stack.access.Dropped()))
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = fmt.Fprint(w, text) // a client that is gone needs no answer
}
