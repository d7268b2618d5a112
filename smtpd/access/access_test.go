package access

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"postrider/lib/base/attr"
	"postrider/lib/base/stream"
	_ "postrider/lib/base/table/inline"
	_ "postrider/lib/base/table/static"
	"postrider/lib/mail/domains"
	"postrider/lib/mail/param"
	"postrider/lib/net/dns"
	"postrider/lib/service/rewrite"
)

// conf is everything that a checker of a test has in main.cf.
type config struct {
	Access  Params
	Domains domains.Params
}

// open makes a checker with settings "name=value".
func open(t *testing.T, settings ...string) (*Checker, error) {
	t.Helper()
	set := param.New(t.TempDir())
	base := []string{"compatibility_level=3.6", "myhostname=mail.example.com", "mydomain=example.com", "mydestination=example.com",
		"mynetworks=192.0.2.0/24", "inet_interfaces=127.0.0.1", "inet_protocols=ipv4", "local_recipient_maps=",
		"relay_domains=relay.example"}
	for _, s := range append(base, settings...) {
		if err := set.OverrideText(s); err != nil {
			t.Fatal(err)
		}
	}
	var conf config
	if err := set.Load(&conf); err != nil {
		t.Fatal(err)
	}
	ours, err := domains.New(&conf.Domains)
	if err != nil {
		t.Fatal(err)
	}
	return New(&conf.Access, Services{Domains: ours, Parents: conf.Domains.Parents, Value: set.Value, Resolver: byDomain{ours},
		Names: noNames{}, Verifier: verified{}, Mail: MailName{"mail.example.com", "Postfix"}})
}

// byDomain resolves an address by its last domain, and sees what is left.
type byDomain struct{ ours *domains.Domains }

func (r byDomain) Resolve(_, address string) rewrite.ResolveReply {
	local, domain, _ := split(address)
	class, _ := r.ours.Class(domain)
	flags := map[domains.Class]rewrite.Flags{domains.Local: rewrite.ClassLocal, domains.Relay: rewrite.ClassRelay,
		domains.Default: rewrite.ClassDefault}[class]
	if strings.ContainsAny(local, "@%!") {
		flags |= rewrite.FlagRouted
	}
	if local == "broken" {
		flags = rewrite.FlagFail
	}
	if transport, hop, found := strings.Cut(local, "="); found {
		return rewrite.ResolveReply{Recipient: address, Flags: flags, Transport: transport, NextHop: hop}
	}
	return rewrite.ResolveReply{Recipient: address, Flags: flags}
}

type noNames struct{}

func (noNames) Lookup(name string, t dns.Type) (dns.Answer, error) {
	return dns.Answer{}, &dns.Error{Kind: dns.NotFound, Text: "Host not found"}
}
func (noNames) Exists(string, ...dns.Type) error { return &dns.Error{Kind: dns.NotFound} }
func (noNames) Native(string, dns.Family) ([]netip.Addr, error) {
	return nil, &dns.Error{Kind: dns.NotFound}
}

// verified knows addresses by their local part.
type verified struct{}

func (verified) Verify(address string) (VerifyStatus, string, error) {
	local, _, _ := split(address)
	switch local {
	case "good":
		return Deliverable, "250 ok", nil
	case "bad":
		return Undeliverable, "host mx said: 550 no", nil
	case "later":
		return Deferred, "host mx said: 450 later", nil
	}
	return InProgress, "Address verification in progress", nil
}

func facts(client, sender, recipient string) *Facts {
	addr := netip.MustParseAddr(client)
	return &Facts{Stage: "RCPT", Protocol: "ESMTP", Helo: "client.test", Sender: &sender, Recipient: &recipient,
		Client:      &Client{Name: Unknown, NameStatus: NamePermanent, Reverse: Unknown, ReverseStatus: NamePermanent, Addr: addr, Address: client, Port: "1"},
		Transaction: &Transaction{}, Log: func(string, string) {}}
}

