package starttls

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

	"postrider/lib/net/dns"
)

func TestLevel(t *testing.T) {
	for name, want := range map[string]Level{"none": None, "May": May, "dane-only": DANEOnly, "SECURE": Secure} {
		if l, err := ParseLevel(name); err != nil || l != want || !strings.EqualFold(l.String(), name) {
			t.Errorf("%s: got %v, %v", name, l, err)
		}
	}
	for _, name := range []string{"", "half-dane", "bogus"} {
		if _, err := ParseLevel(name); err == nil {
			t.Errorf("%q is a level", name)
		}
	}
}

func TestLog(t *testing.T) {
	l, unknown := ParseLog("routine, certmatch\tbogus")
	if l != LogSummary|LogMatch || fmt.Sprint(unknown) != "[bogus]" {
		t.Errorf("got %b, %v", l, unknown)
	}
}

func TestVersions(t *testing.T) {
	const none = "0-0"
	for list, want := range map[string]string{
		"":                       "301-304",
		">=TLSv1":                "301-304",
		">=TLSv1.2":              "303-304",
		"<=tlsv1.1":              "301-302",
		">=TLSv1.1, <=TLSv1.2":   "302-303",
		"!SSLv2, !SSLv3 !TLSv1":  "302-304",
		"!SSLv2:!SSLv3:!TLSv1.3": "301-303",
		"TLSv1.2":                "303-303",
		"TLSv1.2 TLSv1.3":        "303-304",
		">=0303":                 "303-304",
		"!TLSv1.2":               "301-302", // nothing above a gap
		"SSLv3":                  none,
		"TLSv1.2, !TLSv1.2":      none,
		">=TLSv1.3, <=TLSv1.2":   none,
		"bogus":                  "error",
		">=TLSv1.2, TLSv9":       "error",
		">=":                     "error",
	} {
		v, err := ParseVersions(list)
		got := fmt.Sprintf("%x-%x", v.Min, v.Max)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", list, got, want)
		}
	}
}

func TestCiphers(t *testing.T) {
	p := Params{HighCiphers: "aNULL:-aNULL:HIGH:!3DES:!RC4:@STRENGTH", MediumCiphers: "HIGH:MEDIUM:!3DES:!RC4"}
	has := func(list string, id uint16) bool {
		for _, c := range Ciphers(list) {
			if c == id {
				return true
			}
		}
		return false
	}
	for _, test := range []struct {
		grade, exclude string
		id             uint16
		want           bool
	}{
		{"high", "", tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, true},
		{"medium", "", tls.TLS_RSA_WITH_AES_256_GCM_SHA384, true},
		{"medium", "", tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, false},
		{"medium", "kRSA, AES128", tls.TLS_RSA_WITH_AES_256_GCM_SHA384, false},
		{"medium", "kRSA, AES128", tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, false},
		{"medium", "kRSA+AES128", tls.TLS_RSA_WITH_AES_256_GCM_SHA384, true},
		{"medium", "ECDHE-RSA-AES128-GCM-SHA256", tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, false},
		{"null", "", tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, false},
	} {
		list, err := p.CipherList(test.grade, test.exclude)
		if err != nil || has(list, test.id) != test.want {
			t.Errorf("%+v: %v (list %s)", test, err, list)
		}
	}
	if _, err := p.CipherList("bogus", ""); err == nil {
		t.Error("bogus is a grade")
	}
	if list := Ciphers("DES"); list == nil || len(list) > 0 {
		t.Errorf("DES: got %v; nil would mean all", list)
	}
	if !has("RC4:-ALL:RC4-SHA", tls.TLS_RSA_WITH_RC4_128_SHA) || has("RC4-SHA:!RC4:RC4", tls.TLS_RSA_WITH_RC4_128_SHA) {
		t.Error("what is taken away by - may come back, by ! not")
	}
}

