package endtoend

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"postrider/lib/service/ipc"
	"postrider/test/machine"
)

// exchange sends text to an address, and returns all that comes back.
func exchange(t *testing.T, network, addr, text string) string {
	t.Helper()
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(conn, text)
	answer, err := io.ReadAll(conn)
	if err != nil && !strings.Contains(err.Error(), "reset by peer") {
		t.Errorf("%s: %v", addr, err)
	}
	return string(answer)
}

func netstring(text string) string { return fmt.Sprintf("%d:%s,", len(text), text) }

// A program of the qmail kind hands a message in; strangers may not.
func TestQMQP(t *testing.T) {
	s := site(t, "qmqpd_authorized_clients=127.0.0.1", "qmqpd_error_delay=0")
	s.Service("628 inet n - n - - qmqpd")
	s.Service("629 inet n - y - - qmqpd -o qmqpd_authorized_clients=10.0.0.0/8")
	s.Start()
	pack := func(sender string, recipients ...string) string {
		text := netstring("Subject: qmqp\nFrom: joe\n\n.dot\nlast") + netstring(sender)
		for _, r := range recipients {
			text += netstring(r)
		}
		return netstring(text)
	}
	if got := exchange(t, "tcp", "127.0.0.1:628", pack("joe@remote.example", "ann", "bob@example.com")); !strings.Contains(got, ":KOk: queued as ") {
		t.Errorf("answer %q", got)
	}
	s.WaitLog(`qmqpd\[\d+\]: connect from localhost\[127.0.0.1\]\n`)
	s.WaitLog(`qmqpd\[\d+\]: \w+: client=localhost\[127.0.0.1\]\n`)
	s.WaitEmpty()
	s.WaitLog(`qmqpd\[\d+\]: disconnect from localhost\[127.0.0.1\]\n`)
	want(t, s.Mailbox("ann"), "From joe@remote.example ", "\nReceived: from localhost (localhost [127.0.0.1])\n\tby mail.example.com (Postfix) with QMQP\n\tid ",
		"\nFrom: joe@example.com\n", "\n\n.dot\nlast\n")
	want(t, s.Mailbox("bob"), "\nSubject: qmqp\n")
	if got := exchange(t, "tcp", "127.0.0.1:629", pack("joe@remote.example", "ann")); got != "66:DError: localhost[127.0.0.1] is not authorized to use this service," {
		t.Errorf("answer %q", got)
	}
	if got := exchange(t, "tcp", "127.0.0.1:628", pack("joe@remote.example")); got != "31:DError: no recipients specified," {
		t.Errorf("answer %q", got)
	}
	s.WaitLog(`warning: \w+: localhost\[127.0.0.1\]: Error: no recipients specified`)
	if got := exchange(t, "tcp", "127.0.0.1:628", "hello"); got != "58:Dnetstring format error while receiving QMQP packet header," {
		t.Errorf("answer %q", got)
	}
	if n := len(s.Queued()); n != 0 {
		t.Errorf("%d messages in the queue", n)
	}
}

// Commands answer clients of the network and of this machine, with the rights of
// their users; a policy service of smtpd is one.
func TestSpawn(t *testing.T) {
	s := site(t, "slow_time_limit=1s", "policy_time_limit=3600s", "smtpd_recipient_restrictions=check_policy_service unix:private/policy")
	write(t, "/usr/local/bin/who", "#!/bin/sh\nid -un; id -gn; env | sort; read a; echo got $a; exit $a\n", 0o755)
	write(t, "/usr/local/bin/policy", "#!/bin/sh\nwhile read line; do [ -n \"$line\" ] || printf 'action=REJECT says policy\\n\\n'; done\n", 0o755)
	s.Service("2001 inet n n n - - spawn user=ann argv=/usr/local/bin/who")
	s.Service("slow inet n n n - - spawn user=nobody argv=/bin/sleep 20")
	s.Service("policy unix - n n - 0 spawn user=nobody argv=/usr/local/bin/policy")
	s.Service("root unix n n n - 1 spawn user=root argv=/bin/cat")
	write(t, "/etc/services", read(t, "/etc/services")+"slow 2002/tcp\n", 0o644)
	s.Start()
	out := exchange(t, "tcp", "127.0.0.1:2001", "3\n")
	want(t, out, "ann\nann\n", "MAIL_CONFIG=/etc/postfix\n", "PATH=/usr/bin:/bin\n", "\ngot 3\n")
	wantNot(t, out, "GENERATION", "MAIL_LOGTAG")
	s.WaitLog(`spawn\[\d+\]: warning: command /usr/local/bin/who exit status 3\n`)
	exchange(t, "tcp", "127.0.0.1:2002", "")
	s.WaitLog(`spawn\[\d+\]: warning: /bin/sleep: process killed after the time limit of 1s\n`)
	if conn, err := net.Dial("unix", machine.Queue+"/public/root"); err == nil {
		defer conn.Close()
	}
	s.WaitLog(`spawn\[\d+\]: fatal: user= command-line attribute specifies root privileges\n`)
	c := dial(t, "127.0.0.1:25")
	c.expect("220")
	c.say("EHLO client.example", "250")
	c.say("MAIL FROM:<joe@remote.example>", "250")
	if got := c.reply("RCPT TO:<ann@example.com>"); got != "554 5.7.1 <ann@example.com>: Recipient address rejected: says policy" {
		t.Error(got)
	}
	c.say("QUIT", "221")
}

// Another program takes a client, and passes it on to smtpd with what it knows.
func TestPassedClient(t *testing.T) {
	s := site(t)
	s.Service("smtpd pass n - n - - smtpd")
	s.Start()
	listener, err := net.Listen("tcp", "127.0.0.1:2003")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	taken, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	file, _ := taken.(*net.TCPConn).File()
	taken.Close()
	to, err := ipc.Dial(machine.Queue+"/public/smtpd", 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := ipc.SendDescriptor(to.Conn(), int(file.Fd())); err != nil {
		t.Fatal(err)
	}
	file.Close()
	to.WriteString("client_address\x00192.0.2.7\x00client_port\x004711\x00server_address\x00192.0.2.1\x00server_port\x0025\x00\x00")
	to.Flush()
	defer to.Close()
	client.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(client, "QUIT\r\n")
	var said string
	for in := bufio.NewScanner(client); in.Scan(); {
		said += in.Text() + "\n"
	}
	want(t, said, "220 mail.example.com ESMTP", "221 2.0.0 Bye")
	s.WaitLog(`smtpd\[\d+\]: connect from unknown\[192.0.2.7\]`)
}
