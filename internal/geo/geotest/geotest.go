// Package geotest writes MaxMind databases for tests, from text that a test can
// show.
package geotest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"strings"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// Database returns the database that text describes: a JSON object whose member
// "type" says what kind of database it is (GeoLite2-City), "ipVersion": 4 that
// it is of IPv4 alone, and whose other members are records by network. Numbers
// with a point are doubles, others unsigned of 32 bits.
//
//	{"type": "GeoLite2-ASN", "192.0.2.0/24": {"autonomous_system_number": 64496}}
func Database(text []byte) ([]byte, error) {
	var all map[string]any
	in := json.NewDecoder(bytes.NewReader(text))
	in.UseNumber()
	if err := in.Decode(&all); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	name, _ := all["type"].(string)
	version, _ := all["ipVersion"].(json.Number)
	delete(all, "type")
	delete(all, "ipVersion")
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		DatabaseType: name, Description: map[string]string{"en": "for tests"}, Languages: []string{"en"},
		BuildEpoch: 1_700_000_000, RecordSize: 24, IncludeReservedNetworks: true, IPVersion: ipVersion(version),
	})
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	for network, record := range all {
		_, cidr, err := net.ParseCIDR(network)
		if err != nil {
			return nil, fmt.Errorf("database: %w", err)
		}
		value, err := valueOf(record)
		if err == nil {
			err = tree.Insert(cidr, value)
		}
		if err != nil {
			return nil, fmt.Errorf("database: %s: %w", network, err)
		}
	}
	var b bytes.Buffer
	if _, err := tree.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	return b.Bytes(), nil
}

// ipVersion is the one that is said, else 6.
func ipVersion(said json.Number) int {
	if said == "4" {
		return 4
	}
	return 6
}

// valueOf is a value of JSON as databases have it.
func valueOf(value any) (mmdbtype.DataType, error) {
	switch v := value.(type) {
	case string:
		return mmdbtype.String(v), nil
	case bool:
		return mmdbtype.Bool(v), nil
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			f, err := v.Float64()
			return mmdbtype.Float64(f), err
		}
		n, err := v.Int64()
		return mmdbtype.Uint32(n), err
	case []any:
		var list mmdbtype.Slice
		for _, item := range v {
			one, err := valueOf(item)
			if err != nil {
				return nil, err
			}
			list = append(list, one)
		}
		return list, nil
	case map[string]any:
		m := mmdbtype.Map{}
		for key, item := range v {
			one, err := valueOf(item)
			if err != nil {
				return nil, err
			}
			m[mmdbtype.String(key)] = one
		}
		return m, nil
	}
	return nil, fmt.Errorf("a value of %T", value)
}
