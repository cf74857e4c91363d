package opencache_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"opencache"
)

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
