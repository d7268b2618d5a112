package main

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/net/dns"
	"postrider/test/peer/pki"
	"postrider/test/peer/sink"
	"postrider/test/peer/zone"
)

var (
	root = pki.NewAuthority("Root")
	mx   = root.Issue(pki.Request{Name: "mx.example.com", DNS: []string{"mx.example.com"}})
)

// The loopback network has the servers of example.com, and a name server.
type network struct {
	port     string
	resolver *dns.Resolver
	ca       string // file
}

func start(t *testing.T, o sink.Options) network {
	t.Helper()
	server, err := sink.Start("tcp", "127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return around(t, server.Addr)
}

// around makes the network around a server at addr.
func around(t *testing.T, addr string) network {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	key := sha256.Sum256(mx.Leaf.RawSubjectPublicKeyInfo)
	names, err := zone.Start("127.0.0.1:0", fmt.Sprintf(`
. NS a.root.example.
example.com. MX 10 mx.example.com.
mx.example.com. A 127.0.0.1
dane.example.com. A 127.0.0.1
_%s._tcp.dane.example.com. TLSA 3 1 1 %x
wrong.example.com. A 127.0.0.1
_%[1]s._tcp.wrong.example.com. TLSA 3 1 1 %064[3]x
_submission._tcp.example.com. SRV 0 0 %[1]s mx.example.com.
insecure.example.com. MX 10 dane.example.com.
null.example.com. MX 0 .
`, port, key[:], 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(names.Close)
	names.Secure.Store(true)
	dir := t.TempDir()
	resolv := filepath.Join(dir, "resolv.conf")
	os.WriteFile(resolv, []byte("options timeout:1 attempts:1\n"), 0o644)
	os.WriteFile(filepath.Join(dir, "main.cf"), []byte("myhostname = client.example.org\ncompatibility_level = 3.11\ninet_protocols = ipv4\n"), 0o644)
	t.Setenv("MAIL_CONFIG", dir)
	n := network{port: port, ca: filepath.Join(dir, "ca.pem")}
	if n.resolver, err = dns.New(dns.Options{Resolv: resolv, Servers: []string{names.Addr}, Secure: true}); err != nil {
		t.Fatal(err)
	}
	if err := pki.Write(n.ca, nil, root.Cert.Raw); err != nil {
		t.Fatal(err)
	}
	return n
}

// point runs the command; PORT and CA in its arguments are those of the network.
func (n network) point(t *testing.T, line string) string {
	t.Helper()
	var log strings.Builder
	defer msg.SetOutput(func(_ msg.Level, text string) { log.WriteString(text + "\n") })()
	o := readOptions(strings.Fields(strings.NewReplacer("PORT", n.port, "CA", n.ca).Replace(line)))
	if err := load(o.overrides); err != nil {
		t.Fatal(err)
	}
	f, err := newFinger(o)
	if err != nil {
		return err.Error()
	}
	f.resolver = n.resolver
	f.run()
	return strings.ReplaceAll(log.String(), n.port, "PORT")
}

func withTLS() sink.Options {
	return sink.Options{Name: "mx.example.com", Keywords: []string{"PIPELINING"}, TLS: &tls.Config{Certificates: []tls.Certificate{mx}}}
}

func TestReport(t *testing.T) {
	got := start(t, withTLS()).point(t, "-F CA -l secure -L routine [mx.example.com]:PORT")
	before, details, _ := strings.Cut(got, "Verified TLS connection established to mx.example.com[127.0.0.1]:PORT: TLSv1.3 with cipher ")
	_, after, _ := strings.Cut(details, "\n")
	if want := `Connected to mx.example.com[127.0.0.1]:PORT
< 220 mx.example.com ESMTP
> EHLO client.example.org
< 250-mx.example.com
< 250-PIPELINING
< 250 STARTTLS
> STARTTLS
< 220 2.0.0 Ready to start TLS
> EHLO client.example.org
< 250-mx.example.com
< 250 PIPELINING
> QUIT
< 221 2.0.0 Bye
`; before+after != want {
		t.Errorf("got %s", got)
	}
}

// What the level makes of a server.
func TestLevels(t *testing.T) {
	n := start(t, withTLS())
	for line, want := range map[string]string{
		"-F CA -l secure example.com:PORT nexthop":                     "num=62:hostname mismatch\n",
		"-F CA -l secure example.com:PORT hostname":                    "Verified",
		"-F CA -l verify example.com:PORT":                             "Verified",
		"-F CA -l verify example.com:PORT elsewhere":                   "Untrusted",
		"-F CA -l secure [mx.example.com]:PORT elsewhere .example.com": "Verified",
		"-F CA -l may [mx.example.com]:PORT":                           "Trusted",
		"-l may [mx.example.com]:PORT":                                 "Untrusted",
		"[dane.example.com]:PORT":                                      "Matched DANE EE certificate at depth 0: 3 1 1 ",
		"-l dane-only [dane.example.com]:PORT":                         "Verified",
		"[wrong.example.com]:PORT":                                     "num=65:no matching DANE TLSA records\n",
		"-l dane-only [mx.example.com]:PORT":                           "no TLSA records found, resorting to \"secure\"\n",
		"-F CA -l dane [mx.example.com]:PORT":                          "Verified",
		"insecure.example.com:PORT":                                    "MX RRset insecure: log verified as trusted\n",
		"-M encrypt insecure.example.com:PORT":                         "TLSA RRs found, MX RRset insecure: just encrypt\n",
		"-M may insecure.example.com:PORT":                             "MX RRset is insecure: try to encrypt\n",
		"-F CA -l verify -R example.com:submission":                    "Connected to mx.example.com[127.0.0.1]:PORT\n",
		"-l none [mx.example.com]:PORT":                                "< 250 STARTTLS\n> QUIT\n",
		"null.example.com":                                             "Destination address lookup failed: Domain null.example.com does not accept mail (nullMX)\n",
		"nowhere.example.com":                                          "Destination address lookup failed: Host or domain name not found.",
		"-d sha1 -l fingerprint [mx.example.com]:PORT aa:bb":           "all fingerprints unusable\n",
		"-d bogus example.com":                                         "Digest algorithm \"bogus\" not found",
		"-p bogus example.com":                                         "Invalid TLS protocol list \"bogus\"",
		"-l fingerprint example.com xyz":                               "malformed fingerprint value: xyz",
	} {
		if got := n.point(t, line); !strings.Contains(got, want) {
			t.Errorf("%s: got %s", line, got)
		}
	}
}

func TestReconnect(t *testing.T) {
	o := withTLS()
	got := start(t, o).point(t, "-c -r 1 -F CA -l verify [mx.example.com]:PORT")
	if !strings.Contains(got, "Reconnecting after 1 seconds\n") || !strings.Contains(got, ": Reusing old session\n") ||
		!strings.HasSuffix(got, "Found a previously used server.  Done reconnecting.\n") {
		t.Errorf("got %s", got)
	}
	o.TLS.SessionTicketsDisabled = true
	if got = start(t, o).point(t, "-c -r 1 [mx.example.com]:PORT"); !strings.HasSuffix(got, "Server declined session caching. Done reconnecting.\n") {
		t.Errorf("got %s", got)
	}
	// Each time another server answers.
	o = withTLS()
	o.Rules = map[string][]string{"EHLO": {"250-a\n250 STARTTLS", "250 a", "250-b\n250 STARTTLS", "250-c\n250 STARTTLS"}}
	if got = start(t, o).point(t, "-c -r 1 -m 2 [mx.example.com]:PORT"); !strings.HasSuffix(got, "Maximum reconnect count reached.\n") {
		t.Errorf("got %s", got)
	}
}

// Servers that do not do what they should.
func TestTrouble(t *testing.T) {
	secret := &tls.Config{Certificates: []tls.Certificate{mx}}
	for _, test := range []struct {
		o    sink.Options
		line string
		want string // the end
	}{
		{sink.Options{}, "", "< 250 sink.example\n> QUIT\n< 221 2.0.0 Bye\n"},
		{sink.Options{Rules: map[string][]string{"CONNECT": {"554 5.7.1 go away"}}}, "", "SMTP service not available: 554 5.7.1 go away\n"},
		{sink.Options{Rules: map[string][]string{"CONNECT": {"garbage"}}}, "", "< garbage\nSMTP service not available: 0 garbage\n"},
		{sink.Options{Rules: map[string][]string{"CONNECT": {"drop"}}}, "", "lost connection while reading server greeting\n"},
		{sink.Options{Rules: map[string][]string{"CONNECT": {"hang"}}}, "-t 1", "timeout while reading server greeting\n"},
		{sink.Options{Rules: map[string][]string{"EHLO": {"502-5.5.1 what?\n502 no"}}}, "", "EHLO rejected: 502 5.5.1 what? no\n"},
		{sink.Options{Rules: map[string][]string{"EHLO": {"hang"}}}, "-T 1", "timeout while sending EHLO\n"},
		{sink.Options{Rules: map[string][]string{"QUIT": {"drop"}}}, "", "lost connection while sending QUIT command\n"},
		{sink.Options{TLS: secret, Rules: map[string][]string{"STARTTLS": {"454 4.7.0 TLS not available"}}}, "", "STARTTLS rejected: 454 4.7.0 TLS not available\n"},
		{sink.Options{Keywords: []string{"STARTTLS"}, Rules: map[string][]string{"STARTTLS": {"220 yes"}}}, "", "tls: first record does not look like a TLS handshake\n"},
		{sink.Options{TLS: secret, Wrapped: true}, "-w -c", ""},
		{sink.Options{}, "-w", "tls: first record does not look like a TLS handshake\n"},
		{sink.Options{LMTP: true, TLS: secret}, "-S", "> QUIT\n< 221 2.0.0 Bye\n"},
		{sink.Options{Rules: map[string][]string{"CONNECT": {"220 " + strings.Repeat("x", 5000)}}}, "", "< 221 2.0.0 Bye\n"},
		{sink.Options{Rules: map[string][]string{"EHLO": {strings.Repeat("250-x\n", 5000) + "250 y"}}}, "", "< 250-x\n> QUIT\n< 221 2.0.0 Bye\n"},
	} {
		got := start(t, test.o).point(t, test.line+" -l may [mx.example.com]:PORT")
		if !strings.HasSuffix(got, test.want) || len(got) > 8000 {
			t.Errorf("%s: got %.3000s\nwant %s", test.line, got, test.want)
		}
		if test.o.Wrapped && !strings.Contains(got, "TLS connection established") {
			t.Errorf("got %s", got)
		}
	}
}

// A server that sends one letter after the other, for ever.
func TestSlow(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		for err == nil {
			_, err = io.WriteString(conn, "2")
			time.Sleep(10 * time.Millisecond) // the peer's own slowness, not a wait for something
		}
	}()
	begun := time.Now()
	got := around(t, listener.Addr().String()).point(t, "-t 1 [mx.example.com]:PORT")
	if !strings.HasSuffix(got, "timeout while reading server greeting\n") || time.Since(begun) > 5*time.Second {
		t.Errorf("%v: %s", time.Since(begun), got)
	}
}

func TestUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	server, err := sink.Start("unix", path, sink.Options{LMTP: true, Name: "mx.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	n := around(t, closed.Addr().String())
	if got := n.point(t, "-S unix:"+path); !strings.HasPrefix(got, "Connected to client.example.org["+path+"]\n< 220 mx.example.com LMTP\n> LHLO ") {
		t.Errorf("got %s", got)
	}
	if got := n.point(t, "-S unix:"+path+".none"); !strings.HasSuffix(got, ".none]: No such file or directory\n") {
		t.Errorf("got %s", got)
	}
	if got := n.point(t, "[mx.example.com]:PORT"); got != "Failed to establish session to [mx.example.com]:PORT via mx.example.com: connect to mx.example.com[127.0.0.1]:PORT: Connection refused\n" {
		t.Errorf("got %s", got)
	}
}

func TestDestination(t *testing.T) {
	for word, want := range map[string]string{
		"example.com":           "example.com 25 true",
		"example.com:26":        "example.com 26 true",
		"example.com:smtps":     "example.com 465 true",
		"[mx.example.com]":      "mx.example.com 25 false",
		"[192.0.2.1]:26":        "192.0.2.1 26 false",
		"[ipv6:2001:db8::1]:26": "2001:db8::1 26 false",
		"192.0.2.1":             "192.0.2.1 25 false",
		"[example.com":          `missing "]" in server description: [example.com`,
		"[example.com]x":        `garbage after "]" in server description: [example.com]x`,
		"example.com:":          "missing service in server description: example.com:",
		"example.com:nosuch":    "unknown service: nosuch/tcp",
		"":                      "missing host information in server description: ",
		"2001:db8::1":           "valid hostname or network address required in server description: 2001:db8::1",
		"unix:/x":               "unknown service: /x/tcp",
	} {
		d, err := parseDestination(word, false)
		got := fmt.Sprint(d.host, " ", d.port, " ", d.mx)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", word, got, want)
		}
	}
	for word, want := range map[string]string{"inet:mx.example.com": " mx.example.com 24", "mx.example.com:25": " mx.example.com 25", "unix:/x": "/x  0"} {
		if d, err := parseDestination(word, true); err != nil || fmt.Sprint(d.path, " ", d.host, " ", d.port) != want || d.mx {
			t.Errorf("%s: got %+v, %v", word, d, err)
		}
	}
}
