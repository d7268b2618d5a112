package interop

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"postrider/test/peer/pki"
	"postrider/test/peer/sink"
	"postrider/test/peer/zone"
)

// tlsServers are servers that do well or badly at TLS, each at a port of its own.
var tlsServers = []struct {
	name string
	sink.Options
}{
	{name: "good"},
	{name: "other"}, // a certificate for another name
	{name: "self"},  // one that nobody has signed
	{name: "plain"},
	{name: "refuse", Options: sink.Options{Rules: map[string][]string{"STARTTLS": {"454 4.7.0 TLS not available"}}}},
	{name: "lie", Options: sink.Options{Keywords: []string{"STARTTLS"}, Rules: map[string][]string{"STARTTLS": {"220 go"}}}},
	{name: "drop", Options: sink.Options{Keywords: []string{"STARTTLS"}, Rules: map[string][]string{"STARTTLS": {"drop"}}}},
	{name: "leave", Options: sink.Options{Rules: map[string][]string{"MAIL": {"drop"}}}},
	{name: "vanish", Options: sink.Options{Rules: map[string][]string{"EHLO": {"", "drop", "", "drop", ""}}}},
	{name: "early", Options: sink.Options{Rules: map[string][]string{"EHLO": {"", "250 mx\n250 what"}}}},
	{name: "helo", Options: sink.Options{Rules: map[string][]string{"EHLO": {"", "502 what", ""}}}},
	{name: "wrapped", Options: sink.Options{Wrapped: true}},
	{name: "deep"},
	{name: "lmtp", Options: sink.Options{LMTP: true}},
}

