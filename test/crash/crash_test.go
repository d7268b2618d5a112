// Package crash tests that no mail is lost when processes of the mail system are
// killed at any moment.
package crash

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"postrider/test/machine"
	"postrider/test/peer/sink"
)

func TestMain(m *testing.M) { machine.Main(m) }

var (
	seed  = flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the moments of crashes")
	count = flag.Int("messages", 5000, "how many messages")
)

const (
	clients   = 8
	sendLimit = 60 * time.Second // after this no more messages are sent
	restLimit = 60 * time.Second // until all are delivered, when nobody is killed any more
)

// Where a message goes, by its number.
var ways = [][]string{
	{"ann@example.com"},
	{"joe@relay.example"},
	{"bob@example.com"},
	{"nobody@discard.example"},
	{"ann@example.com", "joe@relay.example", "nobody@discard.example"},
	{"nobody@error.example"}, // comes back in a notice
}

// Crash after crash: each message that was acknowledged with 250, or by the exit
// status of sendmail, is delivered at least once to each of its recipients, and
// the queue is empty in the end. Mail for nobody comes back. S1.2; "two promises" of docs/architecture.md.
func TestKill(t *testing.T) {
	if testing.Short() {
		*count /= 2
	}
	t.Logf("seed %d: go test ./test/crash -seed %d", *seed, *seed)
	k := &killer{random: rand.New(rand.NewPCG(*seed, 1)), stop: make(chan bool), kills: map[string]int{}}
	relay, err := sink.Start("tcp", "127.0.0.1:2525", sink.Options{Keywords: []string{"PIPELINING", "SIZE", "8BITMIME"},
		Rules: map[string][]string{"RCPT": moods(rand.New(rand.NewPCG(*seed, 2))), "RCPT nobody@error.example": {"550 5.1.1 no such user"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close()
	s := install(t)
	s.Start()
	l := &load{todo: make(chan int, *count), acknowledged: make([]bool, *count)}
	for i := range *count {
		l.todo <- i
	}
	close(l.todo)
	began := time.Now()
	var killing sync.WaitGroup
	killing.Go(k.run)
	l.run(began.Add(sendLimit))
	sent := time.Since(began)
	close(k.stop)
	killing.Wait()
	settle(t, s)
	t.Logf("%d of %d messages acknowledged in %s; killed: %v; all delivered after another %s",
		l.total(), *count, sent.Round(time.Second), k.kills, (time.Since(began) - sent).Round(time.Second))
	check(t, s, l, relay)
	if l.total() < *count/2 {
		t.Errorf("only %d messages were taken", l.total())
	}
}

// moods are the answers of the relay: some mail has to wait.
func moods(random *rand.Rand) []string {
	list := make([]string, *count/2)
	for i := range list {
		if random.IntN(10) == 0 {
			list[i] = "450 4.2.0 later"
		}
	}
	return append(list, "")
}

func install(t *testing.T) *machine.System {
	s := machine.Install(t, "myhostname=mail.example.com", "mydestination=example.com", "myorigin=example.com",
		"transport_maps=inline:{{ann@example.com=local:},{relay.example=smtp:[127.0.0.1]:2525},{discard.example=discard:},{error.example=smtp:[127.0.0.1]:2525}}",
		"mail_spool_directory=/var/mail", "mailbox_command_maps=", "alias_maps=",
		// What waits for minutes after trouble waits for a second.
		"service_throttle_time=1s", "transport_retry_time=1s", "minimal_backoff_time=1s", "maximal_backoff_time=1s", "queue_run_delay=1s",
		"stale_lock_time=1s", "deliver_lock_delay=1s", "smtpd_client_connection_count_limit=0", "notify_classes=",
		"smtp_destination_concurrency_failed_cohort_limit=0", "local_destination_concurrency_failed_cohort_limit=0")
	ann := s.User("ann")
	s.User("bob")
	s.User("sender")
	if err := os.WriteFile("/home/ann/.forward", []byte("/home/ann/Maildir/\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	os.Chown("/home/ann/.forward", ann, ann)
	return s
}

// A killer ends processes without warning.
type killer struct {
	random *rand.Rand
	stop   chan bool
	kills  map[string]int
}

func (k *killer) run() {
	for {
		select {
		case <-k.stop:
			return
		case <-time.After(time.Duration(k.random.IntN(30)) * time.Millisecond):
		}
		if victim, name := k.choose(); victim != 0 && syscall.Kill(victim, syscall.SIGKILL) == nil {
			k.kills[name]++
		}
		revive()
	}
}

// choose finds a victim: first a program, so that each has its turn, and master
// now and then.
func (k *killer) choose() (pid int, name string) {
	byName := map[string][]int{}
	var names []string
	for pid, name := range processes() {
		if name == "master" && k.random.IntN(4) > 0 {
			continue
		}
		if byName[name] == nil {
			names = append(names, name)
		}
		byName[name] = append(byName[name], pid)
	}
	if len(names) == 0 {
		return 0, ""
	}
	slices.Sort(names)
	name = names[k.random.IntN(len(names))]
	slices.Sort(byName[name])
	return byName[name][k.random.IntN(len(byName[name]))], name
}

// processes are the daemons, and the commands that submit mail.
func processes() map[int]string {
	list := machine.Daemons()
	names, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, name := range names {
		program, _ := os.Readlink(name)
		if base := filepath.Base(program); base == "postdrop" || base == "sendmail" {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			list[pid] = base
		}
	}
	return list
}

// revive starts the mail system again when its master is dead.
func revive() {
	for _, name := range machine.Daemons() {
		if name == "master" {
			return
		}
	}
	machine.Run("", "postfix", "start")
}

// settle waits until all mail is delivered.
func settle(t *testing.T, s *machine.System) {
	t.Helper()
	for end := time.Now().Add(restLimit); ; {
		revive()
		machine.Run("", "postkick", "public", "pickup", "W")
		machine.Run("", "postqueue", "-f")
		if waiting := complete(s); len(waiting) == 0 {
			break
		} else if time.Now().After(end) {
			t.Fatalf("still in the queue: %v", waiting)
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.WaitLog("master")
}

// complete are the messages in the queue. A file that a killed process has begun
// is none: nobody was told that it is there.
func complete(s *machine.System) (list []string) {
	for _, name := range s.Queued() {
		st, err := os.Stat(machine.Queue + "/" + name)
		if err == nil && st.Mode()&0o700 == 0o700 {
			list = append(list, name)
		}
	}
	return list
}

// number finds a message by the line at its end.
var number = regexp.MustCompile(`(?m)^end of ([0-9]+)\r?$`)

func found(text string, in map[int]int) {
	for _, m := range number.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		in[n]++
	}
}

// check compares what was promised with what is there.
func check(t *testing.T, s *machine.System, l *load, relay *sink.Server) {
	t.Helper()
	got := map[string]map[int]int{"ann@example.com": {}, "bob@example.com": {}, "joe@relay.example": {}, "nobody@error.example": {}}
	files, _ := filepath.Glob("/home/ann/Maildir/new/*")
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
		}
		found(string(text), got["ann@example.com"])
	}
	found(s.Mailbox("bob"), got["bob@example.com"])
	found(s.Mailbox("sender"), got["nobody@error.example"])
	for _, m := range relay.Messages() {
		found(m.Data, got["joe@relay.example"])
	}
	lost, twice := 0, 0
	for i, yes := range l.acknowledged {
		for _, to := range ways[i%len(ways)] {
			copies, seen := got[to]
			if !seen {
				continue // discarded
			}
			if yes && copies[i] == 0 {
				if lost++; lost < 10 {
					t.Errorf("message %d for %s is lost", i, to)
				}
			}
			if copies[i] > 1 {
				twice++
			}
		}
	}
	t.Logf("%d lost, %d delivered more than once", lost, twice)
	// A delivery agent that outlives its queue manager may note a failure of
	// mail that another one has delivered meanwhile. The next message with that
	// queue ID begins with removing it.
	out, _ := machine.Run("", "find", machine.Queue+"/bounce", machine.Queue+"/defer", machine.Queue+"/trace", "-type", "f")
	if n := strings.Count(out, "\n"); n > 30 {
		t.Errorf("%d logs are left, such as\n%s", n, out[:300])
	} else {
		t.Logf("%d logs without mail are left", n)
	}
	for line := range strings.Lines(s.Log()) {
		if strings.Contains(line, "panic:") || strings.Contains(line, "status=bounced") && !strings.Contains(line, "error.example") {
			t.Error(line)
		}
	}
}

// message is the text of a message of some kilobytes.
func message(i int) string {
	return fmt.Sprintf("Subject: number %d\n\n%send of %d\n", i, strings.Repeat("a line of the message, not short and not long either\n", i%100), i)
}
