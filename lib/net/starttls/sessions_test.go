package starttls

import (
	"bytes"
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"postrider/lib/service/tlsmgr"
)

// A session is saved and used again, with what was found out about the server.
func TestCache(t *testing.T) {
	addr := serve(t, &tls.Config{Certificates: []tls.Certificate{other.Issue(mx)}})
	kept := &Memory{}
	c := client(t, Options{Log: LogSummary | LogCache, Sessions: kept})
	for i, want := range []string{"save session ", "reloaded session "} {
		session, log, err := begin(t, addr, c, &Peer{Level: Secure, Names: []string{"mx.example.com"}, Helo: "mx"})
		if err != nil || session.State.DidResume != (i > 0) || session.Trust != Untrusted || !strings.Contains(log, want+addr+"&") || !kept.Any() {
			t.Fatalf("%d: %v\n%s", i, err, log)
		}
		if i > 0 && !strings.Contains(log, "mx: Reusing old session\nmx: re-using session with untrusted certificate, look for details earlier in the log\n") {
			t.Errorf("got %s", log)
		}
	}
	if session, _, _ := begin(t, addr, c, &Peer{Level: Secure, Names: []string{"mx.example.com"}, Helo: "other"}); session.State.DidResume {
		t.Error("another server gets the same session")
	}
}

// A session that was begun under other rules, or with another certificate of
// ours, is never taken up; neither is what is none.
func TestCacheKeepsApart(t *testing.T) {
	addr := serve(t, &tls.Config{Certificates: []tls.Certificate{root.Issue(mx)}, ClientAuth: tls.RequestClientCert})
	kept := &Memory{}
	peer := func() *Peer {
		return &Peer{Level: May, Helo: "mx", Versions: Versions{tls.VersionTLS12, tls.VersionTLS13}, CipherGrade: "medium"}
	}
	resumed := func(about string, o Options, p *Peer, want bool) {
		t.Helper()
		o.Sessions = kept
		session, log, err := begin(t, addr, client(t, o), p)
		if err != nil || session.State.DidResume != want {
			t.Errorf("%s: %v, resumed %v, want %v\n%s", about, err, err == nil && session.State.DidResume, want, log)
		}
	}
	certs := []tls.Certificate{root.Issue(mx)}
	resumed("first", Options{}, peer(), false)
	resumed("the same", Options{}, peer(), true)
	for about, change := range map[string]func(*Peer){
		"level":        func(p *Peer) { p.Level = Encrypt },
		"names":        func(p *Peer) { p.Level, p.Names = Secure, []string{"mx.example.com"} },
		"fingerprints": func(p *Peer) { p.Level, p.Fingerprints = Fingerprint, [][]byte{{1}} },
		"server name":  func(p *Peer) { p.ServerName = "mx.example.com" },
		"versions":     func(p *Peer) { p.Versions.Max = tls.VersionTLS12 },
		"ciphers":      func(p *Peer) { p.CipherGrade = "high" },
		"exclude":      func(p *Peer) { p.Exclude = "AES128" },
	} {
		p := peer()
		change(p)
		resumed(about, Options{}, p, false)
	}
	resumed("our certificate", Options{Certificates: certs}, peer(), false)
	resumed("our certificate again", Options{Certificates: certs}, peer(), true)
	for key := range kept.saved {
		kept.Save(key, []byte("something else"))
	}
	resumed("not a session", Options{}, peer(), false)
	resumed("a new one", Options{}, peer(), true)
}

func TestParseSession(t *testing.T) {
	const now = sessionMagic + "\x00\x00\x00\x00\x00\x00\x00\x01"
	for _, bad := range []string{"", sessionMagic, now, now + "\x00\x00\x00", now + "\xff\xff\xff\xff", now + "\x00\x00\x00\x01x", "x"} {
		if s, _, err := parseSession([]byte(bad)); err == nil {
			t.Errorf("%q: %v", bad, s)
		}
	}
}

func FuzzParseSession(f *testing.F) {
	f.Add([]byte(sessionMagic + "\x00\x00\x00\x01x"))
	f.Fuzz(func(t *testing.T, data []byte) { parseSession(data) })
}

