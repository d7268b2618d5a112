package sites

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"postrider/test/machine"
	"postrider/test/peer/pki"
	"postrider/test/peer/sink"
)

const (
	hosting  = "/src/conf/examples/hosting/"
	vmail    = "/var/vmail/customer.example/"
	database = "/run/mysqld/mysqld.sock"
)

// S6.5, S6.6: a provider. Domains are in MariaDB, passwords and mailboxes are Dovecot's,
// opendkim signs, postscreen stands before port 25. Mail comes in, people log in and
// send, robots and strangers are refused, and when one of the others is away mail
// waits.
func TestHosting(t *testing.T) {
	needs(t, "mariadbd", "mariadb-install-db", "mariadb", "dovecot", "opendkim", "opendkim-genkey", "swaks")
	s := machine.Install(t)
	attach(t, "world", "192.0.2.2", "", "192.0.2.1")
	run(t, "ip", "-n", "world", "addr", "add", "192.0.2.66/24", "dev", "world-out")
	stopDatabase := startDatabase(t, s)
	key := install(t, s)
	startZone(t, "world", "192.0.2.2", "customer.example. MX 10 mx.provider.example.\nmx.provider.example. A 192.0.2.1\n1.2.0.192.in-addr.arpa. PTR mx.provider.example.\n"+
		"mail.remote.example. A 192.0.2.2\nremote.example. MX 10 mail.remote.example.\n2.2.0.192.in-addr.arpa. PTR mail.remote.example.\n"+
		"66.2.0.192.bl.lists.example. A 127.0.0.2\n66.2.0.192.bl.lists.example. TXT \"a robot\"\n"+key)
	if out := run(t, "postfix", "check"); out != "" {
		t.Errorf("postfix check says:\n%s", out)
	}
	s.Start()
	startOpendkim(t, s)
	stopDovecot := startDovecot(t, s)

	// From another host, through postscreen, into Dovecot's Maildir; an alias for two.
	remote := func() *talk {
		c := dial(t, "world", "192.0.2.2", "192.0.2.1:25")
		c.say("EHLO mail.remote.example", "250")
		c.say("MAIL FROM:<joe@remote.example>", "250")
		return c
	}
	c := remote()
	c.say("RCPT TO:<ann@customer.example>", "250")
	c.say("RCPT TO:<nobody@customer.example>", "550 5.1.1 <nobody@customer.example>: Recipient address rejected: User unknown in virtual mailbox table")
	c.say("RCPT TO:<x@elsewhere.example>", "554 5.7.1 <x@elsewhere.example>: Relay access denied")
	c.say("DATA", "354")
	c.say("From: joe@remote.example\r\nSubject: first\r\n\r\nx\r\n.", "250")
	c.say("QUIT", "221")
	s.WaitLog(`postscreen\[\d+\]: PASS NEW \[192.0.2.2\]:\d+`)
	s.WaitLog(`lmtp\[\d+\]: \w+: to=<ann@customer.example>, relay=mx.provider.example\[private/dovecot-lmtp\], .*status=sent \(250 2.0.0 <ann@customer.example> \S+ Saved\)`)
	want(t, mailboxOf(t, "ann"), "Subject: first\n", "Authentication-Results: mx.provider.example;")
	c = remote()
	c.submitRest("info@customer.example", "Subject: for both\r\n\r\nx\r\n")
	s.Wait("the alias", func() bool {
		return strings.Contains(mailboxOf(t, "bob"), "for both") && strings.Contains(mailboxOf(t, "ann"), "for both")
	})

	// Robots: on a list, and in a hurry.
	robot(t, s, "192.0.2.66", "", `NOQUEUE: reject: RCPT from \[192.0.2.66\]:\d+: 550 5.7.1 Service unavailable; client \[192.0.2.66\] blocked using bl.lists.example`)

	var signed string
	t.Run("people", func(t *testing.T) { signed = people(t, s) })
	c = remote() // it comes back, by way of a list
	c.submitRest("bob@customer.example", signed)
	s.Wait("the signed message", func() bool { return strings.Contains(mailboxOf(t, "bob"), "dkim=pass") })

	rights(t)

	// The database is away: nobody is told that a mailbox does not exist.
	stopDatabase()
	c = remote()
	c.say("RCPT TO:<ann@customer.example>", "451 4.3.0 <ann@customer.example>: Temporary lookup failure")
	startDatabase(t, s)
	c = remote()
	stopDovecot()
	c.submitRest("ann@customer.example", "Subject: later\r\n\r\nx\r\n")
	s.WaitLog(`to=<ann@customer.example>, .*status=deferred \(connect to mx.provider.example\[private/dovecot-lmtp\]: (Connection refused|No such file or directory)\)`)
	startDovecot(t, s)
	s.Flush()
	s.Wait("the message that waited", func() bool { return strings.Contains(mailboxOf(t, "ann"), "Subject: later") })
	s.WaitEmpty()
}

// submitRest goes on after MAIL.
func (c *talk) submitRest(to, content string) {
	c.t.Helper()
	c.say("RCPT TO:<"+to+">", "250")
	c.say("DATA", "354")
	c.say(content+".", "250")
	c.say("QUIT", "221")
}

// people log in and send. Their mail is signed, under names that are theirs. It returns
// what the other host got.
func people(t *testing.T, s *machine.System) (signed string) {
	world := startSink(t, "world", "192.0.2.2:25", sink.Options{})
	send := func(args ...string) string {
		out, _ := machine.Run("", "swaks", append([]string{"--server", "127.0.0.1", "--ehlo", "laptop.example", "--from", "ann@customer.example",
			"--to", "joe@remote.example", "--header", "Subject: out"}, args...)...)
		return out
	}
	login := []string{"--auth-user", "ann@customer.example", "--auth-password", "secret of ann"}
	want(t, send(append(login, "--port", "587", "--tls", "--auth", "PLAIN")...), "235 2.7.0 Authentication successful", "250 2.0.0 Ok: queued as")
	want(t, send(append(login, "--port", "465", "--tlsc", "--auth", "LOGIN")...), "235 2.7.0 Authentication successful", "250 2.0.0 Ok: queued as")
	for _, m := range messages(t, world, 2) {
		signed = m.Data
		want(t, strings.ReplaceAll(m.Data, "\r\n", "\n"), "DKIM-Signature: v=1; a=rsa-sha256;", " d=customer.example;", "s=mail;", "Subject: out\n")
	}
	s.WaitLog(`postfix/submission/smtpd\[\d+\]: \w+: client=localhost\[127.0.0.1\], sasl_method=PLAIN, sasl_username=ann@customer.example`)

	want(t, send(append(login, "--port", "587", "--tls", "--from", "info@customer.example")...), "250 2.0.0 Ok: queued as")
	want(t, send(append(login, "--port", "587", "--tls", "--from", "bob@customer.example")...), "553 5.7.1 <bob@customer.example>: Sender address rejected: not owned by user ann@customer.example")
	want(t, send("--port", "587", "--tls"), "553 5.7.1 <ann@customer.example>: Sender address rejected: not logged in")
	want(t, send("--port", "587"), "530 5.7.0 Must issue a STARTTLS command first")
	want(t, send("--auth-user", "ann@customer.example", "--auth-password", "wrong", "--port", "587", "--tls", "--auth", "PLAIN"), "535 5.7.8 Error: authentication failed")
	s.WaitLog(`warning: localhost\[127.0.0.1\]: SASL PLAIN authentication failed`)
	messages(t, world, 3)
	s.WaitEmpty()
	return signed
}

// rights looks at every process that has no need for more: they run as postfix, without
// capabilities, and cannot get any (S1.4).
func rights(t *testing.T) {
	t.Helper()
	owner := strings.TrimSpace(run(t, "id", "-u", "postfix"))
	seen := map[string]bool{}
	for pid, name := range machine.Daemons() {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil || name == "master" || name == "local" || name == "virtual" {
			continue
		}
		seen[name] = true
		want(t, strings.Join(strings.Fields(string(status)), " "), strings.Join([]string{"Uid:", owner, owner, owner, owner}, " "),
			"CapEff: 0000000000000000", "NoNewPrivs: 1")
	}
	for _, name := range []string{"postscreen", "smtpd", "dnsblog", "tlsmgr", "proxymap", "table-mysql", "cleanup", "lmtp", "smtp"} {
		if !seen[name] && !(name == "lmtp" && seen["smtp"]) {
			t.Errorf("%s was not seen; there are %v", name, seen)
		}
	}
}

// robot talks to postscreen from an address of the other network.
func robot(t *testing.T, s *machine.System, from, early, pattern string) {
	t.Helper()
	var conn net.Conn
	place(t, "world", func() (err error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 10 * time.Second}
		conn, err = d.Dial("tcp", "192.0.2.1:25")
		return err
	})
	defer conn.Close()
	fmt.Fprint(conn, early)
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	b := make([]byte, 4096)
	for _, line := range []string{"EHLO robot.example", "MAIL FROM:<robot@robot.example>", "RCPT TO:<ann@customer.example>"} {
		n, err := conn.Read(b)
		if err != nil {
			break
		}
		for strings.HasPrefix(string(b[:n]), "220-") && !strings.Contains(string(b[:n]), "220 ") { // the teaser
			more, err := conn.Read(b[n:])
			if err != nil {
				break
			}
			n += more
		}
		fmt.Fprint(conn, line+"\r\n")
	}
	conn.Read(b)
	s.WaitLog(pattern)
}

// mailboxOf is all that Dovecot has filed for somebody.
func mailboxOf(t *testing.T, name string) string {
	t.Helper()
	var all strings.Builder
	for _, place := range []string{"new", "cur"} {
		files, _ := filepath.Glob(vmail + name + "/" + place + "/*")
		for _, file := range files {
			all.WriteString(read(t, file))
		}
	}
	return all.String()
}

// install puts the files of the example where they say they belong, with a key and a
// certificate, and returns the DNS record of the signing key.
func install(t *testing.T, s *machine.System) (record string) {
	t.Helper()
	for _, name := range []string{"main.cf", "master.cf"} {
		write(t, "/etc/postfix/"+name, read(t, hosting+name))
	}
	s.Set("maillog_file=" + machine.LogTo)
	for _, name := range []string{"domains", "mailboxes", "aliases", "logins"} {
		file := "/etc/postfix/sql/" + name + ".cf"
		write(t, file, read(t, hosting+"sql/"+name+".cf"))
		run(t, "chown", "root:postfix", file)
		run(t, "chmod", "640", file)
	}
	run(t, "newaliases")
	c := pki.NewAuthority("Test CA").Issue(pki.Request{Name: "mx.provider.example", DNS: []string{"mx.provider.example"}})
	if err := pki.Write("/etc/postfix/mx.provider.example.pem", c.PrivateKey, c.Certificate...); err != nil {
		t.Fatal(err)
	}

	write(t, "/etc/dovecot/dovecot.conf", read(t, hosting+"dovecot.conf")+"log_path = /var/log/dovecot.log\n")
	write(t, "/etc/dovecot/dovecot-sql.conf", read(t, hosting+"dovecot-sql.conf"))
	machine.Run("", "useradd", "-r", "-d", "/var/vmail", "vmail")
	run(t, "install", "-d", "-o", "vmail", "-g", "vmail", "-m", "700", "/var/vmail")

	os.MkdirAll("/etc/dkimkeys", 0o755)
	run(t, "opendkim-genkey", "-s", "mail", "-d", "customer.example", "-D", "/etc/dkimkeys")
	write(t, "/etc/dkimkeys/keys", "customer customer.example:mail:/etc/dkimkeys/mail.private\n")
	write(t, "/etc/dkimkeys/signing", "*@customer.example customer\n")
	run(t, "chown", "-R", "opendkim", "/etc/dkimkeys")
	run(t, "install", "-d", "-o", "opendkim", "-g", "postfix", "-m", "750", "/var/spool/postfix/opendkim")
	write(t, "/etc/opendkim.conf", read(t, hosting+"opendkim.conf")+"Nameservers 192.0.2.2\n") // it asks those of the world otherwise
	text := read(t, "/etc/dkimkeys/mail.txt")
	_, text, _ = strings.Cut(text, "(")
	text, _, _ = strings.Cut(text, ")")
	return "mail._domainkey.customer.example. TXT " + strings.Join(strings.Fields(strings.ReplaceAll(text, "\n", " ")), " ") + "\n"
}

// startDatabase starts MariaDB with the schema and two people.
func startDatabase(t *testing.T, s *machine.System) (stop func()) {
	t.Helper()
	machine.Run("", "useradd", "-r", "mysql") // not there with the server alone
	os.MkdirAll("/run/mysqld", 0o755)
	run(t, "chown", "mysql", "/run/mysqld")
	_, err := os.Stat("/var/lib/mail-db/mysql")
	fresh := err != nil
	if fresh {
		run(t, "mariadb-install-db", "--user=mysql", "--datadir=/var/lib/mail-db", "--auth-root-authentication-method=socket", "--skip-test-db")
	}
	stop = child(t, "mariadbd", "--no-defaults", "--user=mysql", "--datadir=/var/lib/mail-db", "--socket="+database, "--skip-networking", "--skip-log-bin")
	s.Wait("the database", func() bool {
		_, status := machine.Run("SELECT 1", "mariadb", "--socket="+database)
		return status == 0
	})
	if !fresh {
		return stop
	}
	var people strings.Builder
	for _, name := range []string{"ann", "bob"} {
		fmt.Fprintf(&people, "INSERT INTO mailboxes VALUES ('%s@customer.example', '{PLAIN}secret of %s');\n", name, name)
		fmt.Fprintf(&people, "INSERT INTO aliases VALUES ('info@customer.example', '%s@customer.example');\n", name)
	}
	out, status := machine.Run(read(t, hosting+"sql/schema.sql")+"INSERT INTO domains VALUES ('customer.example');\n"+people.String(), "mariadb", "--socket="+database)
	if status != 0 {
		t.Fatalf("schema.sql: %s", out)
	}
	return stop
}

func startOpendkim(t *testing.T, s *machine.System) {
	t.Helper()
	child(t, "opendkim", "-f", "-l", "-x", "/etc/opendkim.conf")
	s.Wait("opendkim", func() bool { _, err := os.Stat("/var/spool/postfix/opendkim/socket"); return err == nil })
}

func startDovecot(t *testing.T, s *machine.System) (stop func()) {
	t.Helper()
	os.Remove("/var/spool/postfix/private/auth")
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile("/var/log/dovecot.log")
			t.Logf("the log of dovecot:\n%s", log)
		}
	})
	stop = child(t, "dovecot", "-F")
	s.Wait("Dovecot", func() bool { _, err := os.Stat("/var/spool/postfix/private/auth"); return err == nil })
	return stop
}

// child runs a server until the function returned, or the end of the test, ends it.
func child(t *testing.T, name string, args ...string) (stop func()) {
	t.Helper()
	cmd := exec.Command(name, args...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second // its children may live longer
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
		late.Stop()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, out.String())
		}
	}
	t.Cleanup(stop)
	return stop
}