// tlsCases are deliveries: a name; the next hop, where a server of tlsServers
// stands for its port; settings of the transport, separated by "; ". Policies are
// in policy.test.
const tlsCases = `
none          [mx.good.test]:good       level=none
noted         [mx.good.test]:good       level=none; smtp_tls_note_starttls_offer=yes
may           [mx.good.test]:good       level=may
mayself       [mx.good.test]:self       level=may
mayca         [mx.good.test]:good       level=may; CA
mayplain      [mx.good.test]:plain      level=may
mayrefuse     [mx.good.test]:refuse     level=may
maylie        [mx.good.test]:lie        level=may; smtp_starttls_timeout=1s
maydrop       [mx.good.test]:drop       level=may
mayleave      [mx.good.test]:leave      level=may
mayvanish     [mx.good.test]:vanish     level=may
mayhelo       [mx.good.test]:helo       level=may
encrypt       [mx.good.test]:self       level=encrypt
encplain      [mx.good.test]:plain      level=encrypt
encrefuse     [mx.good.test]:refuse     level=encrypt
enclie        [mx.good.test]:lie        level=encrypt; smtp_starttls_timeout=1s
encleave      [mx.good.test]:leave      level=encrypt
encengine     [mx.good.test]:good       level=encrypt; smtp_tls_CAfile=/nonexistent
mayengine     [mx.good.test]:good       level=may; smtp_tls_CAfile=/nonexistent
verify        [mx.good.test]:good       level=verify; CA
verifyca      [mx.good.test]:good       level=verify
verifyname    [mx.good.test]:other      level=verify; CA
verifyself    [mx.good.test]:self       level=verify; CA
verifynames   [mx.good.test]:other      level=verify; CA; smtp_tls_verify_cert_match=hostname, mx.other.test
verifydot     [mx.good.test]:good       level=verify; CA; smtp_tls_verify_cert_match=.test
verifyta      [mx.good.test]:good       level=verify; smtp_tls_trust_anchor_file=/etc/postfix/ca.pem
depth         [mx.good.test]:good       level=verify; CA; smtp_tls_scert_verifydepth=0
deepzero      [mx.good.test]:deep       level=verify; CA; smtp_tls_scert_verifydepth=0
deepone       [mx.good.test]:deep       level=verify; CA; smtp_tls_scert_verifydepth=1
secure        good.test:good            level=secure; CA
securehost    [mx.good.test]:good       level=secure; CA
finger        [mx.good.test]:good       level=fingerprint; smtp_tls_fingerprint_cert_match=FINGER
fingerno      [mx.good.test]:other      level=fingerprint; smtp_tls_fingerprint_cert_match=FINGER
fingernone    [mx.good.test]:other      level=fingerprint
fingerbad     [mx.good.test]:other      level=fingerprint; smtp_tls_fingerprint_cert_match=xyz
dane          [mx.good.test]:good       level=dane
danewrong     [mx.good.test]:other      level=dane
danenone      [mx.good.test]:self       level=dane
danenoplain   [mx.good.test]:plain      level=dane
daneunusable  [mx.good.test]:early      level=dane
daneonly      [mx.good.test]:good       level=dane-only
daneonlyno    [mx.good.test]:self       level=dane-only
daneonlybad   [mx.good.test]:early      level=dane-only
daneinsec     [insecure.good.test]:good level=dane
danelookup    [servfail.good.test]:good level=dane
danemx        good.test:good            level=dane
danemxins     insecure.mx.test:good     level=dane
danemxmay     insecure.mx.test:good     level=dane; smtp_tls_dane_insecure_mx_policy=may
danemxenc     insecure.mx.test:good     level=dane; smtp_tls_dane_insecure_mx_policy=encrypt
danemxonly    insecure.mx.test:good     level=dane-only
danemxother   insecure.mx.test:other    level=dane
daneoff       [mx.good.test]:good       level=dane; smtp_dns_support_level=enabled
daneonlyoff   [mx.good.test]:good       level=dane-only; smtp_dns_support_level=enabled
daneignore    good.test:good            level=dane; ignore_mx_lookup_error=yes
daneres       [mx.good.test]:good       level=dane; smtp_dns_resolver_options=res_defnames
wrapped       [mx.good.test]:wrapped    level=encrypt; smtp_tls_wrappermode=yes
wrappedmay    [mx.good.test]:wrapped    level=may; smtp_tls_wrappermode=yes
wrappedno     [mx.good.test]:good       level=encrypt; smtp_tls_wrappermode=yes; smtp_starttls_timeout=1s
grade         [mx.good.test]:good       level=encrypt; smtp_tls_mandatory_ciphers=bogus
protocol      [mx.good.test]:good       level=encrypt; smtp_tls_mandatory_protocols=bogus
protocolmay   [mx.good.test]:good       level=may; smtp_tls_protocols=bogus
tls12         [mx.good.test]:good       level=encrypt; smtp_tls_mandatory_protocols=<=TLSv1.2
sni           [mx.good.test]:good       level=encrypt; smtp_tls_servername=nexthop
sniself       [mx.good.test]:good       level=encrypt; smtp_tls_servername=x_y!
use           [mx.good.test]:good       level=; smtp_use_tls=yes
enforce       [mx.good.test]:good       level=; smtp_enforce_tls=yes; CA
enforcenopeer [mx.good.test]:other      level=; smtp_enforce_tls=yes; smtp_tls_enforce_peername=no
site          [mx.good.test]:good       level=; smtp_tls_per_site=static:MAY
sitenone      [mx.good.test]:good       level=encrypt; smtp_tls_per_site=static:NONE
sitemay       [mx.good.test]:plain      level=encrypt; smtp_tls_per_site=static:MAY
sitemust      [mx.good.test]:other      level=none; smtp_tls_per_site=static:MUST; CA
sitebad       [mx.good.test]:good       level=none; smtp_tls_per_site=static:PERHAPS
sitehost      [mx.good.test]:plain      level=none; smtp_tls_per_site=inline:{mx.good.test=MUST_NOPEERMATCH}
siteboth      [mx.good.test]:good       level=none; smtp_tls_per_site=static:MUST; smtp_tls_policy_maps=static:may
policy        [mx.good.test]:good       level=none; smtp_tls_policy_maps=inline:{{[mx.good.test]:PORT=encrypt}}
parent        sub.good.test:plain       level=none; smtp_tls_policy_maps=inline:{.good.test=encrypt}
parents       good.test                 level=none; smtp_tls_policy_maps=inline:{.test=encrypt}
bracket       [mx.good.test]:plain      level=none; smtp_tls_policy_maps=inline:{.good.test=encrypt}
pempty        [mx.good.test]:good       level=none; smtp_tls_policy_maps=static:{,}
plevel        [mx.good.test]:good       level=none; smtp_tls_policy_maps=static:bogus
pnone         [mx.good.test]:good       level=encrypt; smtp_tls_policy_maps=static:{none match=x}
pattr         [mx.good.test]:good       level=none; smtp_tls_policy_maps=static:{encrypt bogus=x}
pmalformed    [mx.good.test]:good       level=none; smtp_tls_policy_maps=static:{encrypt bogus}
pnoname       [mx.good.test]:good       level=none; smtp_tls_policy_maps=static:{encrypt =bogus}
pmatch        [mx.good.test]:good       level=none; smtp_tls_policy_maps=static:{encrypt match=x}
pemptyval     [mx.good.test]:good       level=none; smtp_tls_policy_maps=static:{secure match=}
ptwice        [mx.good.test]:good       level=none; smtp_tls_policy_maps=static:{encrypt ciphers=high ciphers=high}
ptafile       [mx.good.test]:good       level=none; smtp_tls_policy_maps=static:{secure match=mx.good.test tafile=/etc/postfix/ca.pem}
ptafileno     [mx.good.test]:good       level=none; smtp_tls_policy_maps=static:{secure tafile=/nonexistent}
ptafilelevel  [mx.good.test]:good       level=none; smtp_tls_policy_maps=static:{encrypt tafile=/etc/postfix/ca.pem}
pexclude      [mx.good.test]:good       level=none; smtp_tls_policy_maps=static:{encrypt exclude=}
preuse        [mx.good.test]:good       level=none; smtp_tls_policy_maps=static:{encrypt connection_reuse=perhaps}
psni          [mx.good.test]:good       level=none; smtp_tls_policy_maps=static:{encrypt servername=x_y!}
pfinger       [mx.good.test]:good       level=none; smtp_tls_policy_maps=static:{fingerprint match=AA:BB|FINGER}
pfail         [mx.good.test]:good       level=none; smtp_tls_policy_maps=hash:/nonexistent
psecure       good.test:other           level=none; smtp_tls_policy_maps=static:{secure match=mx.other.test:nexthop}; CA
loglevel      [mx.good.test]:good       level=verify; smtp_tls_loglevel=certmatch, untrusted, summary; CA
early         [mx.good.test]:early      level=encrypt; smtp_tls_block_early_mail_reply=yes
lmtp          inet:[mx.good.test]:lmtp  level=encrypt
lmtpsecure    inet:mx.good.test:lmtp    level=secure; CA
lmtpdane      inet:mx.good.test:lmtp    level=dane
smtps         [mx.good.test]:465        level=encrypt
two           two.test:self             level=verify; CA; smtp_mx_session_limit=1; smtp_tls_verify_cert_match=mx.good.test
twolie        two.test:lie              level=may; smtp_starttls_timeout=1s
twoplain      two.test:plain            level=encrypt; smtp_mx_session_limit=1
twopolicy     two.test:plain            level=none; smtp_tls_per_site=inline:{mx.good.test=PERHAPS}
unix          unix:/var/run/lmtp        level=may
unixenc       unix:/var/run/lmtp        level=encrypt
unixdane      unix:/var/run/lmtp        level=dane
`

