package client

import (
	"crypto/sha1"
	"crypto/sha256"
	"hash"
	"strings"
	"testing"

	"postrider/lib/net/sasl"
)

// The example of RFC 2195, section 2.
func TestCramMD5(t *testing.T) {
	x := newCram(Login{User: "tim", Password: "tanstaaftanstaaf"})
	got, err := x.Next([]byte("<1896.697170952@postoffice.reston.mci.net>"))
	if want := "tim b913a602c7eda7a495b4e6e7334d3890"; err != nil || string(got) != want {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
	if _, err := x.Next([]byte("<again>")); err == nil {
		t.Error("a second challenge is answered")
	}
}

// The examples of RFC 5802, section 5, and RFC 7677, section 3.
func TestScram(t *testing.T) {
	for _, c := range []struct {
		hash                                 func() hash.Hash
		nonce, first, challenge, final, last string
	}{
		{sha1.New, "fyko+d2lbbFgONRv9qkxdawL", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
			"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
			"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="},
		{sha256.New, "rOprNGfwEbeRWgbNEkqO", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
			"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
	} {
		start := func() *scram {
			return &scram{Login: Login{User: "user", Password: "pencil"}, hash: c.hash, nonce: c.nonce, first: "n=user,r=" + c.nonce}
		}
		s := start()
		if got := string(s.Initial()); got != c.first {
			t.Errorf("first message %q, want %q", got, c.first)
		}
		if got, err := s.Next([]byte(c.challenge)); err != nil || string(got) != c.final {
			t.Errorf("final message %q (%v), want %q", got, err, c.final)
		}
		if s.Done() == nil {
			t.Error("a server that has proved nothing is believed")
		}
		if got, err := s.Next([]byte(c.last)); err != nil || len(got) != 0 || s.Done() != nil {
			t.Errorf("the server's proof is not believed: %q %v %v", got, err, s.Done())
		}
		s = start()
		s.Next([]byte(c.challenge))
		if _, err := s.Next([]byte("v=AAAA")); err == nil || s.Done() == nil {
			t.Error("a wrong proof is believed")
		}
	}
}

// What a hostile server may send is refused: no nonce of ours, too much work.
func TestScramRefuses(t *testing.T) {
	for _, challenge := range []string{"", "r=other,s=QSXCR+Q6sek8bf92,i=4096", "r=NONCE,s=QSXCR+Q6sek8bf92,i=4096", "r=NONCEx,s=!,i=4096",
		"r=NONCEx,s=QSXCR+Q6sek8bf92,i=0", "r=NONCEx,s=QSXCR+Q6sek8bf92,i=2000000000", "m=x,r=NONCEx,s=QSXCR+Q6sek8bf92,i=4096"} {
		s := scramWith(sha256.New)(Login{User: "u", Password: "p"}).(*scram)
		if answer, err := s.Next([]byte(strings.ReplaceAll(challenge, "NONCE", s.nonce))); err == nil {
			t.Errorf("%q is answered with %q", challenge, answer)
		}
	}
}

// The example of RFC 2831, section 4.
func TestDigestMD5(t *testing.T) {
	d := &digest{Login: Login{User: "chris", Password: "secret", Service: "imap", Host: "elwood.innosoft.com"}, nonce: "OA6MHXh6VqTrRk"}
	got, err := d.Next([]byte(`realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8`))
	if err != nil || !strings.Contains(string(got), "response=d388dad90d4bbd760a152321f2143af7") {
		t.Errorf("got %q (%v)", got, err)
	}
	if d.Done() == nil {
		t.Error("a server that has proved nothing is believed")
	}
	if _, err := d.Next([]byte("rspauth=ea40f60335c427b5527b84dbabcdfffd")); err != nil || d.Done() != nil {
		t.Errorf("the server's proof is not believed: %v", err)
	}
	for _, challenge := range []string{"", `nonce="x"`, `nonce="x",algorithm=md5-sess,qop="auth-conf"`, `nonce="x`} {
		if got, err := newDigest(Login{User: "u"}).Next([]byte(challenge)); err == nil {
			t.Errorf("%q is answered with %q", challenge, got)
		}
	}
}

// The strongest mechanism that is offered and wanted is used; those that need more
// than a password only when there is no other.
func TestChoose(t *testing.T) {
	for _, c := range []struct{ offered, options, want string }{
		{"PLAIN LOGIN", "noanonymous", "PLAIN"},
		{"LOGIN XOAUTH2 plain", "", "PLAIN"},
		{"PLAIN LOGIN", "noplaintext", ""},
		{"PLAIN CRAM-MD5", "noplaintext", "CRAM-MD5"},
		{"PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256", "", "SCRAM-SHA-256"},
		{"CRAM-MD5 DIGEST-MD5", "mutual_auth", "DIGEST-MD5"},
		{"ANONYMOUS", "noanonymous", ""},
		{"ANONYMOUS", "", "ANONYMOUS"},
		{"EXTERNAL PLAIN", "", "PLAIN"},
		{"EXTERNAL", "noplaintext, noactive, nodictionary", "EXTERNAL"},
		{"GSSAPI", "", ""},
	} {
		o, err := sasl.ParseOptions(c.options)
		if err != nil {
			t.Fatal(err)
		}
		got, x := Choose(strings.Fields(c.offered), o, Login{User: "u", Password: "p"})
		if got != c.want || (x != nil) != (c.want != "") {
			t.Errorf("%s with %q: %q, want %q", c.offered, c.options, got, c.want)
		}
	}
}

func TestMessages(t *testing.T) {
	who := Login{User: "a,b=c", Password: "tok", Authorize: "z", Host: "h"}
	for name, want := range map[string]string{
		"PLAIN":       "z\x00a,b=c\x00tok",
		"XOAUTH2":     "user=a,b=c\x01auth=Bearer tok\x01\x01",
		"OAUTHBEARER": "n,a=a=2Cb=3Dc,\x01host=h\x01auth=Bearer tok\x01\x01",
		"EXTERNAL":    "a,b=c",
	} {
		_, x := Choose([]string{name}, sasl.Options{}, who)
		if got := string(x.Initial()); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	_, x := Choose([]string{"LOGIN"}, sasl.Options{}, who)
	if x.Initial() != nil {
		t.Error("LOGIN does not wait for the server")
	}
	for _, want := range []string{"a,b=c", "tok"} {
		if got, err := x.Next(nil); err != nil || string(got) != want {
			t.Errorf("LOGIN: %q %v", got, err)
		}
	}
	if _, err := x.Next(nil); err == nil {
		t.Error("LOGIN answers a third question")
	}
}

// Names that look the same are the same. RFC 4013, section 3.
func TestPrepare(t *testing.T) {
	for in, want := range map[string]string{"I\u00adX": "IX", "user": "user", "\u00aa": "a", "\u2168": "IX", "a\u00a0b": "a b"} {
		if got := prepare(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// No challenge makes a mechanism panic, and none is answered for ever.
func FuzzChallenge(f *testing.F) {
	f.Add(`realm="a",nonce="b",qop="auth",algorithm=md5-sess`)
	f.Add("r=x,s=AAAA,i=1")
	f.Fuzz(func(t *testing.T, challenge string) {
		for _, m := range mechanisms {
			x := m.begin(Login{User: "u", Password: "p"})
			x.Initial()
			for range 4 {
				if _, err := x.Next([]byte(challenge)); err != nil {
					break
				}
			}
			x.Done()
		}
	})
}
