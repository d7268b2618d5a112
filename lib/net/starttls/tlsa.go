package starttls

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"postrider/lib/net/dns"
)

// A record is one that a certificate may match: of the DNS, or made from a
// fingerprint or a trust anchor of the configuration.
type record struct {
	dns.TLSA
	hash  crypto.Hash // 0: the whole data
	words string      // for the log, instead of those of a TLSA record
}

// The fields of TLSA records. RFC 7218.
const (
	usageAnchor      = 2 // DANE-TA
	usageEntity      = 3 // DANE-EE
	selectCert       = 0
	selectKey        = 1
	matchWhole       = 0
	matchFingerprint = 255 // private use: any digest
)

var matchings = map[string]uint8{"sha256": 1, "sha512": 2}

// unusable tells what is wrong with a record: digests of the wrong length, and
// keys or certificates that cannot be read, match nothing.
func (r *record) unusable() bool {
	switch {
	case r.Selector > selectKey, r.Usage != usageAnchor && r.Usage != usageEntity:
		return true
	case r.hash != 0:
		return len(r.Data) != r.hash.Size()
	case r.Matching != matchWhole:
		return true
	case r.Selector == selectCert:
		_, err := x509.ParseCertificate(r.Data)
		return err != nil
	}
	_, err := x509.ParsePKIXPublicKey(r.Data)
	return err != nil
}

// of tells whether a certificate matches.
func (r *record) of(cert *x509.Certificate) bool {
	data := cert.Raw
	if r.Selector == selectKey {
		data = cert.RawSubjectPublicKeyInfo
	}
	if r.hash != 0 {
		h := r.hash.New()
		h.Write(data)
		data = h.Sum(nil)
	}
	return bytes.Equal(data, r.Data)
}

// matched is what the log says when it matches at a place in the chain.
func (r *record) matched(depth int) string {
	switch {
	case r.words != "" && r.Usage == usageEntity:
		return r.words
	case r.words != "":
		return fmt.Sprintf("%s at depth %d", r.words, depth)
	case r.Usage == usageEntity:
		return fmt.Sprintf("Matched DANE EE certificate at depth %d: %s", depth, TLSAText(r.TLSA))
	}
	return fmt.Sprintf("Matched DANE TA certificate at depth %d: %s", depth, TLSAText(r.TLSA))
}

// TLSAText is a record as it stands in the log. Long data is shown with both its
// ends.
func TLSAText(r dns.TLSA) string {
	data := strings.ToUpper(hex.EncodeToString(r.Data))
	if len(data) > 128 {
		data = data[:64] + "..." + data[len(data)-64:]
	}
	return fmt.Sprintf("%d %d %d %s", r.Usage, r.Selector, r.Matching, data)
}

// tlsaRecords makes records from those of the DNS, those with the most specific
// match first. Where records of one usage and selector have several digests,
// only the strongest of the list counts. RFC 7671, section 9.
func tlsaRecords(list []dns.TLSA, digests string) (usable, rejected []record) {
	var known []string
	for word := range strings.FieldsFuncSeq(strings.ToLower(digests), func(r rune) bool { return separator(r) || r == ':' }) {
		name, _, _ := strings.Cut(word, "=")
		known = append(known, name)
	}
	rank := map[crypto.Hash]int{0: len(known)} // the whole data comes last
	codes := map[uint8]crypto.Hash{}
	for i, name := range known {
		if code, ok := matchings[name]; ok {
			rank[digestHash(name)], codes[code] = i, digestHash(name)
		}
	}
	best := map[[2]uint8]int{}
	for _, t := range list {
		r := record{TLSA: t, hash: codes[t.Matching]}
		if r.unusable() {
			rejected = append(rejected, r)
			continue
		}
		usable = append(usable, r)
		if key := [2]uint8{t.Usage, t.Selector}; r.hash != 0 {
			if old, seen := best[key]; !seen || rank[r.hash] < old {
				best[key] = rank[r.hash]
			}
		}
	}
	usable = slices.DeleteFunc(usable, func(r record) bool {
		return r.hash != 0 && rank[r.hash] > best[[2]uint8{r.Usage, r.Selector}]
	})
	slices.SortStableFunc(usable, func(a, b record) int {
		return cmp.Or(cmp.Compare(b.Usage, a.Usage), cmp.Compare(b.Selector, a.Selector), cmp.Compare(rank[a.hash], rank[b.hash]))
	})
	return usable, rejected
}

func digestHash(name string) crypto.Hash {
	d, _ := ParseDigest(name)
	return d.hash
}

// fingerprintRecords makes records from fingerprints, each of which may be that
// of the certificate or of its key.
func fingerprintRecords(list [][]byte, d Digest) (usable, rejected []record) {
	for _, data := range list {
		for _, selector := range []uint8{selectKey, selectCert} {
			r := record{dns.TLSA{Usage: usageEntity, Selector: selector, Matching: matchFingerprint, Data: data}, d.hash,
				fmt.Sprintf("Matched fingerprint: %X", data)}
			if r.unusable() {
				rejected = append(rejected, r)
			} else {
				usable = append(usable, r)
			}
		}
	}
	return usable, rejected
}

// anchorRecords makes records from the certificates and public keys of trust
// anchor files.
func anchorRecords(certs, keys [][]byte) []record {
	var list []record
	for selector, of := range [][][]byte{certs, keys} {
		for _, data := range of {
			list = append(list, record{dns.TLSA{Usage: usageAnchor, Selector: uint8(selector), Data: data}, 0, "Matched trust anchor"})
		}
	}
	return list
}
