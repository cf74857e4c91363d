package edge

import (
	"net/netip"
	"strconv"

	"opencache/internal/expr"
	"opencache/internal/geo"
)

// A Locator says where an address is.
type Locator interface {
	// Place is never nil; of an address that nobody knows it is empty. Any
	// goroutine may call it.
	Place(netip.Addr) *geo.Place
}

// unknownPlace is where everybody is without a Locator.
var unknownPlace geo.Place

// place is where the client is: never nil, and looked up when it is asked for
// first.
func (v *values) place() *geo.Place {
	if v.where == nil {
		v.where = &unknownPlace
		if v.geo != nil {
			v.where = v.geo.Place(v.client)
		}
	}
	return v.where
}

// appendPlace appends what databases say of the client's address.
func (v *values) appendPlace(dst []byte, x *expr.Var) []byte {
	p := v.place()
	switch x.ID {
	case expr.CountryCode:
		return append(dst, p.Country...)
	case expr.CountryName:
		return append(dst, p.CountryName...)
	case expr.Continent:
		return append(dst, p.Continent...)
	case expr.Region:
		return append(dst, p.Region...)
	case expr.RegionName:
		return append(dst, p.RegionName...)
	case expr.City:
		return append(dst, p.City...)
	case expr.PostalCode:
		return append(dst, p.PostalCode...)
	case expr.Latitude:
		return append(dst, p.Latitude...)
	case expr.Longitude:
		return append(dst, p.Longitude...)
	case expr.Timezone:
		return append(dst, p.Timezone...)
	case expr.ASOrg:
		return append(dst, p.Org...)
	case expr.ASN:
		if p.ASN == 0 {
			return dst
		}
		return strconv.AppendUint(dst, uint64(p.ASN), 10)
	}
	return dst
}
