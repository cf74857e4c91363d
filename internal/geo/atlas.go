package geo

import (
	"net/netip"
	"sync/atomic"

	"github.com/oschwald/maxminddb-golang/v2"
)

// An atlas is what the databases say, at one time. But for what it remembers of
// them, it is never changed.
type atlas struct {
	city, asn *maxminddb.Reader // nil: none is in use
	language  string
	known     [Remembered]atomic.Pointer[entry]
}

// Remembered is how many places are, in sets of ways; powers of two. Reading a record takes some times what finding it does, and allocates; all
// addresses of a city lead to a few records.
const (
	Remembered = 8192
	ways       = 4
)

// An entry is a place, and where in the databases it is; 0 is nowhere.
type entry struct {
	city, asn uintptr
	Place
}

func newAtlas(city, asn *maxminddb.Reader, language string) *atlas {
	if city == nil && asn == nil {
		return nil
	}
	return &atlas{city: city, asn: asn, language: language}
}

// place says where an address is.
func (a *atlas) place(ip netip.Addr) *Place {
	ip = ip.Unmap()
	inCity, inASN := find(a.city, ip), find(a.asn, ip)
	if inCity|inASN == 0 {
		return &empty
	}
	at := hashOf(inCity, inASN)
	set := a.known[at%(Remembered/ways)*ways:][:ways]
	for i := range set {
		if e := set[i].Load(); e != nil && e.city == inCity && e.asn == inASN {
			return &e.Place
		}
	}
	e := &entry{city: inCity, asn: inASN}
	var rec record
	if inCity != 0 && rec.read(a.city.LookupOffset(inCity-1), city) == nil {
		e.put(&rec, city, a.language)
	}
	if inASN != 0 && rec.read(a.asn.LookupOffset(inASN-1), asn) == nil {
		e.put(&rec, asn, a.language)
	}
	for i := range set {
		if set[i].CompareAndSwap(nil, e) {
			return &e.Place
		}
	}
	set[at>>32%ways].Store(e)
	return &e.Place
}

// hashOf spreads places over the sets, as SplitMix64 does.
func hashOf(inCity, inASN uintptr) uint64 {
	x := uint64(inCity)<<32 ^ uint64(inASN)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// find returns where in a database what it says of an address is, and one more;
// 0: it says nothing.
func find(r *maxminddb.Reader, ip netip.Addr) uintptr {
	if r == nil || !ip.IsValid() || ip.Is6() && r.Metadata.IPVersion == 4 {
		return 0
	}
	if n := r.Lookup(ip); n.Err() == nil && n.Found() {
		return n.Offset() + 1
	}
	return 0
}