// TestClientTLS: smtp and lmtp of both systems log and report the same about
// servers with TLS.
func TestClientTLS(t *testing.T) {
	l := newTLSLab(t)
	wanted, got := l.run(stock), l.run(ours)
	same := 0
	for _, name := range l.names {
		n, differences := compareLines(wanted[name], got[name])
		same += n
		if len(differences) > 0 {
			t.Errorf("%s (- stock, + ours):\n%s", name, report(differences))
		}
	}
	t.Logf("%d lines of %d deliveries are the same", same, len(l.names))
}

// A tlsLab is what the cases need besides a mail system.
type tlsLab struct {
	t         *testing.T
	root      *pki.Authority
	certs     map[string]tls.Certificate
	finger    string
	names     []string
	transport string // table
	services  string // for master.cf
}

func newTLSLab(t *testing.T) *tlsLab {
	l := &tlsLab{t: t, root: pki.NewAuthority("Root")}
	issuer := l.root.Below(pki.Request{Name: "Issuer"})
	l.certs = map[string]tls.Certificate{
		"good":  issuer.Issue(pki.Request{Name: "mx.good.test", DNS: []string{"mx.good.test", "good.test"}}),
		"other": issuer.Issue(pki.Request{Name: "mx.other.test", DNS: []string{"mx.other.test"}}),
		"deep":  issuer.Below(pki.Request{Name: "Lower"}).Issue(pki.Request{Name: "mx.good.test", DNS: []string{"mx.good.test"}}),
		"self":  pki.SelfSigned(pki.Request{Name: "mx.good.test", DNS: []string{"mx.good.test"}}),
	}
	sum := sha256.Sum256(l.certs["good"].Leaf.RawSubjectPublicKeyInfo)
	for i, b := range sum {
		if l.finger += fmt.Sprintf("%02X", b); i < len(sum)-1 {
			l.finger += ":"
		}
	}
	ports := map[string]int{}
	for i, s := range tlsServers {
		ports[s.name] = 2600 + i
	}
	for line := range strings.Lines(tlsCases) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		name, nexthop, settings := words[0], words[1], strings.Join(words[2:], " ")
		if i := strings.LastIndexByte(nexthop, ':'); ports[nexthop[i+1:]] > 0 {
			settings = strings.ReplaceAll(settings, "PORT", fmt.Sprint(ports[nexthop[i+1:]]))
			nexthop = fmt.Sprintf("%s:%d", nexthop[:i], ports[nexthop[i+1:]])
		}
		l.names = append(l.names, name)
		l.transport += fmt.Sprintf("%s.example t%s:%s\n", name, name, nexthop)
		l.services += l.service(name, settings)
	}
	return l
}

