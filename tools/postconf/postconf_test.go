package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const testMain = `# top
compatibility_level = 3.6
foo_thing = bar
myorigin = $foo_thing
   b
  # inside
  c
myhostname = mail.example.com
unused = 1
klass = permit
smtpd_restriction_classes = klass
ldapsrc_server_host = localhost
alias_maps = ldap:ldapsrc
maildrop_time_limit = 3
weird_time_limit = 3
virtual_maps = hash:/x
# end`

const testMaster = `# services
smtp      inet  n       -       y       -       -       smtpd
  -o smtpd_banner=$greeting -o greeting=hi -o nonsense=3
relay     unix  -       -       y       -       -       smtp
        -o syslog_name=postfix/$service_name
# last
maildrop  unix  -       n       n       -       -       pipe
  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}
`

// folder makes a configuration folder.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"main.cf": testMain, "master.cf": testMaster} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// postconfIn runs the command.
func postconfIn(dir string, args ...string) (out, warnings string, err error) {
	var stdout, stderr bytes.Buffer
	p := &postconf{out: &stdout, err: &stderr}
	err = p.run(append([]string{"-c" + dir}, args...))
	return stdout.String(), stderr.String(), err
}

// The output of the stock command for the same files. S6.3.
func TestPrint(t *testing.T) {
	dir := folder(t)
	tests := []struct{ args, want string }{
		{"-d soft_bounce relayhost", "soft_bounce = no\nrelayhost =\n"},
		{"-d smtpd_timeout", "smtpd_timeout = ${stress?{10}:{300}}s\n"},
		{"myorigin soft_bounce", "myorigin = $foo_thing b c\nsoft_bounce = no\n"},
		{"-x myorigin mydestination", "myorigin = bar b c\nmydestination = mail.example.com, localhost.example.com, localhost\n"},
		{"-xh mydomain", "example.com\n"}, {"-H mydomain", "mydomain\n"}, {"-n relayhost klass", "klass = permit\n"},
		{"-o foo_thing=new -x myorigin", "myorigin = new b c\n"}, {"-x -o stress=yes smtpd_timeout", "smtpd_timeout = 10s\n"},
		{"-n -C user", "foo_thing = bar\nklass = permit\nldapsrc_server_host = localhost\nvirtual_maps = hash:/x\n"},
		{"-n -C service", "maildrop_time_limit = 3\n"},
		{"-x default_rbl_reply", "default_rbl_reply = $rbl_code Service unavailable; $rbl_class [$rbl_what] blocked using $rbl_domain${rbl_reason?; $rbl_reason}\n"},
		{"-f -d parent_domain_matches_subdomains message_drop_headers smtpd_relay_restrictions",
			"parent_domain_matches_subdomains =\n    debug_peer_list,fast_flush_domains,mynetworks,permit_mx_backup_networks,qmqpd_authorized_clients,relay_domains,smtpd_access_maps\n" +
				"message_drop_headers = bcc, content-length, resent-bcc, return-path\n" +
				"smtpd_relay_restrictions = ${{$compatibility_level} <level {1} ? {} :\n    {permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination}}\n"},
		{"-M relay", "relay      unix  -       -       y       -       -       smtp -o syslog_name=postfix/$service_name\n"},
		{"-Mfx relay", "relay      unix  -       -       y       -       -       smtp\n    -o syslog_name=postfix/relay\n"},
		{"-F */*/chroot", "smtp/inet/chroot = y\nrelay/unix/chroot = y\nmaildrop/unix/chroot = n\n"},
		{"-F smtp/inet/command", "smtp/inet/command = smtpd -o smtpd_banner=$greeting -o greeting=hi -o nonsense=3\n"},
		{"-P smtp", "smtp/inet/greeting = hi\nsmtp/inet/nonsense = 3\nsmtp/inet/smtpd_banner = $greeting\n"},
		{"-Phx relay", "postfix/relay\n"}, {"-l", "flock\nfcntl\ndotlock\n"}, {"-a", "cyrus\ndovecot\n"},
	}
	for _, test := range tests {
		if got, _, err := postconfIn(dir, strings.Fields(test.args)...); err != nil || got != test.want {
			t.Errorf("postconf %s: %v\ngot  %s\nwant %s", test.args, err, got, test.want)
		}
	}
	got, _, err := postconfIn(dir, "-m")
	if err != nil || !strings.Contains(got, "cdb\n") || !strings.Contains(got, "proxy\n") {
		t.Errorf("-m: %s %v", got, err)
	}
}