// S4.3.0: who may send mail to where, with all ways to guard against relaying.
// The client is trusted or not; the destination is ours, relayed, foreign, or
// uncertain because of routing operators.
func TestRelayMatrix(t *testing.T) {
	for _, settings := range [][]string{
		{},
		{"smtpd_relay_restrictions=permit_mynetworks, reject_unauth_destination"},
		{"smtpd_relay_restrictions=", "smtpd_recipient_restrictions=permit_mynetworks, reject_unauth_destination"},
		{"smtpd_relay_restrictions=permit_mynetworks, permit_auth_destination, reject"},
		{"smtpd_relay_restrictions=", "smtpd_recipient_restrictions=permit_mynetworks, check_relay_domains"},
		{"smtpd_relay_restrictions=own", "smtpd_restriction_classes=own", "own=permit_mynetworks, defer_unauth_destination"},
		{"smtpd_recipient_restrictions=permit", "smtpd_relay_before_recipient_restrictions=no"},
		{"smtpd_recipient_restrictions=check_recipient_access static:OK"},
		{"smtpd_sender_restrictions=check_sender_access static:OK, permit", "smtpd_client_restrictions=permit"},
	} {
		c, err := open(t, settings...)
		if err != nil {
			t.Errorf("%v: %v", settings, err)
			continue
		}
		for recipient, ours := range map[string]bool{
			"joe@example.com": true, "joe@EXAMPLE.COM": true, "joe@relay.example": true, "joe@sub.relay.example": true, "joe@[127.0.0.1]": true,
			"joe@foreign.example": false, "joe@example.com.foreign.example": false, "joe@notexample.com": false, "joe@sub.example.com": false,
			"joe%foreign.example@example.com": false, "joe@foreign.example@example.com": false, "foreign.example!joe@example.com": false,
			"joe%foreign.example@relay.example": false, "joe@[192.0.2.200]": false, "joe": false,
		} {
			for client, trusted := range map[string]bool{"192.0.2.9": true, "198.51.100.7": false, "127.0.0.1": false} {
				refusal := c.CheckRecipient(facts(client, "joe@example.com", recipient))
				if allowed := refusal == nil; allowed != (ours || trusted) {
					t.Errorf("%v: %s to %s: %+v", settings, client, recipient, refusal)
				}
			}
		}
	}
}

// A configuration without a guard against relaying does not start.
func TestGuards(t *testing.T) {
	for list, good := range map[string]bool{
		"":                          false,
		"permit_mynetworks":         false,
		"permit_mynetworks, permit": false,
		"permit, reject":            false,
		"warn_if_reject reject":     false,
		"permit_mynetworks, warn_if_reject reject_unauth_destination": false,
		"class":           false,
		"loop":            false,
		"reject":          true,
		"defer":           true,
		"defer_if_permit": true,
		"permit_mynetworks, reject_unauth_destination": true,
		"check_relay_domains":                          true,
		"guarded":                                      true,
	} {
		_, err := open(t, "smtpd_relay_restrictions=", "smtpd_recipient_restrictions="+list, "smtpd_restriction_classes=class, loop, guarded",
			"class=permit_mynetworks", "loop=loop", "guarded=permit_mynetworks, defer_unauth_destination")
		if (err == nil) != good {
			t.Errorf("%q: %v", list, err)
		}
	}
}

