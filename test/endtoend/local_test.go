package endtoend

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"postrider/test/machine"
)

// owner is who owns a file, and its mode.
func owner(t *testing.T, path string) (uid int, mode os.FileMode) {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int(st.Sys().(*syscall.Stat_t).Uid), st.Mode().Perm()
}

// S2.7, S1.1: the UNIX mailbox: escaped From_ lines, owner, mode, and the lock
// that mail readers use.
func TestMailbox(t *testing.T) {
	s := site(t, "deliver_lock_delay=1s").Start()
	uid := s.User("ann")
	write(t, "/var/mail/ann.lock", "", 0o644)
	s.Send("Subject: locked\n\nFrom me\n From you\n>From them\n\n", "-f", "joe@remote.example", "ann")
	s.WaitLog("queue active")
	if s.Mailbox("ann") != "" {
		t.Error("the lock was not respected")
	}
	os.Remove("/var/mail/ann.lock")
	s.WaitLog("status=sent")
	box := s.Mailbox("ann")
	want(t, box, "\n\n>From me\n From you\n>From them\n\n\n")
	if !strings.HasPrefix(box, "From joe@remote.example  ") {
		t.Errorf("begin of\n%s", box)
	}
	if got, mode := owner(t, "/var/mail/ann"); got != uid || mode != 0o600 {
		t.Errorf("mailbox: owner %d, mode %o", got, mode)
	}
	if _, err := os.Stat("/var/mail/ann.lock"); err == nil {
		t.Error("the lock stays")
	}
}

// S2.7: a mailbox that somebody else prepared as a link is not followed.
func TestMailboxLink(t *testing.T) {
	s := site(t).Start()
	write(t, "/tmp/victim", "precious\n", 0o666)
	os.Symlink("/tmp/victim", "/var/mail/ann")
	write(t, "/var/tmp/second", "precious\n", 0o666)
	if err := os.Link("/var/tmp/second", "/var/mail/bob"); err != nil {
		t.Fatal(err)
	}
	s.Send("Subject: x\n\nx\n", "-f", "", "ann", "bob")
	s.WaitLog("to=<ann@example.com>.*status=(deferred|bounced)")
	s.WaitLog("to=<bob@example.com>.*status=(deferred|bounced)")
	if read(t, "/tmp/victim")+read(t, "/var/tmp/second") != "precious\nprecious\n" {
		t.Error("mail went through a link")
	}
	os.Remove("/var/mail/ann")
	os.Remove("/var/mail/bob")
}

// S2.7: Maildir below the home directory, and with recipient_delimiter.
func TestMaildir(t *testing.T) {
	s := site(t, "home_mailbox=Maildir/", "recipient_delimiter=+").Start()
	uid := s.User("ann")
	s.Send("Subject: maildir\n\nFrom me\n", "-f", "joe@remote.example", "ann+folder")
	s.WaitLog(`to=<ann\+folder@example.com>, orig_to=<ann\+folder>, relay=local, .*status=sent \(delivered to maildir\)`)
	list, _ := filepath.Glob("/home/ann/Maildir/new/*")
	if len(list) != 1 {
		t.Fatalf("in Maildir/new: %v", list)
	}
	text := read(t, list[0])
	want(t, text, "Return-Path: <joe@remote.example>\n", "Delivered-To: ann+folder@example.com\n", "\n\nFrom me\n")
	if got, mode := owner(t, list[0]); got != uid || mode != 0o600 {
		t.Errorf("owner %d, mode %o", got, mode)
	}
	if left, _ := filepath.Glob("/home/ann/Maildir/tmp/*"); len(left) > 0 {
		t.Errorf("in Maildir/tmp: %v", left)
	}
}

