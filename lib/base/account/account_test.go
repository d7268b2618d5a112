package account

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const passwd = `root:x:0:0:root:/root:/bin/bash
+nisuser::::::
broken:x:1
joe:x:1001:100:Joe,,,:/home/joe:/bin/sh
ann:x:-1:100::/home/ann:
`

const group = "root:x:0:\nusers:x:100:joe,ann\nwheel:x:10:ann,joe\n"

func source(t *testing.T, nsswitch string) Source {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		return name
	}
	return Source{
		Passwd: write("passwd", passwd),
		Group:  write("group", group),
		Switch: write("nsswitch.conf", nsswitch),
		Userdb: filepath.Join(dir, "userdb"),
		Getent: write("getent", "#!/bin/sh\ncase $3 in far) echo far:x:7:8:Far:/far:/bin/zsh;; *) exit 2;; esac\n"),
	}
}

func TestFiles(t *testing.T) {
	s := source(t, "passwd: files systemd\ngroup: files [NOTFOUND=return] compat\n")
	u, found, err := s.ByName("joe")
	if want := (User{"joe", 1001, 100, "Joe,,,", "/home/joe", "/bin/sh"}); u != want || !found || err != nil {
		t.Errorf("got %+v %v %v", u, found, err)
	}
	if u, found, err := s.ByID(1001); u.Name != "joe" || !found || err != nil {
		t.Errorf("got %+v %v %v", u, found, err)
	}
	for _, name := range []string{"", "nobody", "broken", "ann", "+nisuser", "joe:x", "jo", "JOE"} {
		if u, found, err := s.ByName(name); found || err != nil {
			t.Errorf("%q: got %+v %v %v", name, u, found, err)
		}
	}
	if g, found, err := s.GroupByName("wheel"); g.GID != 10 || len(g.Members) != 2 || !found || err != nil {
		t.Errorf("got %+v %v %v", g, found, err)
	}
	if list, err := s.Groups(u); fmt.Sprint(list) != "[100 10]" || err != nil {
		t.Errorf("got %v %v", list, err)
	}
}

// A missing file is trouble, not an unknown user. S2.7.
func TestMissingFile(t *testing.T) {
	s := source(t, "")
	s.Passwd += ".gone"
	if _, found, err := s.ByName("joe"); found || !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v %v", found, err)
	}
}

// A directory outage must not look like an unknown user.
func TestOutage(t *testing.T) {
	s := source(t, "passwd:\tfiles sss # more\ngroup: files\n")
	if u, found, err := s.ByName("far"); u.UID != 7 || !found || err != nil {
		t.Errorf("got %+v %v %v", u, found, err)
	}
	if _, found, err := s.ByName("nobody"); found || !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v %v", found, err)
	}
	if _, found, err := s.GroupByName("nobody"); found || err != nil {
		t.Errorf("got %v %v", found, err)
	}
}

func TestUserdb(t *testing.T) {
	s := source(t, "passwd: files ldap\ngroup: files ldap\n")
	l, err := net.Listen("unix", s.Userdb)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go serve(l)
	u, found, err := s.ByName("ldapuser")
	if want := (User{"ldapuser", 5000, 6000, "L D", "/home/l", "/bin/ksh"}); u != want || !found || err != nil {
		t.Errorf("got %+v %v %v", u, found, err)
	}
	if u, found, err := s.ByID(5000); u.Name != "ldapuser" || !found || err != nil {
		t.Errorf("got %+v %v %v", u, found, err)
	}
	if _, found, err := s.ByName("nobody"); found || err != nil {
		t.Errorf("got %v %v", found, err)
	}
	if _, found, err := s.ByName("down"); found || !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v %v", found, err)
	}
	if g, found, err := s.GroupByName("ldapgroup"); g.GID != 6000 || !found || err != nil {
		t.Errorf("got %+v %v %v", g, found, err)
	}
}

func serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		request, _ := bufio.NewReader(c).ReadString(0)
		reply := `{"error":"io.systemd.UserDatabase.NoRecordFound"}`
		switch {
		case strings.Contains(request, `"ldapgroup"`):
			reply = `{"parameters":{"record":{"groupName":"ldapgroup","gid":6000},"incomplete":false}}`
		case strings.Contains(request, `"ldapuser"`), strings.Contains(request, `"uid":5000`):
			reply = `{"parameters":{"record":{"userName":"ldapuser","uid":5000,"gid":6000,"realName":"L D",` +
				`"homeDirectory":"/home/l","shell":"/bin/ksh"},"incomplete":false}}`
		case strings.Contains(request, `"down"`):
			reply = `{"error":"io.systemd.UserDatabase.ServiceNotAvailable"}`
		}
		c.Write([]byte(reply + "\x00"))
		c.Close()
	}
}

// A file that changes is read again, also when it changes twice at once.
func TestChanges(t *testing.T) {
	s := source(t, "")
	for i, name := range []string{"one", "two", "six", "ten"} {
		text := name + ":x:5:5:::/bin/sh\n"
		if err := os.WriteFile(s.Passwd, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, found, err := s.ByName(name); !found || err != nil {
			t.Errorf("%d: %s: %v %v", i, name, found, err)
		}
	}
	old := time.Now().Add(-time.Hour)
	os.Chtimes(s.Passwd, old, old)
	os.Remove(s.Passwd)
	if _, _, err := s.ByName("ten"); err == nil {
		t.Error("no error")
	}
}
