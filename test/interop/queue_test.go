package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"

	"postrider/test/machine"
)

// TestQueueTools: each system's postcat, postqueue and postsuper do the same to
// the queue that either has left behind. S10.5.
func TestQueueTools(t *testing.T) {
	for _, settings := range [][]string{
		{"smtp_destination_recipient_limit=200"},
		{"smtp_destination_recipient_limit=200", "enable_long_queue_ids=yes", "hash_queue_depth=2"},
	} {
		for _, maker := range []side{stock, ours} {
			t.Run(fmt.Sprintf("%s, %d settings", maker, len(settings)), func(t *testing.T) {
				b := newBed(t, mix{base: maker}, settings...)
				b.leaveBehind()
				b.showFiles()
				b.listQueue()
				b.changeQueue()
			})
		}
	}
}

// noise is what stock's -v says about its own beginning.
var noise = regexp.MustCompile(`(?m)^postcat: (name_mask|inet_addr_local): .*\n`)

// showFiles compares what postcat says about each file.
func (b *bed) showFiles() {
	same := 0
	for _, path := range queued("maildrop", "incoming", "active", "deferred", "hold") {
		id := filepath.Base(path)
		full := machine.Queue + "/" + path
		for _, args := range [][]string{{full}, {"-v", full}, {"-q", id}, {"-eq", id}, {"-hq", id}, {"-bq", id}, {"-bhq", id},
			{"-dq", id}, {"-oq", id}, {"-rq", id}, {"-vdorq", id}} {
			want, wantStatus := machine.Run("", stock.command("postcat"), args...)
			got, gotStatus := machine.Run("", ours.command("postcat"), args...)
			want = noise.ReplaceAllString(strings.ReplaceAll(want, "/opt/stock/usr/sbin/postcat", "postcat"), "")
			if want != got || wantStatus != gotStatus {
				_, differences := compareLines(want, got)
				b.t.Errorf("postcat %v: status %d, %d (- stock, + ours):\n%s", args, wantStatus, gotStatus, report(differences))
			} else {
				same++
			}
		}
	}
	b.t.Logf("postcat: %d outputs are the same", same)
}

// listQueue compares the listings of postqueue and showq of both.
func (b *bed) listQueue() {
	for _, option := range []string{"-p", "-j"} {
		b.use(mix{base: stock})
		want := sorted(b.run("", "postqueue", option))
		for _, m := range []mix{{ours, nil}, {stock, []string{"showq"}}, {ours, []string{"showq"}}} {
			b.use(m)
			if got := sorted(b.run("", "postqueue", option)); got != want {
				_, differences := compareLines(want, got)
				b.t.Errorf("postqueue %s, %v (- stock, + ours):\n%s", option, m, report(differences))
			}
		}
		b.t.Logf("postqueue %s: %d lines are the same", option, strings.Count(want, "\n"))
	}
}

func sorted(text string) string {
	lines := strings.Split(text, "\n")
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

var logs = regexp.MustCompile(`(?m)^(defer|bounce|trace|flush) depth.*\n`)

// changeQueue compares what each postsuper makes of copies of the queue. In a
// copy all inode numbers are other ones, and so must be the names.
func (b *bed) changeQueue() {
	b.t.Helper()
	b.configure("maillog_file=", "enable_long_queue_ids="+strings.TrimSpace(b.run("", "postconf", "-h", "enable_long_queue_ids")),
		"hash_queue_depth="+strings.TrimSpace(b.run("", "postconf", "-h", "hash_queue_depth"))) // postsuper may not open the file
	saved := b.t.TempDir() + "/queue"
	if out, err := exec.Command("cp", "-a", machine.Queue, saved).CombinedOutput(); err != nil {
		b.t.Fatalf("cp: %v\n%s", err, out)
	}
	results := map[side]string{}
	for _, s := range []side{stock, ours} {
		b.restore(saved)
		for _, args := range [][]string{{}, {"-s"}, {"-h", "ALL", "incoming"}, {"-h", "ALL"}, {"-e", "ALL", "hold"}, {"-H", "ALL"},
			{"-r", "ALL", "deferred"}, {"-r", "ALL"}, {"-f", "ALL", "maildrop"}, {"-d", "NOSUCH"}, {"-d", "ALL", "maildrop"}, {"-d", "ALL"}} {
			out, status := machine.Run("", s.command("postsuper"), args...)
			list := b.listing()
			if strings.Contains(strings.Join(args, " "), "-d ALL") { // which logs go with the messages differs
				list = logs.ReplaceAllString(list, "")
			}
			results[s] += fmt.Sprintf("postsuper %v: %d\n%s%s", args, status, out, list)
		}
	}
	want, got := normal(results[stock], nil), normal(results[ours], nil)
	if want != got {
		_, differences := compareLines(want, got)
		b.t.Errorf("postsuper (- stock, + ours):\n%s", report(differences))
	}
	b.t.Logf("postsuper: %d lines are the same", strings.Count(want, "\n"))
}

// restore makes the queue what it was.
func (b *bed) restore(saved string) {
	b.t.Helper()
	for _, name := range []string{"maildrop", "incoming", "active", "deferred", "hold", "corrupt", "bounce", "defer", "trace", "flush"} {
		os.RemoveAll(machine.Queue + "/" + name)
		if out, err := exec.Command("cp", "-a", saved+"/"+name, machine.Queue+"/"+name).CombinedOutput(); err != nil {
			b.t.Fatalf("cp: %v\n%s", err, out)
		}
	}
}

// listing tells which files are in which queues, with modes and owners.
func (b *bed) listing() string {
	out, err := exec.Command("find", machine.Queue, "-type", "f", "-path", "*/*[0-9A-Za-z]/*", "-not", "-path", "*/pid/*", "-printf", "%P %m %u\n").Output()
	if err != nil {
		b.t.Error(err)
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		queue, rest, _ := strings.Cut(line, "/")
		path, mode, _ := strings.Cut(rest, " ")
		list = append(list, fmt.Sprintf("%s depth %d, %s", queue, strings.Count(path, "/"), mode))
	}
	sort.Strings(list)
	return strings.Join(list, "")
}
