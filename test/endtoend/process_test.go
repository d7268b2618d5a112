package endtoend

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"postrider/test/machine"
	"postrider/test/peer/sink"
)

// facts are what /proc tells about the rights of a process.
type facts struct {
	Uid, Gid   [4]int // real, effective, saved, file system
	Groups     []int
	NoNewPrivs bool
	CapEff     uint64
	Bounding   uint64
	Root       string
}

func readFacts(pid int) (f facts, err error) {
	dir := fmt.Sprintf("/proc/%d", pid)
	text, err := os.ReadFile(dir + "/status")
	if err != nil {
		return f, err
	}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		words := strings.Fields(rest)
		switch name {
		case "Uid", "Gid":
			ids := &f.Uid
			if name == "Gid" {
				ids = &f.Gid
			}
			for i := range ids {
				ids[i], _ = strconv.Atoi(words[i])
			}
		case "Groups":
			for _, word := range words {
				id, _ := strconv.Atoi(word)
				f.Groups = append(f.Groups, id)
			}
		case "NoNewPrivs":
			f.NoNewPrivs = words[0] == "1"
		case "CapEff":
			f.CapEff, _ = strconv.ParseUint(words[0], 16, 64)
		case "CapBnd":
			f.Bounding, _ = strconv.ParseUint(words[0], 16, 64)
		}
	}
	f.Root, err = os.Readlink(dir + "/root")
	return f, err
}

// threads are all thread IDs of a process: rights belong to threads.
func threads(pid int) (list []int) {
	names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	for _, name := range names {
		tid, _ := strconv.Atoi(filepath.Base(name))
		list = append(list, tid)
	}
	return list
}

// exercise makes every daemon of the standard configuration do something.
func exercise(t *testing.T, s *machine.System) {
	t.Helper()
	c := greet(t)
	c.submit("ann@example.com", "bob@example.com", "Subject: one\n\nx\n")
	c.submit("ann@example.com", "joe@discard.example", "Subject: two\n\nx\n")
	s.Send("Subject: three\n\nx\n", "-f", "ann@example.com", "joe@error.example")
	c.submit("ann@example.com", "joe@smtp.example", "Subject: four\n\nx\n")
	c.submit("ann@example.com", "joe@lmtp.example", "Subject: five\n\nx\n")
	c.submit("ann@example.com", "joe@pipe.example", "Subject: six\n\nx\n")
	c.submit("ann@example.com", "box@virtual.example", "Subject: seven\n\nx\n")
	s.Send("Subject: eight\n\nx\n", "-f", "ann", "bob")
	c.say("MAIL FROM:<ann@example.com>", "250")
	c.say("RCPT TO:<verified@example.com>", "450")
	c.say("RSET", "250")
	s.WaitEmpty()
	run(t, 0, "Mail queue is empty", "mailq")
	want(t, s.Mailbox("bob"), "Subject: one", "Subject: eight")
	want(t, s.Mailbox("ann"), "Undelivered")
	want(t, read(t, "/tmp/pipe.out"), "Subject: six")
	if list, _ := filepath.Glob("/var/mail/vhosts/box/new/*"); len(list) != 1 {
		t.Errorf("virtual mailbox: %v", list)
	}
}