// service is a transport in master.cf.
func (l *tlsLab) service(name, settings string) string {
	program := "smtp"
	if strings.HasPrefix(name, "lmtp") || strings.HasPrefix(name, "unix") {
		program = "lmtp"
	}
	settings = strings.NewReplacer("level=", "smtp_tls_security_level=", "CA", "smtp_tls_CAfile=/etc/postfix/ca.pem", "FINGER", l.finger).Replace(
		strings.ReplaceAll(strings.ReplaceAll(settings, "smtp_dns_support_level=", "smtp_dns_support_LEVEL="), "CAfile", "cafile"))
	settings = strings.NewReplacer("LEVEL", "level", "cafile", "CAfile").Replace(settings)
	if !strings.Contains(settings, "smtp_tls_loglevel") {
		settings += "; smtp_tls_loglevel=1"
	}
	text := fmt.Sprintf("t%s unix - - n - 1 %s\n  -o syslog_name=tls/%s\n", name, program, name)
	for setting := range strings.SplitSeq(settings, "; ") {
		text += "  -o { " + strings.ReplaceAll(strings.Replace(setting, "=", " = ", 1), "smtp_", program+"_") + " }\n"
	}
	return text
}

// start starts the servers.
func (l *tlsLab) start() (stop func()) {
	var list []*sink.Server
	for i, s := range tlsServers {
		o := s.Options
		o.Name = "mx.good.test"
		if s.name != "plain" && len(o.Keywords) == 0 {
			cert, ok := l.certs[s.name]
			if !ok {
				cert = l.certs["good"]
			}
			o.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
		}
		server, err := sink.Start("tcp", fmt.Sprintf("127.0.0.1:%d", 2600+i), o)
		if err != nil {
			l.t.Fatal(err)
		}
		list = append(list, server)
	}
	for i, s := range tlsServers { // the second server of two.test is good
		if s.name != "self" && s.name != "lie" && s.name != "plain" {
			continue
		}
		server, err := sink.Start("tcp", fmt.Sprintf("127.0.0.3:%d", 2600+i), sink.Options{TLS: &tls.Config{Certificates: []tls.Certificate{l.certs["good"]}}})
		if err != nil {
			l.t.Fatal(err)
		}
		list = append(list, server)
	}
	os.Remove("/var/run/lmtp")
	server, err := sink.Start("unix", "/var/run/lmtp", sink.Options{LMTP: true, TLS: &tls.Config{Certificates: []tls.Certificate{l.certs["good"]}}})
	if err != nil {
		l.t.Fatal(err)
	}
	os.Chmod("/var/run/lmtp", 0o666)
	list = append(list, server)
	return func() {
		for _, s := range list {
			s.Close()
		}
	}
}

