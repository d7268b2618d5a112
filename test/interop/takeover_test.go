package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// leftLetters are still on their way when the first system is killed.
var leftLetters = []letter{
	{"partly", "smtp", "alice@example.com RET=FULL ENVID=env+2B1", "bob@example.com NOTIFY=SUCCESS,FAILURE, u1@relay.example NOTIFY=NEVER, " +
		"later@defer.example NOTIFY=SUCCESS,DELAY,FAILURE ORCPT=rfc822;orig+2Bx@y.example", "done and waiting\r\n"},
	{"eight", "smtp", "a@remote.example BODY=8BITMIME", "u2@defer.example", long + "\r\n\x00 nothing\r\n\xe4\xff\r\n..\r\n" + strings.Repeat("x", 2048) + "\r\n" + strings.Repeat("y", 4096) + "\r\n"},
	{"many", "smtp", "a@remote.example", strings.ReplaceAll(manyRecipients(), "relay", "defer"), "to many\r\n"},
	{"verp", "smtp", "alice+verp@example.com XVERP=+=", "no@defer.example, User.Name+x@defer.example", "one notice each\r\n"},
	{"held", "smtp", "alice@example.com", "held@example.com, bob@example.com, one@va.example", "on hold\r\n"},
	{"retry", "sendmail", "", "-f alice x@retry.example bob", "expires\n"},
	{"active", "smtp", "alice@example.com", "bob@example.com, lm@lmtp.example, dir@vm.example, lm2@lmtp.example", "killed in the middle\r\n"},
	{"null", "smtp", "", "u3@defer.example", "no sender\r\n"},
}

// incomingLetters are taken while the queue manager does nothing.
var incomingLetters = []letter{
	{"incoming", "smtp", "alice@example.com", "bob@example.com, u4@relay.example, command@example.com", "in the incoming queue\r\n"},
	{"bdat", "bdat", "a@remote.example BODY=8BITMIME", "include@example.com", "\xe4\r\n"},
}

// maildropLetters are sent while no mail system runs.
var maildropLetters = []letter{
	{"maildrop", "sendmail", "", "-f alice -F Alice -N success,failure -V env bob u5@relay.example", "in maildrop\nFrom me\n"},
	{"headers", "sendmail", "", "-t -f bob", ""},
	{"drop8", "sendmail", "", "-B 8BITMIME -f bob team", "\xe4 " + long + "\nno end"},
}

// TestTakeover: what one system leaves behind the other one finishes, as the
// first would have. S10.2.
func TestTakeover(t *testing.T) {
	for _, settings := range [][]string{nil, {"enable_long_queue_ids=yes", "hash_queue_depth=2", "hash_queue_names=deferred,defer,hold,incoming,active,bounce"}} {
		want := takeover(t, stock, stock, settings)
		for _, way := range [][2]side{{stock, ours}, {ours, stock}, {ours, ours}} {
			got := takeover(t, way[0], way[1], settings)
			same, text := compareEvidence(want, got)
			if text != "" {
				t.Errorf("from %s to %s, %v (- stock alone):\n%s", way[0], way[1], settings, text)
			}
			t.Logf("from %s to %s, %d settings: %d lines are the same", way[0], way[1], len(settings), same)
		}
	}
}

// takeover lets one system begin and another one finish.
func takeover(t *testing.T, first, second side, settings []string) evidence {
	t.Helper()
	b := newBed(t, mix{base: first}, append([]string{"smtp_destination_recipient_limit=200"}, settings...)...)
	found := evidence{}
	b.leaveBehind()
	for _, name := range []string{"maildrop", "incoming", "active", "deferred", "hold"} {
		found["left behind"] += fmt.Sprintf("%s: %d\n", name, len(queued(name)))
	}
	b.use(mix{base: second})
	s := sinksWith(t, map[string][]string{"RCPT no@defer.example": {"550 5.1.1 No such user"}}, nil)
	defer s.close()
	b.start()
	b.settle()
	b.run("", "postqueue", "-f")
	wait(t, "all mail but one message to leave", func() bool {
		return len(queued("incoming", "active", "deferred", "incoming")) == 1 && len(queued("deferred")) == 1
	})
	b.settle()
	found["postqueue -p"] = b.run("", "postqueue", "-p")
	b.run("", "postsuper", "-H", "ALL")
	b.run("", "postsuper", "-e", "ALL")
	b.run("", "postqueue", "-f")
	b.settleEmpty()
	b.stop()
	found["left in the queue"] = strings.Join(queued("maildrop", "incoming", "active", "deferred", "hold", "corrupt", "bounce", "defer", "trace"), "\n")
	found["trouble"] = strings.Join(trouble(b.log()), "\n")
	b.collect(found, s)
	return found
}

// leaveBehind fills all queues and kills the system.
func (b *bed) leaveBehind() {
	b.t.Helper()
	s := sinksWith(b.t, map[string][]string{"RCPT": {"450 4.2.1 Not yet"}, "RCPT u1@relay.example": {"250 2.1.5 Ok"}},
		map[string][]string{".": {"hang"}})
	b.start()
	for _, l := range leftLetters {
		b.send(l)
	}
	wait(b.t, "one message in the active queue", func() bool {
		return len(queued("maildrop", "incoming")) == 0 && len(queued("active")) == 1 && len(queued("deferred")) == 8 && len(queued("hold")) == 1
	})
	b.waitLog("status=sent .delivered to maildir")
	syscall.Kill(b.pid("qmgr"), syscall.SIGSTOP)
	for _, l := range incomingLetters {
		b.send(l)
	}
	b.kill()
	s.close()
	for _, l := range maildropLetters {
		b.send(l)
	}
}

// pid is the process ID of a daemon.
func (b *bed) pid(name string) int {
	list, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, path := range list {
		if text, _ := os.ReadFile(path); strings.TrimSpace(string(text)) == name {
			var pid int
			fmt.Sscanf(path, "/proc/%d", &pid)
			if target, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); target != "" {
				return pid
			}
		}
	}
	b.t.Fatalf("no process %s", name)
	return 0
}
