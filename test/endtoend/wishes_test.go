package endtoend

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/smtp"
	"os"
	"strings"
	"testing"
	"time"

	"postrider/test/machine"
	"postrider/test/peer/pki"
	"postrider/test/peer/sink"
)

// TestSenderWishes: what the sender wants of TLS goes with the message from a client to
// the server of the recipient. With REQUIRETLS the message goes to a server that proves
// who it is and announces it, or back without its body; with "TLS-Required: no" it
// goes anywhere. A collector hears how TLS went. RFC 8689, RFC 8460.
func TestSenderWishes(t *testing.T) {
	root := pki.NewAuthority("Root")
	host := root.Issue(pki.Request{Name: "mx.good.example", DNS: []string{"mx.good.example"}})
	own := root.Issue(pki.Request{Name: "localhost", DNS: []string{"localhost"}})
	dir := t.TempDir()
	os.Chmod(dir, 0o755)
	pki.Write(dir+"/ca.pem", nil, root.Cert.Raw)
	pki.Write(dir+"/own.pem", own.PrivateKey, own.Certificate...)
	s, far := remote(t, "smtpd_tls_security_level=may", "smtpd_tls_chain_files="+dir+"/own.pem", "smtp_tls_CAfile="+dir+"/ca.pem",
		"smtp_tls_security_level=verify", "smtp_tls_policy_maps=inline:{{wrong.example=verify match=other.example}}", "transport_maps=inline:{bare.example=smtp:mx.good.example:2525}",
		"smtp_tlsrpt_enable=yes", "smtp_tlsrpt_socket_name=reports")
	reports, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "/var/spool/postfix/reports", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer reports.Close()
	os.Chmod("/var/spool/postfix/reports", 0o666)
	farZone(t, far, fmt.Sprintf("good.example. MX 10 mx.good.example.\nwrong.example. MX 10 mx.good.example.\nmx.good.example. A %s\n"+
		`_smtp._tls.good.example. TXT "v=TLSRPTv1; rua=mailto:r@good.example"`+"\n", machine.Far))
	config := &tls.Config{Certificates: []tls.Certificate{host}}
	good := farSink(t, far, machine.Far+":25", sink.Options{TLS: config, Keywords: []string{"REQUIRETLS"}})
	bare := farSink(t, far, machine.Far+":2525", sink.Options{TLS: config})
	s.Start()
	send := func(option, to, header string) {
		t.Helper()
		c, err := smtp.Dial("127.0.0.1:25")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if offered, _ := c.Extension("REQUIRETLS"); offered {
			t.Error("REQUIRETLS is announced in the clear")
		}
		if err := c.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil {
			t.Fatal(err)
		}
		if offered, _ := c.Extension("REQUIRETLS"); !offered {
			t.Error("REQUIRETLS is not announced")
		}
		for _, line := range []string{"MAIL FROM:<ann@example.com>" + option, "RCPT TO:<" + to + ">", "DATA", header + "Subject: wish\r\n\r\nsecret text\r\n."} {
			id, err := c.Text.Cmd("%s", line)
			if err != nil {
				t.Fatal(err)
			}
			c.Text.StartResponse(id)
			if code, text, _ := c.Text.ReadResponse(0); code >= 400 {
				t.Errorf("%s: %d %s", line, code, text)
			}
			c.Text.EndResponse(id)
		}
		c.Quit()
	}
	send(" REQUIRETLS", "x@good.example", "")
	s.WaitLog(`to=<x@good.example>, relay=mx.good.example\[.*, delays=[0-9./]+, tls=verify/requiretls, dsn=2.0.0, status=sent`)
	s.WaitLog(`TLSRPT: status=success, domain=good.example, receiving_mx=mx.good.example\[`)
	send("", "y@good.example", "")
	s.WaitLog(`to=<y@good.example>, .*, tls=verify, dsn=2.0.0, status=sent`)
	if got := good.Messages(); len(got) != 2 || !strings.HasSuffix(got[0].From, " REQUIRETLS") || strings.Contains(got[1].From, "REQUIRETLS") ||
		!strings.Contains(got[0].Data, "\r\nRequire-TLS-ESMTP: yes\r\n") {
		t.Errorf("the good server got %+v", got)
	}
	b := make([]byte, 9000)
	reports.SetReadDeadline(time.Now().Add(5 * time.Second))
	n, _ := reports.Read(b)
	if !strings.HasPrefix(string(b[:n]), `{"d":"good.example","pr":"v=TLSRPTv1; rua=mailto:r@good.example","policies":[{"policy-type":9,`) {
		t.Errorf("the report is %q", b[:n])
	}
	send(" REQUIRETLS", "x@bare.example", "")
	s.WaitLog(`to=<x@bare.example>, relay=mx.good.example.*, tls=verify/!requiretls:none, dsn=5.7.30, status=bounced \(REQUIRETLS was requested, but was not offered`)
	send(" REQUIRETLS", "x@wrong.example", "")
	s.WaitLog(`to=<x@wrong.example>, .*, tls=verify/!requiretls:nocertmatch, dsn=5.7.10, status=bounced`)
	send("", "z@wrong.example", "TLS-Required: No\r\n")
	s.WaitLog(`to=<z@wrong.example>, .*, tls=may, dsn=2.0.0, status=sent`)
	s.Send("Subject: wish\n\nsecret text\n", "-O", "requiretls=yes", "-f", "bob", "x@bare.example")
	s.WaitLog(`uid=0 from=<bob>`)
	s.WaitEmpty()
	if box := s.Mailbox("bob"); !strings.Contains(box, "5.7.30") || strings.Contains(box, "secret text") {
		t.Errorf("bob got\n%s", box)
	}
	if n := len(bare.Messages()); n != 0 {
		t.Errorf("%d messages were sent without REQUIRETLS", n)
	}
	box := s.Mailbox("ann")
	if strings.Contains(box, "secret text") || strings.Count(box, "Content-Type: text/rfc822-headers") != 2 {
		t.Errorf("the notices have more than headers:\n%s", box)
	}
}

