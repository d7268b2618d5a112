// Posttls-finger shows what TLS with a mail server is like.
//
// # SYNOPSIS
//
//	posttls-finger [options] [inet:]domain[:port] [match ...]
//	posttls-finger -S [options] unix:pathname [match ...]
//
// # DESCRIPTION
//
// The command connects to a server like smtp(8) does, says EHLO and STARTTLS, and
// reports what the server says, how the session is protected, and what the
// server's certificate is worth at a security level. It sends no mail.
//
// It reads no table, so that policies per destination have no effect: what they
// say can be given as options. It talks with no other part of the mail system.
//
// # DESTINATION
//
//   - domain, domain:port: the mail exchangers of the domain, or the host of this
//     name when there are none. The first one that can be connected to is used.
//   - [host], [host]:port, [address], [ipv6:address]: the host itself. To look at
//     one mail exchanger of a domain as smtp(8) would, give the domain as a match
//     argument.
//   - with -S, inet: in front of these, and no mail exchangers are looked up.
//   - with -S, unix:pathname: the LMTP server at this socket.
//
// The port is a number or the name of a service, by default "smtp" or, with -S,
// 24.
//
// # MATCH ARGUMENTS
//
// At the levels "verify" and "secure", the names that the certificate may have:
// a name; a name with a dot in front, for all names below it; "nexthop" for the
// destination; "dot-nexthop" for all names below it; "hostname" for the server. The default
// is "hostname" at the level "verify", "nexthop, dot-nexthop" at "secure". At the
// level "fingerprint", fingerprints of the certificate or of its key. The DANE levels
// need none.
//
// # OPTIONS
//
//   - -a family: prefer ipv4 or ipv6 addresses; any leaves it to chance. All addresses
//     of the preferred family are tried first.
//   - -A file: a trust anchor file, with certificates or public keys, which are
//     believed instead of -F and -P. May be given several times.
//   - -c: do not show the SMTP conversation.
//   - -C: print the certificates of the server in PEM form, each with its subject, issuer and
//     fingerprints.
//   - -d digest: of fingerprints (default: $smtp_tls_fingerprint_digest).
//   - -f: look for TLSA records even when the server's address is not secure in
//     the DNS.
//   - -F file: certificates of authorities to trust. None are trusted by default.
//   - -g grade: of ciphers: high or medium (default).
//   - -h method: how to look up hosts: dns (default), native, or both.
//   - -H files: our certificates: private keys, each one followed by its
//     certificate and those of its issuers. May be given several times.
//   - -k file: our certificate, with those of its issuers.
//   - -K file: its private key. Either file may hold both.
//   - -l level: none, may, encrypt, fingerprint, dane (default), dane-only,
//     verify or secure. The DANE levels become secure for a server without usable
//     TLSA records.
//   - -L words: what to log about TLS (default: routine,certmatch); see below.
//   - -m count: how often to connect again at most, with -r (default: 5).
//   - -M policy: what to do when TLSA records are secure, but the MX record that
//     led to them is not: dane (default), encrypt or may.
//   - -o name=value: change a parameter of main.cf for this run, such as
//     myhostname, the name for EHLO.
//   - -p protocols: the versions of TLS to use (default: >=TLSv1), such as
//     ">=TLSv1.2", "<=TLSv1.2", "!TLSv1.1".
//   - -P directory: files with certificates of authorities to trust, under names
//     made by openssl-rehash(1).
//   - -r delay: when the server lets sessions be saved, connect again after so many
//     seconds, and report whether it knows the session. When another server
//     answers, try again: there may be many behind one address.
//   - -R: look up SRV records of the service instead of mail exchangers.
//   - -s name: the server name to ask for (SNI). At the DANE levels, it is the name
//     with the TLSA records.
//   - -S: speak LMTP.
//   - -t seconds: limit for connecting and for the greeting (default: 30).
//   - -T seconds: limit for EHLO, STARTTLS and QUIT (default: 30).
//   - -v: more log lines; may be given several times.
//   - -w: TLS from the start, as on the port for submissions.
//   - -x: prefer raw public keys. There are none here; a warning says so.
//   - -X: use tlsproxy(8). It is not there; this is refused.
//
// The words for -L:
//
//   - none, 0: nothing but why a server is not trusted at levels that want proof.
//   - routine, summary, 1: one line about the session.
//   - untrusted: why the certificate is not trusted, at all levels.
//   - peercert, certmatch: names and fingerprints of the certificate, and what
//     matched.
//   - cache: what happens to saved sessions.
//   - verbose: all of these, and more.
//   - debug, 2; ssl-expert, 3; ssl-developer, 4; ssl-debug, ssl-handshake-packet-dump,
//     ssl-session-packet-dump: as "verbose" at most: steps and packets of the handshake are not
//     logged.
//
// # ENVIRONMENT
//
//   - MAIL_CONFIG: the folder with main.cf.
//   - MAIL_VERBOSE: like -v.
//
// # SECURITY
//
// The command needs no privileges. What servers send is shown with control
// characters masked, and its amount is limited.
//
// # DIAGNOSTICS
//
// The report goes to standard output, and to no log. The exit status is 0 unless the command
// could not do its work; what a server is like does not change it.
//
// # STANDARDS
//
// RFC 3207 (STARTTLS), RFC 2033 (LMTP), RFC 7672 (DANE for SMTP), RFC 8314 (TLS
// from the start).
package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/base/option"
	"postrider/lib/mail/param"
	"postrider/lib/net/starttls"
)

