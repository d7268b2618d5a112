package endtoend

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"postrider/test/machine"
	"postrider/test/peer/sink"
)

// A host that relays without a list of users asks the next host: an unknown
// recipient is refused for the moment while the probe is on its way, and for good
// when the result is there; a known one is taken. What was found out outlives a
// reload and a restart, and no probe reaches a mailbox. S4.3.0.
func TestVerification(t *testing.T) {
	s := site(t, "relay_domains=remote.example", "relay_recipient_maps=", "mynetworks=", "transport_maps=inline:{remote.example=smtp:[127.0.0.1]:2525}",
		"smtpd_relay_restrictions=reject_unauth_destination, reject_unverified_recipient", "unverified_recipient_reject_code=550",
		"address_verify_poll_count=1")
	os.Remove("/var/lib/postfix/verify_cache.lmdb")
	next := startSink(t, "tcp", "127.0.0.1:2525", sink.Options{Rules: map[string][]string{"RCPT nobody@remote.example": {"550 5.1.1 nobody here"}}})
	s.Start()
	const refused = "<nobody@remote.example>: Recipient address rejected: u"
	ask := func(recipient, want string) {
		t.Helper()
		c := greet(t)
		defer c.Close()
		c.say("MAIL FROM:<joe@client.example>", "250")
		if got := c.reply("RCPT TO:<" + recipient + ">"); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", recipient, got, want)
		}
		c.say("QUIT", "221")
	}
	ask("nobody@remote.example", "450 4.1.1 "+refused+"nverified address: Address verification in progress")
	s.WaitLog(`postfix/smtp\[\d+\]: \w+: to=<nobody@remote.example>, relay=127.0.0.1\[127.0.0.1\]:2525, .*dsn=5.1.1, status=undeliverable \(host 127.0.0.1\[127.0.0.1\] said: 550 5.1.1 nobody here \(in reply to RCPT TO command\)\)`)
	ask("nobody@remote.example", "550 5.1.1 "+refused+"ndeliverable address: host 127.0.0.1[127.0.0.1] said: 550 5.1.1 nobody here (in reply to RCPT TO command)")
	ask("ann@remote.example", "450 4.1.1 ")
	s.WaitLog(`to=<ann@remote.example>, .*status=deliverable \(250 `)
	ask("ann@remote.example", "250 2.1.5 Ok")
	ask("bob@example.com", "450 4.1.1 ")
	s.WaitLog(`postfix/local\[\d+\]: \w+: to=<bob@example.com>, relay=local, .*status=deliverable \(delivers to mailbox\)`)
	ask("bob@example.com", "250 2.1.5 Ok")

	// The entries are not asked for again.
	probes := func() int {
		return len(regexp.MustCompile(`from=<double-bounce@example.com>`).FindAllString(s.Log(), -1))
	}
	if n := probes(); n != 3 {
		t.Errorf("%d probes, want 3", n)
	}
	s.Reload()
	ask("nobody@remote.example", "550 5.1.1 "+refused)
	ask("ann@remote.example", "250 2.1.5 Ok")
	run(t, 0, "", "postfix", "stop")
	s.Wait("the end of all daemons", func() bool { return len(machine.Daemons()) == 0 })
	s.Start()
	ask("nobody@remote.example", "550 5.1.1 "+refused)
	ask("bob@example.com", "250 2.1.5 Ok")
	if n := probes(); n != 3 {
		t.Errorf("%d probes in the end, want 3", n)
	}
	s.WaitEmpty()
	want(t, run(t, 0, "", "postmap", "-q", "ann@remote.example", "lmdb:/var/lib/postfix/verify_cache"), "0:0:")
	want(t, run(t, 0, "", "stat", "-c", "%U %a", "/var/lib/postfix/verify_cache.lmdb"), "postfix 6")
	if s.Mailbox("bob") != "" || len(next.Messages()) != 0 {
		t.Error("a probe was delivered")
	}
}

// Without a table the results are in memory; mail to the sender of probes is taken
// whatever the restrictions say.
func TestVerificationMemory(t *testing.T) {
	s := site(t, "relay_domains=remote.example", "relay_recipient_maps=", "mynetworks=", "transport_maps=inline:{{remote.example=retry:4.2.0 not now}}",
		"smtpd_recipient_restrictions=check_recipient_access inline:{{joe@example.com=reject},{bob@example.com=reject_unverified_sender}}, reject_unauth_destination",
		"address_verify_map=", "address_verify_poll_delay=1s", "address_verify_sender=probe@example.com", "unverified_sender_defer_code=451")
	s.Start()
	c := greet(t)
	c.say("MAIL FROM:<joe@remote.example>", "250")
	c.say("RCPT TO:<bob@example.com>", "451")
	c.say("RCPT TO:<probe@example.com>", "250")
	c.say("RCPT TO:<joe@example.com>", "554")
	c.say("QUIT", "221")
	s.WaitLog(`postfix/error\[\d+\]: \w+: to=<joe@remote.example>, relay=none, .*dsn=4.2.0, status=undeliverable \(not now\)`)
	s.WaitLog(`451 4.1.7 <joe@remote.example>: Sender address rejected: unverified address: not now; from=<joe@remote.example> to=<bob@example.com> proto=ESMTP helo=<client.example>`)
	s.WaitLog(`from=<probe@example.com>, size=\d+, nrcpt=1 \(queue active\)`)
	s.WaitEmpty()
}
