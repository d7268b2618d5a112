package interop

import "testing"

// TestProxyHeader: what a proxy says about its client has the same effect with both
// servers.
func TestProxyHeader(t *testing.T) {
	const two = "\r\n\r\n\x00\r\nQUIT\n"
	settings := map[string]string{"smtpd_upstream_proxy_protocol": "haproxy", "smtpd_upstream_proxy_timeout": "1s",
		"smtpd_recipient_restrictions": "check_client_access inline:{127.0.0.44=reject_proxied}"}
	session := func(header string) []step {
		return []step{{send: header}, {read: -1}, {send: "EHLO x\r\n"}, {read: -1}, {send: "MAIL FROM:<>\r\n"}, {read: -1},
			{send: "RCPT TO:<joe@example.com>\r\n"}, {read: -1}, {send: "QUIT\r\n"}, {read: -2}}
	}
	var list []dialogue
	for name, header := range map[string]string{
		"one":          "PROXY TCP4 127.0.0.44 127.0.0.55 10044 10025\r\n",
		"early":        "PROXY TCP4 127.0.0.44 127.0.0.55 10044 10025\r\nEHLO early\r\n",
		"unknown":      "PROXY UNKNOWN\r\n",
		"none":         "EHLO client.example.com\r\n",
		"slow":         "PROXY TC",
		"silent":       "",
		"two":          two + "\x21\x11\x00\x0c\x7f\x00\x00\x2c\x7f\x00\x00\x37\x27\x3c\x00\x19",
		"local":        two + "\x20\x00\x00\x00",
		"not-inet":     two + "\x21\x31\x00\x00",
		"bad-version":  two + "\x31\x11\x00\x00",
		"short-fields": two + "\x21\x11\x00\x04\x7f\x00\x00\x2c",
	} {
		list = append(list, dialogue{name: name, settings: settings, steps: session(header)})
	}
	compareDialogues(t, list)
}