// S4.6.6, S2.7: aliases to users, lists from files, commands, files, with an
// owner; one user gets one copy.
func TestAliases(t *testing.T) {
	s := site(t)
	write(t, "/etc/list", "ann\n# a comment\nbob, ann\n", 0o644)
	os.Remove("/var/tmp/archive")
	os.Remove("/tmp/command.out")
	write(t, "/etc/aliases", strings.Join([]string{
		"postmaster: root",
		"staff: ann, bob, staff2",
		"staff2: ann",
		"list: :include:/etc/list",
		"owner-list: bob",
		"archive: /var/tmp/archive",
		`program: "|cat >/tmp/command.out; id -un >>/tmp/command.out; echo $SENDER $RECIPIENT $USER $EXTENSION >>/tmp/command.out"`,
		`fails: "|exit 75"`,
		`refuses: "|echo 5.7.1 not today; exit 77"`,
	}, "\n")+"\n", 0o644)
	run(t, 0, "", "newaliases")
	s.Start()
	c := greet(t)
	c.submit("joe@remote.example", "staff@example.com", "Subject: staff\n\nx\n")
	c.submit("joe@remote.example", "list@example.com", "Subject: list\n\nx\n")
	c.submit("joe@remote.example", "archive@example.com", "Subject: archive\n\nx\n")
	c.submit("joe@remote.example", "program@example.com", "Subject: program\n\nx\n")
	s.WaitEmpty()
	for _, name := range []string{"ann", "bob"} {
		box := s.Mailbox(name)
		if n := strings.Count(box, "Subject: staff\n"); n != 1 {
			t.Errorf("%d copies for %s", n, name)
		}
		want(t, box, "From joe@remote.example ", "From owner-list@example.com ", "Delivered-To: list@example.com\n")
	}
	want(t, read(t, "/var/tmp/archive"), "Subject: archive\n")
	out := read(t, "/tmp/command.out")
	want(t, out, "Subject: program\n", "\nnobody\n", "joe@remote.example program@example.com")
	s.WaitLog(`to=<program@example.com>, relay=local, .*status=sent \(delivered to command: cat `)
	s.WaitLog(`to=</var/tmp/archive>|to=<archive@example.com>, .*status=sent \(delivered to file: /var/tmp/archive\)`)
	c.submit("", "fails@example.com", "Subject: fails\n\nx\n")
	s.WaitLog(`to=<fails@example.com>, .*dsn=4.3.0, status=deferred \(temporary failure\)`)
	c.submit("ann@example.com", "refuses@example.com", "Subject: refuses\n\nx\n")
	s.WaitLog(`to=<refuses@example.com>, .*dsn=5.7.1, status=bounced \(not today ?\)`)
}

// S2.7: what a user says in .forward: keep one, pass one on, tell a program.
// Nobody else may write it.
func TestForward(t *testing.T) {
	s := site(t).Start()
	ann := s.User("ann")
	write(t, "/home/ann/.forward", "\\ann, bob\n\"|id -un >/home/ann/who\"\n/home/ann/copy\n", 0o644)
	os.Chown("/home/ann/.forward", ann, ann)
	s.Send("Subject: forward\n\nx\n", "-f", "joe@remote.example", "ann")
	s.WaitEmpty()
	want(t, s.Mailbox("ann"), "Subject: forward")
	want(t, s.Mailbox("bob"), "Subject: forward", "Delivered-To: ann@example.com\n", "From joe@remote.example ")
	want(t, read(t, "/home/ann/copy"), "Subject: forward")
	if who := read(t, "/home/ann/who"); who != "ann\n" {
		t.Errorf("the command ran as %q", who)
	}
	if uid, _ := owner(t, "/home/ann/copy"); uid != ann {
		t.Errorf("the file belongs to %d", uid)
	}
	// A file that everybody may write says nothing.
	os.Chmod("/home/ann/.forward", 0o666)
	os.Remove("/home/ann/who")
	s.Send("Subject: unsafe\n\nx\n", "-f", "joe@remote.example", "ann")
	s.WaitEmpty()
	want(t, s.Mailbox("ann"), "Subject: unsafe")
	wantNot(t, s.Mailbox("bob"), "Subject: unsafe")
	if _, err := os.Stat("/home/ann/who"); err == nil {
		t.Error("a command of an unsafe file ran")
	}
}

// S2.7: a loop of two .forward files ends.
func TestForwardLoop(t *testing.T) {
	s := site(t).Start()
	for _, pair := range [][2]string{{"ann", "bob"}, {"bob", "ann"}} {
		path := "/home/" + pair[0] + "/.forward"
		write(t, path, pair[1]+"\n", 0o644)
		run(t, 0, "", "chown", pair[0], path)
	}
	s.Send("Subject: round\n\nx\n", "-f", "postmaster", "ann")
	s.WaitLog(`status=bounced \(mail forwarding loop for ann@example.com\)`)
	s.WaitEmpty()
	want(t, s.Mailbox("root"), "Subject: Undelivered Mail Returned to Sender", "mail forwarding loop")
}

// S2.7: mail for unknown users to one place.
func TestLuser(t *testing.T) {
	s := site(t, "luser_relay=ann+$user", "recipient_delimiter=+", "local_recipient_maps=").Start()
	s.Send("Subject: luser\n\nx\n", "-f", "joe@remote.example", "nobody-here")
	s.WaitEmpty()
	want(t, s.Mailbox("ann"), "Subject: luser", "X-Original-To: nobody-here\nDelivered-To: nobody-here@example.com\n")
}

