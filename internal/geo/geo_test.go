package geo_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"opencache/internal/geo"
	"opencache/internal/geo/geotest"
)

const cities = `{"type": "GeoLite2-City",
	"192.0.2.0/25": {
		"continent": {"code": "EU"}, "country": {"iso_code": "DE", "names": {"en": "Germany", "de": "Deutschland"}},
		"subdivisions": [{"iso_code": "BE", "names": {"en": "Land Berlin"}}, {"iso_code": "X", "names": {"en": "Mitte"}}],
		"city": {"names": {"en": "Berlin", "ja": "ベルリン"}}, "postal": {"code": "10178"},
		"location": {"latitude": 52.5196, "longitude": 13.4069, "time_zone": "Europe/Berlin"}},
	"198.51.100.0/24": {"country": {"iso_code": "BR", "names": {"en": "Brazil"}}, "city": {"names": {"en": "São Paulo\r\nSet-Cookie: a=b\u202e"}},
		"location": {"latitude": -23.5, "longitude": 0.0}},
	"2001:db8::/32": {"country": {"iso_code": "SE"}}}`

const networks = `{"type": "GeoLite2-ASN",
	"192.0.2.0/24": {"autonomous_system_number": 64496, "autonomous_system_organization": "Example Net"},
	"2001:db8::/33": {"autonomous_system_number": 4200000000, "autonomous_system_organization": "Big Number"}}`

