package audit

import (
	"os"
	"testing"

	"postrider/lib/mail/param"
)

// Networks with bits beyond the mask, the whole world, and what is none.
func TestNetworks(t *testing.T) {
	t.Setenv("MAIL_CONFIG", t.TempDir())
	write(t, "networks", "# 1.2.3.4/8\n192.0.2.0/24\n192.0.2.7/28 # office\n")
	expect(t, look(t, "mynetworks = 10.0.0.1/8, 127.0.0.0/8 [::1]/128 example.com\nsmtpd_authorized_xclient_hosts = 300.1.2.3 !0.0.0.0/0\n"+
		"permit_mx_backup_networks = 0.0.0.0/0\nsmtpd_authorized_xforward_hosts = "+os.Getenv("MAIL_CONFIG")+"/networks, [2001:db8::1]/32\n", ""),
		`main.cf, line 3: mynetworks: non-null host address bits in "10.0.0.1/8", perhaps you should use "10.0.0.0/8" instead`,
		`main.cf, line 4: smtpd_authorized_xclient_hosts: `,
		`main.cf, line 5: permit_mx_backup_networks: 0.0.0.0/0: this is the whole internet; everybody has the rights`,
		`main.cf, line 6: smtpd_authorized_xforward_hosts: networks, line 3: non-null host address bits in "192.0.2.7/28", perhaps you should use "192.0.2.0/28"`,
		`main.cf, line 6: smtpd_authorized_xforward_hosts: non-null host address bits in "[2001:db8::1]/32"`)
	expect(t, look(t, "mynetworks = [::]/0\n", ""),
		"main.cf, line 3: mynetworks: [::]/0: this is the whole internet; everybody can send mail to everybody through this machine")
}

// Restrictions that come too late, and lists that let strangers relay.
func TestOrder(t *testing.T) {
	master := "smtp inet n - n - - smtpd\n -o smtpd_relay_restrictions=permit_sasl_authenticated\n -o smtpd_recipient_restrictions=\n" +
		"local unix - - n - - smtpd\nrelay unix - - n - - smtpd\nsmtp unix - - n - - smtpd\nvirtual unix - - n - - smtpd\n"
	expect(t, look(t, "smtpd_relay_restrictions = permit_mynetworks, permit, reject_unauth_destination\n", master),
		"main.cf, line 3: smtpd_relay_restrictions: reject_unauth_destination stands behind permit, and is never looked at",
		"master.cf, line 1: smtpd_relay_restrictions: strangers could relay, so smtpd(8) takes no mail")
	expect(t, look(t, "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit_mynetworks, warn_if_reject reject_unauth_destination\n", ""),
		"main.cf, line 3: smtpd_relay_restrictions: strangers could relay, so smtpd(8) takes no mail: specify at least one working instance of: ")
	expect(t, look(t, "smtpd_restriction_classes = own\nown = permit_mynetworks, reject_unauth_destination\nsmtpd_relay_restrictions = own\n"+
		"smtpd_recipient_restrictions = check_client_access static:reject, reject_unverified_recipient\n", ""))
}

// A domain in two address classes.
func TestClasses(t *testing.T) {
	expect(t, look(t, "mydestination = example.com, Example.NET localhost\nvirtual_alias_domains = inline:{example.net=x, example.org=y}\n"+
		"virtual_mailbox_domains = example.com, example.org\nrelay_domains = example.edu\n", ""),
		"main.cf, line 3: mydestination: Example.NET is in virtual_alias_domains, too",
		"main.cf, line 3: mydestination: example.com is in virtual_mailbox_domains, too",
		"main.cf, line 5: virtual_mailbox_domains: example.org is in virtual_alias_domains, too")
}

// Values that no program takes, and limits that do not go together.
func TestWords(t *testing.T) {
	t.Setenv("MAIL_CONFIG", t.TempDir())
	expect(t, look(t, "inet_protocols = ipv5\nnotify_classes = bounce, polcy\nmailbox_delivery_lock = FLOCK, dotlock\n"+
		"message_size_limit = 60000000\nmyhostname = mail\nsmtp_sasl_auth_enable = yes\nsmtpd_tls_cert_file = /nowhere\nsmtpd_tls_CAfile = /nowhere\n", ""),
		`main.cf, line 3: inet_protocols: "ipv5" is none of: all, ipv4, ipv6; did you mean ipv4?`,
		`main.cf, line 4: notify_classes: "polcy" is none of: `,
		`main.cf, line 6: message_size_limit: mailbox_size_limit is 51200000, and message_size_limit is 60000000`,
		`main.cf, line 6: message_size_limit: virtual_mailbox_limit is 51200000`,
		`main.cf, line 7: myhostname: "mail" is not a fully qualified name`,
		`main.cf, line 8: smtp_sasl_auth_enable: smtp_sasl_password_maps is empty`,
		`main.cf, line 9: smtpd_tls_cert_file: open /nowhere`,
		`main.cf, line 10: smtpd_tls_CAfile: stat /nowhere`)
}

// The defaults are as they should be, in all configurations that come with the
// mail system.
func TestDefaults(t *testing.T) {
	if got := look(t, "", ""); len(got) != 0 {
		t.Error(got)
	}
	for name := range words {
		b := param.Lookup(name)
		if b == nil {
			t.Errorf("no parameter %s", name)
		}
	}
}
