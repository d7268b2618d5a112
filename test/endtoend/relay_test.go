package endtoend

import (
	"fmt"
	"strings"
	"testing"

	"postrider/test/machine"
	"postrider/test/peer/sink"
)

// S4.3.0: never an open relay. Every spelling of a foreign address is refused to
// a client outside of mynetworks, and nothing comes out at the other end;
// every spelling of our own is taken.
func TestRelayMatrix(t *testing.T) {
	s, far := remote(t, "relay_domains=relay.example", "relay_recipient_maps=", "virtual_alias_domains=virtual.example",
		"virtual_alias_maps=inline:{{info@virtual.example=ann@example.com},{out@virtual.example=joe@foreign.example}}",
		"relayhost=[192.0.2.2]:2525", "smtpd_error_sleep_time=0", "smtpd_hard_error_limit=1000", "smtpd_soft_error_limit=1000",
		"smtpd_client_connection_rate_limit=0", "recipient_delimiter=+")
	server := farSink(t, far, machine.Far+":2525", sink.Options{})
	s.Start()
	outside := (&talk{t: t, Conn: far.Dial("", machine.Near+":25")}).begin()
	inside := greet(t)
	const denied, taken = "454 4.7.1 ", "250 2.1.5 "
	for _, row := range []struct {
		to      string
		outside string
		inside  string
	}{
		// Ours.
		{"<ann@example.com>", taken, taken},
		{"<ann>", taken, taken},
		{"<ann@localhost>", taken, taken},
		{"<ann+ext@Example.COM>", taken, taken},
		{"<ann@[192.0.2.1]>", taken, taken},
		{"<postmaster>", taken, taken},
		{"<info@virtual.example>", taken, taken},
		{"<any@relay.example>", taken, taken},
		{"<@foreign.example:ann@example.com>", taken, taken},
		{"<ann@example.com.>", taken, taken},
		{`<"ann"@example.com>`, taken, taken},
		// What we pass on for everybody, because our table says so.
		{"<out@virtual.example>", taken, taken},
		// Ours, but nobody has that name.
		{"<nobody-here@example.com>", "550 5.1.1 ", "550 5.1.1 "},
		{"<nobody-here@virtual.example>", "550 5.1.1 ", "550 5.1.1 "},
		// Foreign.
		{"<joe@foreign.example>", denied, taken},
		{"<joe@sub.foreign.example>", denied, taken},
		{"<joe@xrelay.example>", denied, taken},
		{"<joe@relay.example.foreign.example>", denied, taken},
		{"<joe@[192.0.2.2]>", denied, taken},
		{"<joe%foreign.example@example.com>", denied, taken},
		{"<joe%foreign.example>", denied, taken},
		{"<joe%foreign.example@relay.example>", denied, taken},
		{"<joe%foreign.example@virtual.example>", denied, "550 5.1.1 "},
		{"<joe%other.example%foreign.example@example.com>", denied, taken},
		{"<joe%foreign.example@[192.0.2.1]>", denied, taken},
		{"<@example.com:joe@foreign.example>", denied, taken},
		{"<@example.com,@relay.example:joe@foreign.example>", denied, taken},
		{`<"joe@foreign.example"@example.com>`, denied, taken},
		{`<"joe@foreign.example">`, denied, taken},
		{`<"joe%foreign.example"@example.com>`, denied, taken},
		{`<"joe@foreign.example"@relay.example>`, denied, taken},
		{`<joe\@foreign.example@example.com>`, denied, taken},
		{"<foreign.example!joe>", denied, taken},
		{"<foreign.example!joe@example.com>", denied, taken},
		{"<foreign.example!joe@relay.example>", denied, taken},
		{"<example.com!foreign.example!joe>", denied, taken},
		{"<joe@foreign.example@example.com>", denied, taken},
		{"<joe@foreign.example@>", "5", "5"},
		{"<joe@example.com@foreign.example>", denied, taken},
		{"<joe@foreign.example >", "", ""}, // whatever it is, not out
		{"joe@foreign.example", denied, taken},
		{"<ann@example.com>foreign.example", "5", "5"},
		{"<>", "5", "5"},
	} {
		for _, side := range []struct {
			name string
			c    *talk
			want string
		}{{"outside", outside, row.outside}, {"inside", inside, row.inside}} {
			c := side.c
			c.say("MAIL FROM:<x@remote.example>", "250")
			got := c.reply("RCPT TO:" + row.to)
			if side.want == denied && !strings.Contains(got, "Relay access denied") && !strings.HasPrefix(got, "5") ||
				side.want != denied && !strings.HasPrefix(got, side.want) {
				t.Errorf("%s: RCPT TO:%s: got %s, want %s", side.name, row.to, got, side.want)
			}
			if side.name == "outside" && side.want != taken && strings.HasPrefix(got, "2") {
				t.Errorf("OPEN RELAY: RCPT TO:%s: %s", row.to, got)
			}
			// What was taken from outside is sent, to see where it goes.
			if side.name == "outside" && strings.HasPrefix(got, "250") {
				c.say("DATA", "354")
				c.say(fmt.Sprintf("Subject: to %s\r\n\r\nx\r\n.", row.to), "250")
			} else {
				c.say("RSET", "250")
			}
		}
	}
	s.WaitEmpty()
	for _, m := range server.Messages() {
		for _, to := range m.Recipients {
			if to != "<joe@foreign.example>" && to != "<any@relay.example>" {
				t.Errorf("to %s came out:\n%s", to, m.Data)
			}
		}
	}
	if n := len(server.Messages()); n != 2 {
		t.Errorf("%d messages came out, not 2", n)
	}
}

