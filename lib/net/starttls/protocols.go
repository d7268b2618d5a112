package starttls

import (
	"crypto/tls"
	"fmt"
	"strconv"
	"strings"
)

// Versions are the versions of TLS that may be used, from Min to Max. Min is 0
// when there is none.
type Versions struct{ Min, Max uint16 }

// versions are those that can be named, the oldest first. The SSL protocols are
// known, but nobody has them.
var versions = []struct {
	name string
	code uint16
	have bool
}{
	{"SSLv2", 0x0002, false},
	{"SSLv3", 0x0300, false},
	{"TLSv1", tls.VersionTLS10, true},
	{"TLSv1.1", tls.VersionTLS11, true},
	{"TLSv1.2", tls.VersionTLS12, true},
	{"TLSv1.3", tls.VersionTLS13, true},
}

// ParseVersions reads the value of a parameter such as smtp_tls_protocols: a
// list of ">=TLSv1", "<=TLSv1.2", "!TLSv1.1" (not this one) and "TLSv1.2" (only
// what is named so), separated by comma, blank or colon. A version may also be a
// number in hexadecimal, as it is sent. When versions in between are missing,
// those above the gap are, too: so does OpenSSL.
func ParseVersions(list string) (Versions, error) {
	var floor, ceiling uint16 = 0, 0xffff
	wanted, banned := map[uint16]bool{}, map[uint16]bool{}
	for word := range strings.FieldsFuncSeq(list, func(r rune) bool { return separator(r) || r == ':' }) {
		operator, name := "", word
		for _, o := range []string{">=", "<=", "!"} {
			if rest, ok := strings.CutPrefix(word, o); ok {
				operator, name = o, rest
				break
			}
		}
		code, ok := versionCode(name)
		if !ok {
			return Versions{}, fmt.Errorf("Invalid TLS protocol list %q", list)
		}
		switch operator {
		case ">=":
			floor = code
		case "<=":
			ceiling = code
		case "!":
			banned[code] = true
		default:
			wanted[code] = true
		}
	}
	var found Versions
	for _, v := range versions {
		use := v.have && v.code >= floor && v.code <= ceiling && !banned[v.code] && (len(wanted) == 0 || wanted[v.code])
		switch {
		case use && found.Min == 0:
			found = Versions{v.code, v.code}
		case use:
			found.Max = v.code
		case found.Min != 0:
			return found, nil
		}
	}
	return found, nil
}

func versionCode(name string) (uint16, bool) {
	for _, v := range versions {
		if strings.EqualFold(v.name, name) {
			return v.code, true
		}
	}
	if n, err := strconv.ParseUint(name, 16, 16); err == nil && n > 0 && len(name) == 4 {
		return uint16(n), true
	}
	return 0, false
}

// VersionName is the name of a version in the log.
func VersionName(code uint16) string {
	for _, v := range versions {
		if v.code == code {
			return v.name
		}
	}
	return fmt.Sprintf("%04x", code)
}

// curves are the groups for the exchange of keys, by their names in lists and in
// the log.
var curves = []struct {
	id    tls.CurveID
	shown string
	names string // in lower case, separated by blanks
}{
	{tls.X25519, "X25519", "x25519"},
	{tls.CurveP256, "ECDHE (prime256v1)", "prime256v1 p-256 secp256r1"},
	{tls.CurveP384, "ECDHE (secp384r1)", "secp384r1 p-384"},
	{tls.CurveP521, "ECDHE (secp521r1)", "secp521r1 p-521"},
	{tls.X25519MLKEM768, "X25519MLKEM768", "x25519mlkem768"},
	{tls.SecP256r1MLKEM768, "SecP256r1MLKEM768", "secp256r1mlkem768"},
	{tls.SecP384r1MLKEM1024, "SecP384r1MLKEM1024", "secp384r1mlkem1024"},
}

// parseCurves reads tls_eecdh_auto_curves. Names that are not known are skipped;
// when nothing is left, Go's own list is used.
func parseCurves(list string) []tls.CurveID {
	var found []tls.CurveID
	for word := range strings.FieldsFuncSeq(strings.ToLower(list), func(r rune) bool { return separator(r) || r == ':' }) {
		for _, c := range curves {
			if strings.Contains(" "+c.names+" ", " "+word+" ") {
				found = append(found, c.id)
			}
		}
	}
	return found
}

func curveName(id tls.CurveID) string {
	for _, c := range curves {
		if c.id == id {
			return c.shown
		}
	}
	return id.String()
}
