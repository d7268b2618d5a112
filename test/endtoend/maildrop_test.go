package endtoend

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"postrider/test/machine"
)

// dropped submits a message while the system is down, and returns its file.
func dropped(t *testing.T, uid int) string {
	t.Helper()
	before := inMaildrop()
	if out, status := machine.RunAs(uid, "Subject: dropped\n\nsecret\n", "sendmail", "bob"); status != 0 {
		t.Fatalf("status %d\n%s", status, out)
	}
	for name := range inMaildrop() {
		if !before[name] {
			return name
		}
	}
	t.Fatal("nothing in maildrop")
	return ""
}

func inMaildrop() map[string]bool {
	names, _ := filepath.Glob(machine.Queue + "/maildrop/*")
	set := map[string]bool{}
	for _, name := range names {
		set[name] = true
	}
	return set
}

// idFor gives a valid name for a file in maildrop: with its inode.
func idFor(t *testing.T, path string) string {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("ABCDE%X", st.Ino)
}

func numberOf(t *testing.T, name string) int {
	t.Helper()
	out, _ := machine.Run("", "id", "-u", name)
	n, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// S2.1, S3.4: whatever gets into maildrop, if somebody found a way: it is never
// delivered as somebody's mail, does no harm, and the mail beside it goes on.
func TestMaildropJunk(t *testing.T) {
	s := site(t)
	ann := s.User("ann")
	good := dropped(t, ann)
	message := read(t, good)
	s.Start()
	s.WaitEmpty()
	dir := machine.Queue + "/maildrop/"
	postfix := numberOf(t, "postfix")
	put := func(text string, uid int, mode os.FileMode) string {
		path := dir + "new"
		write(t, path, text, mode)
		os.Chown(path, uid, uid)
		os.Chmod(path, mode)
		name := dir + idFor(t, path)
		os.Rename(path, name)
		return name
	}
	// Somebody else's file, as a second name and as a link.
	write(t, "/var/spool/victim", message, 0o744)
	os.Chown("/var/spool/victim", ann, ann)
	hard := dir + idFor(t, "/var/spool/victim")
	if err := os.Link("/var/spool/victim", hard); err != nil {
		t.Fatal(err)
	}
	os.Symlink("/var/spool/victim", dir+"SYMLINK1")
	os.Symlink("/etc/shadow", dir+"SYMLINK2")
	os.Mkdir(dir+"DIRECTORY1", 0o755)
	unix.Mknod(dir+"DEVICE1", unix.S_IFCHR|0o744, int(unix.Mkdev(1, 3)))
	unix.Mkfifo(dir+"FIFO1", 0o744)
	// Files that are no messages.
	random := rand.New(rand.NewPCG(1, 2))
	junk := make([]byte, 5000)
	for i := range junk {
		junk[i] = byte(random.Uint32())
	}
	files := []string{
		put(string(junk), ann, 0o744),
		put("", ann, 0o744),
		put("T\x8f\xff\xff\xff\xff\xff\xff\xff\xffx", ann, 0o744),
		put(message[:len(message)/2], ann, 0o744),
		put(message[:len(message)-2], ann, 0o744),
		put(strings.Repeat("\x00", 3000), ann, 0o744),
		put(string(junk), postfix, 0o744),
		put(message[:20]+"R\x03bob"+message[20:], ann, 0o744),
	}
	unfinished := put(message, ann, 0o644) // still being written, for all we know
	if out, status := machine.RunAs(ann, "Subject: second\n\nx\n", "sendmail", "bob"); status != 0 {
		t.Fatalf("status %d\n%s", status, out)
	}
	s.Wait("the good message", func() bool { return strings.Contains(s.Mailbox("bob"), "Subject: second") })
	s.Wait("an end of the junk", func() bool {
		left := inMaildrop()
		for _, name := range files {
			if left[name] {
				return false
			}
		}
		return true
	})
	if n := strings.Count(s.Mailbox("bob"), "secret"); n != 1 {
		t.Errorf("%d messages delivered, not one", n)
	}
	if read(t, "/var/spool/victim") != message {
		t.Error("the file of somebody else has changed")
	}
	left := inMaildrop()
	if !left[unfinished] {
		t.Error("a file that is being written was taken")
	}
	s.WaitLog(`postfix/pickup\[\d+\]: warning: .*` + filepath.Base(hard) + `.*2 names`)
	for _, name := range []string{"SYMLINK1", "DEVICE1", "FIFO1"} {
		s.WaitLog(`postfix/pickup\[\d+\]: warning: .*` + name)
	}
	wantNot(t, s.Log(), "panic", "fatal")
	if list := machine.Daemons(); len(list) == 0 {
		t.Error("no daemon runs any more")
	}
	corrupt, _ := filepath.Glob(machine.Queue + "/corrupt/*")
	t.Logf("in corrupt: %d; in maildrop: %d", len(corrupt), len(left))
	for name := range left {
		os.RemoveAll(name)
	}
}

// S3.4: one user cannot read, change, remove or copy the mail of another, or see
// that it is there.
func TestMaildropOthers(t *testing.T) {
	s := site(t)
	ann, bob := s.User("ann"), s.User("bob")
	file := dropped(t, ann)
	for _, uid := range []int{ann, bob} {
		for _, command := range []string{"cat " + file, "rm -f " + file, "mv " + file + " /tmp/mine", "ln " + file + " /tmp/mine", "ls -l " + file + " && false",
			"ls " + filepath.Dir(file), "ln /tmp/x " + filepath.Dir(file) + "/x", "cp /etc/passwd " + filepath.Dir(file) + "/x", "chmod 777 " + filepath.Dir(file)} {
			if out, status := machine.RunAs(uid, "", "sh", "-c", command); status == 0 {
				t.Errorf("user %d: %s works\n%s", uid, command, out)
			}
		}
	}
	s.Start()
	s.WaitEmpty()
	want(t, s.Mailbox("bob"), "secret")
}

// S3.4: the setgid program does not believe its caller: environment, descriptors,
// limits, umask, signals, directory, configuration.
func TestPostdropHostile(t *testing.T) {
	s := site(t).Start()
	ann := s.User("ann")
	own := t.TempDir()
	os.Chmod(own, 0o755)
	os.Chmod(filepath.Dir(own), 0o755)
	write(t, own+"/main.cf", "queue_directory="+own+"\nmaildrop_directory=x\n", 0o644)
	os.Mkdir(own+"/maildrop", 0o777)
	os.Chmod(own+"/maildrop", 0o777)
	message := `printf 'Subject: hostile\n\nx\n' | `
	works := []string{
		message + "env -i /usr/sbin/sendmail bob",
		message + "env LD_PRELOAD=/tmp/evil.so GODEBUG=all GOTRACEBACK=crash GOMAXPROCS=9999 TZ=/etc/shadow LANG=xx IFS=x PATH=/tmp /usr/sbin/sendmail bob",
		"umask 0777; " + message + "sendmail bob",
		"umask 0; " + message + "sendmail bob",
		"cd /home/ann; chmod 0 .; " + message + "sendmail bob; s=$?; chmod 755 .; exit $s",
		"trap '' HUP INT TERM CHLD PIPE; " + message + "sendmail bob",
		message + "sendmail bob >&- 2>&-",
		"nice -n 19 sh -c \"" + strings.ReplaceAll(message, `\`, `\\`) + "sendmail bob\"",
	}
	for _, command := range works {
		if out, status := machine.RunAs(ann, "", "sh", "-c", command); status != 0 {
			t.Errorf("%s: status %d\n%s", command, status, out)
		}
	}
	s.WaitEmpty()
	if n := strings.Count(s.Mailbox("bob"), "Subject: hostile\n"); n != len(works) {
		t.Errorf("%d messages, not %d", n, len(works))
	}
	want(t, s.Mailbox("bob"), fmt.Sprintf("(Postfix, from userid %d)", ann))
	// What may fail must fail, and leave nothing behind.
	for _, command := range []string{
		"ulimit -f 0; " + message + "sendmail bob",
		"ulimit -n 3; " + message + "sendmail bob",
		message + "sendmail -C " + own + " bob",
		message + "env MAIL_CONFIG=" + own + " sendmail bob",
		message + "env MAIL_CONFIG=" + own + " postdrop",
		message + "postdrop -c " + own,
		"postdrop </dev/zero",
		"head -c 100000 /dev/urandom | postdrop",
		"postqueue -c " + own + " -p",
		"postlog -c " + own + " x",
	} {
		if out, status := machine.RunAs(ann, "", "sh", "-c", command); status == 0 {
			t.Errorf("%s: status 0\n%s", command, out)
		}
	}
	// Text that is no message is not one that was cancelled either.
	machine.RunAs(ann, "Subject: hostile\n\nx\n", "postdrop")
	s.Wait("an end of all files", func() bool { return len(s.Queued()) == 0 })
	if list, _ := filepath.Glob(own + "/maildrop/*"); len(list) > 0 {
		t.Errorf("in the user's own directory: %v", list)
	}
	if n := strings.Count(s.Mailbox("bob"), "Subject: hostile\n"); n != len(works) {
		t.Errorf("%d messages, not %d", n, len(works))
	}
	wantNot(t, s.Log(), "panic")
}

// S2.1: a submission that is killed half way leaves nothing that is delivered.
func TestPostdropKilled(t *testing.T) {
	s := site(t).Start()
	ann := s.User("ann")
	machine.RunAs(ann, "", "sh", "-c", `(printf 'Subject: half\n\nx\n'; sleep 100) | sendmail bob & sleep 0.3; kill -9 $!; pkill -9 -u ann`)
	s.Send("Subject: whole\n\nx\n", "-f", "joe@remote.example", "bob")
	s.Wait("the whole one", func() bool { return strings.Contains(s.Mailbox("bob"), "Subject: whole") })
	wantNot(t, s.Mailbox("bob"), "half")
}

// Whoever ends postdrop at any moment ends a submission, or comes too late: what
// sendmail reported as sent arrives. S1.2.
func TestInterruptedSubmission(t *testing.T) {
	s := site(t).Start()
	sent := []string{}
	for i := range 60 {
		subject := fmt.Sprintf("Subject: number %d;\n", i)
		cmd := exec.Command("sendmail", "ann")
		cmd.Stdin = strings.NewReader(subject + "\nx\n")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i) * 300 * time.Microsecond)
		interrupt("postdrop")
		if cmd.Wait() == nil {
			sent = append(sent, subject)
		}
	}
	if len(sent) == 0 {
		t.Error("nothing was sent")
	}
	s.WaitEmpty()
	want(t, s.Mailbox("ann"), sent...)
}

// interrupt tells all processes of a program to end.
func interrupt(program string) {
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, name := range names {
		if text, _ := os.ReadFile(name); strings.TrimSpace(string(text)) == program {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil {
				syscall.Kill(pid, syscall.SIGTERM)
			}
		}
	}
}
