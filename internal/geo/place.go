package geo

// A Place is what databases say of an address. What they do not say is empty.
// Texts are valid UTF-8 without control characters, of at most 256 bytes, fit
// for fields and logs as they are. A Place is shared and never changed.
type Place struct {
	Country     string // two letters, as of ISO 3166-1
	CountryName string
	Continent   string // two letters, as MaxMind has them
	Region      string // the code of the largest part of the country, as of ISO 3166-2 behind the dash
	RegionName  string
	City        string
	PostalCode  string
	Latitude    string // degrees, as a decimal number
	Longitude   string
	Timezone    string // like Europe/London
	ASN         uint32 // the network's number; 0: not known
	Org         string // who runs the network
}
