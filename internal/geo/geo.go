// Package geo says where addresses are and whose network they are in. It reads
// MaxMind databases (.mmdb) of cities and of networks, and reads them again
// when their files change. It knows no request, and of the world only what the
// files say.
//
//	d := geo.Databases{Log: log}
//	d.Use(geo.Options{City: "/var/lib/GeoIP/GeoLite2-City.mmdb", ASN: "/var/lib/GeoIP/GeoLite2-ASN.mmdb"})
//	defer d.Close()
//	p := d.Place(address) // p.Country is "DE"
//
// A file is read into memory, not mapped: one that is cut short while it is in
// use would end the process (SIGBUS). What was read is checked as a whole
// before it is used, so that no look-up meets a damaged record.
package geo

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Options say which databases there are.
type Options struct {
	// City is the file that says where addresses are: a City, Country or
	// Enterprise database. Empty: none.
	City string
	// ASN is the file that says whose networks they are in: an ASN or ISP
	// database. Empty: none.
	ASN string
	// Language is the one of names, like de; those that have none in it are in
	// English. Empty: en.
	Language string
	// Interval is how often the files are looked at. 0: 10 s.
	Interval time.Duration
	// MaxSize is how large each file may be. 0: 512 MiB.
	MaxSize int64
}

// Databases say where addresses are. The zero value knows nothing; Use gives it
// files.
type Databases struct {
	Log *slog.Logger     // nil: nobody is told of files
	Now func() time.Time // for Status; nil: time.Now

	atlas atomic.Pointer[atlas] // nil: nothing is known

	using sync.Mutex // held by Use and Close; guards the watcher
	stop  context.CancelFunc
	done  chan struct{} // closed when the watcher has ended; nil: there is none

	mu    sync.Mutex // guards the fields below
	o     Options
	files [kinds]file
}

// Place says where an address is. What it returns is never nil, and shared.
func (d *Databases) Place(ip netip.Addr) *Place {
	if a := d.atlas.Load(); a != nil {
		return a.place(ip)
	}
	return &empty
}

// empty is what is known of an address that no database has.
var empty Place

// Use has the files of o looked at now and from then on, in place of those
// before. Files that are missing or damaged are told of and do no harm: what
// they would say is empty.
func (d *Databases) Use(o Options) {
	if o.Interval <= 0 {
		o.Interval = 10 * time.Second
	}
	if o.MaxSize <= 0 {
		o.MaxSize = 512 << 20
	}
	d.using.Lock()
	defer d.using.Unlock()
	d.mu.Lock()
	same := d.o == o
	d.mu.Unlock()
	if same {
		return
	}
	d.end()
	d.mu.Lock()
	for k, path := range [kinds]string{o.City, o.ASN} {
		if f := &d.files[k]; f.path != path || o.MaxSize != d.o.MaxSize {
			*f = file{kind: kind(k), path: path}
		}
	}
	other := d.o.Language != o.Language
	d.o = o
	d.mu.Unlock()
	d.look(other)
	if o.City != "" || o.ASN != "" {
		d.watch(o.Interval)
	}
}

// Look looks at the files now.
func (d *Databases) Look() { d.look(false) }

// look puts to use what has changed; all of it anew when that is asked for.
func (d *Databases) look(anew bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for k := range d.files {
		changed := d.files[k].look(d.o.MaxSize, d.now, d.Log)
		anew = anew || changed
	}
	was := d.atlas.Load()
	if anew || was != nil && (was.city != d.files[city].reader || was.asn != d.files[asn].reader) {
		d.atlas.Store(newAtlas(d.files[city].reader, d.files[asn].reader, d.o.Language))
	}
}

func (d *Databases) now() time.Time {
	if d.Now != nil {
		return d.Now()
	}
	return time.Now()
}

// watch starts the watcher.
func (d *Databases) watch(every time.Duration) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	d.stop, d.done = stop, done
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				d.Look()
			}
		}
	}()
}

// end ends the watcher, if there is one.
func (d *Databases) end() {
	if d.done != nil {
		d.stop()
		<-d.done
		d.stop, d.done = nil, nil
	}
}

// Close ends what Use has started. Places are told all the same.
func (d *Databases) Close() {
	d.using.Lock()
	defer d.using.Unlock()
	d.end()
}

// A Status is how it stands with a database.
type Status struct {
	Database string    `json:"database"` // city or asn
	Path     string    `json:"path"`
	Type     string    `json:"type,omitzero"`   // what it says it is; empty: none is in use
	Built    time.Time `json:"built,omitzero"`  // by its maker
	Loaded   time.Time `json:"loaded,omitzero"` // when it was put to use
	Bytes    int64     `json:"bytes,omitzero"`
	Error    string    `json:"error,omitzero"` // why the file as it is now is not in use
	Loads    uint64    `json:"loads"`
	Failed   uint64    `json:"failedLoads"`
}

// Status tells of each database that Use was given.
func (d *Databases) Status() (list []Status) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for k := range d.files {
		if f := &d.files[k]; f.path != "" {
			list = append(list, f.status())
		}
	}
	return list
}