// All parameters are printed, in order. S6.3.
func TestPrintAll(t *testing.T) {
	dir := folder(t)
	got, _, err := postconfIn(dir)
	lines := strings.Split(strings.TrimSpace(got), "\n")
	if err != nil || len(lines) < 983 {
		t.Fatal(len(lines), err)
	}
	for i := 1; i < len(lines); i++ {
		before, _, _ := strings.Cut(lines[i-1], " =")
		name, _, _ := strings.Cut(lines[i], " =")
		if before >= name {
			t.Errorf("%s comes before %s", before, name)
		}
	}
	for _, name := range []string{"maildrop_destination_recipient_limit", "foo_thing", "local_destination_concurrency_limit"} {
		if !strings.Contains(got, "\n"+name+" = ") {
			t.Errorf("%s is missing", name)
		}
	}
	if got, _, err := postconfIn(dir, "-d"); err != nil || strings.Contains(got, "foo_thing") {
		t.Error("-d prints names of the administrator", err)
	}
}

// Probable spelling mistakes give warnings.
func TestUnused(t *testing.T) {
	dir := folder(t)
	_, warnings, err := postconfIn(dir, "-n")
	want := fmt.Sprintf("postconf: warning: %[1]s/main.cf, line 16: virtual_maps is the old name of parameter virtual_alias_maps; please use the new name\n"+
		"postconf: warning: %[1]s/main.cf: unused parameter: unused=1\n"+
		"postconf: warning: %[1]s/main.cf: unused parameter: weird_time_limit=3\n"+
		"postconf: warning: %[1]s/master.cf: unused parameter: nonsense=3\n", dir)
	if err != nil || warnings != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, warnings, want)
	}
	if _, warnings, _ := postconfIn(dir, "nosuch"); !strings.Contains(warnings, "postconf: warning: nosuch: unknown parameter\n") {
		t.Error(warnings)
	}
}