// everything has a user for each delivery agent of the standard configuration.
func everything(t *testing.T) (*machine.System, *sink.Server, *sink.Server) {
	t.Helper()
	os.RemoveAll("/var/mail/vhosts")
	os.RemoveAll("/tmp/pipe.out")
	s := site(t, "relay_domains=discard.example,error.example,smtp.example,lmtp.example,pipe.example", "relay_recipient_maps=",
		"transport_maps=inline:{{discard.example=discard:},{error.example=error:no mail here},{smtp.example=smtp:[127.0.0.1]:2525},"+
			"{lmtp.example=lmtp:inet:127.0.0.1:2424},{pipe.example=filter:}}",
		"virtual_mailbox_domains=virtual.example", "virtual_mailbox_base=/var/mail/vhosts", "virtual_mailbox_maps=inline:{box@virtual.example=box/}",
		"virtual_uid_maps=static:5000", "virtual_gid_maps=static:5000", "max_idle=100s",
		"smtpd_client_event_limit_exceptions=", "address_verify_poll_delay=1s",
		"smtpd_recipient_restrictions=check_recipient_access inline:{verified@example.com=reject_unverified_recipient}")
	os.Mkdir("/var/mail/vhosts", 0o755)
	os.Chown("/var/mail/vhosts", 5000, 5000)
	write(t, "/tmp/pipe.out", "", 0o666)
	s.Service("filter unix - n n - - pipe user=nobody argv=/usr/bin/tee /tmp/pipe.out")
	return s, startSink(t, "tcp", "127.0.0.1:2525", sink.Options{}), startSink(t, "tcp", "127.0.0.1:2424", sink.Options{LMTP: true})
}

// checkRights compares every daemon that runs with the table of
// docs/architecture.md. jailed are those with "chroot" in master.cf.
func checkRights(t *testing.T, jailed ...string) {
	t.Helper()
	text, _ := machine.Run("", "id", "-u", "postfix")
	owner, _ := strconv.Atoi(strings.TrimSpace(text))
	text, _ = machine.Run("", "id", "-g", "postfix")
	group, _ := strconv.Atoi(strings.TrimSpace(text))
	seen := map[string]bool{}
	for pid, name := range machine.Daemons() {
		for _, tid := range threads(pid) {
			f, err := readFacts(tid)
			if err != nil {
				continue // it has just ended
			}
			seen[name] = true
			root := "/"
			if slices.Contains(jailed, name) {
				root = machine.Queue
			}
			if f.Root != root {
				t.Errorf("%s: root directory %s, not %s", name, f.Root, root)
			}
			switch name {
			case "master":
				if f.Uid[1] != 0 {
					t.Errorf("master: uid %v", f.Uid)
				}
			case "local", "virtual", "pipe":
				if f.Uid[0] != 0 || f.Uid[1] != owner || f.Gid[1] != group {
					t.Errorf("%s: uid %v gid %v", name, f.Uid, f.Gid)
				}
				if f.CapEff != 0 {
					t.Errorf("%s: capabilities %x in effect", name, f.CapEff)
				}
			default:
				if f.Uid != [4]int{owner, owner, owner, owner} || f.Gid != [4]int{group, group, group, group} {
					t.Errorf("%s: uid %v gid %v", name, f.Uid, f.Gid)
				}
				if !f.NoNewPrivs || f.CapEff != 0 {
					t.Errorf("%s: no_new_privs %v, capabilities %x", name, f.NoNewPrivs, f.CapEff)
				}
			}
			for _, id := range f.Groups {
				if name != "master" && id != group {
					t.Errorf("%s: supplementary group %d", name, id)
				}
			}
		}
	}
	for _, name := range []string{"master", "smtpd", "cleanup", "pickup", "qmgr", "trivial-rewrite", "smtp", "bounce", "showq", "error", "discard",
		"anvil", "verify", "postlogd", "local", "virtual", "pipe"} {
		if !seen[name] {
			t.Errorf("%s was not seen; there are %v", name, slices.Sorted(maps.Keys(seen)))
		}
	}
}

// S1.4: who runs as whom, with which rights.
func TestRights(t *testing.T) {
	s, _, _ := everything(t)
	s.Start()
	exercise(t, s)
	checkRights(t)
}

