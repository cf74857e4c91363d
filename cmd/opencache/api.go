package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// api adds what the administration answers in JSON. Parameters that a route
// does not know are refused, so that a misspelt filter never means all.
func (a *admin) api(mux *http.ServeMux) {
	none := func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, r.Method+" "+r.URL.Path+": no such path of opencache")
	}
	mux.HandleFunc("GET /v1/", none)
	mux.HandleFunc("POST /v1/", none)
	for _, route := range []struct {
		method, path string
		answer       http.HandlerFunc
	}{
		{http.MethodGet, "/v1/stats", a.stats},
		{http.MethodGet, "/v1/zones", a.zones},
		{http.MethodGet, "/v1/entries", a.entries},
		{http.MethodGet, "/v1/top", a.top},
		{http.MethodPost, "/v1/purge", a.purge},
	} {
		for _, method := range apiMethods {
			answer := only(route.method)
			if method == route.method {
				answer = route.answer
			}
			mux.HandleFunc(method+" "+route.path, answer)
		}
	}
}

// apiMethods are those that an API's path answers, all but one of them with
// 405. A pattern without a method is not possible beside "PURGE /".
var apiMethods = [...]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions}

// only answers that a path is asked with another method.
func only(method string) http.HandlerFunc {
	allow := method
	if method == http.MethodGet {
		allow = "GET, HEAD" // ServeMux answers both
	}
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allow)
		refuse(w, http.StatusMethodNotAllowed, r.Method+" "+r.URL.Path+": expected "+method)
	}
}

// params returns the parameters of a request's query when it has none but
// those named, each at most once. Otherwise it has answered, and ok is false.
func params(w http.ResponseWriter, r *http.Request, known ...string) (values url.Values, ok bool) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		refuse(w, http.StatusBadRequest, "query: "+err.Error())
		return nil, false
	}
	for name, list := range values {
		switch {
		case !slices.Contains(known, name) && len(known) == 0:
			refuse(w, http.StatusBadRequest, fmt.Sprintf("query: %q: expected no parameters", name))
			return nil, false
		case !slices.Contains(known, name):
			refuse(w, http.StatusBadRequest, fmt.Sprintf("query: %q is not known: expected %s", name, strings.Join(known, ", ")))
			return nil, false
		case len(list) > 1:
			refuse(w, http.StatusBadRequest, fmt.Sprintf("query: %q: expected once, found %d times", name, len(list)))
			return nil, false
		}
	}
	return values, true
}

// number returns a parameter that is a number from 1 to most, def when it is
// not there. Otherwise it has answered, and ok is false.
func number(w http.ResponseWriter, values url.Values, name string, def, most int) (n int, ok bool) {
	if !values.Has(name) {
		return def, true
	}
	n, err := strconv.Atoi(values.Get(name))
	if err != nil || n < 1 || n > most {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("query: %s: %q: expected a number from 1 to %d", name, values.Get(name), most))
		return 0, false
	}
	return n, true
}

// tell answers with v in JSON.
func tell(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	_ = out.Encode(v) // a client that is gone needs no answer
}

// A refusal is what is answered in place of what was asked for.
type refusal struct {
	Error string `json:"error"`
}

// refuse answers that a request was not done, and why.
func refuse(w http.ResponseWriter, status int, why string) { tell(w, status, refusal{why}) }
