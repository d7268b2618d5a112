package main

import (
	"net"
	"os"
	"strings"
	"testing"

	"postrider/lib/base/account"
)

// Included files: who owns them and what may stand in them. S2.7.
func TestInclude(t *testing.T) {
	s := newSuite(t, "allow_mail_to_commands = include", `
		list: :include:DIR/etc/list
		own: :include:DIR/home/eve/list
		dir: :include:DIR/home
		both: :include:DIR/etc/list, :include:DIR/etc/list, joe
		`)
	s.write("etc/list", "# members\nann, bob (Bob)\n\n  joe@far.example\n", 0)
	log, _ := s.deliver(mail{to: "list@example"})
	got := strings.Join(log, "|")
	if !strings.Contains(got, "|cleanup R ann@example|") || !strings.Contains(got, "|cleanup R bob@example|") ||
		!strings.Contains(got, "|cleanup R joe@far.example|") || !strings.HasSuffix(got, line("list", "list", sent("forwarded as NEWID"))) {
		t.Errorf("%s", got)
	}
	log, _ = s.deliver(mail{to: "both@example"})
	if got := strings.Join(log, "|"); strings.Count(got, "cleanup R ann@") != 1 || log[0] != line("joe", "both", sent("delivered to mailbox")) {
		t.Errorf("%s", got)
	}
	s.write("home/eve/list", "\"|id -u; exit 1\"\n", 60004)
	log, _ = s.deliver(mail{to: "own@example"})
	if !strings.HasSuffix(log[len(log)-1], "Command output: 60004 )") {
		t.Errorf("%q", log)
	}
	bad := func(to, warning string) {
		t.Helper()
		log, _ := s.deliver(mail{to: to + "@example"})
		expect(t, to, log, "warning: "+warning, "bounce <"+to+"@example> failed 5.3.5 mail system configuration error",
			line(to, to, "dsn=5.3.5, status=bounced (mail system configuration error)"))
	}
	bad("dir", ":include: file DIR/home is not a regular file")
	os.Chmod("etc/list", 0o666)
	bad("list", ":include: file DIR/etc/list is world writable")
}

// Whose rights commands of an alias have. S4.6.6.
func TestAliasOwner(t *testing.T) {
	s := newSuite(t, "", `id: "|id -u; exit 1"`)
	for owner, want := range map[int]string{0: "65534", 60004: "60004"} {
		site.aliases[0].owner = owner
		log, _ := s.deliver(mail{to: "id@example"})
		if !strings.HasSuffix(log[len(log)-1], "Command output: "+want+" )") {
			t.Errorf("%d: %q", owner, log)
		}
	}
	site.aliases[0].owner = 4711
	log, done := s.deliver(mail{to: "id@example"})
	if done || log[0] != "warning: cannot find alias database owner for test:aliases: no such user" ||
		!strings.HasSuffix(log[len(log)-1], "dsn=4.3.0, status=deferred (cannot find alias database owner)") {
		t.Errorf("%v %q", done, log)
	}
}

// Where destinations of the wrong kind stand. S2.7.
func TestRestricted(t *testing.T) {
	s := newSuite(t, "allow_mail_to_commands =\nallow_mail_to_files = forward", `
		cmd: "|exit 0"
		file: DIR/home/f
		`)
	for to, want := range map[string]string{"cmd": "mail to command is restricted", "file": "mail to file is restricted"} {
		log, _ := s.deliver(mail{to: to + "@example"})
		expect(t, to, log, "bounce <"+to+"@example> failed 5.7.1 "+want, line(to, to, "dsn=5.7.1, status=bounced ("+want+")"))
	}
}

// Parameters that change what an expansion does.
func TestExpansionParameters(t *testing.T) {
	const aliases = `
		one: two
		two: ann
		lst: bob, child
		child: joe
		owner-lst: boss@far.example
		`
	s := newSuite(t, "propagate_unmatched_extensions = alias", aliases)
	log, _ := s.deliver(mail{to: "one+Ext@example"})
	expect(t, "propagate", log, line("ann+ext", "one+Ext", sent("delivered to mailbox")))

	delivered := func(want string) {
		t.Helper()
		os.Remove("spool/ann")
		s.deliver(mail{to: "one@example"})
		if text := s.read("spool/ann"); strings.Contains(text, "Delivered-To: "+want+"\n") != (want != "") && want != "" || want == "" && strings.Contains(text, "Delivered-To") {
			t.Errorf("want %q in %q", want, text)
		}
	}
	s.load("")
	delivered("one@example")
	s.load("frozen_delivered_to = no")
	delivered("ann@example")
	s.load("prepend_delivered_header = forward")
	delivered("")

	sender := func(settings, want string, forwarded int) {
		t.Helper()
		s.load(settings)
		log, _ := s.deliver(mail{to: "lst@example"})
		if got := strings.Join(log, "|"); !strings.Contains(got, "cleanup S "+want+"|") || strings.Count(got, "cleanup R ") != forwarded {
			t.Errorf("%s: %s", settings, got)
		}
	}
	sender("", "owner-lst@example", 2)
	sender("expand_owner_alias = yes", "boss@far.example", 2)
	sender("reset_owner_alias = yes", "owner-lst@example", 1)
	s.load("owner_request_special = no")
	log, _ = s.deliver(mail{to: "lst@example"})
	expect(t, "no owner", log, line("bob", "lst", sent("delivered to mailbox")), line("joe", "lst", sent("delivered to mailbox")))
}

// Users may send new mail to each other's notice.
func TestBiff(t *testing.T) {
	c, err := net.ListenPacket("udp4", "127.0.0.1:512")
	if err != nil {
		t.Skip(err)
	}
	defer c.Close()
	s := newSuite(t, "biff = yes", "")
	for _, want := range []string{"ann@0\x00", "ann@"} {
		s.deliver(mail{to: "ann@example"})
		b := make([]byte, 100)
		n, _, err := c.ReadFrom(b)
		if err != nil || !strings.HasPrefix(string(b[:n]), want) {
			t.Errorf("got %q %v", b[:n], err)
		}
	}
}

// A user who is not known for sure is not bounced. S2.7.
func TestDirectoryAway(t *testing.T) {
	s := newSuite(t, "", "")
	s.write("etc/nsswitch.conf", "passwd: files sss\n", 0)
	account.System.Switch = s.dir + "/etc/nsswitch.conf"
	log, done := s.deliver(mail{to: "zork@example"})
	if done || !strings.HasSuffix(log[len(log)-1], "dsn=4.3.0, status=deferred (user lookup error)") {
		t.Errorf("%v %q", done, log)
	}
	if log, done := s.deliver(mail{to: "ann@example"}); !done {
		t.Errorf("%q", log)
	}
}