// S4.3.0: a client that may relay may do so by its network only; a sender
// address of ours, or HELO with our name, opens nothing. ETRN and VRFY neither.
func TestRelayNoTrust(t *testing.T) {
	s, far := remote(t)
	s.Start()
	c := &talk{t: t, Conn: far.Dial("", machine.Near+":25")}
	c.begin()
	c.say("EHLO mail.example.com", "250")
	for _, from := range []string{"<>", "<ann@example.com>", "<postmaster>", "<double-bounce@mail.example.com>"} {
		c.say("MAIL FROM:"+from, "250")
		if got := c.reply("RCPT TO:<joe@foreign.example>"); !strings.HasPrefix(got, "454 4.7.1 <joe@foreign.example>: Relay access denied") {
			t.Errorf("from %s: %s", from, got)
		}
		c.say("RSET", "250")
	}
	if got := c.reply("XCLIENT ADDR=127.0.0.1"); !strings.HasPrefix(got, "5") {
		t.Error(got)
	}
	if got := c.reply("XFORWARD ADDR=127.0.0.1"); !strings.HasPrefix(got, "5") {
		t.Error(got)
	}
	s.WaitLog(`NOQUEUE: reject: RCPT from unknown\[192.0.2.2\]: 454 4.7.1 <joe@foreign.example>: Relay access denied; from=<> to=<joe@foreign.example> proto=ESMTP helo=<mail.example.com>`)
}

// Mail that hides in another mail (SMTP smuggling): whatever stands for the end of
// the data in other servers, only CR LF "." CR LF ends it here, or the client
// is sent away. One message in is at most one message out.
func TestSmuggling(t *testing.T) {
	s := site(t, "mynetworks=127.0.0.2/32").Start()
	for i, mode := range []string{"normalize", "reject"} {
		s.Set("smtpd_forbid_bare_newline="+mode, "smtpd_forbid_bare_newline_exclusions=")
		s.Reload()
		s.Wait("reload", func() bool { return strings.Count(s.Log(), "]: reload ") > i })
		for _, end := range []string{"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\n.\r", "\n\n.\r\n", "\r\n\x00.\r\n"} {
			c := greet(t)
			c.say("MAIL FROM:<x@remote.example>", "250")
			c.say("RCPT TO:<ann@example.com>", "250")
			c.say("DATA", "354")
			fmt.Fprint(c, "Subject: outer\r\n\r\nouter"+end+
				"MAIL FROM:<ceo@example.com>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\nSubject: smuggled\r\n\r\ninner\r\n.\r\n")
			c.last()
			fmt.Fprint(c, "QUIT\r\n")
			for c.last() != "closed" {
			}
			s.WaitEmpty()
		}
	}
	if box := s.Mailbox("bob"); box != "" {
		t.Errorf("smuggled:\n%s", box)
	}
	wantNot(t, s.Mailbox("ann"), "\nFrom ceo@example.com")
}

// A client that talks before its turn, or speaks HTTP, is sent away.
func TestWrongProtocol(t *testing.T) {
	s := site(t).Start()
	early := dial(t, "127.0.0.1:25")
	fmt.Fprint(early, "EHLO client.example\r\nMAIL FROM:<>\r\n")
	early.expect("554")
	c := dial(t, "127.0.0.1:25")
	c.expect("220")
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if got := c.last(); !strings.HasPrefix(got, "221 2.7.0 Error: I can break rules, too. Goodbye.") && !strings.HasPrefix(got, "221 ") {
		t.Error(got)
	}
	s.WaitLog(`warning: non-SMTP command from localhost\[127.0.0.1\]: GET / HTTP/1.1`)
}