// options are those of the command line.
type options struct {
	prefer       string // family of addresses
	anchors      []string
	quiet        bool // -c
	chain        bool // -C
	digestName   string
	force        bool // -f
	caFile       string
	caPath       string
	grade        string
	native       bool
	useDNS       bool
	chains       []string
	cert, key    string
	level        starttls.Level
	log          starttls.Log
	attempts     int
	mxPolicy     starttls.Level
	overrides    []string
	protocols    string
	delay        time.Duration
	srv          bool
	sni          string // server name to ask for
	lmtp         bool
	connectLimit time.Duration
	answerLimit  time.Duration
	wrapped      bool
	dest         string
	match        []string
}

func main() {
	msg.SetOutput(func(level msg.Level, text string) {
		os.Stdout.WriteString("posttls-finger: " + level.Prefix() + text + "\n")
	})
	o := readOptions(os.Args[1:])
	if err := load(o.overrides); err != nil {
		msg.Fatal("%v", err)
	}
	f, err := newFinger(o)
	if err != nil {
		msg.Fatal("%v", err)
	}
	f.run()
}

// load reads main.cf.
func load(overrides []string) error {
	settings, err := param.Read(param.Dir())
	if err != nil {
		return err
	}
	for _, o := range overrides {
		if err := settings.OverrideText(o); err != nil {
			return fmt.Errorf("option -o: %w", err)
		}
	}
	if err := settings.Load(&conf); err != nil {
		return err
	}
	for _, warning := range settings.Warnings() {
		msg.Warn("%s", warning)
	}
	return nil
}

const usageText = `usage: posttls-finger [-acCfRSvwx] [-t conn_tmout] [-T cmd_tmout] [-L logopts] \
	[-h host_lookup] [-l level] [-d mdalg] [-g grade] [-p protocols] \
	[-A tafile] [-F CAfile.pem] [-P CApath/] [-s servername] \
	[ [-H chainfiles] | [-k certfile [-K keyfile]] ] [-M policy] \
	[-m count] [-r delay] [-o name=value] destination [match ...]
`

func usage(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "posttls-finger: %v\n", err)
	}
	fmt.Fprint(os.Stderr, usageText)
	os.Exit(1)
}

