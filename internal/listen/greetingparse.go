package listen

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// The PROXY protocol as https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
// has it.
const (
	signature   = "\r\n\r\n\x00\r\nQUIT\n" // of version 2
	longestText = 107                      // of version 1, with the line's end
	maxBinary   = 4096                     // of version 2, behind its 16 bytes: addresses and whatever a proxy adds
)

// leastText is how long a line of version 1 is at least that begins so.
func leastText(first []byte) int {
	switch {
	case strings.HasPrefix(string(first), "PROXY TCP4 "):
		return len("PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n")
	case strings.HasPrefix(string(first), "PROXY TCP6 "):
		return len("PROXY TCP6 :: :: 1 1\r\n")
	}
	return len("PROXY UNKNOWN\r\n")
}

var errNoHeader = errors.New("expected a header of the PROXY protocol")

// parseText parses a line of version 1, with its end.
func parseText(line string) (netip.AddrPort, error) {
	line, ok := strings.CutSuffix(line, "\r\n")
	rest, begins := strings.CutPrefix(line, "PROXY ")
	if !ok || !begins {
		return netip.AddrPort{}, errNoHeader
	}
	if rest == "UNKNOWN" || strings.HasPrefix(rest, "UNKNOWN ") {
		return netip.AddrPort{}, nil
	}
	words := strings.Split(rest, " ")
	if len(words) != 5 || words[0] != "TCP4" && words[0] != "TCP6" {
		return netip.AddrPort{}, fmt.Errorf("%q: expected TCP4 or TCP6, two addresses and two ports", rest)
	}
	if _, err := endOf(words[0], words[2], words[4]); err != nil {
		return netip.AddrPort{}, err
	}
	return endOf(words[0], words[1], words[3])
}

// endOf is one end of a connection, of the family that is named.
func endOf(family, address, port string) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Zone() != "" || a.Is4() != (family == "TCP4") {
		return netip.AddrPort{}, fmt.Errorf("%q: expected an address of %s", address, family)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || len(port) > 1 && port[0] == '0' {
		return netip.AddrPort{}, fmt.Errorf("%q: expected a port", port)
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), nil
}

// parseBinary parses a header of version 2 by what stands behind its signature.
func parseBinary(command, family byte, rest []byte) (netip.AddrPort, error) {
	switch {
	case command != 0x20 && command != 0x21:
		return netip.AddrPort{}, fmt.Errorf("version and command %#x: expected 0x20 or 0x21", command)
	case command == 0x20: // LOCAL: the proxy looks after us on its own behalf
		return netip.AddrPort{}, nil
	}
	switch family {
	case 0x11:
		if len(rest) < 12 {
			return netip.AddrPort{}, fmt.Errorf("%d bytes: expected 12 for IPv4", len(rest))
		}
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(rest)), binary.BigEndian.Uint16(rest[8:])), nil
	case 0x21:
		if len(rest) < 36 {
			return netip.AddrPort{}, fmt.Errorf("%d bytes: expected 36 for IPv6", len(rest))
		}
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(rest)).Unmap(), binary.BigEndian.Uint16(rest[32:])), nil
	}
	return netip.AddrPort{}, nil // UNSPEC, Unix sockets, datagrams: no address of a client's
}
