package starttls

import (
	"crypto"
	_ "crypto/md5" // old fingerprints
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/hex"
	"fmt"
	"strings"
)

// A Digest is an algorithm for fingerprints.
type Digest struct {
	Name string
	hash crypto.Hash
}

var digests = map[string]crypto.Hash{
	"md5": crypto.MD5, "sha1": crypto.SHA1, "sha224": crypto.SHA224, "sha256": crypto.SHA256, "sha384": crypto.SHA384,
	"sha512": crypto.SHA512, "sha512-224": crypto.SHA512_224, "sha512-256": crypto.SHA512_256,
}

// ParseDigest finds an algorithm by its name.
func ParseDigest(name string) (Digest, error) {
	hash, ok := digests[strings.ToLower(name)]
	if !ok {
		return Digest{}, fmt.Errorf("Digest algorithm %q not found", name)
	}
	return Digest{strings.ToLower(name), hash}, nil
}

func (d Digest) sum(data []byte) []byte {
	h := d.hash.New()
	h.Write(data)
	return h.Sum(nil)
}

// Fingerprint is the digest as people compare it: "AB:CD:…".
func (d Digest) Fingerprint(data []byte) string {
	return strings.ToUpper(strings.Join(pairs(d.sum(data)), ":"))
}

func pairs(data []byte) []string {
	list := make([]string, len(data))
	for i := range data {
		list[i] = hex.EncodeToString(data[i : i+1])
	}
	return list
}

// ParseFingerprint reads a fingerprint: hexadecimal digits with or without
// colons.
func ParseFingerprint(text string) ([]byte, error) {
	data, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	if err != nil || len(data) == 0 {
		return nil, fmt.Errorf("malformed fingerprint value: %.100s", text)
	}
	return data, nil
}
