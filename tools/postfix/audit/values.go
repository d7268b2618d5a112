package audit

import (
	"crypto/tls"
	"os"
	"slices"
	"strconv"
	"strings"

	"postrider/lib/base/text"
	"postrider/lib/mail/param"
)

// words are the values that parameters may have. Those of lists may have several.
var words = map[string]string{
	"inet_protocols":                 "all ipv4 ipv6",
	"lmtp_address_preference":        "any ipv4 ipv6",
	"lmtp_host_lookup":               "dns native",
	"lmtp_tls_security_level":        "none may encrypt dane dane-only fingerprint verify secure",
	"mailbox_delivery_lock":          "flock fcntl dotlock",
	"masquerade_classes":             "envelope_sender envelope_recipient header_sender header_recipient",
	"mynetworks_style":               "class subnet host",
	"notify_classes":                 "bounce 2bounce data delay policy protocol resource software",
	"receive_override_options":       "no_unknown_recipient_checks no_address_mappings no_header_body_checks no_milters",
	"smtp_address_preference":        "any ipv4 ipv6",
	"smtp_host_lookup":               "dns native",
	"smtp_tls_security_level":        "none may encrypt dane dane-only fingerprint verify secure",
	"smtpd_tls_security_level":       "none may encrypt",
	"virtual_mailbox_lock":           "flock fcntl dotlock",
	"propagate_unmatched_extensions": "canonical virtual alias forward include generic",
}

// checkWords looks for values that are none of those that a parameter may have.
func (a *audit) checkWords(s *param.Settings, names []string) {
	for _, name := range names {
		allowed, some := words[name]
		value, set := s.Get(name)
		if !some || !set {
			continue
		}
		value, err := s.Evaluate(value)
		if err != nil {
			continue // which was said
		}
		list := strings.Fields(allowed)
		for _, word := range text.Split(value) {
			if !slices.Contains(list, strings.ToLower(word)) {
				a.reportAt(s, name, "%q is none of: %s%s", word, strings.Join(list, ", "), similarTo(word, list))
			}
		}
	}
}

// checkLimits looks for limits that do not go together: local(8) and virtual(8) end
// because of it.
func (a *audit) checkLimits() {
	most, err := strconv.ParseInt(a.settings.Value("message_size_limit"), 10, 64)
	if err != nil {
		return // which was said
	}
	for _, name := range []string{"mailbox_size_limit", "virtual_mailbox_limit"} {
		limit, err := strconv.ParseInt(a.settings.Value(name), 10, 64)
		place := name
		if file, _ := a.settings.Place(name); file == "" {
			place = "message_size_limit"
		}
		switch {
		case err != nil || limit == 0:
		case most == 0:
			a.reportAt(a.settings, place, "message_size_limit has no limit, and %s is %d: mail is not delivered", name, limit)
		case limit < most:
			a.reportAt(a.settings, place, "%s is %d, and message_size_limit is %d: a mailbox must have room for a message", name, limit, most)
		}
	}
}

// checkNames looks at the names of this machine.
func (a *audit) checkNames() {
	host := a.settings.Value("myhostname")
	if _, set := a.settings.Get("myhostname"); set && host != "" && !strings.Contains(strings.Trim(host, "."), ".") {
		a.reportAt(a.settings, "myhostname", "%q is not a fully qualified name, such as mail.example.com; other mail systems may refuse mail from it", host)
	}
	if _, set := a.settings.Get("relayhost"); set && strings.Contains(a.settings.Value("relayhost"), "@") {
		a.reportAt(a.settings, "relayhost", "%q has a @: a relay host is a domain, or [host]:port", a.settings.Value("relayhost"))
	}
	if a.settings.Value("smtp_sasl_auth_enable") == "yes" && strings.TrimSpace(a.settings.Value("smtp_sasl_password_maps")) == "" {
		a.reportAt(a.settings, "smtp_sasl_auth_enable", "smtp_sasl_password_maps is empty: specify a table with names and passwords")
	}
}

// checkCertificates looks for certificates and keys that cannot be used: smtpd(8)
// would not offer TLS then, and smtp(8) go without a certificate.
func (a *audit) checkCertificates(s *param.Settings, names []string) {
	for _, side := range []string{"smtpd_tls", "smtp_tls", "lmtp_tls"} {
		for _, kind := range []string{"cert", "eccert", "dcert"} {
			cert, key := side+"_"+kind+"_file", side+"_"+strings.Replace(kind, "cert", "key", 1)+"_file"
			if kind == "cert" {
				key = side + "_key_file"
			}
			if slices.Contains(names, cert) || slices.Contains(names, key) {
				a.checkPair(s, cert, key)
			}
		}
		for _, kind := range []string{"_CAfile", "_CApath"} {
			path := s.Value(side + kind)
			if _, err := os.Stat(path); slices.Contains(names, side+kind) && path != "" && err != nil {
				a.reportAt(s, side+kind, "%v", err)
			}
		}
	}
}

// checkPair looks at a certificate and its key.
func (a *audit) checkPair(s *param.Settings, certName, keyName string) {
	cert, key := s.Value(certName), s.Value(keyName)
	if cert == "" || cert == "none" || key == "" {
		return
	}
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		a.reportAt(s, certName, "%v", err)
		return
	}
	if info, err := os.Stat(key); err == nil && info.Mode().Perm()&0o004 != 0 {
		a.reportAt(s, keyName, "%s can be read by everybody, and with it the secret: chmod 600 %s", key, key)
	}
}
