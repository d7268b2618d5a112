package interop

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"postrider/test/peer/zone"
	"postrider/test/script"
)

// A dialogue is what a client says, and how many lines of the server it reads
// in between.
type dialogue struct {
	name     string
	settings map[string]string // of the server
	steps    []step
}

// A step sends bytes, or begins TLS, or logs in, or reads lines; -1 is a whole
// reply, -2 all until the server closes the connection.
type step struct {
	send   string
	secret *tls.Config
	login  []string // mechanism, user, password
	read   int
}

// TestSessions: the session scripts of smtpd have the same replies from both
// servers. S10.3.
func TestSessions(t *testing.T) {
	names, err := filepath.Glob("/src/smtpd/testdata/*.smtp")
	if err != nil || len(names) == 0 {
		t.Fatal("no scripts")
	}
	var list []dialogue
	for _, name := range names {
		s, err := script.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		if s.Sections["client"] != "" || s.Sections["daemons"] != "" || s.Sections["since"] != "" {
			continue // not with real daemons, or not with this release of stock
		}
		list = append(list, dialogue{strings.TrimSuffix(filepath.Base(name), ".smtp"), s.Settings(), scriptSteps(s.Sections["session"])})
	}
	compareDialogues(t, list)
}

func scriptSteps(session string) []step {
	var steps []step
	for line := range strings.SplitSeq(session, "\n") {
		switch {
		case line == "S: <closed>":
			steps = append(steps, step{read: -2})
		case strings.HasPrefix(line, "S: "):
			steps = append(steps, step{read: 1})
		case strings.HasPrefix(line, "C| "):
			steps = append(steps, step{send: script.Unescape(line[3:])})
		case strings.HasPrefix(line, "C:"):
			steps = append(steps, step{send: strings.TrimPrefix(line[2:], " ") + "\r\n"})
		}
	}
	return steps
}

// TestDialogues: odd commands get the same replies from both servers.
func TestDialogues(t *testing.T) {
	text, err := os.ReadFile("testdata/dialogues.txt")
	if err != nil {
		t.Fatal(err)
	}
	var list []dialogue
	for block := range strings.SplitSeq(string(text), "\n-- ") {
		head, body, _ := strings.Cut(block, "\n")
		name, settings, _ := strings.Cut(strings.TrimPrefix(head, "-- "), ": ")
		d := dialogue{name: name, settings: map[string]string{}, steps: []step{{read: -1}}}
		for setting := range strings.SplitSeq(settings, "; ") {
			if name, value, ok := strings.Cut(setting, "="); ok {
				d.settings[name] = value
			}
		}
		for line := range strings.SplitSeq(strings.TrimRight(body, "\n"), "\n") {
			if line == "=" { // another reply
				d.steps = append(d.steps, step{read: -1})
				continue
			}
			command, more := strings.CutPrefix(line, "+ ")
			d.steps = append(d.steps, step{send: script.Unescape(command)})
			if !more {
				d.steps[len(d.steps)-1].send += "\r\n"
				d.steps = append(d.steps, step{read: -1})
			}
		}
		list = append(list, d)
	}
	compareDialogues(t, list)
}

// compareDialogues has all dialogues with both servers.
func compareDialogues(t *testing.T, list []dialogue, also ...func() string) {
	t.Helper()
	text, err := os.ReadFile("testdata/zone.txt")
	if err != nil {
		t.Fatal(err)
	}
	names, err := zone.Start("127.0.0.1:53", string(text))
	if err != nil {
		t.Fatal(err)
	}
	defer names.Close()
	os.WriteFile("/etc/resolv.conf", []byte("nameserver 127.0.0.1\n"), 0o644)
	defer os.WriteFile("/etc/resolv.conf", nil, 0o644)
	wanted, wantedLog := converse(t, stock, list)
	wantedMore := more(also)
	got, gotLog := converse(t, ours, list)
	if n, differences := compareLines(normal(wantedMore, nil), normal(more(also), nil)); len(differences) > 0 {
		t.Errorf("what is left (- stock, + ours):\n%s", report(differences))
	} else if n > 0 {
		t.Logf("%d lines of what is left are the same", n)
	}
	same, lines := 0, 0
	for i, d := range list {
		a, b := normal(wanted[i], nil), normal(got[i], nil)
		if a == b {
			same++
			lines += strings.Count(a, "\n")
			continue
		}
		t.Errorf("%s (- stock, + ours):\n%s", d.name, exchanges(a, b))
	}
	t.Logf("%d of %d dialogues are the same, %d lines", same, len(list), lines)
	n, differences := compareLines(normal(wantedLog, nil), normal(gotLog, nil))
	if len(differences) > 0 {
		t.Errorf("log lines of smtpd (- stock, + ours):\n%s", report(differences))
	}
	t.Logf("%d log lines are the same", n)
	compareReaders(t, wantedLog, gotLog)
}

// more is what else there is to compare while the queue is as a server left it.
func more(also []func() string) string {
	text := ""
	for _, f := range also {
		text += f()
	}
	return text
}

