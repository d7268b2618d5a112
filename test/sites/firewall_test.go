package sites

import (
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"postrider/test/machine"
	"postrider/test/peer/sink"
)

const internet = `
remote.example. MX 10 mx.remote.example.
mx.remote.example. A 192.0.2.2
2.2.0.192.in-addr.arpa. PTR mx.remote.example.
new.example. MX 10 mx.remote.example.
spam.example. A 192.0.2.4
mail.spam.example. A 192.0.2.4
4.2.0.192.in-addr.arpa. PTR mail.spam.example.
friend.spam.example. A 192.0.2.2
loop.example. MX 10 gate.example.com.
gate.example.com. A 203.0.113.1
example.com. MX 10 gate.example.com.
5.2.0.192.bl.example.net. A 127.0.0.2
5.2.0.192.bl.example.net. TXT "sent spam to everybody"
`

// behindFirewall builds the networks: the internet, the firewall with the public
// address and its forwarded port, and this machine in the private network.
func behindFirewall(t *testing.T) *machine.System {
	t.Helper()
	s := example(t, "firewall", "ann", "bob")
	attach(t, "wall", "192.168.1.1", "", "192.168.1.25")
	attach(t, "world", "192.0.2.2", "wall", "203.0.113.1")
	for _, args := range []string{
		"-n wall addr add 192.0.2.1/24 dev world-in",
		"-n world addr add 192.0.2.3/24 dev world-out",
		"-n world addr add 192.0.2.4/24 dev world-out",
		"-n world addr add 192.0.2.5/24 dev world-out",
		"-n world addr add 203.0.113.77/24 dev world-out",
		"-n world route add 192.168.1.0/24 via 192.0.2.1",
		"route add default via 192.168.1.1",
		// What the mail server answers to clients comes back to the forwarder.
		"-n wall rule add iif wall-out ipproto tcp sport 25 lookup 100",
		"-n wall route add local default dev lo table 100",
	} {
		run(t, "ip", strings.Fields(args)...)
	}
	place(t, "wall", func() error {
		return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1\n"), 0)
	})
	startZone(t, "world", "192.0.2.2", internet)
	forward(t, "wall", "203.0.113.1:25", "192.168.1.25:25")
	return s
}

// forward is the forwarded port: the server sees the addresses of the clients.
func forward(t *testing.T, where, from, to string) {
	t.Helper()
	transparent := func(_, _ string, c syscall.RawConn) (err error) {
		c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_TRANSPARENT, 1) })
		return err
	}
	var listener net.Listener
	place(t, where, func() (err error) { listener, err = net.Listen("tcp", from); return err })
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			dialer := net.Dialer{Control: transparent, LocalAddr: &net.TCPAddr{IP: client.RemoteAddr().(*net.TCPAddr).IP}}
			var server net.Conn
			place(t, where, func() (err error) { server, err = dialer.Dial("tcp", to); return err })
			copyTo := func(a, b net.Conn) { io.Copy(a, b); a.Close(); b.Close() }
			go copyTo(client, server)
			go copyTo(server, client)
		}
	}()
}