// database writes a database to a file, in place of the one that is there.
func database(t testing.TB, path, text string) {
	t.Helper()
	b, err := geotest.Database([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	replace(t, path, b)
}

// replace puts a file in place as operators should: whole or not at all.
func replace(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// A log is what was told.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// use returns databases of files in a folder that Close at the end.
func use(t testing.TB, o geo.Options) (*geo.Databases, *log) {
	l := &log{}
	d := &geo.Databases{Log: slog.New(slog.NewTextHandler(l, nil))}
	d.Use(o)
	t.Cleanup(d.Close)
	return d, l
}

func TestPlace(t *testing.T) {
	dir := t.TempDir()
	o := geo.Options{City: filepath.Join(dir, "city"), ASN: filepath.Join(dir, "asn")}
	database(t, o.City, cities)
	database(t, o.ASN, networks)
	d, _ := use(t, o)
	berlin := geo.Place{Country: "DE", CountryName: "Germany", Continent: "EU", Region: "BE", RegionName: "Land Berlin", City: "Berlin",
		PostalCode: "10178", Latitude: "52.5196", Longitude: "13.4069", Timezone: "Europe/Berlin", Org: "Example Net", ASN: 64496}
	for address, want := range map[string]geo.Place{
		"192.0.2.1":          berlin,
		"::ffff:192.0.2.127": berlin,
		"192.0.2.128":        {Org: "Example Net", ASN: 64496},
		"198.51.100.9":       {Country: "BR", CountryName: "Brazil", City: "São PauloSet-Cookie: a=b", Latitude: "-23.5", Longitude: "0"},
		"2001:db8::1":        {Country: "SE", Org: "Big Number", ASN: 4200000000},
		"2001:db8:8000::1":   {Country: "SE"},
		"2001:db8::1%eth0":   {Country: "SE", Org: "Big Number", ASN: 4200000000},
		"203.0.113.1":        {},
		"127.0.0.1":          {},
		"":                   {},
	} {
		ip, _ := netip.ParseAddr(address)
		for range 2 { // read, and remembered
			if got := d.Place(ip); *got != want {
				t.Errorf("%s: got %+v, want %+v", address, *got, want)
			}
		}
	}
	o.Language = "de"
	d.Use(o)
	if got := d.Place(netip.MustParseAddr("192.0.2.1")); got.CountryName != "Deutschland" || got.City != "Berlin" {
		t.Errorf("in German: got %q and %q, want Deutschland and, for want of a German name, Berlin", got.CountryName, got.City)
	}
	d.Use(geo.Options{ASN: o.ASN})
	if got := d.Place(netip.MustParseAddr("192.0.2.1")); *got != (geo.Place{Org: "Example Net", ASN: 64496}) {
		t.Errorf("without cities: got %+v", *got)
	}
	d.Use(geo.Options{})
	if got := d.Place(netip.MustParseAddr("192.0.2.1")); *got != (geo.Place{}) {
		t.Errorf("without databases: got %+v", *got)
	}
}

// A database of IPv4 alone knows no other address, and says so.
func TestPlaceIPv4Only(t *testing.T) {
	b, err := geotest.Database([]byte(`{"type": "GeoLite2-City", "ipVersion": 4, "192.0.2.0/24": {"country": {"iso_code": "DE"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "city")
	replace(t, path, b)
	d, _ := use(t, geo.Options{City: path})
	for address, want := range map[string]string{"192.0.2.1": "DE", "2001:db8::1": "", "::ffff:192.0.2.1": "DE"} {
		if got := d.Place(netip.MustParseAddr(address)).Country; got != want {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
}

func country(code string) string {
	return `{"type": "GeoLite2-Country", "192.0.2.0/24": {"country": {"iso_code": "` + code + `"}}}`
}

// Whatever happens to the file, the last good one is used, and it is told once.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "city")
		d, told := use(t, geo.Options{City: path, Interval: time.Minute, MaxSize: 1 << 20})
		step := func(name, want, says string) {
			t.Helper()
			time.Sleep(time.Minute)
			synctest.Wait()
			if got := d.Place(netip.MustParseAddr("192.0.2.1")).Country; got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
			if says != "" && told.count(says) != 1 {
				t.Errorf("%s: got %d lines %q, want one, in\n%s", name, told.count(says), says, told)
			}
			told.mu.Lock()
			told.b.Reset()
			told.mu.Unlock()
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			if got := told.String(); got != "" {
				t.Errorf("%s: told again: %s", name, got)
			}
		}
		write := func(b []byte) {
			t.Helper()
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		whole, err := geotest.Database([]byte(country("SE")))
		if err != nil {
			t.Fatal(err)
		}
		step("absent", "", "is missing: what it would say is empty")
		database(t, path, country("DE"))
		step("there", "DE", "is in use")
		database(t, path, country("FR"))
		step("replaced", "FR", "is in use")
		write(whole[:len(whole)/2])
		step("truncated while it is written", "FR", "is refused: the one before goes on")
		write(whole)
		step("written", "SE", "is in use")
		write(nil)
		step("empty", "SE", "is refused: the one before goes on")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		step("deleted", "SE", "is missing: the one before goes on")
		database(t, path, networks)
		step("another kind", "SE", "another kind")
		write(make([]byte, 1<<20+1))
		step("too large", "SE", "larger than geo.maxSize")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		step("a folder", "SE", "no regular file")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		database(t, path, country("PL"))
		step("back", "PL", "is in use")
		s := d.Status()
		if len(s) != 1 || s[0].Type != "GeoLite2-Country" || s[0].Error != "" || s[0].Loads != 4 || s[0].Failed != 5 || s[0].Bytes == 0 ||
			!s[0].Built.Equal(time.Unix(1_700_000_000, 0)) {
			t.Errorf("got %+v", s)
		}
		d.Close()
	})
}

// TestDamaged: whichever byte of a database is another one, a look-up tells
// something or nothing, and ends.
func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	whole, err := geotest.Database([]byte(cities))
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for at := range whole {
		if at%3 != 0 { // a third shows as much
			continue
		}
		b := bytes.Clone(whole)
		b[at] ^= 0xff
		path := filepath.Join(dir, "city")
		replace(t, path, b)
		d := &geo.Databases{}
		d.Use(geo.Options{City: path})
		if d.Status()[0].Error != "" {
			refused++
		}
		for _, ip := range []string{"192.0.2.1", "198.51.100.1", "2001:db8::1", "10.0.0.1"} {
			d.Place(netip.MustParseAddr(ip))
		}
		d.Close()
	}
	if refused < len(whole)/3/3 {
		t.Errorf("got %d of %d refused, want more", refused, len(whole)/3)
	}
	t.Logf("%d of %d refused", refused, len(whole)/3)
}

// While files are replaced, everybody is told the one or the other.
func TestReloadUnderLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "city")
	database(t, path, country("DE"))
	d, _ := use(t, geo.Options{City: path, Interval: time.Hour})
	var running sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		running.Go(func() {
			ip := netip.MustParseAddr("192.0.2.1")
			for {
				select {
				case <-stop:
					return
				default:
				}
				if got := d.Place(ip).Country; got != "DE" && got != "FR" {
					t.Errorf("got %q, want DE or FR", got)
					return
				}
			}
		})
	}
	for i := range 40 {
		database(t, path, country([]string{"FR", "DE"}[i%2]))
		d.Look()
	}
	close(stop)
	running.Wait()
}

// A look-up of what was asked before allocates nothing.
func TestPlaceAllocates(t *testing.T) {
	dir := t.TempDir()
	o := geo.Options{City: filepath.Join(dir, "city"), ASN: filepath.Join(dir, "asn")}
	database(t, o.City, cities)
	database(t, o.ASN, networks)
	d, _ := use(t, o)
	for _, address := range []string{"192.0.2.1", "2001:db8::1", "10.0.0.1"} {
		ip := netip.MustParseAddr(address)
		if got := testing.AllocsPerRun(100, func() { d.Place(ip) }); got != 0 {
			t.Errorf("%s: got %v allocations, want 0", address, got)
		}
	}
}

// FuzzDatabase: no file ends the process, or keeps it busy for ever.
func FuzzDatabase(f *testing.F) {
	for _, text := range []string{cities, country("DE"), `{"type": "X"}`} {
		b, err := geotest.Database([]byte(text))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Add([]byte("\xab\xcd\xefMaxMind.com"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "city")
		replace(t, path, b)
		d := &geo.Databases{}
		d.Use(geo.Options{City: path, Interval: time.Hour})
		defer d.Close()
		for _, ip := range []string{"192.0.2.1", "2001:db8::1"} {
			p := d.Place(netip.MustParseAddr(ip))
			for _, text := range []string{p.Country, p.City, p.Org, p.Timezone, p.PostalCode} {
				if len(text) > 256 || strings.ContainsAny(text, "\r\n\x00") {
					t.Errorf("got %q", text)
				}
			}
		}
	})
}

// many is a database of n networks, of as many cities.
func many(n int) string {
	var b strings.Builder
	b.WriteString(`{"type": "GeoLite2-City"`)
	for i := range n {
		fmt.Fprintf(&b, `, "%d.%d.%d.0/24": {"country": {"iso_code": "DE", "names": {"en": "Germany", "de": "Deutschland"}}, "city": {"names": {"en": "City %d", "de": "Stadt %d"}},
			"location": {"latitude": %d.5, "longitude": 1.5, "time_zone": "Europe/Berlin"}}`, 1+i>>16, i>>8&255, i&255, i, i, i%90)
	}
	return b.String() + "}"
}

// BenchmarkPlace is of addresses whose places are remembered, and of such that
// are not: what is remembered must pay.
func BenchmarkPlace(b *testing.B) {
	path := filepath.Join(b.TempDir(), "city")
	database(b, path, many(100_000))
	for name, spread := range map[string]uint32{"remembered": 4000, "read": 100_000} {
		b.Run(name, func(b *testing.B) {
			d, _ := use(b, geo.Options{City: path})
			b.ReportAllocs()
			n := uint32(0)
			for b.Loop() {
				n += 7919
				i := n % spread
				d.Place(netip.AddrFrom4([4]byte{byte(1 + i>>16), byte(i >> 8), byte(i), 1}))
			}
		})
	}
}

// BenchmarkLoad reads and checks a database.
func BenchmarkLoad(b *testing.B) {
	path := filepath.Join(b.TempDir(), "city")
	database(b, path, many(100_000))
	for b.Loop() {
		d := &geo.Databases{}
		d.Use(geo.Options{City: path})
		d.Close()
	}
}