func readOptions(args []string) *options {
	o := &options{prefer: "any", grade: "medium", useDNS: true, level: starttls.DANE, log: starttls.LogSummary | starttls.LogMatch, attempts: 5,
		mxPolicy: starttls.DANE, protocols: ">=TLSv1", connectLimit: 30 * time.Second, answerLimit: 30 * time.Second}
	if n, err := strconv.Atoi(os.Getenv("MAIL_VERBOSE")); err == nil {
		msg.Verbose = n
	} else if _, set := os.LookupEnv("MAIL_VERBOSE"); set {
		msg.Verbose = 1
	}
	list, rest, err := option.Parse(args, "a:A:cCd:fF:g:h:H:k:K:l:L:m:M:o:p:P:r:Rs:St:T:vwxX")
	if err != nil {
		usage(err)
	}
	for _, opt := range list {
		if !o.flag(opt.Letter) {
			o.set(opt.Letter, opt.Value)
		}
	}
	if len(o.chains) > 0 && o.cert+o.key != "" {
		msg.Fatal("When the '-H' option is used, neither the '-k', nor the '-K' options may be used")
	}
	if len(rest) == 0 {
		usage(nil)
	}
	o.dest, o.match = rest[0], rest[1:]
	return o
}

// flag takes over an option without a value.
func (o *options) flag(letter byte) bool {
	switch letter {
	case 'c':
		o.quiet = true
	case 'C':
		o.chain = true
	case 'f':
		o.force = true
	case 'R':
		o.srv = true
	case 'S':
		o.lmtp = true
	case 'v':
		msg.Verbose++
	case 'w':
		o.wrapped = true
	case 'x':
		msg.Warn("option -x: raw public keys are not available; certificates are used")
	case 'X':
		msg.Fatal("option -X: tlsproxy(8) is not available; use the command without this option")
	default:
		return false
	}
	return true
}

// set takes over an option with a value.
func (o *options) set(letter byte, value string) {
	switch letter {
	case 'a':
		o.prefer = oneOf(letter, value, "ipv4", "ipv6", "any")
	case 'A':
		o.anchors = append(o.anchors, value)
	case 'd':
		o.digestName = value
	case 'F':
		o.caFile = value
	case 'g':
		o.grade = value
	case 'h':
		o.lookup(value)
	case 'H':
		o.chains = append(o.chains, strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) })...)
	case 'k':
		o.cert = value
	case 'K':
		o.key = value
	case 'l':
		o.level = level(value)
	case 'L':
		o.setLog(value)
	case 'm':
		o.attempts = number(letter, value)
	case 'M':
		o.mxPolicy = level(oneOf(letter, value, "dane", "encrypt", "may"))
	case 'o':
		if !strings.Contains(value, "=") {
			usage(nil)
		}
		o.overrides = append(o.overrides, value)
	case 'p':
		o.protocols = value
	case 'P':
		o.caPath = value
	case 'r':
		o.delay = time.Duration(number(letter, value)) * time.Second
	case 's':
		o.sni = value
	case 't':
		o.connectLimit = limit(letter, value)
	case 'T':
		o.answerLimit = limit(letter, value)
	}
}

func oneOf(letter byte, value string, words ...string) string {
	if !slices.Contains(words, strings.ToLower(value)) {
		msg.Fatal("bad '-%c' option value: %s", letter, value)
	}
	return strings.ToLower(value)
}

func number(letter byte, value string) int {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || n > 1e6 {
		msg.Fatal("bad '-%c' option value: %s", letter, value)
	}
	return n
}

func limit(letter byte, value string) time.Duration {
	n := number(letter, value)
	if n == 0 {
		msg.Fatal("bad '-%c' option value: %s", letter, value)
	}
	return time.Duration(n) * time.Second
}

func level(name string) starttls.Level {
	l, err := starttls.ParseLevel(name)
	if err != nil {
		msg.Fatal("%v", err)
	}
	return l
}

func (o *options) lookup(value string) {
	o.useDNS, o.native = false, false
	for word := range strings.FieldsFuncSeq(value, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }) {
		switch strings.ToLower(word) {
		case "dns":
			o.useDNS = true
		case "native":
			o.native = true
		default:
			msg.Fatal("unknown -h option value %q in %q", word, value)
		}
	}
	if !o.useDNS && !o.native {
		msg.Fatal("bad '-h' option value: %s", value)
	}
}

func (o *options) setLog(value string) {
	var unknown []string
	o.log, unknown = starttls.ParseLog(value)
	for _, word := range unknown {
		msg.Warn("unknown -L option value %q in %q", word, value)
	}
	if o.log.Has(starttls.LogHandshake | starttls.LogPackets) {
		msg.Warn("option -L: steps and packets of the handshake cannot be logged")
	}
}