// S5.3, S4.3.2 to S4.3.9, S4.6.4, S4.6.5, S4.6.6: behind a firewall, with every
// rule of the example tried from outside, and mail that passes them all.
func TestFirewall(t *testing.T) {
	s := behindFirewall(t)
	server := startSink(t, "world", "192.0.2.2:25", sink.Options{})
	s.Start()
	const joe, ann = "<joe@remote.example>", "<ann@example.com>"
	for _, c := range []struct{ from, helo, sender, recipient, want string }{
		{"192.0.2.2", "mx.remote.example", joe, ann, "250 2.1.5 Ok"},
		// Addresses of clients.
		{"192.0.2.3", "mx.remote.example", joe, ann, "554 5.7.1 <unknown[192.0.2.3]>: Client host rejected: this address sends nothing but advertisements"},
		{"203.0.113.77", "mx.remote.example", joe, ann, "554 5.7.1 <unknown[203.0.113.77]>: Client host rejected: this network is closed"},
		{"192.0.2.5", "mx.remote.example", joe, ann, "554 5.7.1 Service unavailable; Client host [192.0.2.5] blocked using bl.example.net; sent spam to everybody"},
		// Names.
		{"192.0.2.4", "x.remote.example", joe, ann, "550 5.7.1 <mail.spam.example[192.0.2.4]>: Client host rejected: No mail from your domain"},
		{"192.0.2.2", "spam.example", joe, ann, "550 5.7.1 <spam.example>: Helo command rejected: No mail from your domain"},
		{"192.0.2.2", "mail.example.com", joe, ann, "554 5.7.1 <mail.example.com>: Helo command rejected: that is our own name"},
		{"192.0.2.2", "bad_name!", joe, ann, "501 5.5.2 <bad_name!>: Helo command rejected: Invalid name"},
		{"192.0.2.2", "short", joe, ann, "504 5.5.2 <short>: Helo command rejected: need fully-qualified hostname"},
		{"192.0.2.2", "mx.remote.example", "<x@deep.spam.example>", ann, "550 5.7.1 <x@deep.spam.example>: Sender address rejected: No mail from your domain"},
		{"192.0.2.2", "mx.remote.example", "<x@friend.spam.example>", ann, "250 2.1.5 Ok"},
		{"192.0.2.2", "mx.remote.example", "<ann@example.com>", ann, "554 5.7.1 <ann@example.com>: Sender address rejected: that is our own name"},
		// Mail addresses.
		{"192.0.2.2", "mx.remote.example", "<bulk@remote.example>", ann, "554 5.7.1 <bulk@remote.example>: Sender address rejected: Access denied"},
		{"192.0.2.2", "mx.remote.example", "<lottery@new.example>", ann, "554 5.7.1 <lottery@new.example>: Sender address rejected: you have won nothing"},
		{"192.0.2.2", "mx.remote.example", joe, "<nobody-writes@example.com>", "550 5.7.1 <nobody-writes@example.com>: Recipient address rejected: Nobody reads mail for this address"},
		// What does not exist, and who.
		{"192.0.2.2", "mx.remote.example", "<x>", ann, "504 5.5.2 <x>: Sender address rejected: need fully-qualified address"},
		{"192.0.2.2", "mx.remote.example", "<x@nowhere.example>", ann, "450 4.1.8 <x@nowhere.example>: Sender address rejected: Domain not found"},
		{"192.0.2.2", "mx.remote.example", joe, "<ann>", "504 5.5.2 <ann>: Recipient address rejected: need fully-qualified address"},
		{"192.0.2.2", "mx.remote.example", joe, "<carol@example.com>", "550 5.1.6 <carol@example.com>: Recipient address rejected: User has moved to carol@new.example"},
		{"192.0.2.2", "mx.remote.example", joe, "<nosuchuser@example.com>", "550 5.1.1 <nosuchuser@example.com>: Recipient address rejected: User unknown in local recipient table"},
		{"192.0.2.2", "mx.remote.example", joe, "ann@example.com", "501 5.1.3 Bad recipient address syntax"},
		// Never a relay; but ours under every name.
		{"192.0.2.2", "mx.remote.example", joe, "<jim@foreign.example>", "554 5.7.1 <jim@foreign.example>: Relay access denied"},
		{"192.0.2.2", "mx.remote.example", joe, "<ann@[203.0.113.1]>", "250 2.1.5 Ok"},
		{"192.0.2.2", "mx.remote.example", joe, "<any@customer.example>", "250 2.1.5 Ok"},
	} {
		session := dial(t, "world", c.from, "203.0.113.1:25")
		session.say("EHLO "+c.helo, "250")
		session.say("MAIL FROM:"+c.sender, "250")
		session.say("RCPT TO:"+c.recipient, c.want)
		session.say("QUIT", "221")
	}
	first := dial(t, "world", "192.0.2.2", "203.0.113.1:25")
	first.say("MAIL FROM:"+joe, "503 5.5.1 ")
	first.say("VRFY ann", "502 5.5.1 ")
	first.say("HELO mx.remote.example", "250")
	first.say("ETRN example.com", "5")

	// Mail from outside, through the tables.
	c := dial(t, "world", "192.0.2.2", "203.0.113.1:25")
	c.say("EHLO mx.remote.example", "250")
	c.submit("joe@remote.example", "fans@customer.example", "Subject: for the fans\n\nx\n")
	c.submit("joe@remote.example", "sales@example.com", "Subject: for sales\n\nx\n")
	m := messages(t, server, 1)[0]
	want(t, m.Recipients[0], "<fan@remote.example>")
	s.WaitEmpty()
	want(t, s.Mailbox("ann"), "Subject: for the fans", "Subject: for sales", "(mx.remote.example [192.0.2.2])")
	want(t, s.Mailbox("bob"), "Subject: for sales")

	// Mail from the private network; a forgotten machine's address is no excuse.
	inside := dial(t, "wall", "192.168.1.1", "192.168.1.25:25")
	inside.say("EHLO wall.example.org", "250")
	inside.say("MAIL FROM:<root@remote.example>", "250")
	inside.say("RCPT TO:<joe@remote.example>", "554 5.7.1 <joe@remote.example>: Relay access denied")
	s.Send("Subject: out\n\nx\n", "-f", "bob", "joe@remote.example")
	messages(t, server, 2)
	// A domain whose MX is the firewall is ours, or a mistake; it never loops.
	s.Send("Subject: loop\n\nx\n", "-f", "bob", "joe@loop.example")
	s.WaitLog(`to=<joe@loop.example>, relay=none, .*status=bounced \(mail for loop.example loops back to myself\)`)
	s.WaitEmpty()
}

// S4.6.6: a table that is changed without postmap, and one that newaliases makes
// anew while the system runs.
func TestTablesChange(t *testing.T) {
	s := example(t, "firewall", "ann", "bob")
	s.Start()
	s.Send("Subject: one\n\nx\n", "sales")
	s.WaitEmpty()
	write(t, "/etc/aliases", read(t, "/etc/aliases")+"shop: bob\n")
	if out := run(t, "postfix", "check"); !strings.Contains(out, "alias_maps: database /etc/aliases.cdb is older than source file /etc/aliases; it is made anew by: postalias cdb:/etc/aliases") {
		t.Errorf("postfix check: %s", out)
	}
	s.Send("Subject: two\n\nx\n", "shop")
	s.WaitLog(`to=<shop@example.com>, .*dsn=5.1.1, status=bounced \(unknown user: "shop"\)`)
	run(t, "newaliases")
	s.Send("Subject: three\n\nx\n", "shop")
	s.Wait("mail for the new alias", func() bool { return strings.Contains(s.Mailbox("bob"), "Subject: three") })
	if out := run(t, "postfix", "check"); out != "" {
		t.Errorf("postfix check: %s", out)
	}
}
