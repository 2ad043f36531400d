package node

import (
	"fmt"
	"net/netip"
	"strings"
)

const (
	MaxAddressBytes = 255 // of a node's address
	maxLabelBytes   = 63  // of a label of a host name (RFC 1035)
)

// AddressFault says why no other node could dial host, a sentence, or, with
// listen, why nobody could listen on it. It is empty for a host name or an IP
// address, alone. The shim has the same rule (pgext/settings/address.c).
func AddressFault(host string, listen bool) string {
	switch {
	case host == "":
		return "It must not be empty."
	case len(host) > MaxAddressBytes:
		return fmt.Sprintf("It has %d bytes; at most %d are allowed.", len(host), MaxAddressBytes)
	case strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return "It must not contain spaces or control characters."
	case strings.Contains(host, "://"):
		return "It must not have a scheme."
	case strings.ContainsAny(host, "[]"):
		return "It must not have brackets."
	case strings.Count(host, ":") == 1:
		return "It must not have a port."
	}
	if !strings.Contains(host, ":") && strings.Trim(host, "0123456789.") != "" {
		if !isHostName(host) {
			return "It is not a host name."
		}
		return ""
	}
	ip, ok := parseIP(host)
	switch {
	case !ok && host == ".":
		return "It is not a host name."
	case !ok:
		return "It is not an IP address."
	case ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "It is a multicast or broadcast address."
	case ip.IsUnspecified() && !listen:
		return "It stands for every address of the machine: no other node can reach it."
	}
	return ""
}

// parseIP takes the zone of an IPv6 address for any word.
func parseIP(host string) (netip.Addr, bool) {
	bare, zone, scoped := strings.Cut(host, "%")
	ip, err := netip.ParseAddr(bare)
	return ip.Unmap(), err == nil && (!scoped || zone != "")
}

// isHostName: letters, digits, hyphens and underscores, as resolvers take them.
func isHostName(host string) bool {
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" || len(label) > maxLabelBytes || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// sameAddress: names differ neither by case nor by a dot at their end, IP addresses
// not by how they are written.
func sameAddress(a, b string) bool {
	x, isIP := parseIP(a)
	y, areIPs := parseIP(b)
	if isIP && areIPs {
		return x == y && zone(a) == zone(b)
	}
	return isIP == areIPs && strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
}

func zone(host string) string {
	_, zone, _ := strings.Cut(host, "%")
	return zone
}

// addressHint goes with what AddressFault says.
const addressHint = "An address is a host name or an IP address alone, such as db1.example.org, 10.0.0.1 or fd00::1."