func TestCipherNames(t *testing.T) {
	for id, want := range map[uint16]string{
		tls.TLS_AES_256_GCM_SHA384:                      "TLS_AES_256_GCM_SHA384 256/256",
		tls.TLS_CHACHA20_POLY1305_SHA256:                "TLS_CHACHA20_POLY1305_SHA256 256/256",
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:       "ECDHE-RSA-AES128-GCM-SHA256 128/128",
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA:        "ECDHE-ECDSA-AES256-SHA 256/256",
		tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256:       "ECDHE-RSA-AES128-SHA256 128/128",
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-RSA-CHACHA20-POLY1305 256/256",
		tls.TLS_RSA_WITH_AES_256_GCM_SHA384:             "AES256-GCM-SHA384 256/256",
		tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA:               "DES-CBC3-SHA 112/168",
		tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA:              "ECDHE-RSA-RC4-SHA 128/128",
	} {
		used, all := cipherBits(id)
		if got := fmt.Sprintf("%s %d/%d", CipherName(id), used, all); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestMatchName(t *testing.T) {
	for _, test := range []struct {
		name, want string
		match      bool
	}{
		{"mx.example.com", "MX.Example.Com", true},
		{"mx.example.com.", "mx.example.com", true},
		{"mx.example.com", "example.com", false},
		{"*.example.com", "mx.example.com", true},
		{"*.example.com", "a.mx.example.com", false},
		{"*.example.com", "example.com", false},
		{"*.example.com", ".example.com", true},
		{"*.example.com", ".com", true},
		{"*.com", "example.com", false},
		{"m*.example.com", "mx.example.com", false},
		{"a.*.example.com", "a.b.example.com", false},
		{"*", "example", false},
		{"a.mx.example.com", ".example.com", true},
		{"example.com", ".example.com", false},
		{"badexample.com", ".example.com", false},
		{"", "", false},
		{"mx.example.com\x00.evil.example", "mx.example.com", false},
	} {
		if matchName(test.name, test.want, false) != test.match {
			t.Errorf("%q, %q: want %v", test.name, test.want, test.match)
		}
		deep := test.match || test.want == "a.mx.example.com" && test.name == "*.example.com"
		if matchName(test.name, test.want, true) != deep {
			t.Errorf("%q, %q, several labels: want %v", test.name, test.want, deep)
		}
	}
}

func TestNames(t *testing.T) {
	got := Names([]string{"hostname", "NEXTHOP", "dot-nexthop", "bücher.example", ".x"}, "example.com", "mx.example.com.")
	if s := strings.Join(got, " "); s != "mx.example.com example.com .example.com xn--bcher-kva.example .x" {
		t.Errorf("got %s", s)
	}
}

func TestFingerprint(t *testing.T) {
	for name, want := range map[string]string{
		"md5": "90:01:50:98:3C:D2:4F:B0:D6:96:3F:7D:28:E1:7F:72", "SHA1": "A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D",
	} {
		d, err := ParseDigest(name)
		if got := d.Fingerprint([]byte("abc")); err != nil || got != want {
			t.Errorf("%s: got %s, %v", name, got, err)
		}
	}
	if _, err := ParseDigest("bogus"); err == nil {
		t.Error("bogus is a digest")
	}
	for text, want := range map[string]string{"aB:0c": "ab0c", "ab0c": "ab0c", "xyz": "", "": "", "::": "", "a": ""} {
		got, err := ParseFingerprint(text)
		if fmt.Sprintf("%x", got) != want || (err != nil) != (want == "") {
			t.Errorf("%q: got %x, %v", text, got, err)
		}
	}
}

// The strongest digest counts for each kind of record; the most specific kind
// comes first. RFC 7671, section 9.
func TestTLSARecords(t *testing.T) {
	digest := func(n int) []byte { return make([]byte, n) }
	usable, rejected := tlsaRecords([]dns.TLSA{
		{Usage: 2, Selector: 0, Matching: 1, Data: digest(32)},
		{Usage: 3, Selector: 1, Matching: 1, Data: digest(32)},
		{Usage: 3, Selector: 0, Matching: 1, Data: digest(32)},
		{Usage: 3, Selector: 1, Matching: 2, Data: digest(64)},
		{Usage: 3, Selector: 1, Matching: 1, Data: digest(31)},
		{Usage: 3, Selector: 2, Matching: 1, Data: digest(32)},
		{Usage: 1, Selector: 1, Matching: 1, Data: digest(32)},
		{Usage: 3, Selector: 1, Matching: 9, Data: digest(32)},
		{Usage: 3, Selector: 1, Matching: 0, Data: digest(32)},
		{Usage: 3, Selector: 0, Matching: 0},
	}, "sha512 sha256")
	var got []string
	for _, r := range usable {
		got = append(got, fmt.Sprint(r.Usage, r.Selector, r.Matching))
	}
	if s := strings.Join(got, ", "); s != "3 1 2, 3 0 1, 2 0 1" || len(rejected) != 6 {
		t.Errorf("got %s, and %d rejected", s, len(rejected))
	}
	if usable, _ = tlsaRecords([]dns.TLSA{{Usage: 3, Selector: 1, Matching: 1, Data: digest(32)}}, "sha512"); len(usable) != 0 {
		t.Error("a digest that is not believed is used")
	}
}

func TestTLSAText(t *testing.T) {
	if got := TLSAText(dns.TLSA{Usage: 3, Selector: 1, Matching: 1, Data: []byte{0xab, 1}}); got != "3 1 1 AB01" {
		t.Errorf("got %s", got)
	}
	if got := TLSAText(dns.TLSA{Data: make([]byte, 65)}); len(got) != len("0 0 0 ")+131 || !strings.Contains(got, "0...0") {
		t.Errorf("got %s", got)
	}
}