// S2.7, S4.5.3: procmail, as the user, through mailbox_command; and a command
// that takes too long.
func TestProcmail(t *testing.T) {
	needs(t, "procmail")
	s := site(t, `mailbox_command=/usr/bin/procmail -a "$EXTENSION"`, "recipient_delimiter=+").Start()
	ann := s.User("ann")
	write(t, "/home/ann/.procmailrc", "MAILDIR=$HOME\n:0:\n* ^Subject:.*sort\nsorted.$1\n", 0o644)
	os.Chown("/home/ann/.procmailrc", ann, ann)
	s.Send("Subject: sort me\n\nx\n", "-f", "joe@remote.example", "ann+lists")
	s.WaitLog(`status=sent \(delivered to command: /usr/bin/procmail -a "\$EXTENSION"\)`)
	want(t, read(t, "/home/ann/sorted.lists"), "Subject: sort me\n", "From joe@remote.example ")
	if uid, _ := owner(t, "/home/ann/sorted.lists"); uid != ann {
		t.Errorf("the file belongs to %d", uid)
	}
	s.Set("mailbox_command=sleep 1000", "command_time_limit=1s")
	s.Reload()
	s.WaitLog(`master\[\d+\]: reload`)
	s.Send("Subject: slow\n\nx\n", "-f", "", "ann")
	s.WaitLog(`status=(bounced|deferred) \(Command time limit exceeded: "sleep 1000"\)`)
}

// S2.7: virtual mailboxes: mbox and Maildir, limits of owners, unknown users.
func TestVirtual(t *testing.T) {
	os.RemoveAll("/var/mail/vhosts")
	s := site(t, "virtual_mailbox_domains=virtual.example", "virtual_mailbox_base=/var/mail/vhosts",
		"virtual_mailbox_maps=texthash:/etc/postfix/vmailbox", "virtual_uid_maps=static:5000", "virtual_gid_maps=static:5000",
		"virtual_alias_domains=alias.example", "virtual_alias_maps=texthash:/etc/postfix/virtual")
	write(t, "/etc/postfix/vmailbox", "joe@virtual.example joe\njim@virtual.example jim/\n", 0o644)
	write(t, "/etc/postfix/virtual", "info@alias.example joe@virtual.example, jim@virtual.example\n@alias.example ann\n", 0o644)
	os.Mkdir("/var/mail/vhosts", 0o755)
	os.Chown("/var/mail/vhosts", 5000, 5000)
	s.Start()
	c := greet(t)
	c.submit("x@remote.example", "info@alias.example", "Subject: virtual\n\nFrom me\n")
	c.submit("x@remote.example", "other@alias.example", "Subject: catch all\n\nx\n")
	c.say("MAIL FROM:<x@remote.example>", "250")
	if got := c.reply("RCPT TO:<nobody@virtual.example>"); !strings.HasPrefix(got, "550 5.1.1 <nobody@virtual.example>: Recipient address rejected: User unknown in virtual mailbox table") {
		t.Error(got)
	}
	s.WaitEmpty()
	want(t, read(t, "/var/mail/vhosts/joe"), "From x@remote.example ", "X-Original-To: info@alias.example\nDelivered-To: joe@virtual.example\n", "\n>From me\n")
	list, _ := filepath.Glob("/var/mail/vhosts/jim/new/*")
	if len(list) != 1 {
		t.Fatalf("in jim/new: %v", list)
	}
	if uid, _ := owner(t, list[0]); uid != 5000 {
		t.Errorf("owner %d", uid)
	}
	want(t, s.Mailbox("ann"), "Subject: catch all")
	s.WaitLog(`postfix/virtual\[\d+\]: \w+: to=<jim@virtual.example>, orig_to=<info@alias.example>, relay=virtual, .*status=sent \(delivered to maildir\)`)
}