// Trouble with tables and with the resolver must defer mail, not let it pass.
func TestTrouble(t *testing.T) {
	for list, want := range map[string]string{
		"permit_auth_destination, reject":                            "451 4.3.0 <broken@foreign.example>: Temporary lookup failure",
		"reject_unauth_destination":                                  "451 4.3.0 <broken@foreign.example>: Temporary lookup failure",
		"check_recipient_access fail:x, reject_unauth_destination":   "451 4.3.5 <broken@foreign.example>: Recipient address rejected: Server configuration error",
		"check_recipient_access nosuch:x, reject_unauth_destination": "451 4.3.5 <broken@foreign.example>: Recipient address rejected: Server configuration error",
		"check_policy_service inet:127.0.0.1:1, reject":              "451 4.3.5 <broken@foreign.example>: Recipient address rejected: Server configuration problem",
		"check_policy_service foo, reject":                           "451 4.3.5 Server configuration error",
		"sleep x, reject":                                            "451 4.3.5 Server configuration error",
		"reject_unknwon, reject":                                     "451 4.3.5 Server configuration error",
		"check_client_access foo, reject":                            "451 4.3.5 Server configuration error",
		"loop, reject":                                               "451 4.3.5 Server configuration error",
	} {
		c, err := open(t, "smtpd_relay_restrictions="+list, "smtpd_policy_service_retry_delay=0", "smtpd_restriction_classes=loop", "loop=loop")
		if err != nil {
			t.Errorf("%s: %v", list, err)
			continue
		}
		refusal := c.CheckRecipient(facts("198.51.100.7", "a@b.example", "broken@foreign.example"))
		if refusal == nil || refusal.Reply != want {
			t.Errorf("%s:\ngot  %+v\nwant %s", list, refusal, want)
		}
	}
}

func TestMatchReply(t *testing.T) {
	for _, test := range []struct {
		pattern, addr string
		want          bool
	}{
		{"127.0.0.2", "127.0.0.2", true}, {"127.0.0.2", "127.0.0.3", false},
		{"127.0.0.[2..4]", "127.0.0.3", true}, {"127.0.0.[2..4]", "127.0.0.5", false},
		{"127.0.[0..1;7].[2;9..11]", "127.0.7.10", true}, {"127.0.[0..1;7].[2;9..11]", "127.0.6.10", false},
		{"127.0.0", "127.0.0.0", false}, {"", "127.0.0.2", false}, {"127.0.0.[x]", "127.0.0.2", false}, {"127.0.0.2", "::1", false},
	} {
		if got := MatchReply(test.pattern, netip.MustParseAddr(test.addr)); got != test.want {
			t.Errorf("%q %s: %v", test.pattern, test.addr, got)
		}
	}
}

func TestVerified(t *testing.T) {
	c, err := open(t, "smtpd_relay_restrictions=reject_unverified_recipient, reject_unverified_sender, reject_unauth_destination",
		"address_verify_poll_count=2", "address_verify_poll_delay=0", "unverified_recipient_reject_code=550")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ sender, recipient, want string }{
		{"good@b.example", "good@example.com", ""},
		{"good@b.example", "bad@example.com", "550 5.1.1 <bad@example.com>: Recipient address rejected: undeliverable address: host mx said: 550 no"},
		{"good@b.example", "later@example.com", "450 4.1.1 <later@example.com>: Recipient address rejected: unverified address: host mx said: 450 later"},
		{"good@b.example", "new@example.com", "450 4.1.1 <new@example.com>: Recipient address rejected: unverified address: Address verification in progress"},
		{"bad@b.example", "good@example.com", "450 4.1.7 <bad@b.example>: Sender address rejected: unverified address: host mx said: 550 no"},
		{"", "good@example.com", ""},
	} {
		got := ""
		if refusal := c.CheckRecipient(facts("198.51.100.7", test.sender, test.recipient)); refusal != nil {
			got = refusal.Reply
		}
		if got != test.want {
			t.Errorf("%s %s:\ngot  %s\nwant %s", test.sender, test.recipient, got, test.want)
		}
	}
}

// The reasons and codes of main.cf, and the sender of probes, to whom mail is never
// refused.
func TestVerifiedWords(t *testing.T) {
	c, err := open(t, "smtpd_relay_restrictions=reject_unverified_recipient, reject", "address_verify_poll_count=1",
		"unverified_recipient_reject_code=550", "unverified_recipient_defer_code=451", "unverified_recipient_reject_reason=no such person",
		"unverified_recipient_tempfail_action=defer")
	if err != nil {
		t.Fatal(err)
	}
	c.svc.Complete = func(sender string) string { return sender + "@mail.example.com" }
	for recipient, want := range map[string]string{
		"bad@example.com":                "550 5.1.1 <bad@example.com>: Recipient address rejected: undeliverable address: no such person",
		"later@example.com":              "451 4.1.1 <later@example.com>: Recipient address rejected: unverified address: no such person",
		"new@example.com":                "451 4.1.1 <new@example.com>: Recipient address rejected: unverified address: no such person",
		"double-bounce@mail.example.com": "",
	} {
		got := ""
		if refusal := c.CheckRecipient(facts("198.51.100.7", "joe@b.example", recipient)); refusal != nil {
			got = refusal.Reply
		}
		if got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", recipient, got, want)
		}
	}
}

