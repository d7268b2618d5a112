package interop

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	"postrider/test/peer/pki"
	"postrider/test/script"
)

// TestTLS: STARTTLS and port 465, certificates of both sides, and what
// restrictions make of them, are the same from both servers.
func TestTLS(t *testing.T) {
	text, err := os.ReadFile("testdata/tls.txt")
	if err != nil {
		t.Fatal(err)
	}
	files := certificates(t)
	var list []dialogue
	for block := range strings.SplitSeq(files.expand(string(text)), "\n-- ") {
		list = append(list, files.dialogue(block))
	}
	service := startPolicy(t)
	compareDialogues(t, list, receivedHeaders, service.facts)
}

// ofLibrary are log lines in which the TLS libraries speak, or in which we say
// more: docs/differences.md.
var ofLibrary = regexp.MustCompile(`TLS library problem|SSL_accept[: ]|SSL3 alert|Issuing session ticket|TLS cipher list|disabling TLS support|` +
	`error opening chain file|are thrown away|Digest algorithm|support for parameter "smtpd_|request longer than|SASL authentication failure: |xsasl_cyrus_server_get_mechanism_list|map lookup problem|File name too long|depth=0 verify|error loading private keys`)

// receivedHeaders are those of all messages in the queue.
func receivedHeaders() string {
	text := ""
	header := regexp.MustCompile("Received: from (?s:.*?)\tby ")
	for _, path := range queued("incoming", "active", "deferred") {
		out, err := exec.Command("/mix/bin/postcat", "/var/spool/postfix/"+path).Output()
		if err == nil {
			text += string(header.Find(out)) + "\n"
		}
	}
	return text
}

// A policy is a policy service that permits everything, and remembers what it was
// told about TLS.
type policy struct {
	mu   sync.Mutex
	told string
}

// startPolicy starts one at the port that the dialogues name.
func startPolicy(t *testing.T) *policy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:2999")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	p := &policy{}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(conn)
		}
	}()
	return p
}

func (p *policy) serve(conn net.Conn) {
	defer conn.Close()
	for in := bufio.NewScanner(conn); in.Scan(); {
		line := in.Text()
		if line == "" {
			conn.Write([]byte("action=DUNNO\n\n"))
		}
		if strings.HasPrefix(line, "ccert_") || strings.HasPrefix(line, "encryption_") || strings.HasPrefix(line, "sasl_") {
			p.mu.Lock()
			p.told += line + "\n"
			p.mu.Unlock()
		}
	}
}

// facts are what it was told since it was asked last.
func (p *policy) facts() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	told := p.told
	p.told = ""
	return told
}

// keys are the certificates of these dialogues.
type keys struct {
	client, self tls.Certificate
	names        map[string]string
}

const keyDir = "/etc/postfix/keys/"

// certificates makes the files.
func certificates(t *testing.T) keys {
	t.Helper()
	os.MkdirAll(keyDir, 0o755)
	ca := pki.NewAuthority("Test CA")
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	server := ca.Issue(pki.Request{Name: "rsa.example.com", Key: rsaKey})
	ec := ca.Issue(pki.Request{Name: "ec.example.com", Key: ecKey})
	sni := ca.Issue(pki.Request{Name: "sni.example.org"})
	k := keys{client: ca.Issue(pki.Request{Name: "client.example.net"}), self: pki.SelfSigned(pki.Request{Name: "self"})}
	for name, c := range map[string]tls.Certificate{"rsa": server, "ec": ec, "sni": sni} {
		if err := pki.Write(keyDir+name+".pem", c.PrivateKey, c.Certificate...); err != nil {
			t.Fatal(err)
		}
	}
	pki.Write(keyDir+"ca.pem", nil, ca.Cert.Raw)
	k.names = map[string]string{
		"$keys/":       keyDir,
		"$fingerprint": hexDigest(k.client.Leaf.Raw), "$keyprint": hexDigest(k.client.Leaf.RawSubjectPublicKeyInfo),
		"$selfprint": hexDigest(k.self.Leaf.Raw),
	}
	return k
}

func hexDigest(data []byte) string {
	var list []string
	for _, c := range sha256.Sum256(data) {
		list = append(list, fmt.Sprintf("%02X", c))
	}
	return strings.Join(list, ":")
}

func (k keys) expand(text string) string {
	for name, value := range k.names {
		text = strings.ReplaceAll(text, name, value)
	}
	return text
}

// bundles are settings that many dialogues have.
var bundles = map[string]map[string]string{
	"rsa":   {"smtpd_tls_cert_file": keyDir + "rsa.pem", "smtpd_tls_loglevel": "1"},
	"may":   {"smtpd_tls_security_level": "may"},
	"enc":   {"smtpd_tls_security_level": "encrypt"},
	"sasl":  {"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": "private/auth", "smtpd_relay_restrictions": "permit_sasl_authenticated, reject_unauth_destination"},
	"cyrus": {"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "cyrus", "smtpd_relay_restrictions": "permit_sasl_authenticated, reject_unauth_destination"},
	"ask":   {"smtpd_tls_ask_ccert": "yes", "smtpd_tls_CAfile": keyDir + "ca.pem", "smtpd_tls_received_header": "yes"},
}

// dialogue reads one: a name, settings, then what the client does. Words in
// pointed brackets begin TLS: <tls>, with a certificate of the client, or a name.
func (k keys) dialogue(block string) dialogue {
	head, body, _ := strings.Cut(block, "\n")
	name, settings, _ := strings.Cut(strings.TrimPrefix(head, "-- "), ": ")
	d := dialogue{name: name, settings: map[string]string{}}
	greeted := false
	for setting := range strings.SplitSeq(settings, "; ") {
		if bundle, ok := bundles[setting]; ok {
			maps.Copy(d.settings, bundle)
		} else if name, value, ok := strings.Cut(setting, "="); ok {
			d.settings[name] = value
		}
	}
	greet := func() {
		if !greeted {
			d.steps = append(d.steps, step{read: -1})
			greeted = true
		}
	}
	for line := range strings.SplitSeq(strings.TrimRight(body, "\n"), "\n") {
		if words, ok := strings.CutPrefix(line, "<auth "); ok {
			d.steps = append(d.steps, step{login: strings.Fields(strings.TrimSuffix(words, ">"))})
			continue
		}
		if words, ok := strings.CutPrefix(line, "<"); ok {
			d.steps = append(d.steps, step{secret: k.config(strings.TrimSuffix(words, ">"))})
			continue
		}
		greet()
		command, more := strings.CutPrefix(line, "+ ")
		if command == "=" {
			d.steps = append(d.steps, step{read: -1})
			continue
		}
		d.steps = append(d.steps, step{send: script.Unescape(command)})
		if !more {
			d.steps[len(d.steps)-1].send += "\r\n"
			d.steps = append(d.steps, step{read: -1})
		}
	}
	return d
}

func (k keys) config(words string) *tls.Config {
	config := &tls.Config{InsecureSkipVerify: true}
	for word := range strings.FieldsSeq(words) {
		switch {
		case word == "cert":
			config.Certificates = []tls.Certificate{k.client}
		case word == "self":
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &k.self, nil }
		case word == "old":
			config.MaxVersion = tls.VersionTLS12
		case strings.Contains(word, "."):
			config.ServerName = word
		}
	}
	return config
}