// S2.9: a program of master.cf, with its user, its arguments, and the statuses
// that it says.
func TestPipe(t *testing.T) {
	s := site(t, "transport_maps=inline:{{pipe.example=filter:there}}", "relay_domains=pipe.example", "filter_destination_recipient_limit=10")
	write(t, "/usr/local/bin/filter", "#!/bin/sh\necho \"args $*\" >/tmp/filter.out\nid -un >>/tmp/filter.out\ncat >>/tmp/filter.out\n"+
		"case \"$*\" in *later*) echo 4.2.2 box is full; exit 75;; *never*) echo no such thing; exit 67;; esac\n", 0o755)
	os.Remove("/tmp/filter.out")
	write(t, "/tmp/filter.out", "", 0o666)
	s.Service("filter unix - n n - 10 pipe flags=DRhuq. user=nobody argv=/usr/local/bin/filter -f ${sender} -h ${nexthop} -- ${recipient}")
	s.Start()
	c := greet(t)
	c.say("MAIL FROM:<x@remote.example>", "250")
	c.say("RCPT TO:<One@Pipe.example>", "250")
	c.say("DATA", "354")
	c.say("Subject: pipe\r\n\r\n..dot\r\n.", "250")
	s.WaitLog(`to=<One@Pipe.example>, relay=filter, .*dsn=2.0.0, status=sent \(delivered via filter service\)`)
	want(t, read(t, "/tmp/filter.out"), "args -f x@remote.example -h there -- one@pipe.example\nnobody\n", "Subject: pipe\n", "Return-Path: <x@remote.example>\n",
		"Delivered-To: ", "\n..dot\n")
	c.submit("", "later@pipe.example", "\nx\n")
	s.WaitLog(`to=<later@pipe.example>, relay=filter, .*dsn=4.2.2, status=deferred \(temporary failure. Command output: 4.2.2 box is full ?\)|dsn=4.2.2, status=deferred`)
	c.submit("ann@example.com", "never@pipe.example", "\nx\n")
	s.WaitLog(`to=<never@pipe.example>, relay=filter, .*dsn=5.1.1, status=bounced \(user unknown. Command output: no such thing ?\)`)
}

// S2.7, S1.7: no more than local_destination_concurrency_limit deliveries to one
// user at the same time, and several users in parallel.
func TestLocalConcurrency(t *testing.T) {
	s := site(t, "mailbox_command=/usr/local/bin/count", "local_destination_concurrency_limit=2")
	os.RemoveAll("/tmp/count")
	os.Mkdir("/tmp/count", 0o777)
	os.Chmod("/tmp/count", 0o777)
	write(t, "/usr/local/bin/count", `#!/bin/sh
touch /tmp/count/$USER.$$
ls /tmp/count | grep -c "^$USER\." >>/tmp/count/seen-$USER
ls /tmp/count | grep -c '^[ab].*\.' >>/tmp/count/all-$USER
sleep 0.05
rm /tmp/count/$USER.$$
cat >/dev/null
`, 0o755)
	s.Start()
	for range 12 {
		s.Send("Subject: n\n\nx\n", "-f", "joe@remote.example", "ann", "bob")
	}
	s.WaitEmpty()
	most := func(name string) (n int) {
		for line := range strings.Lines(read(t, name)) {
			i, _ := strconv.Atoi(strings.TrimSpace(line))
			n = max(n, i)
		}
		return n
	}
	if a, b := most("/tmp/count/seen-ann"), most("/tmp/count/seen-bob"); a > 2 || b > 2 {
		t.Errorf("%d and %d deliveries to one user at a time", a, b)
	}
	if all := max(most("/tmp/count/all-ann"), most("/tmp/count/all-bob")); all < 3 {
		t.Errorf("at most %d deliveries at a time", all)
	}
}

// S1.6, S4.5.1: a line of many thousand bytes, eight-bit text and NUL bytes come
// out as they went in.
func TestContentUnchanged(t *testing.T) {
	s := site(t).Start()
	body := strings.Repeat("0123456789", 20000) + "\n\n" + "\x80\xff latin\n" + "a\x00b\n" + strings.Repeat("x", 2048) + "\n" + strings.Repeat("y", 2047) + "\n"
	s.Send("Subject: bytes\n\n"+body, "-f", "joe@remote.example", "ann")
	s.WaitEmpty()
	if !strings.HasSuffix(s.Mailbox("ann"), "\n\n"+body+"\n") {
		t.Error("the body has changed")
	}
	began := time.Now()
	c := greet(t)
	c.say("MAIL FROM:<joe@remote.example> BODY=8BITMIME", "250")
	c.say("RCPT TO:<bob@example.com>", "250")
	c.say("DATA", "354")
	fmt.Fprint(c, "Subject: smtp\r\n\r\n"+strings.ReplaceAll(strings.Repeat("long ", 5000)+"\n\x80\xff\n", "\n", "\r\n")+".\r\n")
	c.expect("250")
	s.WaitEmpty()
	want(t, s.Mailbox("bob"), "\n"+strings.Repeat("long ", 5000)+"\n\x80\xff\n")
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("it took %s", d)
	}
	_ = machine.Queue
}