// A policy server sees the request in the order of the protocol, and its answer
// is an action as in access tables. A connection that ended is made anew.
func TestPolicy(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	requests := make(chan attr.List, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s := stream.New(stream.Net(conn))
			if list, err := attr.PlainReadList(s, 0); err == nil {
				requests <- list
				fmt.Fprintf(s, "action=%s\n\n", list.Get("recipient")[:strings.IndexByte(list.Get("recipient"), '@')])
			}
			s.Close() // after each request
		}
	}()
	service := "inet:" + listener.Addr().String()
	c, err := open(t, "smtpd_relay_restrictions=check_policy_service { "+service+", policy_context = x, timeout=5s }, reject_unauth_destination")
	if err != nil {
		t.Fatal(err)
	}
	for recipient, want := range map[string]string{
		"dunno@example.com":  "",
		"reject@example.com": "554 5.7.1 <reject@example.com>: Recipient address rejected: Access denied",
		"defer@example.com":  "450 4.7.1 <defer@example.com>: Recipient address rejected: Access denied",
	} {
		got := ""
		if refusal := c.CheckRecipient(facts("198.51.100.7", "a@b.example", recipient)); refusal != nil {
			got = refusal.Reply
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", recipient, got, want)
		}
		var names []string
		for _, a := range <-requests {
			names = append(names, a.Name)
		}
		const order = "request protocol_state protocol_name client_address client_name client_port reverse_client_name server_address server_port " +
			"helo_name sender recipient recipient_count queue_id instance size etrn_domain stress sasl_method sasl_username sasl_sender ccert_subject " +
			"ccert_issuer ccert_fingerprint ccert_pubkey_fingerprint encryption_protocol encryption_cipher encryption_keysize policy_context " +
			"compatibility_level mail_version"
		if got := strings.Join(names, " "); got != order {
			t.Errorf("got  %s\nwant %s", got, order)
		}
	}
}

// S2.5, S4.6.5: an address whose transport returns or keeps all mail is refused at
// the door, for the reason that stands there; replies as stock has them.
func TestDeadEnd(t *testing.T) {
	c, err := open(t)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ sender, recipient, want string }{
		{"", "error=5.1.6 User has moved to x@example.com", "550 5.1.6 <%s>: Recipient address rejected: User has moved to x"},
		{"", "error=4.7.0 later@example.com", "550 5.7.0 <%s>: Recipient address rejected: later"},
		{"", "error=plain@example.com", "550 5.1.1 <%s>: Recipient address rejected: plain"},
		{"", "error=@example.com", "550 5.1.1 <%s>: Recipient address rejected: Address is undeliverable"},
		{"", "retry=4.4.4 retry@example.com", "450 4.4.4 <%s>: Recipient address rejected: retry"},
		{"", "error=5.1.7 x@foreign.example", "550 5.1.3 <%s>: Recipient address rejected: x"},
		{"error=5.1.6 gone@example.com", "", "550 5.1.7 <%s>: Sender address rejected: gone"},
		{"error=plain@example.com", "", "550 5.1.0 <%s>: Sender address rejected: plain"},
	} {
		w := c.walk(facts("198.51.100.7", row.sender, row.recipient))
		address := row.recipient
		if row.sender != "" {
			address = row.sender
			rejectUnlistedSender(w, "")
		} else {
			rejectUnlistedRecipient(w, "")
		}
		if want := strings.Replace(row.want, "%s", address, 1); w.refusal == nil || w.refusal.Reply != want {
			t.Errorf("%+v: got %+v, want %s", row, w.refusal, want)
		}
	}
}