// Edits keep comments, order and mode. S6.3.
func TestEdit(t *testing.T) {
	tests := []struct {
		args []string
		file string
		old  string // of the file
		new  string
	}{
		{[]string{"myorigin=x"}, "main.cf", "myorigin = $foo_thing\n   b\n  # inside\n  c\n", "myorigin = x\n  # inside\n"},
		{[]string{"-e", "zz = a  b", "aa="}, "main.cf", "# end", "# end\nzz = a  b\naa = \n"},
		{[]string{"-X", "klass", "nosuch"}, "main.cf", "klass = permit\n", ""},
		{[]string{"-#", "myorigin"}, "main.cf", "myorigin = $foo_thing\n   b\n  # inside\n  c\n", "#myorigin = $foo_thing\n#   b\n  # inside\n#  c\n"},
		{[]string{"-M#", "relay/unix"}, "master.cf", testMaster[strings.Index(testMaster, "relay"):strings.Index(testMaster, "# last")],
			"#relay     unix  -       -       y       -       -       smtp\n#        -o syslog_name=postfix/$service_name\n"},
		{[]string{"-MX", "relay/unix"}, "master.cf", testMaster[strings.Index(testMaster, "relay"):strings.Index(testMaster, "# last")], ""},
		{[]string{"-Me", "new/unix=new unix - - n - - smtp"}, "master.cf", "${recipient}\n", "${recipient}\nnew        unix  -       -       n       -       -       smtp\n"},
		{[]string{"-F", "relay/unix/chroot=n"}, "master.cf", testMaster[strings.Index(testMaster, "relay"):strings.Index(testMaster, "# last")],
			"relay      unix  -       -       n       -       -       smtp\n    -o syslog_name=postfix/$service_name\n"},
		{[]string{"-P", "relay/unix/syslog_name=a b"}, "master.cf", testMaster[strings.Index(testMaster, "relay"):strings.Index(testMaster, "# last")],
			"relay      unix  -       -       y       -       -       smtp\n    -o {syslog_name=a b}\n"},
		{[]string{"-PX", "relay/unix/syslog_name"}, "master.cf", testMaster[strings.Index(testMaster, "relay"):strings.Index(testMaster, "# last")],
			"relay      unix  -       -       y       -       -       smtp\n"},
	}
	for _, test := range tests {
		dir := folder(t)
		path := filepath.Join(dir, test.file)
		old, _ := os.ReadFile(path)
		if !strings.Contains(string(old), test.old) {
			t.Fatalf("the test is wrong: no %q", test.old)
		}
		_, warnings, err := postconfIn(dir, test.args...)
		got, _ := os.ReadFile(path)
		want := strings.Replace(string(old), test.old, test.new, 1)
		if err != nil || warnings != "" || string(got) != want {
			t.Errorf("%q: %v %s\ngot  %s\nwant %s", test.args, err, warnings, got, want)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		if files, _ := os.ReadDir(dir); len(files) != 2 {
			t.Errorf("%q leaves %v", test.args, files)
		}
	}
}

// An edit that cannot be done leaves the file alone.
func TestEditErrors(t *testing.T) {
	dir := folder(t)
	for _, test := range []struct{ args, want string }{
		{"-e", "requires name=value"}, {"-e foo", "missing '='"}, {"=x", "missing attribute name"}, {"-X", "missing service argument"},
		{"-X a=b", "specify one of -e -X"}, {"-dn", "specify one of"}, {"-M -n", "do not specify -n"}, {"-Q", "usage:"},
		{"-o", "usage:"}, {"-F smtp/inet/chroot=q", `field "chroot" is "q": write y, n or -`},
		{"-F smtp/inet/nosuch=q", "invalid service attribute"}, {"-M smtp=x", "requires service_name/type"},
		{"-Me a/unix=b", "is missing"}, {"-PX smtp", "require"}, {"-T x", "reported"}, {"-C x", "unknown -C"}, {"-o x soft_bounce", "missing '='"},
	} {
		if _, _, err := postconfIn(dir, strings.Fields(test.args)...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.args, err, test.want)
		}
	}
	if _, _, err := postconfIn(dir, "-e", "a=b\nc"); err == nil {
		t.Error("a newline is accepted")
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "main.cf")); string(got) != testMain {
		t.Error("main.cf was changed")
	}
	if _, warnings, err := postconfIn(dir, "-F", "nosuch/unix/chroot=n"); err != nil || !strings.Contains(warnings, "unmatched") {
		t.Error(warnings, err)
	}
}

// Of many edits at the same time none is lost. S6.3.
func TestParallelEdits(t *testing.T) {
	dir := folder(t)
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			if _, _, err := postconfIn(dir, fmt.Sprintf("a%d=%d", i, i)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	got, err := os.ReadFile(filepath.Join(dir, "main.cf"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if !strings.Contains(string(got), fmt.Sprintf("\na%d = %d\n", i, i)) {
			t.Errorf("a%d is lost", i)
		}
	}
}

// A symbolic link stays one.
func TestEditLink(t *testing.T) {
	dir := folder(t)
	path := filepath.Join(dir, "main.cf")
	if err := os.Rename(path, filepath.Join(dir, "real.cf")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real.cf", path); err != nil {
		t.Fatal(err)
	}
	if _, _, err := postconfIn(dir, "a=b"); err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(path); err != nil || target != "real.cf" {
		t.Error(target, err)
	}
}
