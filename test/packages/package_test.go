// Package packages installs what package.sh has made, on machines as they are: with
// another mail system that has mail in its queue, and with none (S3.2).
package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"postrider/test/machine"
)

func TestMain(m *testing.M) { machine.Main(m) }

// file is the package or stock package whose name matches the pattern.
func file(t *testing.T, pattern string) string {
	t.Helper()
	tree, err := machine.Tree()
	if err != nil {
		t.Fatal(err)
	}
	found, _ := filepath.Glob(filepath.Join(tree, pattern))
	if len(found) == 0 {
		t.Skipf("no %s here; test.sh makes it", pattern)
	}
	return found[len(found)-1]
}

// do runs a command that must succeed, as a shell would.
func do(t *testing.T, command string) string {
	t.Helper()
	out, status := machine.Run("", "sh", "-c", "export DEBIAN_FRONTEND=noninteractive; "+command)
	if status != 0 {
		t.Fatalf("%s: status %d\n%s", command, status, out)
	}
	return out
}

func want(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in:\n%s", part, text)
		}
	}
}

// start starts the mail system, with a log that can be read, and ends it with the test.
func start(t *testing.T) *machine.System {
	t.Helper()
	do(t, "postconf -e maillog_file=/var/log/mail.log mydestination=localhost,mail.example.com myhostname=mail.example.com mailbox_command=")
	return machine.Installed(t).Start()
}

// S3.2: a package takes the place of a running Postfix: configuration, aliases and mail
// in the queue stay, the new system delivers it, and both can be removed again.
func TestDebian(t *testing.T) {
	ours, stock := file(t, "build/packages/postrider_*.deb"), file(t, "build/debs/postfix_*.deb")
	os.Remove("/usr/sbin/policy-rc.d")
	do(t, `echo "postfix postfix/main_mailer_type select Local only" | debconf-set-selections; dpkg -i `+stock)
	do(t, "echo 'fred: root' >>/etc/aliases; newaliases")
	s := start(t)
	do(t, `postconf -e defer_transports=local; postfix reload; echo waits | sendmail fred`)
	s.Wait("mail in the queue of the old system", func() bool { return strings.Contains(do(t, "mailq"), "deferred transport") })

	out := do(t, "apt-get install -y "+ours)
	want(t, out, "Removing postfix", "NEVER purge the package postfix")
	want(t, do(t, "cat /etc/aliases"), "fred: root", "postfix:")
	want(t, do(t, "dpkg -s postrider"), "Status: install ok installed")
	if got := do(t, "stat -c '%a %U %G' /usr/sbin/postdrop /usr/sbin/postqueue /usr/sbin/postlog | sort -u"); got != "2755 root postdrop\n" {
		t.Errorf("setgid commands: %s", got)
	}
	do(t, "postconf -e defer_transports=; postalias hash:/etc/aliases")
	s.Start()
	s.Flush()
	s.Wait("the message of the old system", func() bool { return strings.Contains(s.Mailbox("root"), "waits") })
	if out := do(t, "postfix check 2>&1"); strings.Contains(out, "owned by") || strings.Contains(out, "mode") {
		t.Errorf("postfix check: %s", out)
	}

	// The same package again, while mail waits; then away with it.
	do(t, "postconf -e defer_transports=local; postfix reload; echo again | sendmail fred")
	s.Wait("a message that waits", func() bool { return strings.Contains(do(t, "mailq"), "deferred transport") })
	do(t, "dpkg -i "+ours)
	want(t, do(t, "mailq"), "deferred transport")
	main := do(t, "cat /etc/postfix/main.cf")
	want(t, do(t, "dpkg -r postrider 2>&1"), "kept: /etc/postfix")
	if do(t, "cat /etc/postfix/main.cf") != main {
		t.Error("main.cf has changed")
	}
	if len(machine.Daemons()) > 0 {
		t.Errorf("processes after the package was removed: %v", machine.Daemons())
	}
	if do(t, "find /var/spool/postfix/deferred -type f") == "" {
		t.Error("the message went with the package")
	}
	do(t, "dpkg -P postrider 2>&1; test -e /etc/postfix/main.cf; test -d /var/spool/postfix/deferred; test ! -e /usr/sbin/sendmail")
}

// S3.2: an RPM on a machine without a mail system.
func TestRPM(t *testing.T) {
	ours := file(t, "build/packages/postrider-*.rpm")
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("no rpm here")
	}
	do(t, "rm -rf /etc/postfix /var/spool/postfix /var/lib/postfix /etc/aliases*; userdel postfix; groupdel postfix; groupdel postdrop; rpm --initdb")
	want(t, do(t, "rpm -i --nodeps "+ours), "created account postfix (no login)", "created /etc/postfix/main.cf", "created /etc/aliases")
	if out := do(t, "rpm -V postrider"); out != "" {
		t.Errorf("rpm -V: %s", out)
	}
	s := start(t)
	do(t, "echo first | sendmail postmaster")
	s.Wait("a first message", func() bool { return strings.Contains(s.Mailbox("root"), "first") })
	do(t, "rpm -U --force --nodeps "+ours)
	do(t, "postfix status")
	want(t, do(t, "rpm -e --nodeps postrider"), "kept: /etc/postfix")
	if len(machine.Daemons()) > 0 {
		t.Errorf("processes after the package was removed: %v", machine.Daemons())
	}
	do(t, "test -e /etc/postfix/main.cf && test -d /var/spool/postfix/deferred && test ! -e /usr/sbin/sendmail")
}

// S3.3: under systemd the package starts the system and has it started at boot; it
// reloads, comes back when its master is killed, stops, and is upgraded.
func TestSystemd(t *testing.T) {
	ours := file(t, "build/packages/postrider_*.deb")
	if _, err := os.Stat("/lib/systemd/systemd"); err != nil {
		t.Skip("no systemd here")
	}
	do(t, "rm -rf /etc/postfix /var/spool/postfix /var/lib/postfix /etc/aliases* /etc/systemd/system/multi-user.target.wants/postfix.service; cp "+ours+" /package.deb")
	said, status := machine.Run("", "timeout", "--kill-after=5", "120", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--cgroup",
		"bash", "/src/test/packages/systemd.sh", "/src/test/packages/testdata/service")
	b, _ := os.ReadFile("/probe.out")
	out := string(b)
	if !strings.Contains(out, "the begin") {
		t.Skipf("systemd does not run in this place: status %d\n%s", status, said)
	}
	want(t, out, "Created symlink /etc/systemd/system/multi-user.target.wants/postfix.service", "\nenabled\nactive\n", "status=sent (delivered to mailbox)",
		"\nreloaded\n", "NRestarts=1\nactive\n", "\nstopped\n", "\ngone\n", "\nstarted\n", "\nupgraded\n", "\nremoved\n", "\nthe end\n")
}