// S1.4: everything that can be is jailed in the queue directory, and mail flows.
func TestChroot(t *testing.T) {
	s, _, _ := everything(t)
	jailed := []string{"smtpd", "cleanup", "pickup", "qmgr", "trivial-rewrite", "smtp", "bounce", "showq", "error", "discard", "anvil", "verify"}
	path := machine.Config + "/master.cf"
	lines := strings.Split(read(t, path), "\n")
	for i, line := range lines {
		f := strings.Fields(line)
		if len(f) < 8 || line[0] == '#' || line[0] == ' ' {
			continue
		}
		if slices.Contains(jailed, f[7]) || f[7] == "lmtp" || f[7] == "flush" {
			f[4] = "y"
			lines[i] = strings.Join(f, " ")
		}
	}
	write(t, path, strings.Join(lines, "\n"), 0o644)
	s.Start()
	exercise(t, s)
	checkRights(t, append(jailed, "lmtp", "flush")...)
	wantNot(t, s.Log(), "fatal:", "panic:")
}

// S1.4: what a command of a user runs as, and what it gets: no descriptors, a
// clean environment, no rights but the user's.
func TestCommandRights(t *testing.T) {
	s := site(t)
	ann := s.User("ann")
	os.Remove("/tmp/rights")
	write(t, "/home/ann/.forward", `"|cat >/dev/null; id >/tmp/rights; env >>/tmp/rights; grep -E 'Groups|Cap(Eff|Prm)' /proc/self/status >>/tmp/rights; ls -l /proc/self/fd >>/tmp/rights; umask >>/tmp/rights; pwd >>/tmp/rights"`+"\n", 0o644)
	os.Chown("/home/ann/.forward", ann, ann)
	os.Setenv("SECRET", "of the administrator")
	s.Start()
	os.Unsetenv("SECRET")
	s.Send("Subject: x\n\nx\n", "-f", "joe@remote.example", "ann")
	s.WaitLog(`status=sent \(delivered to command`)
	text := read(t, "/tmp/rights")
	want(t, text, fmt.Sprintf("uid=%d(ann) gid=%d(ann) groups=%d(ann)\n", ann, ann, ann), "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000",
		"\nHOME=/home/ann\n", "\nLOGNAME=ann\n", "\nSENDER=joe@remote.example\n", "\nSHELL=/bin/sh\n", "\n0077\n")
	wantNot(t, text, "SECRET", "socket:", "-> /var/spool/postfix")
}

// S1.4, S3.4: sockets and directories of the queue, as other users see them.
func TestQueueIsClosed(t *testing.T) {
	s := site(t).Start()
	uid := s.User("ann")
	for _, command := range []string{
		"ls " + machine.Queue + "/incoming", "ls " + machine.Queue + "/private", "ls " + machine.Queue + "/public", "ls " + machine.Queue + "/active",
		"touch " + machine.Queue + "/x", "touch " + machine.Queue + "/pid/x", "ls /var/lib/postfix", "touch " + machine.Config + "/x",
		"kill -TERM " + strings.TrimSpace(read(t, machine.Queue+"/pid/master.pid")),
		"postsuper -d ALL", "postqueue -c /tmp -p", "postfix stop",
	} {
		if out, status := machine.RunAs(uid, "", "sh", "-c", command); status == 0 {
			t.Errorf("%s: a user can do it\n%s", command, out)
		}
	}
	for _, socket := range []string{"/private/local", "/public/cleanup", "/public/qmgr", "/private/rewrite", "/private/bounce"} {
		if err := connectAs(uid, machine.Queue+socket); err == nil {
			t.Errorf("a user can talk to %s", socket)
		}
	}
	if out, status := machine.RunAs(uid, "", "mailq"); status != 0 {
		t.Errorf("mailq of a user: %s", out)
	}
}

// connectAs connects to a socket as a user, on a thread that is not used again.
func connectAs(uid int, path string) error {
	result := make(chan error)
	go func() {
		result <- asUser(uid, func() error {
			fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			defer syscall.Close(fd)
			return syscall.Connect(fd, &syscall.SockaddrUnix{Name: path})
		})
	}()
	select {
	case err := <-result:
		return err
	case <-time.After(10 * time.Second):
		return nil
	}
}
