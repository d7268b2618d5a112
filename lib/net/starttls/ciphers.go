package starttls

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// A suite is a cipher suite of TLS 1.2 or older that Go has, with the words that
// lists of ciphers know it by.
type suite struct {
	id    uint16
	name  string // OpenSSL's
	words []string
}

// suites are all of them, in Go's order of preference. They are found when TLS is
// first used: as many processes never do.
var suites = sync.OnceValue(func() []suite {
	var list []suite
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if !slices.Contains(s.SupportedVersions, tls.VersionTLS12) {
			continue // of TLS 1.3: those cannot be chosen
		}
		name := CipherName(s.ID)
		list = append(list, suite{s.ID, name, append(suiteWords(name), "ALL", "DEFAULT", name)})
	}
	return list
})

// suiteWords derives the words for a suite from its name.
func suiteWords(name string) []string {
	words := []string{"kRSA", "RSA"}
	if strings.HasPrefix(name, "ECDHE-") {
		words = []string{"kEECDH", "kECDHE", "EECDH", "ECDHE"}
	}
	if strings.Contains(name, "ECDSA") {
		words = append(words, "aECDSA", "ECDSA")
	} else {
		words = append(words, "aRSA")
	}
	for part, more := range map[string]string{
		"AES128": "AES AES128", "AES256": "AES AES256", "GCM": "AESGCM", "CHACHA20": "CHACHA20",
		"DES-CBC3": "3DES", "RC4": "RC4", "SHA256": "SHA256", "SHA384": "SHA384",
	} {
		if strings.Contains(name, part) {
			words = append(words, strings.Fields(more)...)
		}
	}
	if strings.HasSuffix(name, "-SHA") {
		words = append(words, "SHA", "SHA1", "SSLv3", "TLSv1")
	} else {
		words = append(words, "TLSv1.2")
	}
	if strings.Contains(name, "DES") || strings.Contains(name, "RC4") {
		return append(words, "MEDIUM")
	}
	return append(words, "HIGH")
}

func (s *suite) is(expression string) bool {
	for word := range strings.SplitSeq(expression, "+") {
		if !slices.ContainsFunc(s.words, func(w string) bool { return strings.EqualFold(w, word) }) {
			return false
		}
	}
	return true
}

// Ciphers finds the suites of a list in OpenSSL's language: words separated by
// colons, which add suites, or take them away with "-" in front, or for good with
// "!". "A+B" means both. Words for what Go does not have mean nothing. The order
// is Go's, whatever the list says.
func Ciphers(list string) []uint16 {
	have, never := map[uint16]bool{}, map[uint16]bool{}
	for word := range strings.FieldsFuncSeq(list, func(r rune) bool { return separator(r) || r == ':' || r == ';' }) {
		name := strings.TrimLeft(word, "!-+")
		for _, s := range suites() {
			if !s.is(name) {
				continue
			}
			switch word[0] {
			case '!':
				never[s.id] = true
			case '-':
				delete(have, s.id)
			case '+': // to the end of the list
			default:
				have[s.id] = true
			}
		}
	}
	found := []uint16{} // not nil: none of them, instead of all
	for _, s := range suites() {
		if have[s.id] && !never[s.id] {
			found = append(found, s.id)
		}
	}
	return found
}

// CipherList is the list of a grade without the ciphers of an exclude list, for
// Ciphers and for the log.
func (p *Params) CipherList(grade, exclude string) (string, error) {
	var list string
	switch strings.ToLower(grade) {
	case "high":
		list = p.HighCiphers
	case "medium", "low", "export":
		list = p.MediumCiphers
	case "null":
		list = "eNULL" // Go has none
	default:
		return "", fmt.Errorf("invalid cipher grade: %q", grade)
	}
	for word := range strings.FieldsFuncSeq(exclude, func(r rune) bool { return separator(r) || r == ':' }) {
		list += ":!" + word
	}
	return list, nil
}

// CipherName is the name of a cipher suite in the log: OpenSSL's. Those of TLS
// 1.3 have the same name everywhere.
func CipherName(id uint16) string {
	name := tls.CipherSuiteName(id)
	exchange, cipher, old := strings.Cut(strings.TrimPrefix(name, "TLS_"), "_WITH_")
	if !old {
		return name
	}
	if exchange = strings.ReplaceAll(exchange, "_", "-") + "-"; exchange == "RSA-" {
		exchange = ""
	}
	return exchange + strings.NewReplacer("AES_128_CBC", "AES128", "AES_256_CBC", "AES256", "AES_128_", "AES128-", "AES_256_", "AES256-",
		"3DES_EDE_CBC", "DES-CBC3", "RC4_128", "RC4", "CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305", "_", "-").Replace(cipher)
}

// cipherBits is the length of a cipher's key: what it is worth, and what it is.
func cipherBits(id uint16) (used, all int) {
	switch name := tls.CipherSuiteName(id); {
	case strings.Contains(name, "3DES"):
		return 112, 168
	case strings.Contains(name, "256_") && strings.Contains(name, "AES"), strings.Contains(name, "CHACHA20"):
		return 256, 256
	}
	return 128, 128
}
