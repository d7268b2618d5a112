package dovecot

import (
	"bufio"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"postrider/lib/net/sasl"
)

const hello = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tCRAM-MD5\tdictionary\tactive\nMECH\tX\tprivate\nSPID\t1\nCUID\t1\nCOOKIE\tab\nDONE\n"

// peer is a server that says hello and then, for each line that it hears after the
// two of the client's hello, what answer returns.
func peer(t *testing.T, answer func(line string) string) (path string, heard *[]string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "auth")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	heard = &[]string{}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Write([]byte(hello))
			in := bufio.NewScanner(conn)
			for in.Scan() {
				*heard = append(*heard, in.Text())
				if strings.HasPrefix(in.Text(), "VERSION") || strings.HasPrefix(in.Text(), "CPID") {
					continue
				}
				text := answer(in.Text())
				if text == "" {
					break
				}
				conn.Write([]byte(text))
			}
			conn.Close()
		}
	}()
	return path, heard
}

func TestMechanisms(t *testing.T) {
	path, _ := peer(t, nil)
	for _, name := range []string{path, "unix:" + path} {
		s := New(name)
		got, err := s.Mechanisms()
		if err != nil || len(got) != 2 || got[0] != (sasl.Mechanism{Name: "PLAIN", Properties: sasl.Plaintext}) ||
			got[1].Properties != sasl.Dictionary|sasl.Active {
			t.Errorf("%s: %v %v", name, got, err)
		}
		s.Close()
	}
	_, err := New("/nonexistent/auth").Mechanisms()
	if want := "SASL: Connect to Dovecot auth socket '/nonexistent/auth' failed: No such file or directory"; err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

// What a client says reaches the server, and its answers the client; of the
// answers only those that are about this attempt count.
func TestExchange(t *testing.T) {
	path, heard := peer(t, func(line string) string {
		f := strings.Split(line, "\t")
		switch {
		case f[0] == "AUTH" && f[2] == "PLAIN":
			return "FAIL\t99\tuser=other\nOK\t" + f[1] + "\tuser=a\x01tb\n"
		case f[0] == "AUTH":
			return "CONT\t" + f[1] + "\tY2hhbGxlbmdl\n"
		case f[2] == "temp":
			return "FAIL\t" + f[1] + "\tuser=ann\tcode=temp_fail\n"
		}
		return "FAIL\t" + f[1] + "\tuser=ann\treason=no\x01tway\n"
	})
	s := New(path)
	who := sasl.Session{Service: "smtp", Client: "192.0.2.1", Server: "192.0.2.2", Secure: true}
	first := "AGFubgBzZWNyZXQ="
	if _, r := s.Begin(who, "PLAIN", &first); r.Status != sasl.Done || r.User == nil || *r.User != "a\tb" {
		t.Errorf("PLAIN: %+v", r)
	}
	want := "AUTH\t1\tPLAIN\tservice=smtp\tnologin\tlip=192.0.2.2\trip=192.0.2.1\tsecured\tresp=" + first
	if got := (*heard)[len(*heard)-1]; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	x, r := s.Begin(who, "CRAM-MD5", nil)
	if r.Status != sasl.More || r.Text != "Y2hhbGxlbmdl" {
		t.Errorf("CRAM-MD5: %+v", r)
	}
	if r = x.Next("eA=="); r.Status != sasl.Failed || r.Text != "no\tway" || *r.User != "ann" {
		t.Errorf("CRAM-MD5: %+v", r)
	}
	x, _ = s.Begin(who, "CRAM-MD5", nil)
	if r = x.Next("temp"); r.Status != sasl.Temporary {
		t.Errorf("trouble is not temporary: %+v", r)
	}
}

// A restart of the server is noticed and does not matter; one that stays away is
// temporary trouble.
func TestLostConnection(t *testing.T) {
	count := 0
	path, _ := peer(t, func(line string) string {
		if count++; count == 1 {
			return "" // the connection ends
		}
		return "OK\t" + strings.Split(line, "\t")[1] + "\tuser=ann\n"
	})
	s := New(path)
	if _, r := s.Begin(sasl.Session{}, "PLAIN", nil); r.Status != sasl.Done {
		t.Errorf("after a restart: %+v", r)
	}
	path, _ = peer(t, func(string) string { return "" })
	if _, r := New(path).Begin(sasl.Session{}, "PLAIN", nil); r.Status != sasl.Temporary || r.Text != "Connection lost to authentication server" {
		t.Errorf("without a server: %+v", r)
	}
}

// A user whom the server does not name has not logged in.
func TestUnnamed(t *testing.T) {
	path, _ := peer(t, func(line string) string { return "OK\t" + strings.Split(line, "\t")[1] + "\n" })
	if _, r := New(path).Begin(sasl.Session{}, "PLAIN", nil); r.Status != sasl.Failed {
		t.Errorf("%+v", r)
	}
}

// Nothing that a server says makes the client panic.
func FuzzAnswer(f *testing.F) {
	f.Add("OK\t1\tuser=a\n")
	f.Add("CONT\t1\n")
	f.Add("FAIL\t1\tuser=\x01\n\n\t\n")
	f.Fuzz(func(t *testing.T, answer string) {
		path, _ := peer(t, func(string) string { return answer + "\nFAIL\t1\n" })
		s := New(path)
		x, r := s.Begin(sasl.Session{}, "PLAIN", nil)
		if r.Status == sasl.More {
			x.Next("")
		}
		s.Close()
	})
}
