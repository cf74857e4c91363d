package geo

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/oschwald/maxminddb-golang/v2"
)

// A record is what of a database's record a Place is made of.
type record struct {
	where struct {
		Continent struct {
			Code string `maxminddb:"code"`
		} `maxminddb:"continent"`
		Country struct {
			ISOCode string `maxminddb:"iso_code"`
			Names   names  `maxminddb:"names"`
		} `maxminddb:"country"`
		Subdivisions []struct {
			ISOCode string `maxminddb:"iso_code"`
			Names   names  `maxminddb:"names"`
		} `maxminddb:"subdivisions"`
		City struct {
			Names names `maxminddb:"names"`
		} `maxminddb:"city"`
		Postal struct {
			Code string `maxminddb:"code"`
		} `maxminddb:"postal"`
		Location struct {
			Latitude  *float64 `maxminddb:"latitude"`
			Longitude *float64 `maxminddb:"longitude"`
			TimeZone  string   `maxminddb:"time_zone"`
		} `maxminddb:"location"`
	}
	who struct {
		Number uint32 `maxminddb:"autonomous_system_number"`
		Org    string `maxminddb:"autonomous_system_organization"`
	}
}

// names are a name in the languages that MaxMind has.
type names struct {
	DE   string `maxminddb:"de"`
	EN   string `maxminddb:"en"`
	ES   string `maxminddb:"es"`
	FR   string `maxminddb:"fr"`
	JA   string `maxminddb:"ja"`
	PTBR string `maxminddb:"pt-BR"`
	RU   string `maxminddb:"ru"`
	ZHCN string `maxminddb:"zh-CN"`
}

// in is the name in a language, else in English.
func (n *names) in(language string) string {
	name := ""
	switch language {
	case "de":
		name = n.DE
	case "es":
		name = n.ES
	case "fr":
		name = n.FR
	case "ja":
		name = n.JA
	case "pt-BR":
		name = n.PTBR
	case "ru":
		name = n.RU
	case "zh-CN":
		name = n.ZHCN
	}
	if name == "" {
		name = n.EN
	}
	return name
}

// read reads a record of a database.
func (r *record) read(n maxminddb.Result, k kind) error {
	*r = record{}
	if k == asn {
		return n.Decode(&r.who)
	}
	return n.Decode(&r.where)
}

// put adds what a record says.
func (p *Place) put(r *record, k kind, language string) {
	if k == asn {
		p.Org, p.ASN = clean(r.who.Org), r.who.Number
		return
	}
	w := &r.where
	p.Country, p.CountryName = clean(w.Country.ISOCode), clean(w.Country.Names.in(language))
	p.Continent, p.City, p.PostalCode = clean(w.Continent.Code), clean(w.City.Names.in(language)), clean(w.Postal.Code)
	if len(w.Subdivisions) > 0 {
		p.Region, p.RegionName = clean(w.Subdivisions[0].ISOCode), clean(w.Subdivisions[0].Names.in(language))
	}
	p.Latitude, p.Longitude, p.Timezone = degrees(w.Location.Latitude), degrees(w.Location.Longitude), clean(w.Location.TimeZone)
}

// degrees is a number as text; what is none is empty.
func degrees(d *float64) string {
	if d == nil || math.IsNaN(*d) || math.Abs(*d) > 180 {
		return ""
	}
	return strconv.FormatFloat(*d, 'f', -1, 64)
}

// textMost is how long a text of a Place is at most, in bytes.
const textMost = 256

// clean is a text without what would not be valid in a field, or would not be
// seen where it is shown: control characters, marks that turn the direction of
// text, bytes that are no UTF-8.
func clean(s string) string {
	if len(s) <= textMost && isClean(s) {
		return s
	}
	s = strings.Map(func(c rune) rune {
		if hidden(c) {
			return -1
		}
		return c
	}, s[:min(len(s), 4*textMost)])
	s = strings.TrimSpace(s)
	for len(s) > textMost {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return strings.Clone(strings.TrimSpace(s))
}

func isClean(s string) bool {
	for _, c := range s {
		if hidden(c) {
			return false
		}
	}
	return s == strings.TrimSpace(s)
}

// hidden reports what no text of a Place has. Of bytes that are no UTF-8,
// ranging makes utf8.RuneError, which no name has for itself.
func hidden(c rune) bool {
	return c == utf8.RuneError || unicode.IsControl(c) || unicode.Is(unicode.Cf, c) || c == '\u2028' || c == '\u2029'
}