// exchanges gives the parts of two transcripts, from one thing that the client
// says to the next, that differ.
func exchanges(left, right string) string {
	l, r := strings.SplitAfter(left, "\nC: "), strings.SplitAfter(right, "\nC: ")
	text := ""
	for i := range max(len(l), len(r)) {
		a, b := "", ""
		if i < len(l) {
			a = l[i]
		}
		if i < len(r) {
			b = r[i]
		}
		if a != b {
			text += "- " + strings.TrimSuffix(a, "C: ") + "+ " + strings.TrimSuffix(b, "C: ")
		}
	}
	return text
}

// converse has all dialogues with one server, each with settings of its own at
// a port of its own, and returns the transcripts, and what smtpd has logged.
func converse(t *testing.T, s side, list []dialogue) (transcripts []string, log string) {
	t.Helper()
	settings, err := os.ReadFile("testdata/session.cf")
	if err != nil {
		t.Fatal(err)
	}
	b := newBed(t, mix{base: s}, strings.Split(strings.TrimSpace(string(settings)), "\n")...)
	entries, err := os.ReadFile("testdata/master.cf")
	if err != nil {
		t.Fatal(err)
	}
	if s == stock {
		entries = append(entries, "tlsmgr unix - - n 1000? 1 tlsmgr\n"...)
	}
	for i, d := range list {
		entries = append(entries, fmt.Sprintf("127.0.0.1:%d inet n - n - - smtpd\n", 3000+i)...)
		for name, value := range d.settings {
			entries = append(entries, fmt.Sprintf("  -o { %s = %s }\n", name, value)...)
		}
	}
	if err := os.WriteFile("/etc/postfix/master.cf", entries, 0o644); err != nil {
		t.Fatal(err)
	}
	defer func() {
		text, _ := os.ReadFile("testdata/master.cf")
		os.WriteFile("/etc/postfix/master.cf", text, 0o644)
	}()
	b.start()
	transcripts = make([]string, len(list))
	noLogins := regexp.MustCompile(`\]: fatal: (no SASL auth|unknown xsasl_|smtpd_sasl_mechanism_filter )`)
	var all sync.WaitGroup
	places := make(chan bool, 6)
	for i, d := range list {
		all.Go(func() {
			places <- true
			transcripts[i] = d.run(fmt.Sprintf("127.0.0.1:%d", 3000+i))
			<-places
		})
	}
	all.Wait()
	wait(t, "the end of all sessions", func() bool {
		log := b.log() // a server that cannot begin has no session
		dead := len(noLogins.FindAllString(log, -1))
		return strings.Count(log, "]: disconnect from ")+dead >= strings.Count(log, "]: connect from ")
	})
	b.settle()
	b.stop()
	chance := regexp.MustCompile("improper command pipelining after (NOOP|DATA|MAIL) ") // depends on the time
	for line := range strings.Lines(b.log()) {
		if strings.Contains(line, "/smtpd[") && !chance.MatchString(line) && !ofLibrary.MatchString(line) {
			log += line
		}
	}
	return transcripts, log
}

// run has the dialogue and returns what both sides said.
func (d dialogue) run(addr string) string {
	c, err := dialFrom("127.0.0.1", addr)
	if err != nil {
		return err.Error()
	}
	defer c.conn.Close()
	var b strings.Builder
	for _, s := range d.steps {
		if s.send != "" {
			fmt.Fprintf(&b, "C: %.300q\n", s.send)
			if _, err := io.WriteString(c.conn, s.send); err != nil {
				fmt.Fprintf(&b, "(cannot be sent)\n")
			}
			continue
		}
		if s.secret != nil {
			if !c.encrypt(&b, s.secret) {
				break
			}
			continue
		}
		if s.login != nil {
			c.logIn(&b, s.login[0], s.login[1], s.login[2])
			continue
		}
		if !c.record(&b, s.read) {
			break
		}
	}
	return b.String()
}

// record reads lines and writes them down; false at the end.
func (c *client) record(b *strings.Builder, lines int) bool {
	c.conn.SetReadDeadline(time.Now().Add(4 * time.Second))
	for n := 0; lines < 0 || n < lines; n++ {
		line, err := c.in.ReadString('\n')
		if line != "" {
			fmt.Fprintf(b, "S: %.600q\n", line)
		}
		switch {
		case err == io.EOF || err != nil && strings.Contains(err.Error(), "reset"):
			b.WriteString("S: <closed>\n")
			return false
		case err != nil:
			b.WriteString("S: <silent>\n")
			return true
		case lines == -1 && (len(line) < 4 || line[3] != '-'):
			return true
		}
	}
	return true
}

// encrypt begins TLS and writes down who the server is; false when there is none.
func (c *client) encrypt(b *strings.Builder, config *tls.Config) bool {
	secret := tls.Client(c.conn, config)
	secret.SetDeadline(time.Now().Add(4 * time.Second))
	if err := secret.Handshake(); err != nil {
		b.WriteString("(no TLS)\n")
		return false
	}
	fmt.Fprintf(b, "(TLS with %s)\n", secret.ConnectionState().PeerCertificates[0].Subject)
	c.conn, c.in = secret, bufio.NewReader(secret)
	return true
}
