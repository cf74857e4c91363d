package opencache_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"opencache"
)

// What a program has fetched is there when it runs the next time.
func ExampleDisk() {
	server := api()
	defer server.Close()
	dir, err := os.MkdirTemp("", "opencache-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	for range 2 { // runs of a program
		store, err := opencache.Disk(dir, 16<<20)
		if err != nil {
			log.Fatal(err)
		}
		client := &http.Client{Transport: &opencache.Transport{Policy: opencache.Policy{Store: store}}}
		resp, err := client.Get(server.URL + "/users/7")
		if err != nil {
			log.Fatal(err)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil {
			log.Fatal(err)
		}
		outcome, _ := opencache.OutcomeOf(resp)
		fmt.Println(outcome.Status)
		if err := store.Close(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// MISS
	// HIT
}

// api is a server that says for how long its answers hold.
func api() *httptest.Server {
	served := 0
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served++
		w.Header().Set("Cache-Control", "max-age=60")
		_ = json.NewEncoder(w).Encode(map[string]any{"path": r.URL.Path, "served": served})
	}))
}

// A client of an API that asks once a minute, however often the program does.
func ExampleTransport() {
	server := api()
	defer server.Close()

	client := &http.Client{Transport: &opencache.Transport{}, Timeout: 10 * time.Second}
	for range 2 {
		resp, err := client.Get(server.URL + "/users/7")
		if err != nil {
			log.Fatal(err)
		}
		var user struct{ Served int }
		err = json.NewDecoder(resp.Body).Decode(&user)
		resp.Body.Close()
		if err != nil {
			log.Fatal(err)
		}
		outcome, _ := opencache.OutcomeOf(resp)
		fmt.Println(outcome.Status, "served", user.Served)
	}
	// Output:
	// MISS served 1
	// HIT served 1
}

// A caching reverse proxy. What an origin sends to one user stays with that
// user: a Handler is a shared cache.
func Example_reverseProxy() {
	server := api()
	defer server.Close()
	origin, err := url.Parse(server.URL)
	if err != nil {
		log.Fatal(err)
	}

	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(origin)
		r.SetXForwarded()
	}}
	handler := opencache.Handler(proxy, opencache.Policy{})

	for range 2 { // http.ListenAndServe(":8080", handler)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", "/page", nil))
		fmt.Print(w.Header().Get("X-Cache-Status"), " ", w.Body)
	}
	// Output:
	// MISS {"path":"/page","served":1}
	// HIT {"path":"/page","served":1}
}

// The same with the cache behind the proxy: what Rewrite and ModifyResponse do
// is done for each request anew.
func ExampleTransport_reverseProxy() {
	server := api()
	defer server.Close()
	origin, err := url.Parse(server.URL)
	if err != nil {
		log.Fatal(err)
	}

	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(origin) },
		Transport: &opencache.Transport{Shared: true},
	}

	for range 2 {
		w := httptest.NewRecorder()
		proxy.ServeHTTP(w, httptest.NewRequest("GET", "/page", nil))
		fmt.Print(w.Header().Get("X-Cache-Status"), " ", w.Body)
	}
	// Output:
	// MISS {"path":"/page","served":1}
	// HIT {"path":"/page","served":1}
}

// A Trace follows one request.
func ExampleWithTrace() {
	server := api()
	defer server.Close()
	client := &http.Client{Transport: &opencache.Transport{}}

	ctx := opencache.WithTrace(context.Background(), &opencache.Trace{
		Found:  func(_, ttl time.Duration) { fmt.Println("found, fresh for", ttl) },
		Fetch:  func(forward, _ opencache.Reason) { fmt.Println("fetch:", forward) },
		Stored: func() { fmt.Println("stored") },
		Done:   func(o opencache.Outcome) { fmt.Println("done:", o.Status) },
	})
	for range 2 {
		r, _ := http.NewRequestWithContext(ctx, "GET", server.URL, nil)
		resp, err := client.Do(r)
		if err != nil {
			log.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	// Output:
	// fetch: uri-miss
	// stored
	// done: MISS
	// found, fresh for 1m0s
	// done: HIT
}

// What changed elsewhere is dropped by its URL.
func ExampleStore_Purge() {
	articles := map[string]string{"/articles/17": "old"}
	var store opencache.Store
	defer store.Close()
	handler := opencache.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		fmt.Fprint(w, articles[r.URL.Path])
	}), opencache.Policy{Store: &store})
	show := func() {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", "https://example.com/articles/17", nil))
		fmt.Println(w.Header().Get("X-Cache-Status"), w.Body)
	}

	show()
	articles["/articles/17"] = "new"
	show()
	store.Purge(&url.URL{Scheme: "https", Host: "example.com", Path: "/articles/17"})
	show()
	// Output:
	// MISS old
	// HIT old
	// MISS new
}

// A clock of one's own tells how old responses are. (A server over a socket
// dates its responses by its own one.)
func ExampleStore() {
	now := time.Now()
	store := opencache.Store{Now: func() time.Time { return now }}
	defer store.Close()
	page := opencache.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
	}), opencache.Policy{Store: &store})

	for _, later := range []time.Duration{0, 59 * time.Second, time.Second} {
		now = now.Add(later)
		w := httptest.NewRecorder()
		page.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		fmt.Println(later, w.Header().Get("X-Cache-Status"))
	}
	// Output:
	// 0s MISS
	// 59s HIT
	// 1s EXPIRED
}

// In a bubble of testing/synctest all time is fake, and nothing needs a clock.
func TestExampleBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var store opencache.Store
		defer store.Close()
		page := opencache.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=86400")
			fmt.Fprint(w, time.Now().Format(time.DateOnly))
		}), opencache.Policy{Store: &store})
		for _, want := range []string{"MISS 2000-01-01", "HIT 2000-01-01", "EXPIRED 2000-01-02"} {
			w := httptest.NewRecorder()
			page.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			if got := w.Header().Get("X-Cache-Status") + " " + w.Body.String(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			time.Sleep(12 * time.Hour)
		}
	})
}

// A cache in front of a mux, in ten lines.
func ExampleHandler() {
	mux := http.NewServeMux()
	mux.HandleFunc("/report", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		fmt.Fprintln(w, "made at", time.Now())
	})
	store, err := opencache.Memory(256 << 20)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(":8080", opencache.Handler(mux, opencache.Policy{Store: store})))
}

// The zero Policy has memory of its own. X-Cache-Status says what happened.
func ExampleHandler_zeroPolicy() {
	made := 0
	h := opencache.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		made++
		w.Header().Set("Cache-Control", "max-age=60")
		fmt.Fprintf(w, "%s, made %d times", r.URL.Path, made)
	}), opencache.Policy{})
	for range 2 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/report", nil))
		fmt.Println(w.Header().Get("X-Cache-Status"), w.Body)
	}
	// Output:
	// MISS /report, made 1 times
	// HIT /report, made 1 times
}
