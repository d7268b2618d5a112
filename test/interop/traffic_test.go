package interop

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postrider/test/machine"
	"postrider/test/peer/sink"
)

// An evidence is what the traffic has left behind, by the name of what it is:
// "log", "/var/mail/alice", "relay".
type evidence map[string]string

// A letter is a message of the traffic. Its tag is in its subject and in its
// Message-Id.
type letter struct {
	tag  string
	by   string // "sendmail", "smtp", "bdat"; or "smtp2": from a stranger
	from string
	to   string // recipients with SMTP parameters, or the arguments of sendmail
	body string
}

var long = strings.Repeat("0123456789abcdef", 300)

// letters go through every daemon, and through most of what each does.
var letters = []letter{
	{"local", "sendmail", "", "-f bob -F Bob alice bob", "plain\n.\n..dots\nFrom here\n"},
	{"notail", "sendmail", "", "-f bob alice", "no newline at the end"},
	{"headers", "sendmail", "", "-t -f alice", ""},
	{"folder", "sendmail", "", "-f alice carol", "to a command and a mailbox\n"},
	{"team", "sendmail", "", "-f alice team", "to a list with an owner\n"},
	{"extension", "sendmail", "", "-f alice bob+list include command file", "aliases\n"},
	{"trouble", "sendmail", "", "-f alice loop nobody-there missing@example.com", "bounces\n"},
	{"verbose", "sendmail", "", "-v -f alice bob u1@relay.example", "report of delivery\n"},
	{"check", "sendmail", "", "-bv -f alice bob missing u1@relay.example no@relay.example", "report of a check\n"},
	{"notify", "sendmail", "", "-N success,delay,failure -V env-1 -R hdrs -f alice bob u1@relay.example no@relay.example", "DSN\n"},
	{"canonical", "sendmail", "", "-f old@example.com x@canonical.example", "rewritten\n"},
	{"relocated", "sendmail", "", "-f alice moved@example.com", "it has moved\n"},
	{"in", "smtp", "a@remote.example", "alice@example.com", "SMTP\r\n..dots\r\n\x80\xff eight bits\r\n"},
	{"stranger", "smtp2", "a@remote.example", "one@va.example, both@va.example, postmaster", "virtual aliases\r\n"},
	{"long", "smtp", "a@remote.example BODY=8BITMIME SIZE=5000", "u1@relay.example, lm@lmtp.example, dir@vm.example", long + "\r\n\xc3\xa4 " + long + "\r\n"},
	{"bdat", "bdat", "a@remote.example", "bob@example.com, box@vm.example, \"quoted name\"@vm.example", "in two chunks\r\n"},
	{"pipe", "smtp", "a@remote.example", "User+ext@pipe.example, two@pipe.example", "a program\r\n.. dots\r\n"},
	{"away", "smtp", "a@remote.example", "x@discard.example, fail@va.example", "gone, and back\r\n"},
	{"later", "smtp", "alice@example.com", "later@defer.example NOTIFY=DELAY,FAILURE ORCPT=rfc822;orig+40x.example, u2@relay.example", "second try\r\n"},
	{"never", "smtp", "alice@example.com RET=HDRS ENVID=me+2Byou", "wait@va.example, wait2@va.example NOTIFY=NEVER", "expires\r\n"},
	{"retry", "sendmail", "", "-f alice x@retry.example y@error.example", "expires\n"},
	{"held", "smtp", "alice@example.com", "held@example.com, bob@example.com", "on hold\r\n"},
	{"redirected", "smtp", "a@remote.example", "filter@example.com", "to another\r\n"},
	{"verp", "smtp", "alice+verp@example.com XVERP", "no@relay.example, missing2@va2.example, fail@va.example", "one notice each\r\n"},
	{"null", "smtp", "", "no@relay.example", "its notice goes nowhere\r\n"},
	{"success", "smtp", "alice@example.com", "bob@example.com NOTIFY=SUCCESS, both@va.example NOTIFY=SUCCESS, u1@relay.example NOTIFY=SUCCESS", "DSN\r\n"},
	{"many", "smtp", "a@remote.example", manyRecipients(), "to many\r\n"},
	{"closed", "smtp", "alice@example.com", "x@closed.example", "nobody listens\r\n"},
	{"multi", "smtp2", "a@remote.example", "lm@lmtp.example, no@lmtp.example, lm2@lmtp.example", "LMTP\r\n"},
}