// zoneText has secure records for some of the servers.
func (l *tlsLab) zoneText() string {
	sum := sha256.Sum256(l.certs["good"].Leaf.RawSubjectPublicKeyInfo)
	text := fmt.Sprintf(`
. NS a.root.test.
good.test. MX 10 mx.good.test.
sub.good.test. MX 10 mx.good.test.
insecure.mx.test. MX 10 mx.good.test.
mx.good.test. A 127.0.0.1
two.test. MX 10 mx.good.test.
two.test. MX 20 mx2.good.test.
mx2.good.test. A 127.0.0.3
insecure.good.test. A 127.0.0.1
_2600._tcp.mx.good.test. TLSA 3 1 1 %x
_2601._tcp.mx.good.test. TLSA 3 1 1 %[1]x
_2613._tcp.mx.good.test. TLSA 3 1 1 %[1]x
_2609._tcp.mx.good.test. TLSA 0 1 1 %[1]x
`, sum[:])
	return text
}

// run sends a message for each case, twice when it is put off, and returns what the
// log says about each.
func (l *tlsLab) run(s side) map[string]string {
	t := l.t
	t.Helper()
	names, err := zone.Start("127.0.0.1:53", l.zoneText())
	if err != nil {
		t.Fatal(err)
	}
	defer names.Close()
	names.Secure.Store(true)
	os.WriteFile("/etc/resolv.conf", []byte("nameserver 127.0.0.1\noptions trust-ad timeout:1 attempts:1\n"), 0o644)
	defer os.WriteFile("/etc/resolv.conf", nil, 0o644)
	defer l.start()()
	b := newBed(t, mix{base: s}, "disable_dns_lookups=no", "smtp_host_lookup=dns", "lmtp_host_lookup=dns", "smtp_dns_support_level=dnssec",
		"lmtp_dns_support_level=dnssec", "transport_maps=texthash:/etc/postfix/tls", "delay_warning_time=0", "minimal_backoff_time=4s", "maximal_backoff_time=1h",
		"compatibility_level=3.6")
	entries, err := os.ReadFile("testdata/master.cf")
	if err != nil {
		t.Fatal(err)
	}
	services := l.services
	if s == stock {
		services += "tlsmgr unix - - n 1000? 1 tlsmgr\n" // for entropy
	}
	os.WriteFile("/etc/postfix/master.cf", append(entries, services...), 0o644)
	defer os.WriteFile("/etc/postfix/master.cf", entries, 0o644)
	os.WriteFile("/etc/postfix/tls", []byte(l.transport), 0o644)
	if err := pki.Write("/etc/postfix/ca.pem", nil, l.root.Cert.Raw); err != nil {
		t.Fatal(err)
	}
	os.Chmod("/etc/postfix/ca.pem", 0o644)
	b.start()
	for _, name := range l.names {
		b.send(letter{tag: name, by: "sendmail", to: "x@" + name + ".example", body: "x\n"})
	}
	b.settle()
	time.Sleep(4100 * time.Millisecond) // what is younger than minimal_backoff_time is not sent in the clear
	b.run("", "postqueue", "-f")
	time.Sleep(500 * time.Millisecond)
	b.settle()
	b.stop()
	found := map[string]string{}
	for line := range strings.Lines(b.log()) {
		if m := caseName.FindStringSubmatch(line); m != nil {
			if !tlsOurs.MatchString(line) {
				found[m[1]] += tlsNormal.ReplaceAllString(normal(line, nil), "$1...")
			}
		}
	}
	return found
}

var (
	caseName = regexp.MustCompile(` tls/(\w+)/`)

	// tlsNormal are lines with details that depend on the library.
	tlsNormal = regexp.MustCompile(`(\d: TLSv1.\d with cipher ).*`)

	// tlsOurs are lines that are different on purpose.
	tlsOurs = regexp.MustCompile(`warning: (TLS library problem|obsolete: )|: disabling TLS support|unsupported TLSA certificate usage` +
		`|error opening trust anchor file|: opportunistic TLS encryption is not appropriate`)
)
