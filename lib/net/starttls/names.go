package starttls

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"postrider/lib/net/dns"
)

// Names replaces the strategies in a list of names to match: "hostname" by the
// name of the host that was connected to, "nexthop" by the destination, and
// "dot-nexthop" by everything below it.
func Names(patterns []string, nexthop, host string) []string {
	var names []string
	for _, p := range patterns {
		switch strings.ToLower(p) {
		case "hostname":
			p = host
		case "nexthop":
			p = nexthop
		case "dot-nexthop":
			p = "." + nexthop
		}
		if ascii, err := dns.ToASCII(p); err == nil {
			p = ascii
		}
		names = append(names, strings.TrimSuffix(p, "."))
	}
	return names
}

// matchNames finds the name of a certificate that is one of the wanted ones. A
// wanted name with a dot in front means all names below it. The common name
// counts only when there are no DNS names. Deep says that a wildcard may be several
// labels. RFC 6125, section 6.4.
func matchNames(cert *x509.Certificate, wanted []string, deep bool) (found string, ok bool) {
	names := cert.DNSNames
	if len(names) == 0 {
		names = []string{commonName(cert.RawSubject)}
	}
	for _, want := range wanted {
		if addr, err := netip.ParseAddr(want); err == nil {
			for _, ip := range cert.IPAddresses {
				if a, _ := netip.AddrFromSlice(ip); a.Unmap() == addr.Unmap() {
					return want, true
				}
			}
			continue
		}
		for _, name := range names {
			if matchName(name, want, deep) {
				return name, true
			}
		}
	}
	return "", false
}

// matchName compares one name of a certificate. A "*" is one whole label, the
// first one, in front of at least two others; when deep, it is one or more.
func matchName(name, want string, deep bool) bool {
	name, want = strings.ToLower(strings.TrimSuffix(name, ".")), strings.ToLower(want)
	host, wild := strings.CutPrefix(name, "*.")
	switch {
	case !dns.ValidHostname(host) || wild && !strings.Contains(host, "."):
		return false
	case strings.HasPrefix(want, "."):
		return strings.HasSuffix(name, want) && len(name) > len(want)
	case wild && deep:
		return strings.HasSuffix(want, "."+host) && !strings.HasPrefix(want, ".") && len(want) > len(host)+1
	case wild:
		label, rest, _ := strings.Cut(want, ".")
		return label != "" && rest == host
	}
	return name == want
}

// PeerName is the name of a certificate in the log: its common name or, without
// one, its first DNS name.
func PeerName(cert *x509.Certificate) string {
	if cn := commonName(cert.RawSubject); cn != "" || len(cert.DNSNames) == 0 {
		return cn
	}
	return cert.DNSNames[0]
}

// IssuerName is the issuer of a certificate in the log: its common name or,
// without one, its organization.
func IssuerName(cert *x509.Certificate) string {
	if cn := commonName(cert.RawIssuer); cn != "" {
		return cn
	}
	return attribute(cert.RawIssuer, "O")
}

func commonName(raw []byte) string { return attribute(raw, "CN") }

func attribute(raw []byte, name string) string {
	for _, set := range sequence(raw) {
		for _, a := range set {
			if text, ok := a.Value.(string); ok && attributeName(a.Type) == name && utf8.ValidString(text) && !strings.Contains(text, "\x00") {
				return text
			}
		}
	}
	return ""
}

func sequence(raw []byte) pkix.RDNSequence {
	var list pkix.RDNSequence
	if _, err := asn1.Unmarshal(raw, &list); err != nil {
		return nil
	}
	return list
}

var attributeNames = map[string]string{
	"2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST",
	"2.5.4.9": "street", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "title", "2.5.4.13": "description",
	"2.5.4.15": "businessCategory", "2.5.4.17": "postalCode", "2.5.4.42": "GN", "2.5.4.97": "organizationIdentifier",
	"1.2.840.113549.1.9.1": "emailAddress", "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
	"1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
}

func attributeName(id asn1.ObjectIdentifier) string {
	if name, ok := attributeNames[id.String()]; ok {
		return name
	}
	return id.String()
}

// DistinguishedName writes a subject or issuer on one line, in the order in which
// it stands in the certificate: "/O=Example/CN=mx.example.com".
func DistinguishedName(raw []byte) string {
	var b strings.Builder
	for _, set := range sequence(raw) {
		for _, a := range set {
			fmt.Fprintf(&b, "/%s=", attributeName(a.Type))
			for _, c := range []byte(fmt.Sprint(a.Value)) {
				if c < ' ' || c > '~' {
					fmt.Fprintf(&b, `\x%02X`, c)
				} else {
					b.WriteByte(c)
				}
			}
		}
	}
	return b.String()
}
