package endtoend

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"postrider/test/machine"
)

// S3.1, S3.3: the one command of README.md on a machine without a mail system and
// without syslog: it builds, installs, starts, and shows the first message
// arrive. Again it changes nothing of the administrator's, and --uninstall
// takes away what it brought.
func TestInstall(t *testing.T) {
	if os.Getenv("MACHINE_INSIDE") == "" {
		t.Skip("only inside a machine")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no Go here")
	}
	bare(t)
	out := installer(t, "--start")
	want(t, out, "created /etc/postfix/main.cf", "no syslog daemon on this machine: the log goes to /var/log/mail.log", "created directory /var/spool/postfix/maildrop",
		"created account postfix (no login)", "status=sent (delivered to mailbox)", "it arrived: /var/mail/root")
	want(t, read(t, "/var/mail/root"), "Subject: The mail system is installed\n")
	wantMatch(t, read(t, "/etc/aliases"), `^postfix:\s*root$`)
	account := run(t, 0, "", "getent", "passwd", "postfix")
	if !strings.HasSuffix(strings.TrimSpace(account), "nologin") && !strings.HasSuffix(strings.TrimSpace(account), "false") {
		t.Errorf("account: %s", account)
	}
	if group := run(t, 0, "", "getent", "group", "postdrop"); !strings.HasSuffix(strings.TrimSpace(group), ":") {
		t.Errorf("the group has members: %s", group)
	}
	if out, status := machine.Run("", "postfix", "check"); status != 0 || strings.Contains(out, "warning") {
		t.Errorf("postfix check: status %d\n%s", status, out)
	}

	// Again: what the administrator changed stays, and mail that waits as well.
	run(t, 0, "", "postconf", "-e", "myhostname=mine.example.com", "defer_transports=local")
	write(t, "/etc/aliases", read(t, "/etc/aliases")+"news: root\n", 0o644)
	master := read(t, "/etc/postfix/master.cf")
	run(t, 0, "", "postfix", "stop")
	machine.Run("Subject: waits\n\nx\n", "sendmail", "root")
	run(t, 0, "", "postconf", "-e", "defer_transports=")
	main := read(t, "/etc/postfix/main.cf")
	os.Remove("/var/mail/root")
	out = installer(t, "--start")
	want(t, out, "kept /etc/postfix/main.cf", "kept /etc/postfix/master.cf", "kept /etc/aliases", "it arrived: /var/mail/root")
	if read(t, "/etc/postfix/main.cf") != main || read(t, "/etc/postfix/master.cf") != master {
		t.Error("the configuration has changed")
	}
	if aliases := read(t, "/etc/aliases"); strings.Count(aliases, "postfix:") != 1 || !strings.Contains(aliases, "news:") {
		t.Errorf("aliases:\n%s", aliases)
	}
	want(t, read(t, "/var/mail/root"), "Subject: waits\n")

	out = installer(t, "--uninstall")
	want(t, out, "removed /usr/sbin/sendmail", "kept: /etc/postfix")
	if n := len(machine.Daemons()); n > 0 {
		t.Errorf("%d daemons run", n)
	}
	for _, path := range []string{"/usr/sbin/sendmail", "/usr/sbin/postfix", "/usr/bin/mailq", "/usr/libexec/postfix", "/usr/lib/sendmail"} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is still there", path)
		}
	}
	for _, path := range []string{"/etc/postfix/main.cf", "/var/spool/postfix/maildrop", "/etc/aliases", "/var/mail/root"} {
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
}

// S3.2: what another mail system has in the same places is kept under another
// name, and comes back.
func TestInstallBeside(t *testing.T) {
	if os.Getenv("MACHINE_INSIDE") == "" {
		t.Skip("only inside a machine")
	}
	bare(t)
	other := "#!/bin/sh\necho the other one\n"
	write(t, "/usr/sbin/sendmail", other, 0o755)
	write(t, "/etc/aliases", "# of the other one\nroot: ann\n", 0o644)
	out := installer(t)
	want(t, out, "this machine has another mail system", "/usr/sbin/sendmail is kept as /usr/sbin/sendmail.before-postrider", "kept /etc/aliases",
		"added the alias \"postfix: root\" to /etc/aliases")
	want(t, read(t, "/etc/aliases"), "# of the other one\nroot: ann\n")
	run(t, 0, "mail_version", "postconf", "mail_version")
	out = installer(t, "--uninstall")
	want(t, out, "put back /usr/sbin/sendmail")
	if read(t, "/usr/sbin/sendmail") != other {
		t.Error("the other mail system is not what it was")
	}
	os.Remove("/usr/sbin/sendmail")
}

// bare makes the machine one without a mail system, accounts, or syslog.
func bare(t *testing.T) {
	t.Helper()
	machine.Run("", "postfix", "stop")
	clean := func() {
		for _, path := range []string{"/etc/postfix", "/var/spool/postfix", "/var/lib/postfix", "/usr/libexec/postfix", "/etc/aliases", "/etc/aliases.cdb", "/var/mail/root",
			"/usr/sbin/sendmail", "/usr/bin/mailq", "/usr/bin/newaliases", "/usr/lib/sendmail", "/var/log/mail.log"} {
			os.RemoveAll(path)
		}
		programs, _ := filepath.Glob("/usr/sbin/post*")
		for _, path := range programs {
			os.Remove(path)
		}
		machine.Run("", "userdel", "postfix")
		machine.Run("", "groupdel", "postfix")
		machine.Run("", "groupdel", "postdrop")
	}
	clean()
	t.Cleanup(func() {
		machine.Run("", "postfix", "stop")
		clean()
	})
	if _, err := os.Stat("/dev/log"); err == nil {
		t.Skip("this machine has a syslog daemon")
	}
}

// installer runs install.sh as the administrator does.
func installer(t *testing.T, args ...string) string {
	t.Helper()
	out, status := machine.Run("", "/src/install.sh", args...)
	if status != 0 {
		t.Fatalf("install.sh %v: status %d\n%s", args, status, out)
	}
	return out
}
