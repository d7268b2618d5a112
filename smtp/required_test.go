package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"postrider/lib/daemon/agent"
	"postrider/lib/mail/record"
	"postrider/lib/service/deliver"
	"postrider/test/peer/sink"
)

// required sends a message with flags about TLS, and returns what the log says about
// its recipient.
func (p tlsPlace) required(t *testing.T, flags int) string {
	t.Helper()
	req := &agent.Request{Request: deliver.Request{QueueID: "QID", NextHop: "example.net:" + p.port, Sender: "a@example.org", SMTPUTF8: flags}}
	req.Times.Arrival = time.Now()
	req.Recipients = []*agent.Recipient{{Recipient: deliver.Recipient{Address: "r@example.net"}}}
	d := newDelivery(req)
	d.content = bytes.NewReader(records([]string{"x"}))
	var got string
	d.record = func(_ *agent.Recipient, _ string, o agent.Outcome) {
		got = fmt.Sprintf("%s%s, %s", o.Status, req.Features, o.Reason)
	}
	d.run(p.router)
	return got
}

// REQUIRETLS goes only to servers that do it, with the strictness of
// smtp_requiretls_policy; the log says what came of it. RFC 8689, section 4.2.1.
func TestRequireTLS(t *testing.T) {
	const strict = "smtp_requiretls_policy=enforce; "
	const relaxed = "smtp_requiretls_policy=opportunistic+starttls; "
	for _, test := range []struct {
		keywords, settings string
		flags              int
		asked              bool // the server heard of it
		want               string
	}{
		{"REQUIRETLS", strict + "smtp_tls_security_level=secure; smtp_tls_CAfile=FILE", record.RequireTLS, true, "2.0.0, tls=secure/requiretls, "},
		{"REQUIRETLS", strict + "smtp_tls_security_level=dane; smtp_dns_support_level=dnssec", record.RequireTLS, true, "2.0.0, tls=dane/requiretls, "},
		{"REQUIRETLS", strict + "smtp_tls_security_level=secure; smtp_tls_CAfile=FILE", 0, false, "2.0.0, tls=secure, "},
		{"REQUIRETLS", strict + "smtp_tls_security_level=secure; smtp_tls_CAfile=FILE; requiretls_enable=no", record.RequireTLS, false, "2.0.0, tls=secure, "},
		{"", strict + "smtp_tls_security_level=secure; smtp_tls_CAfile=FILE", record.RequireTLS, false, "5.7.30, tls=secure/!requiretls:none, REQUIRETLS was requested, but was not offered by host mx.example.net"},
		{"REQUIRETLS", strict + "smtp_tls_security_level=secure", record.RequireTLS, false, "5.7.10, tls=secure/!requiretls:nocertmatch, REQUIRETLS was requested: Server certificate not verified"},
		{"REQUIRETLS", strict + "smtp_tls_security_level=encrypt", record.RequireTLS, false, "5.7.10, tls=encrypt/!requiretls:nocertmatch, REQUIRETLS was requested, but no policy"},
		{"REQUIRETLS", relaxed + "smtp_tls_security_level=may", record.RequireTLS, true, "2.0.0, tls=may/requiretls:nocertmatch, "},
		{"", relaxed + "smtp_tls_security_level=may", record.RequireTLS, false, "2.0.0, tls=may/requiretls:none, "},
		{"NOTLS", relaxed + "smtp_tls_security_level=may", record.RequireTLS, false, "5.7.10, tls=may/!requiretls:nostarttls, REQUIRETLS was requested: TLS is required, but was not offered"},
		{"NOTLS", "smtp_requiretls_policy=opportunistic; smtp_tls_security_level=may", record.RequireTLS, false, "2.0.0, tls=may:none/requiretls:none, "},
		{"NOTLS", "smtp_requiretls_policy=disable; smtp_tls_security_level=may", record.RequireTLS, false, "2.0.0, tls=may:none, "},
		{"REQUIRETLS", strict + "smtp_tls_security_level=none", record.RequireTLS, false, "5.7.10, tls=none/!requiretls:noencryption, "},
		{"NOTLS", "smtp_tls_security_level=encrypt", 0, false, "4.7.4, tls=!encrypt:none, TLS is required"},
		// RFC 8689, section 3: TLS-Required: no.
		{"", "smtp_tls_security_level=secure", record.TLSOptional, false, "2.0.0, tls=may, "},
		{"NOTLS", "smtp_tls_security_level=dane-only", record.TLSOptional, false, "2.0.0, tls=may:none, "},
		{"", "smtp_tls_security_level=secure; tls_required_enable=no", record.TLSOptional, false, "4.7.5, tls=!secure, Server certificate not verified"},
		{"", strict + "smtp_tls_security_level=secure", record.TLSOptional | record.RequireTLS, false, "5.7.10, "},
	} {
		o := sink.Options{Keywords: strings.Fields(test.keywords)}
		if test.keywords == "NOTLS" {
			o.Rules = map[string][]string{"EHLO": {"250 mx"}}
		}
		p := startTLSPlace(t, o, append(strings.Split(test.settings, "; "), "smtp_log_tls_feature_status=yes")...)
		if got := p.required(t, test.flags); !strings.HasPrefix(got, test.want) {
			t.Errorf("%+v:\ngot %s", test, got)
		}
		for _, m := range p.server.Messages() {
			if asked := strings.Contains(m.From, " REQUIRETLS"); asked != test.asked {
				t.Errorf("%+v: MAIL FROM:%s", test, m.From)
			}
		}
	}
}

// The policy is looked for with the next hop and its parents. postconf(5).
func TestNeeds(t *testing.T) {
	testRouter(t, "mydomain=example.org", "myhostname=client.example.org")
	for host, want := range map[string]need{"a.b.example.org": needNotice, "example.org": needNotice, "192.0.2.1": needNotice, "2001:db8::1": needNotice,
		"localhost": needNotice, "notexample.org": needProof, "example.com": needProof} {
		if got, why := needOf(destination{host: host}); got != want || why != nil {
			t.Errorf("%s: got %v %v", host, got, why)
		}
	}
	testRouter(t, "smtp_requiretls_policy=inline:{.example.com=disable, x.example.com=maybe}, regexp:{{/^[.]/ disable}, {/net/ opportunistic+starttls}}, opportunistic")
	for host, want := range map[string]need{"a.b.example.com": needNothing, "example.com": needNotice, "example.net": needTLS} {
		if got, why := needOf(destination{host: host}); got != want || why != nil {
			t.Errorf("%s: got %v %v", host, got, why)
		}
	}
	if _, why := needOf(destination{host: "x.example.com"}); why == nil || why.Status != "4.7.5" {
		t.Errorf("an unknown policy: %v", why)
	}
}