func manyRecipients() string {
	var list []string
	for i := range 120 {
		list = append(list, fmt.Sprintf("many%d@relay.example", i))
	}
	return strings.Join(list, ", ")
}

const oddHeaders = `From: Alice <alice>
To: bob, "Quoted, Name" <bob@EXAMPLE.com>
X-To: alice@localhost
Cc: group: u1@relay.example, u2@relay.example;
Bcc: bob+secret@example.com
Reply-To: old@example.com
Subject: tag-headers
Message-Id: <tag-headers@tag.example>
X-Folded: one
	two
Resent-Note: not an address

body
`

// sinks are the servers that the traffic goes to.
type sinks struct{ relay, lmtp *sink.Server }

func startSinks(t testing.TB) sinks {
	return sinksWith(t, map[string][]string{
		"RCPT later@defer.example": {"450 4.2.1 The mailbox is busy", ""},
		"RCPT no@relay.example":    {"550-5.1.1 There is no\n550 5.1.1 such user"},
	}, map[string][]string{". no@lmtp.example": {"552 5.2.2 Over quota"}})
}

// sinksWith starts the servers with rules of their own.
func sinksWith(t testing.TB, relay, lmtp map[string][]string) sinks {
	t.Helper()
	keywords := []string{"PIPELINING", "SIZE 100000000", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN"}
	r, err := sink.Start("tcp", "127.0.0.1:2525", sink.Options{Keywords: keywords, Rules: relay})
	if err != nil {
		t.Fatal(err)
	}
	l, err := sink.Start("tcp", "127.0.0.1:2424", sink.Options{Keywords: keywords, Rules: lmtp, LMTP: true, Name: "lmtp.sink.example"})
	if err != nil {
		t.Fatal(err)
	}
	return sinks{r, l}
}

func (s sinks) close() {
	s.relay.Close()
	s.lmtp.Close()
}

// traffic sends all letters through a new system and returns what came of it.
func traffic(t testing.TB, m mix) evidence {
	t.Helper()
	return newBed(t, m).traffic()
}

func (b *bed) traffic() evidence {
	t := b.t
	t.Helper()
	s := startSinks(t)
	defer s.close()
	found := evidence{}
	b.start()
	for _, l := range letters {
		b.send(l)
	}
	b.settle()
	b.run("", "postkick", "public", "qmgr", "I")
	found["postqueue -p, waiting"] = b.run("", "postqueue", "-p")
	found["postqueue -j, waiting"] = b.run("", "postqueue", "-j")
	b.deliverRest()
	b.stop()
	found["log"] = b.log()
	found["left in the queue"] = strings.Join(queued("maildrop", "incoming", "active", "deferred", "hold", "corrupt", "bounce", "defer", "trace"), "\n")
	b.collect(found, s)
	return found
}

// deliverRest makes mail that waits move on: to its destination, or back.
func (b *bed) deliverRest() {
	b.t.Helper()
	b.run("", "postsuper", "-H", "ALL")
	b.run("", "postqueue", "-s", "defer.example")
	b.waitLog(`to=<later@defer.example>.*status=sent`)
	b.run("", "postsuper", "-e", "ALL", "deferred")
	b.run("", "postqueue", "-f")
	b.settleEmpty()
}

// settleEmpty waits until all mail has left the queue.
func (b *bed) settleEmpty() {
	b.t.Helper()
	wait(b.t, fmt.Sprintf("%v: an empty queue", b.mix), func() bool {
		return len(queued("hold", "deferred", "maildrop", "incoming", "active", "incoming")) == 0
	})
	b.settle()
}

// collect takes mailboxes, files of commands, and what the sinks got.
func (b *bed) collect(found evidence, s sinks) {
	for _, dir := range []string{"/var/mail", "/var/keep", "/var/vmail/vm", "/home"} {
		filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || strings.HasPrefix(d.Name(), ".") {
				return nil
			}
			text, _ := os.ReadFile(path)
			info, _ := d.Info()
			found[collectedName(path)] += fmt.Sprintf("%v %d\n%s", info.Mode(), len(strings.Split(d.Name(), ".")), text)
			return nil
		})
	}
	for name, server := range map[string]*sink.Server{"relay": s.relay, "lmtp": s.lmtp} {
		for _, m := range server.Messages() {
			for _, to := range m.Recipients {
				found[name] += fmt.Sprintf("--%s %s %v\n", m.Helo, m.From, to)
			}
			found[name] += m.Data
		}
	}
}