// TestWays: SRV records lead to servers, checks look at what goes out, filters change
// what is told. use_srv_lookup, smtp_header_checks, smtp_body_checks, the filters of
// smtp(8) and smtpd(8), relocated_prefix_enable, dont_remove.
func TestWays(t *testing.T) {
	s, far := remote(t, "relayhost=provider.example:submission", "use_srv_lookup=submission",
		"smtp_header_checks=regexp:{{/^X-Inside:/ IGNORE}}", "smtp_body_checks=regexp:{{/^secret/ REPLACE ***}}",
		"smtp_delivery_status_filter=regexp:{{/^2(.*)/ 2$$1 as ever}}", "smtpd_reject_filter_maps=regexp:{{/^5(.. )5(.*)gone(.*)/ 4$${1}4$${2}away$${3}}}",
		"smtpd_dns_reply_filter=regexp:{{/mx.evil.example/ IGNORE}}", "smtpd_sender_restrictions=reject_unknown_sender_domain", "unknown_address_reject_code=550",
		"relocated_maps=inline:{{old@example.com=5.1.6 gone to the sea}}", "relocated_prefix_enable=no", "dont_remove=1")
	farZone(t, far, fmt.Sprintf("_submission._tcp.provider.example. SRV 10 5 2587 out.provider.example.\nout.provider.example. A %s\n"+
		"evil.example. MX 10 mx.evil.example.\nmx.evil.example. A 192.0.2.66\nfine.example. MX 10 out.provider.example.\n", machine.Far))
	server := farSink(t, far, machine.Far+":2587", sink.Options{})
	s.Start()
	s.Send("Subject: a\nX-Inside: b\n\nsecret\nopen\n", "-f", "ann", "x@far.example")
	s.WaitLog(`to=<x@far.example>, relay=out.provider.example\[` + machine.Far + `\]:2587, .*status=sent \(.* as ever\)`)
	s.WaitEmpty()
	got := server.Messages()
	if len(got) != 1 || strings.Contains(got[0].Data, "X-Inside") || !strings.HasSuffix(got[0].Data, "\r\n\r\n***\r\nopen\r\n") {
		t.Errorf("the server got %+v", got)
	}
	if saved, _ := os.ReadDir("/var/spool/postfix/saved"); len(saved) != 1 {
		t.Errorf("%d messages are saved", len(saved))
	}
	c := greet(t)
	c.say("MAIL FROM:<a@evil.example>", "250 ")
	c.say("RCPT TO:<ann@example.com>", "4")
	c.say("RSET", "250 ")
	c.say("MAIL FROM:<a@fine.example>", "250 ")
	c.say("RCPT TO:<old@example.com>", "4")
	s.WaitLog(`ignoring DNS RR: evil.example. .* MX 10 mx.evil.example.`)
	s.WaitLog(`NOQUEUE: reject filter out: 4.. 4.1.6 .*away to the sea`)
}
