package saslauthd

import (
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postrider/lib/base/msg"
	"postrider/lib/net/sasl"
)

// peer is a daemon that knows ann with the password "secret", and its configuration.
func peer(t *testing.T) (dir string, heard *string) {
	t.Helper()
	dir = t.TempDir()
	socket := filepath.Join(dir, "mux")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	os.WriteFile(filepath.Join(dir, "smtpd.conf"), []byte("# ours\npwcheck_method: saslauthd\nmech_list: plain digest-md5\nsaslauthd_path: "+socket+"\n"), 0o644)
	heard = new(string)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			var fields []string
			for range 4 {
				var n [2]byte
				io.ReadFull(conn, n[:])
				b := make([]byte, binary.BigEndian.Uint16(n[:]))
				io.ReadFull(conn, b)
				fields = append(fields, string(b))
			}
			*heard = strings.Join(fields, "|")
			answer := "NO"
			if fields[0] == "ann" && fields[1] == "secret" {
				answer = "OK"
			}
			conn.Write(append([]byte{0, byte(len(answer))}, answer...))
			conn.Close()
		}
	}()
	return dir, heard
}

func TestVerify(t *testing.T) {
	dir, heard := peer(t)
	s, err := New([]string{"/nonexistent", dir}, "smtpd")
	if err != nil {
		t.Fatal(err)
	}
	if m, _ := s.Mechanisms(); len(m) != 1 || m[0].Name != "PLAIN" {
		t.Errorf("mechanisms: %v", m)
	}
	who := sasl.Session{Service: "smtp", Realm: "example.com"}
	for said, want := range map[string]struct {
		status sasl.Status
		heard  string
		user   string
	}{
		"\x00ann\x00secret":             {sasl.Done, "ann|secret|smtp|example.com", "ann@example.com"},
		"\x00ann@example.org\x00secret": {sasl.Done, "ann|secret|smtp|example.org", "ann@example.org"},
		"ann\x00ann\x00secret":          {sasl.Done, "ann|secret|smtp|example.com", "ann@example.com"},
		"\x00ann\x00wrong":              {sasl.Failed, "ann|wrong|smtp|example.com", "ann@example.com"},
		"bob\x00ann\x00secret":          {sasl.Failed, "", "bob"},
		"\x00ann":                       {sasl.Failed, "", ""},
		"\x00ann\x00":                   {sasl.Failed, "", ""},
		"":                              {sasl.Failed, "", ""},
	} {
		*heard = ""
		first := base64.StdEncoding.EncodeToString([]byte(said))
		_, r := s.Begin(who, "PLAIN", &first)
		user := ""
		if r.User != nil {
			user = *r.User
		}
		if r.Status != want.status || *heard != want.heard || user != want.user {
			t.Errorf("%q: %v %q %q, want %+v", said, r.Status, *heard, user, want)
		}
	}
	x, r := s.Begin(who, "LOGIN", nil)
	for _, answer := range []string{"ann", "secret"} {
		if r.Status != sasl.More {
			t.Errorf("LOGIN: %+v", r)
		}
		r = x.Next(base64.StdEncoding.EncodeToString([]byte(answer)))
	}
	if r.Status != sasl.Done {
		t.Errorf("LOGIN: %+v", r)
	}
}

// Without the daemon nobody is refused for good, and what only the library of Cyrus
// could do is an error at start.
func TestTrouble(t *testing.T) {
	defer msg.SetOutput(func(msg.Level, string) {})()
	dir := t.TempDir()
	conf := filepath.Join(dir, "smtpd.conf")
	os.WriteFile(conf, []byte("pwcheck_method: auxprop\n"), 0o644)
	if _, err := New([]string{dir}, "smtpd"); err == nil || !strings.Contains(err.Error(), conf) {
		t.Errorf("auxprop: %v", err)
	}
	if _, err := New([]string{dir}, "other"); err == nil {
		t.Error("no file is no error")
	}
	os.WriteFile(conf, []byte("pwcheck_method: saslauthd\nsaslauthd_path: "+dir+"/none\n"), 0o644)
	s, err := New([]string{dir}, "smtpd")
	if err != nil {
		t.Fatal(err)
	}
	first := base64.StdEncoding.EncodeToString([]byte("\x00ann\x00secret"))
	if _, r := s.Begin(sasl.Session{}, "PLAIN", &first); r.Status != sasl.Temporary {
		t.Errorf("without the daemon: %+v", r)
	}
}