// collectedName is where a file was, without the unique part of its name.
func collectedName(path string) string {
	if strings.HasPrefix(path, "/var/keep/") || strings.Contains(path, "/new/") {
		return filepath.Dir(path)
	}
	return path
}

func (b *bed) send(l letter) {
	b.t.Helper()
	var err error
	switch l.by {
	case "sendmail":
		text := fmt.Sprintf("Subject: tag-%s\nMessage-Id: <tag-%s@tag.example>\n\n%s", l.tag, l.tag, l.body)
		if l.tag == "headers" {
			text = oddHeaders
		}
		out, status := machine.RunAs(65534, text, "/mix/bin/sendmail", append([]string{"-i"}, strings.Fields(l.to)...)...)
		if status != 0 {
			err = fmt.Errorf("status %d: %s", status, out)
		}
	case "smtp2":
		err = l.transmit("127.0.0.2")
	default:
		err = l.transmit("127.0.0.1")
	}
	if err != nil {
		b.t.Fatalf("%v: send %s: %v", b.mix, l.tag, err)
	}
}

// transmit sends a letter over SMTP, from an address of this machine.
func (l letter) transmit(local string) error {
	c, err := dialFrom(local, "127.0.0.1:25")
	if err != nil {
		return err
	}
	defer c.conn.Close()
	say := func(code, format string, args ...any) {
		if err == nil {
			err = c.say(code, fmt.Sprintf(format, args...))
		}
	}
	sender, parameters, _ := strings.Cut(l.from, " ")
	say("220", "")
	say("250", "EHLO client.example\r\n")
	say("250", "MAIL FROM:<%s> %s\r\n", sender, parameters)
	for _, to := range strings.Split(l.to, ", ") {
		i := len(to) // the local part may have blanks
		if j := strings.Index(to, " NOTIFY"); j > 0 {
			i = j
		}
		say("250", "RCPT TO:<%s>%s\r\n", to[:i], to[i:])
	}
	text := fmt.Sprintf("From: <%s>\r\nSubject: tag-%s\r\nMessage-Id: <tag-%s@tag.example>\r\nTo: somebody, u@other.example\r\n\r\n", sender, l.tag, l.tag)
	if l.by == "bdat" {
		say("250", "BDAT %d\r\n%s", len(text), text)
		say("250", "BDAT %d LAST\r\n%s", len(l.body), l.body)
	} else {
		say("354", "DATA\r\n")
		say("250", "%s%s.\r\n", text, l.body)
	}
	say("221", "QUIT\r\n")
	return err
}

// A client is one side of an SMTP session.
type client struct {
	conn net.Conn
	in   *bufio.Reader
}

func dialFrom(local, addr string) (*client, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}, Timeout: waitLimit}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &client{conn, bufio.NewReader(conn)}, nil
}

// say sends text and expects a reply with the code.
func (c *client) say(code, text string) error {
	if _, err := io.WriteString(c.conn, text); err != nil {
		return err
	}
	reply, err := c.reply()
	if err != nil || !strings.HasPrefix(reply, code) {
		return fmt.Errorf("after %.100q: %q, %v", text, reply, err)
	}
	return nil
}

// reply reads a reply of one or more lines.
func (c *client) reply() (string, error) {
	c.conn.SetReadDeadline(time.Now().Add(waitLimit))
	text := ""
	for {
		line, err := c.in.ReadString('\n')
		text += line
		if err != nil || len(line) < 4 || line[3] != '-' {
			return text, err
		}
	}
}
