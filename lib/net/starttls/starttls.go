// Package starttls is TLS as mail hosts use it: how much of it is wanted, how the
// other side must prove who it is, and what the log says about it.
//
// A mail client does not behave like a browser. It may go on when a certificate
// is worth nothing, since mail in the clear would be worse; it may trust the DNS
// instead of authorities; and what it found out goes to the log, in words that
// people and programs look for. So the handshake itself never fails because of a
// certificate: a Session says what was proved, and its user decides by the Level.
//
// The protocol is that of crypto/tls, and so are its limits: no SSLv2 and SSLv3,
// no finite-field Diffie-Hellman, no anonymous ciphers, no raw public keys.
//
// Sources: RFC 3207 (STARTTLS); RFC 8446 and 5246 (TLS); RFC 6125 and 5280
// (names and chains); RFC 6698, 7671 and 7672 (DANE).
package starttls

import (
	"fmt"
	"strings"
)

// A Level says how much TLS is wanted, and what the other side must prove.
type Level int

// The levels, the weakest first. HalfDANE is what "dane" becomes for a host with
// secure TLSA records that was found by an MX record that is not secure: anybody
// may have put it there, so that a match is worth no more than Trusted.
const (
	None        Level = iota // no TLS
	May                      // when the server offers it
	Encrypt                  // always, with anybody
	Fingerprint              // with a known certificate or key
	HalfDANE
	DANE     // with what TLSA records say, otherwise as May
	DANEOnly // with what TLSA records say
	Verify   // with a certificate for the name of the host
	Secure   // with a certificate for the name of the destination
)

var levelNames = [...]string{"none", "may", "encrypt", "fingerprint", "half-dane", "dane", "dane-only", "verify", "secure"}

func (l Level) String() string { return levelNames[l] }

// Matches tells whether the other side must prove who it is.
func (l Level) Matches() bool { return l >= Fingerprint }

// UsesDANE tells whether TLSA records matter.
func (l Level) UsesDANE() bool { return l == HalfDANE || l == DANE || l == DANEOnly }

// ParseLevel reads the name of a level; HalfDANE is not for configuration.
func ParseLevel(name string) (Level, error) {
	for i, known := range levelNames {
		if strings.EqualFold(name, known) && Level(i) != HalfDANE {
			return Level(i), nil
		}
	}
	return None, fmt.Errorf("Invalid TLS level %q", name)
}

// A Log says which things are written to the log.
type Log uint

// The things to log. What crypto/tls keeps to itself cannot be logged: Handshake
// and Packets are known words without effect.
const (
	LogSummary   Log = 1 << iota // one line about each session
	LogUntrusted                 // why a certificate is not trusted
	LogPeer                      // the certificate's names and fingerprints
	LogMatch                     // which name or record matched
	LogCache                     // what happens to saved sessions
	LogVerbose                   // details
	LogHandshake
	LogPackets
)

var logWords = map[string]Log{
	"none": 0, "0": 0,
	"routine": LogSummary, "summary": LogSummary, "1": LogSummary,
	"debug": logDebug, "2": logDebug,
	"ssl-expert": logDebug | LogPackets, "3": logDebug | LogPackets,
	"ssl-developer": logDebug | LogPackets, "4": logDebug | LogPackets,
	"5":         logDebug | LogPackets,
	"ssl-debug": LogHandshake, "ssl-handshake-packet-dump": LogPackets, "ssl-session-packet-dump": LogPackets,
	"untrusted": LogUntrusted, "peercert": LogPeer, "certmatch": LogMatch, "cache": LogCache,
	"verbose": LogVerbose | LogPeer | LogMatch | LogUntrusted | LogCache,
}

const logDebug = LogSummary | LogHandshake | LogCache | LogVerbose | LogPeer | LogMatch | LogUntrusted

// ParseLog reads a list of words, separated by comma or blank. Those that are
// not known are returned.
func ParseLog(list string) (l Log, unknown []string) {
	for word := range strings.FieldsFuncSeq(list, separator) {
		bits, ok := logWords[strings.ToLower(word)]
		if !ok {
			unknown = append(unknown, word)
		}
		l |= bits
	}
	return l, unknown
}

// Has tells whether any of these things is logged.
func (l Log) Has(bits Log) bool { return l&bits != 0 }

func separator(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }
