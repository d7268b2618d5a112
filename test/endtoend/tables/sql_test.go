// Package tables tests table types whose answers come from real servers, in the
// installed mail system.
package tables

import (
	"fmt"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"postrider/test/machine"
)

func TestMain(m *testing.M) { machine.Main(m) }

// A database is a server with users and aliases, for a table type.
type database struct {
	kind     string
	settings string // of the table that finds aliases
	injected string // of one with a different form
	second   string // the answer with a value in the second column
	start    func(t *testing.T) (stop func())
}

// need skips a test when a program is not on this machine.
func need(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			if _, err := os.Stat(name); err != nil {
				t.Skipf("%s is not installed", name)
			}
		}
	}
}

// shell runs a command of the preparation.
func shell(t *testing.T, stdin, command string) {
	t.Helper()
	if out, status := machine.Run(stdin, "bash", "-c", command); status != 0 {
		t.Fatalf("%s: status %d\n%s", command, status, out)
	}
}

// background starts a server and waits until the check succeeds.
func background(t *testing.T, end os.Signal, command, check string) (stop func()) {
	t.Helper()
	cmd := exec.Command("bash", "-c", "exec "+command)
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	running := true
	stop = func() {
		if running {
			running = false
			cmd.Process.Signal(end)
			done := make(chan bool)
			go func() { cmd.Wait(); close(done) }()
			select {
			case <-done:
			case <-time.After(10 * time.Second):
				cmd.Process.Kill()
				<-done
			}
		}
	}
	t.Cleanup(stop)
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		out, status := machine.Run("", "bash", "-c", check)
		if status == 0 {
			return stop
		}
		if time.Now().After(limit) {
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("%s does not start: %s\n%s", command, out, text)
		}
	}
}

// aliases is what SQL databases have. The key that is no text in any of them must
// find nothing, and break nothing.
const aliases = `
CREATE TABLE alias (address VARCHAR(100), goto VARCHAR(100), other VARCHAR(100));
INSERT INTO alias VALUES ('info@example.com', 'ann', NULL), ('info@example.com', 'bob', ''), ('o''neill@example.com', 'ann', 'x@y.z');
INSERT INTO alias VALUES ('back\slash@example.com', 'bob', NULL), ('example.com', 'domain', NULL), ('a@sub.example.com', 'one@two.three', NULL);
`

const query = "query = SELECT goto, other FROM alias WHERE address='%s'\n"

var databases = []database{
	{"sqlite", "dbpath = /var/lib/alias.sqlite\n" + query, "dbpath = /var/lib/alias.sqlite\n", "ann", startSQLite},
	{"mysql", "hosts = localhost\nuser = mail\npassword = it's\ndbname = mail\n" + query,
		"hosts = 127.0.0.1\nuser = mail\npassword = it's\ndbname = mail\n", "ann,x@y.z", startMySQL},
	{"pgsql", "hosts = unix:/run/postgresql\nuser = mail\npassword = it's\ndbname = mail\n" + query,
		"hosts = 127.0.0.1\nuser = mail\npassword = it's\ndbname = mail\n", "ann,x@y.z", startPostgreSQL},
}

func startSQLite(t *testing.T) func() {
	need(t, "sqlite3")
	os.Remove("/var/lib/alias.sqlite")
	shell(t, aliases, "sqlite3 /var/lib/alias.sqlite && chmod 644 /var/lib/alias.sqlite")
	return func() { os.Rename("/var/lib/alias.sqlite", "/var/lib/alias.away") }
}

func startMySQL(t *testing.T) func() {
	need(t, "mariadbd", "mariadb-install-db", "mariadb")
	data := "/tmp/mysql"
	fresh := false
	if _, err := os.Stat(data); err != nil {
		shell(t, "", "mkdir -p /run/mysqld && mariadb-install-db --no-defaults --user=root --datadir="+data+" --auth-root-authentication-method=normal --skip-test-db")
		fresh = true
	}
	stop := background(t, syscall.SIGTERM, "mariadbd --no-defaults --user=root --datadir="+data+" --socket=/run/mysqld/mysqld.sock --bind-address=127.0.0.1", "mariadb-admin --no-defaults --socket=/run/mysqld/mysqld.sock ping")
	if fresh {
		shell(t, "SET sql_mode='NO_BACKSLASH_ESCAPES'; CREATE DATABASE mail CHARACTER SET utf8mb4; USE mail;"+aliases+"GRANT SELECT ON mail.* TO mail@localhost IDENTIFIED BY 'it''s'; GRANT SELECT ON mail.* TO mail@'127.0.0.1' IDENTIFIED BY 'it''s';",
			"mariadb --no-defaults --socket=/run/mysqld/mysqld.sock")
	}
	return stop
}

func startPostgreSQL(t *testing.T) func() {
	programs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(programs) == 0 {
		t.Skip("postgresql is not installed")
	}
	bin, data := programs[0], "/tmp/pgsql"
	fresh := false
	if _, err := os.Stat(data); err != nil {
		shell(t, "", "install -d -o postgres /run/postgresql "+data+" && echo root >/tmp/pw && chmod 644 /tmp/pw && "+
			"su postgres -s /bin/sh -c '"+bin+"/initdb -A scram-sha-256 --no-sync --locale=C -E UTF8 --pwfile=/tmp/pw -D "+data+"'")
		fresh = true
	}
	stop := background(t, os.Interrupt, "setpriv --reuid postgres --regid postgres --clear-groups "+bin+"/postgres -D "+data+" -k /run/postgresql -c listen_addresses=127.0.0.1", bin+"/pg_isready -h /run/postgresql")
	if fresh {
		shell(t, "CREATE USER mail PASSWORD 'it''s'; CREATE DATABASE mail OWNER mail;", "PGPASSWORD=root psql -h /run/postgresql -U postgres")
		shell(t, aliases, `PGPASSWORD="it's" psql -q -h /run/postgresql -U mail mail`)
	}
	return stop
}

// S5: tables in SQL databases, from postmap, smtpd, cleanup and proxymap.
func TestSQL(t *testing.T) {
	for _, d := range databases {
		t.Run(d.kind, func(t *testing.T) { d.test(t) })
	}
}

func (d database) test(t *testing.T) {
	stop := d.start(t)
	table := d.kind + ":/etc/postfix/alias.cf"
	s := machine.Install(t, "alias_maps=", "virtual_alias_domains=example.com", "virtual_alias_maps="+table)
	s.User("ann")
	s.User("bob")
	write(t, "alias.cf", d.settings)
	answers(t, table, [][2]string{
		{"info@example.com", "ann,bob"}, {"INFO@Example.COM", "ann,bob"}, {"nobody@example.com", ""}, {"o'neill@example.com", d.second},
		{`back\slash@example.com`, "bob"}, {"x' OR '1'='1", ""}, {`x\' OR 1=1 -- `, ""}, {"x'; DROP TABLE alias; -- ", ""}, {`"`, ""}, {"example.com", "domain"},
	})
	d.forms(t)
	t.Logf("%d lookups as stock", compared[d.kind])
	s.Start()
	s.Send("Subject: x\n\nbody\n", "info@example.com")
	s.WaitLog(`to=<ann@[^>]*>, orig_to=<info@example.com>, .*status=sent`)
	s.WaitLog(`to=<bob@[^>]*>, orig_to=<info@example.com>, .*status=sent`)
	s.Set("virtual_alias_maps=proxy:" + table)
	s.Reload()
	s.Send("Subject: y\n\nbody\n", "o'neill@example.com")
	s.WaitLog(`to=<ann@[^>]*>, orig_to=<o'neill@example.com>, .*status=sent`)
	asOwner(t, "table-"+d.kind)
	s.Set("virtual_alias_maps=" + table)
	s.Service("smtp inet n - y - - smtpd") // which cannot reach the driver any more
	s.Reload()
	if reply := rcpt(t, "info@example.com"); reply != "250" {
		t.Errorf("in a jail: %s", reply)
	}
	s.Service("smtp inet n - n - - smtpd")
	s.Reload()
	stop()
	if reply := rcpt(t, "info@example.com"); !strings.HasPrefix(reply, "451 ") {
		t.Errorf("without the database: %s", reply)
	}
	s.WaitLog(`warning: ` + d.kind + `:/etc/postfix/alias.cf lookup error for "info@example.com"`)
	s.WaitLog(`smtpd\[\d+\]: .*(refused|no such file)`)
}

// forms tries what a table can be told to do with keys and values.
func (d database) forms(t *testing.T) {
	t.Helper()
	for _, c := range []struct{ settings, key, want string }{
		{"query = SELECT goto FROM alias WHERE address='%u@%d'\nresult_format = <%s>\n", "info@example.com", "<ann>,<bob>"},
		{"query = SELECT goto FROM alias WHERE address='%u@%d'\n", "info", ""},
		{"query = SELECT goto FROM alias WHERE address='%u@%3.%2.%1'\nresult_format = %u at %d for %U in %D %%\n", "a@sub.example.com", "one at two.three for a in sub.example.com %"},
		{"query = SELECT goto FROM alias WHERE address='%4'\n", "a@sub.example.com", ""},
		{"query = SELECT goto FROM alias WHERE address='%s'\ndomain = example.com\n", "example.com", ""},
		{"query = SELECT goto FROM alias WHERE address='%s'\ndomain = example.com\n", "info@example.com", "ann,bob"},
		{"query = SELECT goto FROM alias WHERE address='%s'\ndomain = example.org\n", "info@example.com", ""},
		{"query = SELECT goto FROM alias WHERE address='%s'\nexpansion_limit = 1\n", "info@example.com", "more values than expansion_limit"},
		{"query = SELECT goto FROM nosuch WHERE address='%s'\n", "info@example.com", "nosuch"},
		{"query = SELECT goto FROM alias WHERE address='%z'\n", "info@example.com", "bad query"},
		{"select_field = goto\ntable = alias\nwhere_field = address\nadditional_conditions = AND goto='bob'\n", "info@example.com", "bob"},
		{"", "info@example.com", "need a value of query"},
	} {
		write(t, "form.cf", d.injected+c.settings)
		out, status := machine.Run("", "postmap", "-q", c.key, d.kind+":/etc/postfix/form.cf")
		likeStock(t, d.kind+":/etc/postfix/form.cf", c.key, out, status)
		if got := strings.TrimSuffix(out, "\n"); got != c.want && (!strings.Contains(got, "fatal: ") || !strings.Contains(got, c.want) || c.want == "") {
			t.Errorf("%s%s: got %q, want %q", c.settings, c.key, got, c.want)
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(d.injected), "\n") {
		shell(t, "", `postconf -e "legacy_`+strings.ReplaceAll(line, " = ", "=")+`"`)
	}
	shell(t, "", `postconf -e "legacy_query=SELECT goto FROM alias WHERE address='%s'"`)
	answers(t, d.kind+":legacy", [][2]string{{"info@example.com", "ann,bob"}})
}

// answers looks up keys. The table's file may be read by root only.
func answers(t *testing.T, table string, pairs [][2]string) {
	t.Helper()
	for _, pair := range pairs {
		out, status := machine.Run("", "postmap", "-q", pair[0], table)
		if strings.TrimSuffix(out, "\n") != pair[1] || (status == 0) != (pair[1] != "") {
			t.Errorf("%s: %q gives %q, status %d; want %q", table, pair[0], out, status, pair[1])
		}
		if strings.Contains(table, "/") {
			likeStock(t, table, pair[0], out, status)
		}
	}
}

// write writes a file with parameters of a table, as an administrator should.
func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile("/etc/postfix/"+name, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	// Stock's programs read a file again and again while it is new.
	shell(t, "", "chgrp postfix /etc/postfix/"+name+" && touch -d '1 minute ago' /etc/postfix/"+name)
}

// asOwner checks that a program runs, and as postfix only.
func asOwner(t *testing.T, program string) {
	t.Helper()
	out, _ := machine.Run("", "id", "-u", "postfix")
	want, found := strings.TrimSpace(out), false
	for pid, name := range machine.Daemons() {
		if name == program {
			found = true
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			for line := range strings.Lines(string(status)) {
				if f := strings.Fields(line); f[0] == "Uid:" && strings.Join(f[1:], " ") != strings.Join([]string{want, want, want, want}, " ") {
					t.Errorf("%s: %s", program, line)
				}
			}
		}
	}
	if !found {
		t.Errorf("%s does not run", program)
	}
}

// rcpt is the reply to a recipient.
func rcpt(t *testing.T, recipient string) string {
	t.Helper()
	c, err := smtp.Dial("127.0.0.1:25")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Mail("joe@example.net"); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt(recipient); err != nil {
		return err.Error()
	}
	return "250"
}
