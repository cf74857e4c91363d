package edge

import (
	"net/netip"
	"testing"

	"opencache/internal/expr"
	"opencache/internal/geo"
	"opencache/internal/wire"
)

// atlas knows some addresses, and counts how often it is asked.
type atlas struct {
	places map[netip.Addr]*geo.Place
	asked  int
}

func (a *atlas) Place(ip netip.Addr) *geo.Place {
	a.asked++
	if p := a.places[ip]; p != nil {
		return p
	}
	return new(geo.Place)
}

var _ Locator = (*atlas)(nil)

// Every variable of the seed's section 10.
func TestPlaceVariables(t *testing.T) {
	berlin := &geo.Place{
		Country: "DE", CountryName: "Germany", Continent: "EU", Region: "BE", RegionName: "Land Berlin", City: "Berlin", PostalCode: "10178",
		Latitude: "52.5196", Longitude: "13.4069", Timezone: "Europe/Berlin", Org: "Example Net", ASN: 64496,
	}
	a := &atlas{places: map[netip.Addr]*geo.Place{netip.MustParseAddr("192.0.2.1"): berlin}}
	for name, want := range map[string]string{
		"country_code": "DE", "country_name": "Germany", "continent": "EU", "region": "BE", "region_name": "Land Berlin", "city": "Berlin",
		"postal_code": "10178", "latitude": "52.5196", "longitude": "13.4069", "timezone": "Europe/Berlin", "as_org": "Example Net", "asn": "64496",
	} {
		text, err := expr.ParseText("[$geoip_"+name+"]", expr.InAnswer)
		if err != nil {
			t.Errorf("$geoip_%s: %v", name, err)
			continue
		}
		v := values{r: new(wire.Request), geo: a}
		v.client = netip.MustParseAddr("192.0.2.1")
		if got := string(text.Append(nil, &v)); got != "["+want+"]" {
			t.Errorf("$geoip_%s: got %q, want %q", name, got, "["+want+"]")
		}
		for _, nobody := range []values{{r: v.r}, {r: new(wire.Request), geo: a}} {
			if got := string(text.Append(nil, &nobody)); got != "[]" {
				t.Errorf("$geoip_%s that nobody knows: got %q, want []", name, got)
			}
		}
	}
}

// However many variables a request has, a place is looked up once.
func TestPlaceIsAskedOnce(t *testing.T) {
	text, err := expr.ParseText("$geoip_country_code$geoip_city$geoip_asn$geoip_as_org", expr.InAnswer)
	if err != nil {
		t.Fatal(err)
	}
	a := &atlas{}
	v := values{r: new(wire.Request), geo: a}
	if text.Append(nil, &v); a.asked != 1 {
		t.Errorf("got %d look-ups, want 1", a.asked)
	}
}
