// Steady offers a server requests at a fixed rate, whatever the server does: an
// open-loop load generator for HTTP/1.1. A request's latency counts from the
// time it was meant to go out, so that a server which stalls pays for the
// requests that could not be sent meanwhile (coordinated omission). It is no
// client: it sends one request again and again, and of an answer it reads the
// status and where it ends.
//
//	bench-steady -url http://127.0.0.1:8080/1k -rate 7000 -duration 2s
//	{"requests":14000,"errors":0,"rate":7000,"p50":61.2,…,"max":512.4,"late":2.1}
//
// Times are in microseconds; rate is that of the answers. late is the 99th
// percentile of how late the generator itself was: when it is not far below
// p50, the generator was measured. It uses one processor whole.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"math"
	"net"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	connsMax = 4096
	rateMax  = 10_000_000
	tail     = time.Second
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench-steady: ")
	o, err := parse(os.Args[1:])
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			log.Print(err)
		}
		os.Exit(2)
	}
	runtime.LockOSThread()
	debug.SetGCPercent(-1) // nothing is allocated while it runs
	// The kernel may otherwise end a sleep 50 µs late to save wake-ups.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	r, err := o.run()
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(r.report()); err != nil {
		log.Fatalf("report: %v", err)
	}
}

// A report is what is printed; times are in microseconds.
type report struct {
	Requests int64   `json:"requests"` // answered with 200, in full
	Errors   int64   `json:"errors"`
	Rate     float64 `json:"rate"`
	P50      float64 `json:"p50"`
	P90      float64 `json:"p90"`
	P99      float64 `json:"p99"`
	P999     float64 `json:"p999"`
	Max      float64 `json:"max"`
	Late     float64 `json:"late"`
	Other    *other  `json:"other,omitempty"`
}

// other is what came of the other requests.
type other struct {
	Requests int64   `json:"requests"`
	Errors   int64   `json:"errors"`
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
	Max      float64 `json:"max"`
}

func (r *result) report() report {
	q := func(q float64) float64 { return us(r.latency.quantile(q)) }
	printed := report{
		Requests: r.answered, Errors: r.errors, Rate: math.Round(float64(r.answered) / r.elapsed.Seconds()),
		P50: q(0.5), P90: q(0.9), P99: q(0.99), P999: q(0.999), Max: us(r.latency.top), Late: us(r.late.quantile(0.99)),
	}
	if o := r.other; o != nil {
		printed.Other = &other{Requests: o.answered, Errors: o.errors,
			P50: us(o.latency.quantile(0.5)), P99: us(o.latency.quantile(0.99)), Max: us(o.latency.top)}
	}
	return printed
}

// us is ns in microseconds, with one decimal.
func us(ns int64) float64 { return math.Round(float64(ns)/100) / 10 }

// parse makes a load of the arguments.
func parse(args []string) (load, error) {
	f := flag.NewFlagSet("bench-steady", flag.ContinueOnError)
	o := load{tail: tail}
	link := f.String("url", "", "what to ask for: http://HOST[:PORT]/PATH")
	f.IntVar(&o.rate, "rate", 1000, "requests a second")
	f.IntVar(&o.conns, "conns", 64, "connections; each has one request under way at most")
	f.DurationVar(&o.duration, "duration", 2*time.Second, "how long requests are offered and counted")
	f.DurationVar(&o.warmup, "warmup", 300*time.Millisecond, "how long they are offered before that, uncounted")
	var fields []string
	f.Func("header", "a field of the request, as `NAME: VALUE`; repeatable", func(line string) error {
		name, _, found := strings.Cut(line, ":")
		if !found || name == "" || strings.ContainsAny(line, "\r\n") {
			return errors.New("not of the form NAME: VALUE")
		}
		fields = append(fields, line)
		return nil
	})
	f.IntVar(&o.skip, "skip", 0, "how many connections make a group, the last of which sends nothing, or the other requests (default none)")
	more := f.String("other", "", "URL of the other requests, with "+number+" where their number is to stand")
	f.Int64Var(&o.other.count, "others", 1, "how many URLs those are")
	f.Int64Var(&o.other.first, "first", 0, "which of them comes first")
	if err := f.Parse(args); err != nil {
		return load{}, err
	}
	switch {
	case f.NArg() > 0:
		return load{}, fmt.Errorf("argument %q: none is expected", f.Arg(0))
	case o.rate < 1 || o.rate > rateMax:
		return load{}, fmt.Errorf("-rate %d: from 1 to %d is expected", o.rate, rateMax)
	case o.conns < 1 || o.conns > connsMax:
		return load{}, fmt.Errorf("-conns %d: from 1 to %d is expected", o.conns, connsMax)
	case o.duration <= 0 || o.duration > time.Hour || o.warmup < 0 || o.warmup > time.Hour:
		return load{}, fmt.Errorf("-duration %v, -warmup %v: an hour at most is expected", o.duration, o.warmup)
	case o.skip < 0 || o.skip == 1 || o.skip > 1 && o.conns%o.skip != 0:
		return load{}, fmt.Errorf("-skip %d: a part of -conns %d, from 2, is expected", o.skip, o.conns)
	case o.other.count < 1 || o.other.first < 0 || *more != "" && (o.skip == 0 || !strings.Contains(*more, number)):
		return load{}, fmt.Errorf("-other %q, -others %d, -first %d: a URL with %s, -skip, and numbers are expected",
			*more, o.other.count, o.other.first, number)
	}
	if err := o.ask(*link, fields); err != nil || *more == "" {
		return o, err
	}
	var of load
	err := of.ask(strings.Replace(*more, number, strings.Repeat("0", numberSize), 1), fields)
	at, _, _ := strings.Cut(*more, number)
	u, _ := url.Parse(at) // as ask has
	o.other.request, o.other.digits = of.request, len("GET ")+len(u.Path)
	return o, err
}

const (
	number     = "{number}" // in the URL of other requests
	numberSize = 12         // its digits
)

// ask sets target and request.
func (o *load) ask(link string, fields []string) error {
	u, err := url.Parse(link)
	if err != nil {
		return fmt.Errorf("-url: %w", err)
	}
	if u.Scheme != "http" || u.Host == "" {
		return fmt.Errorf("-url %q: http://HOST[:PORT]/PATH is expected", link)
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	a, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return fmt.Errorf("-url %q: %w", link, err)
	}
	o.target, o.request = newTarget(a), compose(u, fields)
	return nil
}

// compose writes the request. A Host among the fields stands for the URL's.
func compose(u *url.URL, fields []string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\n", u.RequestURI())
	host := true
	for _, line := range fields {
		name, _, _ := strings.Cut(line, ":")
		host = host && !strings.EqualFold(name, "Host")
	}
	if host {
		fmt.Fprintf(&b, "Host: %s\r\n", u.Host)
	}
	for _, line := range fields {
		b.WriteString(line + "\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}