// A session that was taken up is not saved again for a while, whatever tickets the
// server hands out.
func TestCacheRests(t *testing.T) {
	addr := serve(t, &tls.Config{Certificates: []tls.Certificate{root.Issue(mx)}})
	kept := &Memory{}
	c := client(t, Options{Log: LogCache, Sessions: kept})
	meet := func() (resumed, saved bool) {
		s, log, err := begin(t, addr, c, &Peer{Level: May})
		if err != nil {
			t.Fatal(err)
		}
		return s.State.DidResume, strings.Contains(log, "save session ")
	}
	if resumed, saved := meet(); resumed || !saved {
		t.Errorf("first: resumed %v, saved %v", resumed, saved)
	}
	if resumed, saved := meet(); !resumed || saved {
		t.Errorf("second: resumed %v, saved %v", resumed, saved)
	}
	for key, s := range kept.saved { // it has become old
		data := bytes.Clone(s.data)
		copy(data[len(sessionMagic):], make([]byte, 8))
		kept.Save(key, data)
	}
	if resumed, saved := meet(); !resumed || !saved {
		t.Errorf("old: resumed %v, saved %v", resumed, saved)
	}
}

// keyRing is tlsmgr(8) in this process.
type keyRing struct {
	*tlsmgr.Ring
	off bool
}

func (k *keyRing) Ready() bool { return !k.off }
func (k *keyRing) Current() (tlsmgr.Key, bool) {
	if key, ok := k.Ring.Current(time.Now()); ok {
		return key, true
	}
	return k.Renew(time.Now()), true
}
func (k *keyRing) Find(name []byte) (tlsmgr.Key, bool) { return k.Ring.Find(name, time.Now()) }

// Each server of meet is another one: what they have in common are the keys. S6.6
func TestTickets(t *testing.T) {
	own := []tls.Certificate{root.Issue(mx)}
	ring := &keyRing{Ring: tlsmgr.NewRing(time.Hour)}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		o := ServerOptions{Certificates: own, Tickets: ring, Log: LogSummary | LogCache, Service: "smtp"}
		config := &tls.Config{MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1), ServerName: "mx.example.com"}
		try := func(about string, want bool, words ...string) {
			t.Helper()
			session, state, log, err := meet(t, o, config)
			if err != nil || state.DidResume != want || session.State.DidResume != want {
				t.Fatalf("%x %s: %v, resumed %v, want %v\n%s", version, about, err, state.DidResume, want, log)
			}
			for _, w := range words {
				if !strings.Contains(log, w) {
					t.Errorf("%x %s: no %q in\n%s", version, about, w, log)
				}
			}
		}
		try("first", false, "client: Issuing session ticket, key expiration: ")
		reused := []string{"client: Decrypting session ticket, key expiration: ", "client: Reusing old session (RFC 5077 session ticket)\nAnonymous TLS connection established from client: "}
		if version == tls.VersionTLS13 {
			reused = append(reused, " key-exchange X25519 server-signature ECDSA (prime256v1)")
		}
		try("second", true, reused...)
		o.Service = "submission"
		try("another service", false)
		try("the same again", true)
		*ring.Ring = *tlsmgr.NewRing(time.Hour)
		try("other keys", false)
		o.Certificates = []tls.Certificate{root.Issue(mx)}
		try("another certificate", false)
		o.Certificates = own
		ring.off = true
		try("no keys", false)
		ring.off = false
	}
}

// A client's certificate goes with the session, and is judged anew each time.
func TestTicketWithCertificate(t *testing.T) {
	ring := &keyRing{Ring: tlsmgr.NewRing(time.Hour)}
	o := ServerOptions{Certificates: []tls.Certificate{root.Issue(mx)}, Tickets: ring, Ask: true, Depth: 9, Roots: newRoots(root.Cert)}
	config := &tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(1), ServerName: "mx", Certificates: []tls.Certificate{root.Issue(mx)}}
	for i, want := range []Trust{Trusted, Trusted, Untrusted} {
		if i == 2 {
			o.Roots = newRoots(other.Cert)
		}
		session, state, log, err := meet(t, o, config)
		if err != nil || state.DidResume != (i > 0) || session.Trust != want || session.Peer() == nil {
			t.Errorf("%d: %v, resumed %v, %v\n%s", i, err, state.DidResume, session.Trust, log)
		}
	}
}

func TestSeal(t *testing.T) {
	key := tlsmgr.NewRing(time.Hour).Renew(time.Now())
	ticket, err := seal(&key, []byte("a session"))
	if err != nil || !bytes.HasPrefix(ticket, key.Name[:]) || bytes.Contains(ticket, []byte("session")) {
		t.Fatalf("%q, %v", ticket, err)
	}
	if plain, err := unseal(&key, ticket); err != nil || string(plain) != "a session" {
		t.Errorf("%q, %v", plain, err)
	}
	for i := range ticket {
		bad := bytes.Clone(ticket)
		bad[i] ^= 1
		if _, err := unseal(&key, bad); err == nil && i >= nameSize {
			t.Errorf("byte %d may be changed", i)
		}
	}
	for i := range ticket {
		if _, err := unseal(&key, ticket[:i]); err == nil {
			t.Errorf("%d bytes are enough", i)
		}
	}
}
